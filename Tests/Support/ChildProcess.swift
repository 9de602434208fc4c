// A child process for tests, started with posix_spawn: default signal handling, nothing inherited but the three
// standard descriptors, reaped by its own object, killed when the test process ends.
// Foundation's Process does none of this: from a thread of the concurrency pool its children have SIGTERM blocked, and
// two started at once inherit each other's exit notification, so that waitUntilExit can wait for ever.
// It is not a shell and reads no output: the caller gives descriptors for the outputs or lets them vanish.
import Foundation
import Synchronization

public final class ChildProcess: Sendable {
  public let processIdentifier: pid_t
  private let status = Mutex<Int32?>(nil)

  public struct SpawnError: Error, CustomStringConvertible {
    public var path: String
    public var code: Int32
    public var description: String { "cannot start \(path): \(String(cString: strerror(code)))" }
  }

  /// Starts the program at `path`. Standard input is empty; an output without a descriptor goes to /dev/null.
  /// `environment` replaces the inherited one where it is given.
  public init(
    path: String, arguments: [String], environment: [String: String]? = nil, folder: String? = nil,
    output: Int32? = nil, errors: Int32? = nil
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (number, descriptor) in [(Int32(1), output), (2, errors)] {
      if let descriptor {
        posix_spawn_file_actions_adddup2(&actions, descriptor, number)
      } else {
        posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_WRONLY, 0)
      }
    }
    if let closeFrom = GlibcExtra.closeFrom { _ = closeFrom(&actions, 3) }
    if let folder, let changeFolder = GlibcExtra.changeFolder { _ = changeFolder(&actions, folder) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    let variables = environment ?? ProcessInfo.processInfo.environment
    var settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
    defer { for copy in words + settings { free(copy) } }
    var identifier: pid_t = 0
    let code = posix_spawn(&identifier, path, &actions, &attributes, &words, &settings)
    guard code == 0 else { throw SpawnError(path: path, code: code) }
    processIdentifier = identifier
    ChildProcess.remember(identifier)
  }

  deinit {
    signal(SIGKILL)
    waitUntilExit()
  }

  /// Asks the kernel once; nil while the child runs. The lock makes sure that nobody signals a reaped number.
  private func reaped(thenSend number: Int32 = 0) -> Int32? {
    status.withLock { status in
      if let status { return status }
      var raw: Int32 = 0
      let result = waitpid(processIdentifier, &raw, WNOHANG)
      if result == 0 {
        if number != 0 { kill(processIdentifier, number) }
        return nil
      }
      guard result == processIdentifier else { return nil }
      ChildProcess.forget(processIdentifier)
      let ended = raw & 0x7f == 0 ? (raw >> 8) & 0xff : -(raw & 0x7f)
      status = ended
      return ended
    }
  }

  public var isRunning: Bool { reaped() == nil }

  /// Sends `number` if the child still runs.
  public func signal(_ number: Int32) { _ = reaped(thenSend: number) }

  /// Asks the child to end, with SIGTERM.
  public func terminate() { signal(SIGTERM) }

  public func waitUntilExit() {
    while reaped() == nil { usleep(1_000) }
  }

  /// True when the child ended within `seconds`.
  public func ends(within seconds: Double) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while reaped() == nil {
      if Date() >= deadline { return false }
      usleep(1_000)
    }
    return true
  }

  /// The exit status, or the negated number of the signal that ended the child. Waits for the end.
  public var terminationStatus: Int32 {
    waitUntilExit()
    return reaped() ?? -1
  }

  // MARK: Nothing is left behind

  private static let running = Mutex<Set<pid_t>>([])
  private static let killAllAtExit: Void = {
    atexit { ChildProcess.running.withLock { for identifier in $0 { kill(identifier, SIGKILL) } } }
  }()

  private static func remember(_ identifier: pid_t) {
    _ = killAllAtExit
    running.withLock { _ = $0.insert(identifier) }
  }

  private static func forget(_ identifier: pid_t) { running.withLock { _ = $0.remove(identifier) } }
}

/// Two functions of glibc (2.34 and 2.29) that its Swift module leaves out, looked up by name.
private enum GlibcExtra {
  typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
  typealias ChangeFolder =
    @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32

  static let closeFrom = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
    unsafeBitCast($0, to: CloseFrom.self)
  }
  static let changeFolder = dlsym(nil, "posix_spawn_file_actions_addchdir_np").map {
    unsafeBitCast($0, to: ChangeFolder.self)
  }
}
