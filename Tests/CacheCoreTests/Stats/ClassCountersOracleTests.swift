// Every counter of `stats items` and `stats slabs` against an oracle that counts from outside: it sends commands, reads
// answers, asks `me` for the class and size of each key, and reads the lines of evictions as a watcher would. It knows
// of the store's inside only what those say. Times of items are in EvictionTests and OrderTests.
import InProcess
import Testing

@testable import CacheCore

struct ClassCountersOracleTests {
  /// What the oracle believes of a key that it has stored.
  private struct Known {
    var slabClass: Int
    var expiresAt: UInt32?
    var wasFetched = false
  }

  /// What it has counted for a class.
  private struct Counts: Equatable {
    var hits = 0, sets = 0, deletes = 0, increments = 0, decrements = 0, touches = 0, casHits = 0, casMismatches = 0
    /// Items that came to be of the class, and those that left it because the oracle said so.
    var arrived = 0, dismissed = 0
    var evicted = 0, evictedUnfetched = 0, evictedMortal = 0
  }

  private final class Oracle {
    let server: InProcessServer
    var random: SeededRandom
    var known: [String: Known] = [:]
    var counts: [Int: Counts] = [:]
    private var streams: LogStreams

    init(seed: UInt64, order: EvictionOrder) {
      var configuration = StoreConfiguration()
      configuration.memoryLimitBytes = 1 << 20
      configuration.slabs.rule = .fitted(memoryByteCount: 1 << 20)
      configuration.hashPower = 12
      configuration.eventLogByteCount = 1 << 20
      configuration.tunables.setDefault(.order, UInt64(order.rawValue))
      server = InProcessServer(configuration)
      random = SeededRandom(seed: seed)
      streams = LogStreams(.evictions)
      _ = server.store.value.eventLog.admitWatcher(streams)
    }

    /// The class and the size of a key that is there, by `me`, which changes nothing.
    func describe(_ key: String) -> (slabClass: Int, byteCount: Int, isFetched: Bool)? {
      let answer = server.send("me \(key)\r\n")
      func number(_ name: String) -> Int? {
        answer.split(separator: " ").first { $0.hasPrefix(name) }
          .flatMap { Int($0.dropFirst(name.count).prefix { $0.isNumber }) }
      }
      guard let slabClass = number("cls="), let size = number("size=") else { return nil }
      return (slabClass, size, answer.contains("fetch=yes"))
    }

    func forget(_ key: String, dismissed: Bool) {
      guard let old = known.removeValue(forKey: key), dismissed else { return }
      counts[old.slabClass, default: Counts()].dismissed += 1
    }

    func readEvictions() {
      server.store.value.eventLog.drain { _, line in
        let text = String(decoding: line.bytes(ByteRange(start: 0, end: line.byteCount)), as: UTF8.self)
        let words = text.split(separator: " ")
        func word(_ name: String) -> Substring? { words.first { $0.hasPrefix(name) }.map { $0.dropFirst(name.count) } }
        guard let slabClass = word("clsid=").flatMap({ Int($0) }), let key = word("key=") else { return }
        counts[slabClass, default: Counts()].evicted += 1
        if word("fetch=") == "no" { counts[slabClass, default: Counts()].evictedUnfetched += 1 }
        if word("ttl=") != "-1" { counts[slabClass, default: Counts()].evictedMortal += 1 }
        known[String(key)] = nil
      }
    }

    /// Whether the key is there now as far as the oracle can know: stored, not evicted, its time not over.
    private func isAlive(_ key: String) -> Bool {
      known[key].map { $0.expiresAt.map { $0 >= server.now } ?? true } ?? false
    }

