// What several files of these tests need: real threads, external programs with a time limit, and the one place that
// says whether the binary protocol is expected.
// Nothing here talks to a server: see LibmemcachedClient.
import Foundation
import Synchronization
import TestSupport
import Testing

enum BinaryProtocol {
  /// False while our server speaks text only; the binary cases below run against the oracle meanwhile.
  static let isServed = ServerProcess.defaultProgram == .reference
}

/// Fails the calling test at once when the server under test accepts connections but says nothing; asked once per run,
/// so that a hanging server costs five seconds and not the clients' patience in every test.
func requireAnAnsweringServer() throws {
  try #require(serverAnswers, "the server does not answer `version`")
}

private let serverAnswers: Bool = {
  guard let server = try? ServerProcess(), let client = try? TextClient(port: server.port, timeoutSeconds: 5) else {
    return false
  }
  return (try? client.command("version"))?.hasPrefix("VERSION ") ?? false
}()

/// A program of the system, run to its end.
struct ExternalProgram {
  struct Ended {
    var status: Int32
    var output: String
    var errors: String
    var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }
  }

  struct Missing: Error, CustomStringConvertible {
    var description: String
  }

  let path: String

  /// Throws, with the line that installs it, when `name` is not in /usr/bin.
  init(_ name: String, package: String) throws {
    path = "/usr/bin/\(name)"
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw Missing(description: "\(path) is missing; install it with: apt-get install \(package)")
    }
  }

  /// Runs it and waits; a program that takes longer than `seconds` is killed, and its status says so.
  /// The outputs go through files, so that no full pipe can stop the program.
  func run(_ arguments: [String], in folder: URL? = nil, seconds: Double = 30) throws -> Ended {
    let scratch = try ScratchFolder()
    let output = try scratch.openFile("output")
    let errors = try scratch.openFile("errors")
    let process = try ChildProcess(
      path: path, arguments: arguments, folder: folder?.path ?? scratch.url.path, output: output.fileDescriptor,
      errors: errors.fileDescriptor)
    if !process.ends(within: seconds) { process.signal(SIGKILL) }
    return Ended(
      status: process.terminationStatus, output: try scratch.text("output"), errors: try scratch.text("errors"))
  }
}

/// A new folder for temporary files, removed with this object.
final class ScratchFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("swiftcached-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  func openFile(_ name: String) throws -> FileHandle {
    guard FileManager.default.createFile(atPath: path(name), contents: nil) else { throw CocoaError(.fileWriteUnknown) }
    return try FileHandle(forWritingTo: url.appendingPathComponent(name))
  }

  func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: url.appendingPathComponent(name)) }

  func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url.appendingPathComponent(name))) }

  func text(_ name: String) throws -> String { String(decoding: try read(name), as: UTF8.self) }
}
