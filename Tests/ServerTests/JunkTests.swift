// Clients that speak no protocol, or half of one: random bytes, random words, HTTP, one direction closed. The server
// must answer everybody else afterwards, and lose no reply it owes. Seeded: a failure comes again.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct JunkTests {
    /// The server still works, and nobody is left.
    private func isHealthy(_ server: ServerProcess) throws -> Bool {
      let client = try TextClient(port: server.port)
      // What others sent before they left may still be at work; then nobody disturbs any more.
      let isAlone = try eventually { try client.stat("curr_connections") == 1 }
      let isStored = try client.set("healthy", [89]) == "STORED"
      return try isAlone && isStored && client.get("healthy") == [89]
    }

    @Test func twentyMegabytesOfRandomBytes() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let facts = ProcessFacts(server)
      var random = SeededRandom(seed: 1)
      let sent = try (0..<200).map { _ -> Int in
        let socket = try PlainSocket(.ipv4(server.port))
        return socket.send(random.bytes(100_000)) ? 1 : 0
      }
      #expect(sent.count == 200)
      #expect(try isHealthy(server))
      if !facts.isSanitized { #expect(facts.peakKilobytes < 64_000) }
      #expect(server.stop() == 0)
    }

    /// Words of the protocol in senseless order reach deeper than noise does.
    @Test(arguments: 1...4)
    func randomWords(seed: Int) throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "8"])
      let verbs = "get gets gat gats set add replace append prepend cas delete incr decr touch flush_all stats version"
      let numbers = "0 1 2 3 10 100 600 70000 1048000 1100000 -1 2147483647 2147483648 4294967296 18446744073709551615"
      let others =
        "a b c dd noreply items slabs sizes conns settings detail on dump cachedump reset mg mn ms me watch lru"
      let words = "\(verbs) \(numbers) \(others)".split(separator: " ").map(String.init)
      var random = SeededRandom(seed: UInt64(seed))
      for _ in 0..<30 {
        let socket = try PlainSocket(.ipv4(server.port))
        var text: [UInt8] = []
        while text.count < 60_000 {
          for _ in 0..<Int.random(in: 1...7, using: &random) {
            text += Array(words.randomElement(using: &random)!.utf8)
            text.append(random.next() % 40 == 0 ? 9 : 32)
          }
          switch random.next() % 30 {
          case 0: text += Array(String(repeating: "k", count: 300).utf8)
          case 1: text += random.bytes(Int.random(in: 1...700, using: &random))
          case 2: text += [13]
          default: break
          }
          text += random.next() % 5 == 0 ? [10] : [13, 10]
          if random.next() % 3 == 0 {
            text += Pattern.bytes(Int.random(in: 0...600, using: &random), seed: 1) + [13, 10]
          }
        }
        socket.send(text)
        if random.next() % 2 == 0 { _ = socket.receive() }
      }
      #expect(try isHealthy(server))
      #expect(server.stop() == 0)
    }

    @Test func aBrowserIsClosedSilentlyAfterWhatIsOwed() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      try client.send("set a 0 0 1\r\nx\r\nget a\r\nPOST /path HTTP/1.1\r\nHost: localhost\r\nget a\r\n")
      #expect(String(decoding: try client.readToEnd(), as: UTF8.self) == "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
      #expect(try isHealthy(server))
    }

    @Test func repliesComeAfterTheClientHasStoppedSending() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-R", "2"])
      let client = try TextClient(port: server.port)
      let value = Pattern.bytes(900_000, seed: 5)
      #expect(try client.set("big", value) == "STORED")
      for receiveByteCount: Int32? in [nil, 4096] {
        let socket = try PlainSocket(.ipv4(server.port), receiveByteCount: receiveByteCount)
        socket.send(String(repeating: "get none big\r\nversion\r\n", count: 12) + "get none\r\nlost end")
        socket.finishSending()
        usleep(30_000)
        var whole = 0
        for _ in 0..<12 {
          guard socket.receiveLine() == "VALUE big 0 900000\r\n" else { break }
          guard Pattern.same(socket.receive(exactly: 900_000), value), socket.receiveLine() == "\r\n" else { break }
          guard socket.receiveLine() == "END\r\n", socket.receiveLine().hasPrefix("VERSION") else { break }
          whole += 1
        }
        #expect(whole == 12)
        #expect(socket.receiveLine() == "END\r\n")
        #expect(socket.receive() == [])
      }
    }
  }
}
