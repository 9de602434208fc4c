// Eight clients on the same few keys, with values that say whose they are and whether they are whole: nobody may ever
// see a torn value, another key's value, or one that is gone, and the counters must add up to what the clients did.
import Foundation
import Synchronization
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct ConcurrencyTests {
    /// What one client did, in the words of `stats`, and what it saw that must not be.
    private struct Tally: Sendable {
      var counts: [String: Int] = [:]
      var faults: [String] = []
      mutating func count(_ names: String...) { for name in names { counts[name, default: 0] += 1 } }
    }

    /// One client: random commands for `seconds`.
    private struct Client {
      private let socket: TextClient
      private var random: SeededRandom
      private let keyCount: Int
      private var tally = Tally()
      /// Most values are small; some are sent from the item's memory, a few are chains of chunks.
      private static let sizes = [10, 40, 200, 900, 3000, 9000, 20_000, 60_000, 700_000]

      init(port: UInt16, seed: Int, keyCount: Int) throws {
        socket = try TextClient(port: port)
        random = SeededRandom(seed: UInt64(seed))
        self.keyCount = keyCount
      }

      /// A value is a row of such records.
      private mutating func record(_ key: String) -> [UInt8] {
        let seed = Int(random.next() % 60_000)
        let size = Client.sizes[min(Int(random.next() % 9), Int(random.next() % 9), Int(random.next() % 12))]
        return Array("\(key) \(seed) \(size)\n".utf8) + Pattern.bytes(size, seed: seed) + [10]
      }

      private func isWhole(_ value: [UInt8], _ key: String) -> Bool {
        var rest = value[...]
        while !rest.isEmpty {
          guard let end = rest.prefix(60).firstIndex(of: 10) else { return false }
          let words = String(decoding: rest[..<end], as: UTF8.self).split(separator: " ")
          guard words.count == 3, words[0] == key, let seed = Int(words[1]), let size = Int(words[2]) else {
            return false
          }
          rest = rest[(end + 1)...]
          guard rest.count > size, rest[rest.startIndex + size] == 10 else { return false }
          guard Pattern.matches(rest.prefix(size), seed: seed) else { return false }
          rest = rest.dropFirst(size + 1)
        }
        return true
      }

      private mutating func expect(_ line: String, _ allowed: String...) {
        if !allowed.contains(line) { tally.faults.append("\(line) instead of \(allowed)") }
      }

      /// Reads the answer to a look-up of `keys`; the CAS unique of the last hit.
      private mutating func readValues(_ keys: [String]) throws -> String? {
        var left = keys[...]
        var unique: String?
        while true {
          let words = try socket.readLine().split(separator: " ").map(String.init)
          if words == ["END"] { break }
          guard words.count >= 4, let size = Int(words[3]), let place = left.firstIndex(of: words[1]) else {
            tally.faults.append("\(words) for \(keys)")
            break
          }
          left = left[(place + 1)...]
          let value = try socket.read(size + 2)
          if !isWhole(value.dropLast(2), words[1]) { tally.faults.append("a torn value of \(words[1])") }
          tally.count("get_hits")
          tally.counts["get_misses", default: 0] -= 1
          unique = words.last
        }
        tally.counts["get_misses", default: 0] += keys.count
        tally.counts["cmd_get", default: 0] += keys.count
        return unique
      }

      private func store(_ line: String, _ value: [UInt8]) throws -> String {
        try socket.send(Array("\(line)\r\n".utf8) + value + [13, 10])
        return try socket.readLine()
      }

      private mutating func step() throws {
        let key = "key\(random.next() % UInt64(keyCount))"
        switch random.next() % 16 {
        case 0...3:
          let value = record(key)
          expect(try store("set \(key) 7 0 \(value.count)", value), "STORED")
          tally.count("cmd_set", "stored")
        case 4:
          let value = record(key)
          let verb = ["add", "replace", "append", "prepend"][Int(random.next() % 4)]
          let line = try store("\(verb) \(key) 7 0 \(value.count)", value)
          expect(line, "STORED", "NOT_STORED")
          tally.count("cmd_set")
          if line == "STORED" { tally.count("stored") }
        case 5:
          try socket.send("gets \(key)\r\n")
          guard let unique = try readValues([key]) else { return }
          let value = record(key)
          let line = try store("cas \(key) 7 0 \(value.count) \(unique)", value)
          expect(line, "STORED", "EXISTS", "NOT_FOUND")
          tally.count("cmd_set", ["STORED": "cas_hits", "EXISTS": "cas_badval"][line] ?? "cas_misses")
          if line == "STORED" { tally.count("stored") }
        case 6:
          let line = try socket.command("delete \(key)")
          expect(line, "DELETED", "NOT_FOUND")
          tally.count(line == "DELETED" ? "delete_hits" : "delete_misses")
        case 7:
          let line = try socket.command("touch \(key) 0")
          expect(line, "TOUCHED", "NOT_FOUND")
          tally.count("cmd_touch", line == "TOUCHED" ? "touch_hits" : "touch_misses")
        case 8, 9:
          let line = try socket.command("incr number\(random.next() % 4) 7")
          if UInt64(line) == nil { expect(line, "NOT_FOUND") }
          tally.count(line == "NOT_FOUND" ? "incr_misses" : "incr_hits")
          if line == "NOT_FOUND" {
            expect(try store("add number\(random.next() % 4) 0 0 1", [55]), "STORED", "NOT_STORED")
            tally.count("cmd_set")
          }
        case 10, 11:
          let keys = (0..<6).map { _ in "key\(random.next() % UInt64(keyCount))" }
          try socket.send("get \(keys.joined(separator: " "))\r\n")
          _ = try readValues(keys)
        default:
          try socket.send("get \(key)\r\n")
          _ = try readValues([key])
        }
      }

      mutating func run(seconds: Double) -> Tally {
        let deadline = Date().addingTimeInterval(seconds)
        do {
          while Date() < deadline, tally.faults.isEmpty { try step() }
        } catch {
          tally.faults.append("\(error)".prefix(200).description)
        }
        return tally
      }
    }

    @Test(arguments: [(["-m", "256"], 40), (["-m", "8", "-t", "3"], 3000)])
    func nobodySeesWhatIsNotHis(options: [String], keyCount: Int) throws {
      let server = try ServerProcess(arguments: options)
      let port = server.port
      let tallies = onThreads(8) { index -> Tally in
        guard var client = try? Client(port: port, seed: index + 1, keyCount: keyCount) else { return Tally() }
        return client.run(seconds: 3)
      }
      #expect(tallies.flatMap(\.faults) == [])
      var sums: [String: Int] = [:]
      for tally in tallies { sums.merge(tally.counts, uniquingKeysWith: +) }
      sums["stored"] = nil
      #expect((sums["cmd_get"] ?? 0) > 200 && (sums["get_hits"] ?? 0) > 100, "\(sums)")
      let stats = try TextClient(port: port).stats()
      for (name, sum) in sums where sum > 0 { #expect(Int(stats[name] ?? "") == sum, "\(name)") }
      if options == ["-m", "256"] {
        #expect(stats["evictions"] == "0")
      } else if !ProcessFacts(server).isSanitized {
        // A sanitized server is too slow to fill its memory in this time.
        #expect(stats["evictions"] != "0")
      }
      #expect(server.stop() == 0)
    }

    @Test func flushedMeansFlushedAlsoWhileItIsRead() throws {
      let server = try ServerProcess()
      let floods = try (0..<2).map { _ in try Flood(port: server.port, "get k\r\n") }
      let client = try TextClient(port: server.port)
      let survivors = try (0..<1500).filter { number in
        #expect(try client.set("k", Array("\(number)".utf8)) == "STORED")
        #expect(try client.command("flush_all") == "OK")
        return try client.get("k") != nil
      }
      for flood in floods { flood.stop() }
      #expect(survivors.count == 0)
    }

    @Test func everyIncrementCountsOnce() throws {
      let server = try ServerProcess()
      let port = server.port
      #expect(try TextClient(port: port).set("n", [48]) == "STORED")
      let seen = onThreads(8) { _ -> [Int] in
        guard let client = try? TextClient(port: port) else { return [] }
        return (0..<500).compactMap { _ in (try? client.command("incr n 1")).flatMap { Int($0) } }
      }
      #expect(Set(seen.joined()) == Set(1...4000))
      #expect(try TextClient(port: port).get("n") == Array("4000".utf8))
    }
  }
}
