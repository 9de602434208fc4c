// Starts and stops a real server process for tests: ours, or Debian's memcached as the oracle.
// Not a client: see TextClient. Every process is killed when its ServerProcess goes away, so a failing test leaves none behind.
import Foundation

/// A cache server running as a child process on a loopback port that the kernel chose for us.
public final class ServerProcess {
  public enum Program: Sendable {
    /// The executable this checkout builds, found beside the test bundle or named by `SWIFTCACHED_BINARY`.
    case ours
    /// Debian's memcached, the oracle of the transcripts.
    case reference
  }

  public let port: UInt16
  public let process: Process
  public let errorOutput: Pipe

  /// Starts `program` on 127.0.0.1 with `arguments` after the port and waits until it accepts connections.
  /// Throws `StartError` when the program is missing, exits, or does not accept within ten seconds.
  public init(_ program: Program = .ours, arguments: [String] = []) throws {
    port = try ServerProcess.freePort()
    process = Process()
    process.executableURL = try ServerProcess.executable(program)
    var all = ["-l", "127.0.0.1", "-p", "\(port)", "-U", "0"]
    if getuid() == 0 { all += ["-u", "root"] }
    process.arguments = all + arguments
    errorOutput = Pipe()
    process.standardError = errorOutput
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let deadline = Date().addingTimeInterval(10)
    while Date() < deadline {
      if let probe = try? TextClient(port: port) {
        probe.close()
        return
      }
      if !process.isRunning { throw StartError.exited(process.terminationStatus) }
      usleep(2_000)
    }
    process.terminate()
    throw StartError.notAccepting
  }

  deinit { stop(SIGKILL) }

  /// Sends `signal` and waits for the end; returns the exit status.
  @discardableResult
  public func stop(_ signal: Int32 = SIGTERM) -> Int32 {
    if process.isRunning { kill(process.processIdentifier, signal) }
    process.waitUntilExit()
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

  /// A port that was free a moment ago: bound to 0, read back, closed.
  static func freePort() throws -> UInt16 {
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
