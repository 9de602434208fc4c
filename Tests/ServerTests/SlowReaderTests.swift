// Clients that ask for much and do not read: the server's memory stays, others are served, and the slow one gets every
// byte when it comes back. Values that are sent from the item's memory are held meanwhile; holds must end whatever
// happens.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct SlowReaderTests {
    /// Asks for all values `rounds` times without reading, looks around, then reads.
    private func park(valueByteCount: Int, values: Int, rounds: Int) throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-m", "64"])
      let facts = ProcessFacts(server)
      let other = try TextClient(port: server.port)
      var reply: [UInt8] = []
      for index in 0..<values {
        let value = Pattern.bytes(valueByteCount, seed: index * 17)
        #expect(try other.set("value\(index)", value) == "STORED")
        reply += Array("VALUE value\(index) 0 \(valueByteCount)\r\n".utf8) + value + [13, 10]
      }
      reply += Array("END\r\n".utf8)
      // Everything is touched once before memory is measured.
      let request = "get " + (0..<values).map { "value\($0)" }.joined(separator: " ") + "\r\n"
      try other.send(request)
      #expect(Pattern.same(try other.read(reply.count), reply))

      let before = facts.residentKilobytes
      let slow = try PlainSocket(.ipv4(server.port), receiveByteCount: 8192)
      slow.send(String(repeating: request, count: rounds))
      #expect(reply.count * rounds > 100_000_000)
      #expect(slow.hasInput(within: 5000))
      var slowest = 0.0
      for _ in 0..<50 {
        slowest = max(slowest, try other.latency("get value0x"))
        usleep(2_000)
      }
      #expect(slowest < (facts.isSanitized ? 1 : 0.2))
      if !facts.isSanitized { #expect(facts.residentKilobytes - before < 3072) }
      // A parked connection costs no CPU either.
      let busy = facts.cpuSeconds
      usleep(300_000)
      #expect(facts.cpuSeconds - busy < 0.1)
      var right = 0
      for _ in 0..<rounds where Pattern.same(slow.receive(exactly: reply.count), reply) { right += 1 }
      #expect(right == rounds)
      slow.send("version\r\n")
      #expect(slow.receiveLine().hasPrefix("VERSION "))
      if !facts.isSanitized { #expect(facts.peakKilobytes - before < 3072) }
    }

    @Test func aHundredMegabytesOfCopiedValues() throws { try park(valueByteCount: 10_000, values: 25, rounds: 410) }

    @Test func aHundredMegabytesOfHeldValues() throws { try park(valueByteCount: 900_000, values: 4, rounds: 28) }

    @Test func heldValuesSurviveReplacementAndDeletion() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "64"])
      let other = try TextClient(port: server.port)
      let size = 900_000
      for index in 0..<10 { #expect(try other.set("v\(index)", Pattern.bytes(size, seed: index)) == "STORED") }
      let slow = try PlainSocket(.ipv4(server.port), receiveByteCount: 8192)
      slow.send("get " + (0..<10).map { "v\($0)" }.joined(separator: " ") + "\r\n")
      #expect(slow.hasInput(within: 5000))
      for index in 0..<5 { #expect(try other.set("v\(index)", Pattern.bytes(size, seed: 1000 + index)) == "STORED") }
      for index in 5..<8 { #expect(try other.command("delete v\(index)") == "DELETED") }
      #expect(try other.command("flush_all") == "OK")
      // Fills the memory that would be free if nothing were held.
      for index in 0..<60 { #expect(try other.set("w\(index)", Pattern.bytes(size, seed: 5000 + index)) == "STORED") }
      for index in 0..<10 {
        #expect(slow.receiveLine() == "VALUE v\(index) 0 \(size)\r\n")
        #expect(Pattern.matches(slow.receive(exactly: size)[...], seed: index))
        #expect(slow.receiveLine() == "\r\n")
      }
      #expect(slow.receiveLine() == "END\r\n")
    }

    /// How many values of 900 KB stay when many are stored.
    private func capacity(_ client: TextClient) throws -> Int {
      let value = Pattern.bytes(900_000, seed: 3)
      for index in 0..<40 { #expect(try client.set("fill\(index)", value) == "STORED") }
      let count = try client.stat("curr_items")
      for index in 0..<40 { _ = try client.command("delete fill\(index)") }
      #expect(try client.stat("curr_items") == 0)
      return count
    }

    @Test func aClientThatLeavesWhileValuesAreHeldLeaksNothing() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "16"])
      let client = try TextClient(port: server.port)
      let atFirst = try capacity(client)
      #expect(atFirst > 5)
      for round in 0..<30 {
        for index in 0..<6 { #expect(try client.set("held\(index)", Pattern.bytes(900_000, seed: round)) == "STORED") }
        do {
          let slow = try PlainSocket(.ipv4(server.port), receiveByteCount: 8192)
          slow.send("get held0 held1 held2 held3 held4 held5 held0 held0\r\n")
          #expect(slow.hasInput(within: 5000))
          if round % 3 == 0 { _ = slow.receive(exactly: 1_000_000) }
          if round % 2 == 0 { for index in 0..<6 { _ = try client.command("delete held\(index)") } }
        }
        if round % 2 == 1 { for index in 0..<6 { _ = try client.command("delete held\(index)") } }
      }
      #expect(try eventually { try client.stat("curr_connections") <= 1 })
      #expect(try capacity(client) == atFirst)
    }

    @Test func aParkedClientDoesNotStopOthersFromStoring() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "64"])
      let client = try TextClient(port: server.port)
      let value = Pattern.bytes(400_000, seed: 1)
      for index in 0..<32 { #expect(try client.set("held\(index)", value) == "STORED") }
      let slow = try PlainSocket(.ipv4(server.port), receiveByteCount: 8192)
      slow.send("get " + (0..<32).map { "held\($0)" }.joined(separator: " ") + "\r\n")
      #expect(slow.hasInput(within: 5000))
      let refused = try (0..<400).filter { try client.set("new\($0)", value) != "STORED" }.count
      #expect(refused <= 5)
    }
  }
}