    private func noteStored(_ key: String, ttl: UInt32?) {
      let wasAlive = isAlive(key)
      let old = known[key]
      readEvictions()
      guard let now = describe(key) else { return }
      counts[now.slabClass, default: Counts()].sets += 1
      counts[now.slabClass, default: Counts()].arrived += 1
      // A dead one was reclaimed, one that was evicted meanwhile has been counted.
      if let old, wasAlive, known[key] != nil { counts[old.slabClass, default: Counts()].dismissed += 1 }
      known[key] = Known(slabClass: now.slabClass, expiresAt: ttl.map { server.now + $0 })
    }

    func step() {
      let key = "key-\(random.number(0...2999))"
      switch random.number(0...19) {
      case 0..<8:
        let size = [1, 40, 300, 900, 2500][random.number(0...4)] + random.number(0...29)
        let ttl: UInt32? = random.isOne(in: 6) ? UInt32(1 + random.number(0...4)) : nil
        let answer = server.send("set \(key) 0 \(ttl ?? 0) \(size)\r\n\(String(repeating: "7", count: size))\r\n")
        #expect(answer == "STORED\r\n")
        noteStored(key, ttl: ttl)
      case 8..<14:
        if server.send("get \(key)\r\n") != "END\r\n" { note(key) { $0.hits += 1 } }
      case 14:
        if server.send("delete \(key)\r\n") == "DELETED\r\n" {
          note(key) { $0.deletes += 1 }
          forget(key, dismissed: true)
        }
      case 15:
        // A counter keeps its chunk while its digits do.
        _ = server.send("set n\(key) 0 0 3\r\n500\r\n")
        noteStored("n" + key, ttl: nil)
        if server.send("incr n\(key) 1\r\n") == "501\r\n" { note("n" + key) { $0.increments += 1 } }
        if server.send("decr n\(key) 1\r\n") == "500\r\n" { note("n" + key) { $0.decrements += 1 } }
      case 16:
        if server.send("touch \(key) 0\r\n") == "TOUCHED\r\n" {
          note(key) { $0.touches += 1 }
          known[key]?.expiresAt = nil
        }
      case 17: compareAndSwap(key)
      case 18: if random.isOne(in: 30) { server.advanceClock(seconds: 1) }
      default: _ = server.send("get missing\(key)\r\n")
      }
      readEvictions()
    }

    private func compareAndSwap(_ key: String) {
      let answer = server.send("gets \(key)\r\n")
      guard answer.hasPrefix("VALUE") else { return }
      note(key) { $0.hits += 1 }
      let words = answer.prefix { $0 != "\r\n" }.split(separator: " ")
      guard words.count == 5, let cas = Int(words[4]), let size = Int(words[3]), let old = known[key] else { return }
      let isRight = random.isOne(in: 2)
      let value = String(repeating: "8", count: size)
      let stored = server.send("cas \(key) 0 0 \(size) \(isRight ? cas : cas + 1)\r\n\(value)\r\n")
      #expect(stored == (isRight ? "STORED\r\n" : "EXISTS\r\n"))
      if isRight {
        counts[old.slabClass, default: Counts()].casHits += 1
        noteStored(key, ttl: nil)
      } else {
        counts[old.slabClass, default: Counts()].casMismatches += 1
        counts[old.slabClass, default: Counts()].sets += 1
      }
    }

    /// Counts something for the class of a key that has just shown itself alive.
    private func note(_ key: String, _ count: (inout Counts) -> Void) {
      guard let slabClass = known[key]?.slabClass else {
        Issue.record("\(key) lives, and nobody knows why")
        return
      }
      count(&counts[slabClass, default: Counts()])
    }

    /// The rows of a report: class, then name, then value; rows without a class are class 0's.
    func rows(_ command: String) -> [Int: [String: Int]] {
      var rows: [Int: [String: Int]] = [:]
      for line in server.send(command + "\r\n").split(separator: "\r\n") where line.hasPrefix("STAT ") {
        let words = line.split(separator: " ")
        var parts = words[1].split(separator: ":").map(String.init)
        if parts.first == "items" { parts.removeFirst() }
        let slabClass = parts.count == 2 ? Int(parts[0]) ?? 0 : 0
        rows[slabClass, default: [:]][parts[parts.count - 1]] = Int(words[2])
      }
      return rows
    }
  }

