// Programs of libmemcached-tools, run as their users run them: memccapable, a conformance test written by
// libmemcached's own authors, and the small tools in one round trip with files.
// They are installed by `make`; where one is missing, its case fails and says how to get it.
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ToolsTests {
  let server: ServerProcess

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
  }

  private func tool(
    _ name: String, _ arguments: [String], in folder: ScratchFolder? = nil
  ) throws -> ExternalProgram.Ended {
    let program = try ExternalProgram(name, package: "libmemcached-tools")
    return try program.run(["--servers=127.0.0.1:\(server.port)"] + arguments, in: folder?.url)
  }

  // MARK: memccapable

  private func expectCapable(_ protocolOption: String, word: String, atLeast count: Int) throws {
    let program = try ExternalProgram("memccapable", package: "libmemcached-tools")
    let ended = try program.run([protocolOption, "-h", "127.0.0.1", "-p", "\(server.port)"], seconds: 45)
    #expect(ended.status == 0, "\(ended.output)")
    let results = ended.lines.filter { $0.hasPrefix(word) }
    #expect(results.count >= count)
    for line in results { #expect(line.hasSuffix("[pass]"), "\(line)") }
    #expect(ended.lines.last == "All tests passed")
    #expect(ended.lines.count == results.count + 1, "\(ended.output)")
  }

  @Test func memccapableInTheTextProtocol() throws {
    try expectCapable("-a", word: "ascii ", atLeast: 27)
  }

  @Test(.enabled(if: BinaryProtocol.isServed)) func memccapableInTheBinaryProtocol() throws {
    try expectCapable("-b", word: "binary ", atLeast: 27)
  }

  // MARK: The small tools

  @Test func filesRoundTrip() throws {
    let scratch = try ScratchFolder()
    let binary = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    try scratch.write(binary, to: "binary.dat")
    try scratch.write("hello\r\nworld".bytes, to: "text.txt")
    try scratch.write([], to: "empty")

    #expect(try tool("memcping", []).status == 0)
    #expect(try tool("memccp", ["-F", "7", "-e", "100", "binary.dat", "text.txt", "empty"], in: scratch).status == 0)

    let text = try tool("memccat", ["text.txt"])
    #expect(text.status == 0)
    #expect(text.output == "hello\r\nworld\n")
    #expect(try tool("memccat", ["-F", "text.txt"]).output == "7\nhello\r\nworld\n")
    #expect(try tool("memccat", ["--file=copy", "binary.dat"], in: scratch).status == 0)
    let isSame = try scratch.read("copy") == binary
    #expect(isSame)
    let missing = try tool("memccat", ["absent"])
    #expect(missing.status == 1)
    #expect(missing.output == "")

    #expect(try tool("memcexist", ["text.txt"]).status == 0)
    #expect(try tool("memcexist", ["absent"]).status == 1)
    #expect(try tool("memctouch", ["-e", "1000", "text.txt"]).status == 0)
    #expect(try tool("memctouch", ["-e", "1000", "absent"]).status == 1)

    #expect(try tool("memccp", ["-A", "text.txt"], in: scratch).status == 1)
    #expect(try tool("memccp", ["-R", "text.txt"], in: scratch).status == 0)

    #expect(try tool("memcrm", ["empty"]).status == 0)
    #expect(try tool("memcrm", ["empty"]).status == 1)
    #expect(try tool("memcexist", ["empty"]).status == 1)
    #expect(try tool("memcflush", []).status == 0)
    #expect(try tool("memcexist", ["text.txt"]).status == 1)
    #expect(try tool("memccat", ["binary.dat"]).status == 1)
  }

  @Test func memcdumpListsKeys() throws {
    let whole = try ServerProcess(arguments: ReportTests.arguments)
    let client = LibmemcachedClient(port: whole.port)
    let keys = (0..<200).map { "listed-\($0)" }
    for key in keys { #expect(client.set(key, String(repeating: key, count: 1 + key.count % 9 * 20)) == .success) }
    let program = try ExternalProgram("memcdump", package: "libmemcached-tools")
    let ended = try program.run(["--servers=127.0.0.1:\(whole.port)"])
    #expect(ended.status == 0)
    #expect(ended.lines.sorted() == keys.sorted())
  }

  @Test func memcstatPrintsEverySection() throws {
    let client = LibmemcachedClient(port: server.port)
    #expect(client.set("key", "value") == .success)
    let plain = try tool("memcstat", [])
    #expect(plain.status == 0)
    #expect(plain.lines.first == "Server: 127.0.0.1 (\(server.port))")
    #expect(plain.lines.contains("\tpid: \(server.process.processIdentifier)"))
    #expect(plain.lines.contains("\tcurr_items: 1"))
    let settings = try tool("memcstat", ["settings"])
    #expect(settings.lines.contains("\ttcpport: \(server.port)"))
    let items = try tool("memcstat", ["items"])
    #expect(items.lines.contains { $0.hasPrefix("\titems:") && $0.hasSuffix(":number: 1") })
    let slabs = try tool("memcstat", ["slabs"])
    #expect(slabs.lines.contains { $0.hasPrefix("\tactive_slabs: ") })
    let version = try tool("memcstat", ["-S"])
    #expect(version.status == 0)
    #expect((version.output + version.errors).contains("127.0.0.1:\(server.port) 1."))
    let analysis = try tool("memcstat", ["-a"])
    #expect(analysis.status == 0)
    #expect(analysis.output.contains("Number of Servers Analyzed         : 1"))
  }
}
