// A client that watches: asks for streams, waits until they flow, and reads lines with a time limit. What the lines
// must look like is the tests' business (WatchTests, WatcherTests).
import Foundation
import TestSupport
import Testing

final class WatchClient {
  let client: TextClient

  /// Watches `streams` (the words after `watch`), and returns when lines flow.
  init(port: UInt16, _ streams: String) throws {
    client = try TextClient(port: port)
    let before = try WatchClient.watching(port: port)
    #expect(try client.command(streams.isEmpty ? "watch" : "watch \(streams)") == "OK")
    #expect(try eventually { try WatchClient.watching(port: port) > before })
  }

  convenience init(_ server: ServerProcess, _ streams: String) throws { try self.init(port: server.port, streams) }

  /// How many connections `stats conns` says are watching.
  static func watching(port: UInt16) throws -> Int {
    try TextClient(port: port).stats("conns").values.filter { $0 == "conn_watch" }.count
  }

  static func watching(_ server: ServerProcess) throws -> Int { try watching(port: server.port) }

  /// The next line; nil when none comes in time.
  func next() -> String? { try? client.readLine() }

  /// The next line that `isWanted`; those before it are dropped. nil when none comes in time.
  func next(where isWanted: (String) -> Bool) -> String? {
    while let line = next() {
      if isWanted(line) { return line }
    }
    return nil
  }

  /// The lines up to one that contains `mark`, without it.
  func lines(until mark: String) -> [String] {
    var lines: [String] = []
    while let line = next(), !line.contains(mark) { lines.append(line) }
    return lines
  }

  /// A line without what differs from run to run: time, number and descriptor.
  static func plain(_ line: String) -> String {
    guard let match = line.wholeMatch(of: /ts=\d+\.\d+ gid=\d+ (.*)/) else { return "no log line: \(line)" }
    return String(match.output.1).replacing(/cfd=\d+/, with: "cfd=N").replacing(/rport=\d+/, with: "rport=N")
  }
}
