// `lru_crawler metadump` and `mgdump`: every key exactly once, also while the hash table grows and other clients go on
// storing; by class; to a client that does not read; and lines that are commands. What may not be dumped and what
// cannot be pipelined is in the transcripts.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct DumpTests {
    /// Stores keys with the value `x`, without waiting for each.
    private func store(_ keys: some Sequence<String>, _ client: TextClient, value: String = "x") throws {
      var text = ""
      for key in keys {
        text += "set \(key) 0 0 \(value.utf8.count) noreply\r\n\(value)\r\n"
        if text.utf8.count > 60_000 {
          try client.send(text)
          text = ""
        }
      }
      #expect(try client.command(text + "version").hasPrefix("VERSION"))
    }

    /// The lines of a dump.
    private func dump(_ client: TextClient, _ kind: String, _ classes: String = "all") throws -> [String] {
      #expect(try client.command("lru_crawler \(kind) \(classes)") == "OK")
      let end = kind == "metadump" ? "END" : "EN"
      var text = DumpText(client)
      return try text.lines(until: end)
    }

    private func key(_ line: String) -> String {
      String(decoding: line.utf8.dropFirst("key=".utf8.count).prefix { $0 != 0x20 }, as: UTF8.self)
    }

    @Test func fiftyThousandItemsEachOnce() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let client = try TextClient(port: server.port)
      let keys = (0..<50_000).map { "item:\($0)" }
      try store(keys, client)
      let start = Date()
      let lines = try dump(client, "metadump")
      let seconds = Date().timeIntervalSince(start)
      #expect(lines.count == 50_000)
      #expect(Set(lines.map(key)) == Set((0..<50_000).map { "item%3A\($0)" }))
      let form = /key=\S+ exp=-1 la=\d+ cas=\d+ fetch=no cls=1 size=\d+ flags=0[ ]/
      for index in stride(from: 0, to: lines.count, by: 100) { #expect(lines[index].wholeMatch(of: form) != nil) }
      let now = Date().timeIntervalSince1970
      let lastAccess = lines.first?.firstMatch(of: /la=(\d+)/).flatMap { Double($0.output.1) } ?? 0
      #expect(abs(now - lastAccess) < 30)

      // Sent back as they are, they all hit.
      let commands = try dump(client, "mgdump")
      #expect(commands.count == 50_000 && Set(commands) == Set(keys.map { "mg \($0)" }))
      let other = try TextClient(port: server.port)
      var hits = 0
      for start in stride(from: 0, to: commands.count, by: 1000) {
        try other.send(commands[start..<(start + 1000)].map { $0 + "\r\n" }.joined())
        // Nothing else begins like this and has four bytes.
        hits += try other.read(4000).count { $0 == UInt8(ascii: "H") }
      }
      #expect(hits == 50_000)
      print("dump: 50,000 keys in \(Int(seconds * 1000)) ms; \(hits) of them hit")
      #expect(try client.command("get item:1") == "VALUE item:1 0 1")
    }

    @Test func itemsTellWhatTheyAre() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      #expect(try dump(client, "metadump") == [])
      #expect(try dump(client, "mgdump") == [])
      #expect(try dump(client, "metadump", "hash") == [])
      #expect(try client.command("ms a/b 3 T1000 F7 E99\r\nabc") == "HD")
      #expect(try client.command("mg a/b") == "HD")
      let before = Date().timeIntervalSince1970
      let line = try #require(try dump(client, "metadump").first)
      let match = try #require(
        line.wholeMatch(of: /key=a%2Fb exp=(\d+) la=(\d+) cas=99 fetch=yes cls=1 size=\d+ flags=7[ ]/))
      #expect(abs((Double(match.output.1) ?? 0) - before - 1000) <= 2)
      #expect(abs((Double(match.output.2) ?? 0) - before) <= 2)
      // What is over is not shown.
      #expect(try client.command("set gone 0 -1 1\r\nx") == "STORED")
      #expect(try client.command("ms gone2 1 T-1\r\nx") == "HD")
      #expect(try dump(client, "mgdump") == ["mg a/b"])
    }

    @Test func byClass() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-f", "1.25"])
      let client = try TextClient(port: server.port)
      try store((0..<200).map { "small\($0)" }, client)
      try store((0..<100).map { "large\($0)" }, client, value: String(repeating: "x", count: 5000))
      let all = try dump(client, "metadump")
      #expect(all.count == 300)
      let classes = Set(all.compactMap { $0.firstMatch(of: /cls=(\d+)/).map { String($0.output.1) } })
      try #require(classes.count == 2)
      for slabClass in classes {
        let own = all.filter { $0.contains(" cls=\(slabClass) ") }.map(key)
        #expect(Set(try dump(client, "metadump", slabClass).map(key)) == Set(own))
        #expect(Set(try dump(client, "mgdump", slabClass)) == Set(own.map { "mg \($0)" }))
      }
      #expect(try dump(client, "mgdump", classes.sorted().joined(separator: ",")).count == 300)
      #expect(try dump(client, "mgdump", "40") == [])
      for bad in ["0", "64", "1,x", "some"] {
        #expect(try client.command("lru_crawler metadump \(bad)") == "BADCLASS invalid class id")
      }
    }

    /// The server's own slab table has more classes than memcached's; all that there are can be named.
    @Test func classesBeyondThoseOfMemcached() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      try store((0..<100).map { "large\($0)" }, client, value: String(repeating: "x", count: 7000))
      let all = try dump(client, "metadump")
      let slabClass = try #require(all.first?.firstMatch(of: /cls=(\d+)/).map { String($0.output.1) })
      try #require(Int(slabClass) ?? 0 > 63)
      #expect(try dump(client, "metadump", slabClass).count == 100)
      #expect(try dump(client, "metadump", "1,63") == [])
      for bad in ["0", "256", "1000", "1,x"] {
        #expect(try client.command("lru_crawler metadump \(bad)") == "BADCLASS invalid class id")
      }
    }

    /// Items that are there from beginning to end are shown once, however often the table doubles under the dump. The
    /// dump stops in the middle because its client does not read, so the growth certainly falls into it.
    @Test func eachOnceWhileTheTableGrows() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "256", "-o", "hashpower=12"])
      let client = try TextClient(port: server.port)
      // Keys whose lines are three times as long: so few of them fill the buffers on the way.
      let long = String(repeating: "/", count: 200)
      let staying = (0..<6000).map { "stay\($0)\(long)" }
      try store(staying, client)
      #expect(try client.stat("hash_power_level") == 12)
      let slow = try PlainSocket(.ipv4(server.port), receiveByteCount: 8192)
      slow.send("lru_crawler metadump all\r\n")
      #expect(slow.receiveLine() == "OK\r\n")
      try store((0..<60_000).lazy.map { "new\($0)" }, client)
      #expect(try eventually { try client.stats()["hash_is_expanding"] == "0" })
      #expect(try client.stat("hash_power_level") >= 15)
      var bytes: [UInt8] = []
      while !bytes.suffix(5).elementsEqual(Array("END\r\n".utf8)) {
        guard let more = slow.receive(1 << 20), !more.isEmpty else { break }
        bytes += more
        // And once more while it is being read.
        if bytes.count < 1_000_000 { try store(["other\(bytes.count)"], client) }
      }
      var counts: [String: Int] = [:]
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropLast() {
        counts[key(String(line)), default: 0] += 1
      }
      // It was under way when the others came: some of them are in it, others came too late.
      #expect(counts.keys.contains { $0.hasPrefix("new") } && counts.count < 60_000)
      let wrong = staying.filter { counts[$0.replacing("/", with: "%2F")] != 1 }
      #expect(wrong.isEmpty, "\(wrong.count) of 6000 not exactly once, as \(wrong.first ?? "")")
      #expect(counts.values.allSatisfy { $0 == 1 })
      print("dump while the table grows: \(counts.count) lines, \(wrong.count) of 6000 not exactly once")
    }

    /// The same with clients that store and delete others all the time.
    @Test func eachOnceUnderLoad() throws {
      let server = try ServerProcess(arguments: ["-t", "4", "-m", "128", "-o", "hashpower=12"])
      let client = try TextClient(port: server.port)
      let staying = (0..<5000).map { "stay\($0)" }
      try store(staying, client)
      let port = server.port
      let wrong = onThreads(3) { thread -> Int in
        guard let client = try? TextClient(port: port) else { return -1 }
        if thread > 0 {
          for round in 0..<60 {
            let keys = (0..<300).map { "other\(thread)-\(round * 300 + $0)" }
            try? store(keys, client)
            try? client.send(keys.prefix(150).map { "delete \($0) noreply\r\n" }.joined())
          }
          return 0
        }
        var wrong = 0
        for _ in 0..<5 {
          var counts: [String: Int] = [:]
          for line in (try? dump(client, "mgdump")) ?? [] { counts[String(line.dropFirst(3)), default: 0] += 1 }
          wrong += staying.filter { counts[$0] != 1 }.count
        }
        return wrong
      }
      #expect(wrong == [0, 0, 0])
      #expect(try client.stat("hash_power_level") > 12)
    }

    @Test func whoDoesNotReadBlocksNobody() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-m", "64"])
      let facts = ProcessFacts(server)
      let client = try TextClient(port: server.port)
      // Lines of 700 bytes: 7 MB of them, more than the buffers on the way hold.
      try store((0..<10_000).map { "\($0)" + String(repeating: "/", count: 220) }, client)
      #expect(try dump(client, "mgdump").count == 10_000)
      let before = facts.residentKilobytes
      var parked = try (0..<5).map { _ in try PlainSocket(.ipv4(server.port), receiveByteCount: 4096) }
      for socket in parked {
        socket.send("lru_crawler metadump all\r\n")
        #expect(socket.receiveLine() == "OK\r\n")
      }
      #expect(parked.allSatisfy { $0.hasInput(within: 5000) })
      #expect(
        try eventually(within: 2) {
          try client.stats("conns").values.filter { $0 == "conn_mwrite" }.count == parked.count
        })
      var slowest = 0.0
      for number in 0..<50 {
        slowest = max(slowest, try client.latency("get item:\(number)"))
        #expect(try client.set("more:\(number)", [65]) == "STORED")
      }
      let isSanitized = facts.isSanitized
      #expect(slowest < (isSanitized ? 2 : 0.3))
      // A dump goes on where it stopped; those that go away leave nothing.
      let busy = facts.cpuSeconds
      usleep(200_000)
      #expect(facts.cpuSeconds - busy < 0.1)
      var lines = 0
      while let bytes = parked[0].receive(1 << 20), !bytes.isEmpty {
        lines += bytes.count { $0 == 10 }
        if bytes.suffix(5).elementsEqual(Array("END\r\n".utf8)) { break }
      }
      #expect((10_001...10_051).contains(lines))
      if !isSanitized { #expect(facts.peakKilobytes - before < 3072) }
      print("dumps nobody reads: \(facts.peakKilobytes - before) KB more at most, slowest \(Int(slowest * 1000)) ms")
      parked = []
      #expect(try eventually { try client.stat("curr_connections") == 1 })
    }

    /// Keys that no text command can hold come in base64, all others so that the line is a command.
    @Test func keysWithOddBytesComeBackAsCommands() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let binary: [[UInt8]] = [
        [0], [32], [10], [13, 10], Array(0...185), [255, 254], Array("plain".utf8), Array("with space".utf8),
      ]
      for key in binary {
        #expect(try client.command("ms \(Data(key).base64EncodedString()) 1 b\r\nx") == "HD")
      }
      // Bytes that text commands may have in their keys, in keys as long as they may be.
      let text: [[UInt8]] = [[9], [1], [0x7f], [0xc3, 0xbc], [0x25]].map { odd in
        Array("odd".utf8) + odd + Array(repeating: 0x6b, count: 240)
      }
      for key in text {
        try client.send(Array("set ".utf8) + key + Array(" 0 0 1\r\nx\r\n".utf8))
        #expect(try client.readLine() == "STORED")
      }
      let lines = try dump(client, "mgdump")
      #expect(lines.count == binary.count + text.count)
      for key in binary { #expect(lines.contains("mg \(Data(key).base64EncodedString()) b")) }
      var missed: [String] = []
      for line in lines {
        let reply = try client.command(line)
        if reply != "HD" { missed.append("\(line.prefix(20))... (\(line.utf8.count) bytes): \(reply)") }
      }
      #expect(missed == [])
      let shown = Set(try dump(client, "metadump").map(key))
      func encoded(_ key: [UInt8]) -> String {
        key.map { byte in
          let scalar = Character(UnicodeScalar(byte))
          let isPlain = byte < 0x80 && (scalar.isLetter || scalar.isNumber || "-._~".contains(scalar))
          return isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
      }
      #expect(shown == Set((binary + text).map(encoded)))
    }
  }
}

/// The text of a dump, split as a whole: TextClient's lines, taken one by one off its front, are slow for megabytes.
private struct DumpText {
  private let client: TextClient

  init(_ client: TextClient) { self.client = client }

  /// The lines up to and without `end`.
  mutating func lines(until end: String) throws -> [String] {
    let mark = Array("\n\(end)\r\n".utf8)
    var bytes: [UInt8] = [10]
    while bytes.count < mark.count || !bytes.suffix(mark.count).elementsEqual(mark) {
      bytes += try client.readSome()
    }
    // Without Collection.split, which takes seconds for megabytes in a debug build.
    return bytes.withUnsafeBytes { bytes in
      var lines: [String] = []
      var start = 1
      let end = bytes.count - mark.count + 1
      while start < end, let newline = memchr(bytes.baseAddress! + start, 10, end - start) {
        let next = bytes.baseAddress!.distance(to: newline) + 1
        let hasReturn = bytes[next - 2] == 13
        lines.append(String(decoding: bytes[start..<(next - (hasReturn ? 2 : 1))], as: UTF8.self))
        start = next
      }
      return lines
    }
  }
}
