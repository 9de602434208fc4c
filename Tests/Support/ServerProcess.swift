// Starts and stops a real server process for tests: ours, or Debian's memcached as the oracle.
// Not a client: see TextClient. Every process is killed when its ServerProcess goes away, so a failing test leaves none
// behind; where it listens is said in ServerProcess+Listening, how it is spawned in ChildProcess.
import Foundation
import Synchronization

/// A cache server running as a child process on a loopback port that the kernel chose for us.
public final class ServerProcess {
  public enum Program: Sendable {
    /// The executable this checkout builds, found beside the test bundle or named by `SWIFTCACHED_BINARY`.
    case ours
    /// Debian's memcached, the oracle of the transcripts.
    case reference
  }

  public let port: UInt16
  public let process: ChildProcess
  public let errorOutput: Pipe

  /// What tests start when they do not say: ours, or the oracle with `SWIFTCACHED_TEST_PROGRAM=reference`,
  /// which tests the tests.
  public static let defaultProgram: Program =
    ProcessInfo.processInfo.environment["SWIFTCACHED_TEST_PROGRAM"] == "reference" ? .reference : .ours

  /// Starts `program` on 127.0.0.1 with `arguments` after the port and waits until it accepts connections.
  /// Throws `StartError` when the program is missing, exits, or does not accept within ten seconds.
  /// `environment` is added to the inherited one.
  public convenience init(
    _ program: Program = defaultProgram, arguments: [String] = [], environment: [String: String] = [:]
  ) throws {
    try self.init(
      program, listening: .port(ServerProcess.freePort()), arguments: arguments, environment: environment)
  }

  /// The same with the listening place chosen by the caller.
  public init(
    _ program: Program = defaultProgram, listening: Listening, arguments: [String] = [],
    environment: [String: String] = [:]
  ) throws {
    port = listening.port
    var all = listening.arguments
    if getuid() == 0 { all += ["-u", "root"] }
    errorOutput = Pipe()
    process = try ChildProcess(
      path: ServerProcess.executable(program).path, arguments: all + arguments,
      environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
      errors: errorOutput.fileHandleForWriting.fileDescriptor)
    try errorOutput.fileHandleForWriting.close()
    let deadline = Date().addingTimeInterval(10)
    while Date() < deadline {
      if listening.accepts() { return }
      if !process.isRunning { throw StartError.exited(process.terminationStatus) }
      usleep(2_000)
    }
    throw StartError.notAccepting
  }

  deinit { stop(SIGKILL) }

  /// Sends `signal` and waits for the end; returns the exit status, or the negated signal that ended the server.
  @discardableResult
  public func stop(_ signal: Int32 = SIGTERM) -> Int32 {
    process.signal(signal)
    return process.terminationStatus
  }

  public enum StartError: Error {
    case noExecutable(String)
    case exited(Int32)
    case notAccepting
  }

  /// True when the oracle is installed; transcripts against it are skipped, loudly, where it is not.
  public static var referenceIsInstalled: Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/memcached") }

  public static func executable(_ program: Program) throws -> URL {
    switch program {
    case .reference:
      return URL(fileURLWithPath: "/usr/bin/memcached")
    case .ours:
      if let path = ProcessInfo.processInfo.environment["SWIFTCACHED_BINARY"] { return URL(fileURLWithPath: path) }
      var folder = Bundle.main.bundleURL
      for _ in 0..<4 {
        let candidate = folder.appendingPathComponent("swiftcached")
        if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
        folder.deleteLastPathComponent()
      }
      throw StartError.noExecutable("swiftcached")
    }
  }

  private static let portsGiven = Mutex<Set<UInt16>>([])

  /// A port that was free a moment ago, and that nobody in this process was given before: tests run at the same time,
  /// and what one sends to its dead server must not reach the new server of another.
  static func freePort() throws -> UInt16 {
    while true {
      let port = try boundPort()
      if portsGiven.withLock({ $0.insert(port).inserted }) { return port }
    }
  }

  /// Bound to 0, read back, closed.
  private static func boundPort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { _ = Glibc.close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let port: UInt16? = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        guard bind(descriptor, generic, length) == 0, getsockname(descriptor, generic, &length) == 0 else { return nil }
        return pointer.pointee.sin_port.bigEndian
      }
    }
    guard let port else { throw StartError.notAccepting }
    return port
  }
}
