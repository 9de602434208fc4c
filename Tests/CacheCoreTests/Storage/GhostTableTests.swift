// What the cache remembers of the evicted: who was put in is found once, with its time and for its class only; the
// oldest of a line is forgotten; and nobody else is found by mistake more often than fingerprints allow.
import Testing

@testable import CacheCore

struct GhostTableTests {
  private func with(_ entries: Int, _ body: (GhostTable) -> Void) {
    let table = GhostTable(entries: entries)!
    body(table)
    table.unmap()
  }

  @Test func foundOnceWithItsTime() {
    with(1024) { table in
      table.insert(0x1234_5678_9abc_def0, slabClass: 7, time: 99, lines: 64)
      #expect(table.take(0x1234_5678_9abc_def0, slabClass: 7, lines: 64) == 99)
      #expect(table.take(0x1234_5678_9abc_def0, slabClass: 7, lines: 64) == nil)
    }
  }

  @Test func ofItsClassOnly() {
    with(1024) { table in
      for slabClass in [1, 2, 63, 64, 127, 128, 255] { table.insert(42, slabClass: slabClass, time: 5, lines: 64) }
      #expect(table.take(42, slabClass: 3, lines: 64) == nil)
      for slabClass in [255, 1, 128, 2, 64, 127, 63] {
        #expect(table.take(42, slabClass: slabClass, lines: 64) == 5, "\(slabClass)")
      }
    }
  }

  @Test func timesBeginAgain() {
    with(1024) { table in
      for time: UInt32 in [0, 1, GhostTable.timeMask, GhostTable.timeMask + 1, GhostTable.timeMask + 77] {
        table.insert(1, slabClass: 1, time: time, lines: 64)
        #expect(table.take(1, slabClass: 1, lines: 64) == time & GhostTable.timeMask)
      }
    }
  }

  /// A line has sixteen; the seventeenth pushes the first out.
  @Test func theOldestOfALineIsForgotten() {
    with(16) { table in
      // One line for all.
      for number in 0..<UInt64(17) { table.insert(number, slabClass: 1, time: UInt32(number), lines: 1) }
      #expect(table.take(0, slabClass: 1, lines: 1) == nil)
      for number in 1..<UInt64(17) { #expect(table.take(number, slabClass: 1, lines: 1) == UInt32(number)) }
    }
  }

  /// The same key evicted twice: the later time is the one that is told.
  @Test func theLatestTimeIsTold() {
    with(16) { table in
      table.insert(9, slabClass: 1, time: 10, lines: 1)
      table.insert(9, slabClass: 1, time: 20, lines: 1)
      #expect(table.take(9, slabClass: 1, lines: 1) == 20)
    }
  }

  /// Random hashes, as many as the table has room for: most are remembered, strangers hardly ever. More lines than were
  /// reserved are as many as there are.
  @Test(arguments: [(4096, 256), (4096, 100), (4096, 100_000), (100, 1)])
  func mostAreRememberedAndStrangersAreNot(_ entries: Int, _ lines: Int) {
    with(entries) { table in
      var random = SeededRandom(seed: 6)
      let count = min(lines * 16, entries / 16 * 16)
      let hashes = (0..<count).map { _ in random.next() }
      for hash in hashes { table.insert(hash, slabClass: Int(hash % 200) + 1, time: 3, lines: lines) }
      let strangers = (0..<count).count { _ in
        let hash = random.next()
        return table.take(hash, slabClass: Int(hash % 200) + 1, lines: lines) != nil
      }
      #expect(strangers <= count / 100)
      let found = hashes.count { table.take($0, slabClass: Int($0 % 200) + 1, lines: lines) == 3 }
      #expect(found > count * 7 / 10, "\(found) of \(count)")
    }
  }
}
