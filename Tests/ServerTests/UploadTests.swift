// Values on their way in: slowly, in large pieces, with wrong sizes, and from clients that die half way. What was
// reserved must come back, and what is stored must be what was sent.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct UploadTests {
    @Test func aValueByteByByte() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let value = Pattern.bytes(400, seed: 9)
      for byte in Array("set slow 0 0 400\r\n".utf8) + value + [13, 10] { try client.send([byte]) }
      #expect(try client.readLine() == "STORED")
      #expect(try client.get("slow") == value)
    }

    @Test(arguments: [[], ["-o", "slab_chunk_max=8"], ["-o", "slab_chunk_max=64", "-C"]])
    func sizesAroundEveryBoundaryComeBack(options: [String]) throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-m", "128"] + options)
      let client = try TextClient(port: server.port)
      let around = [96, 2048, 4096, 8192, 16_384, 65_536, 131_072, 524_288, 1_000_000]
      let sizes =
        [0, 1, 2] + around.flatMap { base in (-70...70).filter { $0 % 10 == 0 || abs($0) < 3 }.map { base + $0 } }
      let wrong = try sizes.filter { size in
        let value = Pattern.bytes(size, seed: size)
        guard try client.set("v", value) == "STORED", let got = try client.get("v") else { return true }
        return size > 0 && !Pattern.same(got, value) || got.count != size
      }
      #expect(wrong == [])
    }

    @Test func uploadsInOddPieces() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let value = Pattern.bytes(700_000, seed: 4)
      // The pieces end in the header, the first chunk, at the last byte, between CR and LF, and in the next request.
      let all = Array("set big 1 0 700000\r\n".utf8) + value + Array("\r\nget none\r\nversion\r\n".utf8)
      let wrong = try [5, 20, 21, 60_000, 500_000, 524_000, 700_019, 700_020, 700_021, 700_022, 700_025].filter { cut in
        try client.send(Array(all[..<cut]))
        usleep(5_000)
        try client.send(Array(all[cut...]))
        guard try client.readLine() == "STORED", try client.readLine() == "END" else { return true }
        guard try client.readLine().hasPrefix("VERSION"), let got = try client.get("big") else { return true }
        return !Pattern.same(got, value)
      }
      #expect(wrong == [])
    }

    @Test func fiftyMegabytes() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-I", "64m", "-m", "256"])
      let client = try TextClient(port: server.port)
      for seed in 0..<2 {
        let value = Pattern.bytes(50_000_000, seed: seed)
        #expect(try client.set("huge", value) == "STORED")
        try client.send("get huge\r\n")
        #expect(try client.readLine() == "VALUE huge 0 50000000")
        let receiver = Receiver(client)
        #expect(Pattern.same(receiver.bytes(50_000_000), value))
        #expect(try client.read(2) == [13, 10])
        #expect(try client.readLine() == "END")
      }
    }

    /// TextClient moves what it has buffered at every read; large values are taken in steps.
    private struct Receiver {
      let client: TextClient
      init(_ client: TextClient) { self.client = client }
      func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count, let more = try? client.read(min(1 << 20, count - result.count)) { result += more }
        return result
      }
    }

    private func fill(_ client: TextClient, _ size: Int) throws -> Int {
      let value = Pattern.bytes(size, seed: 1)
      for index in 0..<40 { #expect(try client.set("fill\(index)", value) == "STORED") }
      return try client.stat("curr_items")
    }

    @Test(arguments: [(500_000, 2000), (900_000, 300)])
    func uploadsThatDieLeaveNothingBehind(announced: Int, times: Int) throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "12"])
      let client = try TextClient(port: server.port)
      let room = try fill(client, announced)
      #expect(room > 5)
      for index in 0..<40 { _ = try client.command("delete fill\(index)") }
      #expect(try usedChunks(client) == 0)
      for index in 0..<times {
        let dying = try PlainSocket(.ipv4(server.port))
        dying.send(Array("set dead 0 0 \(announced)\r\n".utf8) + Pattern.bytes(index % 4 * 1000, seed: 2))
      }
      #expect(try eventually { try client.stat("curr_connections") <= 1 })
      #expect(try client.stat("bytes") == 0)
      #expect(try client.stat("curr_items") == 0)
      #expect(try client.get("dead") == nil)
      #expect(try eventually { try usedChunks(client) == 0 })
      // Pages that went to classes of other sizes meanwhile come back.
      #expect(try abs(fill(client, announced) - room) <= 1)
    }

    private func usedChunks(_ client: TextClient) throws -> Int {
      try client.stats("slabs").filter { $0.key.hasSuffix(":used_chunks") }.reduce(0) { $0 + (Int($1.value) ?? 0) }
    }

    @Test func sizesFromTheWireThatAreNotSizes() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let facts = ProcessFacts(server)
      let client = try TextClient(port: server.port)
      for size in ["-1", "-2147483648", "2147483646", "2147483647", "4294967296", "99999999999", "1e3", "0x10", ""] {
        #expect(try client.command("set k 0 0 \(size)") == "CLIENT_ERROR bad command line format", "\(size)")
      }
      // The largest size that is believed is swallowed as it comes, and stored nowhere.
      let before = facts.residentKilobytes
      let large = try PlainSocket(.ipv4(server.port))
      large.send("set k 0 0 2147483645\r\n")
      for _ in 0..<40 { #expect(large.send(Pattern.bytes(1 << 20, seed: 1))) }
      #expect(!large.hasInput(within: 50))
      if !facts.isSanitized { #expect(facts.residentKilobytes - before < 1024) }
      #expect(try client.command("get k") == "END")
    }

    @Test func aTooLargeValueIsAnsweredWhenItHasCome() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      #expect(try client.set("k", [65]) == "STORED")
      #expect(try client.set("k", Pattern.bytes(1_500_000, seed: 1)) == "SERVER_ERROR object too large for cache")
      #expect(try client.command("get k") == "END")
      #expect(try client.stat("store_too_large") == 1)
    }

    @Test func numbersThatGrowGiveTheirOldMemoryBack() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      for _ in 0..<200 {
        #expect(try client.set("n", [57]) == "STORED")
        #expect(try client.command("incr n 1") == "10")
      }
      let used = try client.stats("slabs").filter { $0.key.hasSuffix(":used_chunks") }
      #expect(used.values.compactMap { Int($0) }.reduce(0, +) == 1)
    }
  }
}