  @Test(arguments: [EvictionOrder.s3fifo, .segmented, .flat], [1, 2] as [UInt64])
  func everyCounterAddsUp(order: EvictionOrder, seed: UInt64) throws {
    let oracle = Oracle(seed: seed, order: order)
    for step in 1...12_000 {
      oracle.step()
      if step % 4_000 == 0 { compare(oracle) }
    }
    let evicted = oracle.counts.values.reduce(0) { $0 + $1.evicted }
    #expect(evicted > 500, "\(evicted) evictions")
  }

  private func compare(_ oracle: Oracle) {
    let items = oracle.rows("stats items")
    let slabs = oracle.rows("stats slabs")
    var present: [Int: (count: Int, byteCount: Int)] = [:]
    // Whoever has died is still there until he is looked for: `me` does that.
    for key in oracle.known.keys {
      guard let found = oracle.describe(key) else { continue }
      present[found.slabClass, default: (0, 0)].count += 1
      present[found.slabClass, default: (0, 0)].byteCount += found.byteCount
    }
    for (slabClass, rows) in oracle.rows("stats items") {
      let there = present[slabClass] ?? (0, 0)
      let counts = oracle.counts[slabClass] ?? Counts()
      #expect(rows["number"] == there.count && rows["mem_requested"] == there.byteCount, "class \(slabClass)")
      let lists = ["number_hot", "number_warm", "number_cold", "number_temp"].compactMap { rows[$0] }.reduce(0, +)
      #expect(lists == there.count, "lists of class \(slabClass)")
      #expect(rows["evicted"] == counts.evicted, "class \(slabClass)")
      #expect(rows["evicted_unfetched"] == counts.evictedUnfetched, "class \(slabClass)")
      #expect(rows["evicted_nonzero"] == counts.evictedMortal, "class \(slabClass)")
      // Who came and is gone was dismissed, evicted, or had died.
      let gone = counts.arrived - counts.dismissed - counts.evicted - there.count
      #expect(rows["reclaimed"] == gone, "class \(slabClass)")
      #expect(rows["outofmemory"] == 0 && rows["tailrepairs"] == 0)
      let byList = ["hits_to_hot", "hits_to_warm", "hits_to_cold", "hits_to_temp"].compactMap { rows[$0] }.reduce(0, +)
      #expect(byList == counts.hits, "hits of class \(slabClass)")
    }
    for (slabClass, rows) in slabs where slabClass > 0 {
      let counts = oracle.counts[slabClass] ?? Counts()
      let expected = [
        "get_hits": counts.hits, "cmd_set": counts.sets, "delete_hits": counts.deletes,
        "incr_hits": counts.increments, "decr_hits": counts.decrements, "cas_hits": counts.casHits,
        "cas_badval": counts.casMismatches, "touch_hits": counts.touches,
      ]
      for (name, value) in expected { #expect(rows[name] == value, "\(name) of class \(slabClass)") }
      // An item is a chunk, or a chain of as many as all others of its class.
      let (used, number) = (rows["used_chunks"] ?? -1, items[slabClass]?["number"] ?? 0)
      #expect(number == 0 ? used == 0 : used >= number && used % number == 0, "class \(slabClass)")
      #expect((rows["used_chunks"] ?? 0) + (rows["free_chunks"] ?? 0) == rows["total_chunks"], "class \(slabClass)")
      #expect(rows["total_chunks"] == (rows["total_pages"] ?? 0) * (rows["chunks_per_page"] ?? 0))
    }
    #expect(slabs[0]?["active_slabs"] == slabs.count - 1)
    let pages = slabs.values.compactMap { $0["total_pages"] }.reduce(0, +)
    #expect((slabs[0]?["total_malloced"] ?? 0) % max(pages, 1) == 0)
  }
}
