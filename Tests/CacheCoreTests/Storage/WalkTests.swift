// A walk over all items, one row at a time, while the table grows, items come and items go between any two steps: what
// is there from the beginning to the end is shown exactly once. One thread; what the walk is for is KeyDump.
import Testing

@testable import CacheCore

struct WalkTests {
  private func key(_ item: Item) -> String {
    String(decoding: item.key.bytes(ByteRange(start: 0, end: item.keyByteCount)), as: UTF8.self)
  }

  private struct Seen {
    var counts: [String: Int] = [:]
    var steps = 0
    var waits = 0
  }

  /// Walks to the end, with `room` for that many items at each step; `between` runs after each.
  private func walk(
    _ test: TestStore, room: (Int) -> Int = { _ in .max }, isMost: Bool = true,
    between: (Int) throws -> Void = { _ in }
  ) throws -> Seen {
    var walk = HashWalk()
    var seen = Seen()
    while true {
      let most = room(seen.steps)
      var taken = 0
      let step = test.store.value.walk(&walk, room: most, isMost: isMost) { item in
        taken += 1
        seen.counts[key(item), default: 0] += 1
      }
      #expect(taken <= most)
      seen.steps += 1
      switch step {
      case .done: return seen
      case .wait: seen.waits += 1
      case .more: break
      }
      try between(seen.steps)
    }
  }

  private func fill(_ test: TestStore, _ name: String, _ numbers: Range<Int>) throws {
    for number in numbers { try test.put("\(name)\(number)", bytes("x")) }
  }

  @Test func aStoreAtRest() throws {
    let test = TestStore()
    #expect(try walk(test).counts.isEmpty)
    try fill(test, "key", 0..<3000)
    let seen = try walk(test)
    #expect(seen.counts.count == 3000 && seen.counts.values.allSatisfy { $0 == 1 })
    // A step for each bucket, and one to see the end.
    #expect(seen.steps == (1 << test.store.value.table.power) + 1)
  }

  /// The growth is at another place in each run: it begins before the walk, or in it, and goes faster or slower.
  @Test(arguments: [(1, 1, 0), (7, 1, 0), (64, 1, 100), (1, 5, 300), (100_000, 3, 500), (3, 2, 1000), (16, 1, 5)])
  func eachOnceWhileTheTableGrows(_ buckets: Int, _ stepsBetween: Int, _ start: Int) throws {
    let test = TestStore {
      $0.hashPower = 10
      $0.memoryLimitBytes = 32 << 20
    }
    try fill(test, "stay", 0..<1500)
    var random = SeededRandom(seed: UInt64(buckets * 1000 + start))
    var other = 0
    var wasGrowing = 0
    let seen = try walk(
      test,
      between: { step in
        // New items make the table grow again, and old ones among them go.
        if step >= start, step % 3 == 0, other < 5000 {
          try fill(test, "other", other..<(other + 20))
          other += 20
          for _ in 0..<5 { test.delete("other\(random.number(0...other))") }
        }
        if step >= start, step % stepsBetween == 0 { _ = test.growStep(buckets: buckets) }
        if test.store.value.table.isGrowing { wasGrowing += 1 }
      })
    #expect(wasGrowing > 0)
    #expect(test.store.value.table.power > 10 || test.store.value.table.isGrowing)
    for number in 0..<1500 { #expect(seen.counts["stay\(number)"] == 1, "stay\(number)") }
    #expect(seen.counts.values.allSatisfy { $0 == 1 })
    while test.growStep(buckets: 10_000) {}
    #expect(test.broken() == [])
  }

  /// Rows for which there is no room yet are shown later, as a whole.
  @Test func waitingForRoom() throws {
    let test = TestStore { $0.hashPower = 10 }
    try fill(test, "key", 0..<1500)
    let seen = try walk(
      test, room: { step in step % 4 == 0 ? .max : 1 }, isMost: false,
      between: { _ in
        _ = test.growStep(buckets: 4)
      })
    #expect(seen.waits > 100)
    #expect(seen.counts.count == 1500 && seen.counts.values.allSatisfy { $0 == 1 })
  }

  /// A table that may not grow has rows larger than any reply: they are shown in parts.
  @Test func rowsLargerThanAReply() throws {
    let test = TestStore {
      $0.hashPower = 4
      $0.hashExpandEnabled = false
    }
    try fill(test, "key", 0..<2000)
    let seen = try walk(test, room: { _ in 10 })
    #expect(seen.waits > 100)
    #expect(seen.counts.count == 2000 && seen.counts.values.allSatisfy { $0 == 1 })
  }

  /// Also while others store and delete between the parts.
  @Test func rowsLargerThanAReplyThatChange() throws {
    let test = TestStore {
      $0.hashPower = 4
      $0.hashExpandEnabled = false
    }
    try fill(test, "stay", 0..<1000)
    try fill(test, "other", 0..<200)
    var other = 200
    let seen = try walk(
      test, room: { _ in 10 },
      between: { step in
        try fill(test, "other", other..<(other + 1))
        test.delete("other\(step)")
        other += 1
      })
    let wrong = (0..<1000).filter { seen.counts["stay\($0)"] != 1 }
    #expect(wrong.isEmpty, "\(wrong.count) of 1000 not exactly once")
  }
}
