// Runs the PHP script of Tests/clients, which does what users of pecl memcached do, against three servers.
// The script makes the assertions and counts them; here is checked that it came to its end and counted enough.
// Its own failures are readable in the message of the failed expectation.
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PHPTests {
  private static let script =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../clients/php/users.php").standardizedFileURL.path

  init() throws { try requireAnAnsweringServer() }

  private func run(_ arguments: [String]) throws -> ExternalProgram.Ended {
    let php = try ExternalProgram("php", package: "php-cli php-memcached")
    return try php.run([PHPTests.script] + arguments, seconds: 45)
  }

  private func expectPass(_ options: [String]) throws {
    let servers = try (0..<3).map { _ in try ServerProcess(arguments: ReportTests.arguments) }
    let ended = try run(options + servers.map { "\($0.port)" })
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(ended.errors == "")
    let words = try #require(ended.lines.last).split(separator: " ")
    #expect(words.dropFirst() == ["passed,", "0", "failed"])
    #expect(Int(words[0]) ?? 0 > 1500)
    #expect(ended.lines.count == 1, "\(ended.output)")
    #expect(servers.allSatisfy { $0.process.isRunning })
  }

  @Test func usersInTheTextProtocol() throws {
    try expectPass([])
  }

  @Test(.enabled(if: BinaryProtocol.isServed)) func usersInTheBinaryProtocol() throws {
    try expectPass(["--binary"])
  }

  /// The script can fail: without a server it says so and ends with 1.
  @Test func usersWithoutAServer() throws {
    let server = try ServerProcess()
    server.stop(SIGKILL)
    let ended = try run(["\(server.port)"])
    #expect(ended.status == 1)
    #expect(ended.errors.hasPrefix("FAILED: "))
    #expect(ended.output.hasSuffix(" passed, 1 failed\n"))
    #expect(try run([]).status == 2)
  }
}
