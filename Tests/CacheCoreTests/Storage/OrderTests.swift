// What sets the three orders apart: who stays and who goes in a class of one page, and what the counters say about it.
// What holds in all of them is in EvictionTests.
import Testing

@testable import CacheCore

/// A class of one page with room for `count` items, named by numbers; the clock is the test's.
private struct OneClass {
  let test: TestStore
  let count: Int
  let slabClass: Int
  private let valueByteCount: Int

  init(_ order: EvictionOrder, count: Int = 104, _ change: (inout StoreConfiguration) -> Void = { _ in }) throws {
    let chunk = (1 << 20) / count / 8 * 8
    test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
      $0.slabs.explicitSizes = [chunk]
      $0.slabs.chunkMaxByteCount = chunk + 8
      change(&$0)
    }
    valueByteCount = chunk - 60
    slabClass = test.slabClass(key: "1", valueByteCount: valueByteCount)
    self.count = test.store.value.slabs.classes.chunksPerPage(slabClass)
  }

  func put(_ number: Int, exptime: Int64 = 0) throws {
    try test.put("\(number)", pattern(valueByteCount, salt: number), exptime: exptime)
  }
  func put(_ numbers: Range<Int>) throws { for number in numbers { try put(number) } }
  func read(_ number: Int, times: Int = 1) { for _ in 0..<times { test.read("\(number)") } }
  func has(_ number: Int) -> Bool { test.has("\(number)") }
  var present: Set<Int> { Set((0..<10_000).filter { has($0) }) }
  func list(_ segment: Segment) -> Int {
    let held = test.store.value.slabs.lock(slabClass)
    return test.store.value.slabs.withClass(held) { $0[segment].count }
  }
  var figures: ClassFigures { test.store.value.classFigures(slabClass, now: test.now) }
}

struct S3FIFOTests {
  /// What nobody reads leaves in the order in which it came, and the working set stays whatever passes by.
  @Test func oneHitWondersLeaveFirst() throws {
    let one = try OneClass(.s3fifo)
    try one.put(0..<60)
    for number in 0..<60 { one.read(number, times: 2) }
    // A scan five times as long as the class.
    try one.put(1000..<1500)
    for number in 0..<60 { #expect(one.has(number), "\(number)") }
    #expect(one.test.statistics.evictedActive == 0)
    #expect(one.test.broken() == [])
  }

  /// Nor does a scan without end, if the working set is read now and then.
  @Test func whatIsReadStaysWhateverPasses() throws {
    let one = try OneClass(.s3fifo)
    try one.put(0..<60)
    for number in 0..<60 { one.read(number, times: 2) }
    for number in 0..<(30 * one.count) {
      try one.put(1000 + number)
      if number % 4 == 0 { one.read(number / 4 % 60) }
    }
    for number in 0..<60 { #expect(one.has(number), "\(number)") }
    #expect(one.test.broken() == [])
  }

  /// A main queue that nobody reads any more gives way to a loop larger than the small queue that fits the class.
  @Test(arguments: [true, false]) func aLoopThatFitsIsHeld(_ mainQueueIsFull: Bool) throws {
    let one = try OneClass(.s3fifo)
    if mainQueueIsFull {
      for number in 5000..<(5000 + 2 * one.count) {
        try one.put(number)
        one.read(number, times: 2)
      }
      #expect(one.list(.cold) + one.list(.warm) > one.count * 8 / 10)
    }
    // Without ghosts, which would help it too.
    var misses: [Int] = []
    for _ in 0..<16 {
      misses.append(0)
      for number in 0..<(one.count * 3 / 4) {
        if one.has(number) {
          one.read(number)
        } else {
          try one.put(number)
          misses[misses.count - 1] += 1
        }
      }
    }
    #expect(misses.suffix(2) == [0, 0], "\(misses)")
    if !mainQueueIsFull { #expect(misses[1] == 0) }
    #expect(one.test.broken() == [])
  }

  /// From the small queue to the main one: for two reads, not for one.
  @Test func twoReadsPromote() throws {
    let one = try OneClass(.s3fifo)
    try one.put(0..<one.count)
    one.read(0, times: 2)
    one.read(1)
    one.read(2, times: 3)
    try one.put(1000..<1010)
    #expect(one.has(0) && !one.has(1) && one.has(2) && !one.has(3))
    #expect(one.test.statistics.movesToCold == 2 && one.list(.cold) + one.list(.warm) == 2)
    #expect(one.figures.counts[0] == one.count - 2 && one.figures.counts[2] == 2)
    // There they begin anew.
    #expect(one.test.withItem("0") { $0.reads } == 0)
  }

  /// The small queue keeps its share of the class, not more, once the main one is filled.
  @Test func theSmallQueueIsATenth() throws {
    let one = try OneClass(.s3fifo)
    for number in 0..<2000 {
      try one.put(number)
      one.read(number, times: 2)
    }
    #expect(one.list(.hot) >= one.count / 10 - 1 && one.list(.hot) <= one.count / 10 + 1)
  }

  /// In the main queue each read is worth a round, up to three.
  @Test(arguments: 0...4) func readsAreRoundsInTheMainQueue(_ reads: Int) throws {
    let one = try OneClass(.s3fifo)
    // All go to the main queue.
    for number in 0..<one.count {
      try one.put(number)
      one.read(number, times: 2)
    }
    try one.put(one.count..<(one.count + 1))
    // Pushed through until the small queue is a tenth, the main queue gives one for each that is promoted.
    one.read(50, times: reads)
    var rounds = 0
    var next = 5000
    while one.has(50), rounds < 20 {
      for _ in 0..<one.count {
        try one.put(next)
        one.read(next, times: 2)
        next += 1
      }
      rounds += 1
    }
    #expect(rounds >= min(reads, 3) && rounds <= min(reads, 3) + 3, "\(rounds) rounds for \(reads) reads")
  }

  /// Who comes back soon after it was evicted goes to the main queue at once.
  @Test func ghostsReturnToTheMainQueue() throws {
    let one = try OneClass(.s3fifo)
    try one.put(0..<one.count)
    one.test.store.value.tick(now: one.test.now)
    try one.put(1000..<1020)
    #expect(!one.has(3))
    try one.put(3)
    #expect(one.test.withItem("3") { $0.segment } == .cold)
    // A stranger does not.
    try one.put(2000)
    #expect(one.test.withItem("2000") { $0.segment } == .hot)
    // Now it outlives those who came with it.
    try one.put(3000..<(3000 + one.count))
    #expect(one.has(3) && !one.has(2000))
    #expect(one.test.broken() == [])
  }

  /// A ghost tells the page mover that a page more would have been a hit; its absence tells nothing.
  @Test func returnsAreGains() throws {
    let one = try OneClass(.s3fifo)
    func gain() -> Double { one.test.store.value.pageViews(now: one.test.now)[one.slabClass - 1].gain }
    try one.put(0..<one.count)
    one.test.store.value.tick(now: one.test.now)
    try one.put(1000..<1020)
    #expect(gain() == 0)
    for number in 0..<10 { try one.put(number) }
    #expect(gain() > 0)
    let before = gain()
    try one.put(4000..<4010)
    #expect(abs(gain() - before) < before / 100)
  }

  @Test func hotIsTheSmallQueueInTheFigures() throws {
    let one = try OneClass(.s3fifo)
    try one.put(0..<one.count)
    #expect(one.figures.counts == [one.count, 0, 0, 0])
    for number in 0..<one.count { one.read(number, times: 2) }
    try one.put(1000..<1200)
    // The last page of the main queue is COLD for whoever asks.
    #expect(one.figures.counts[1] == 0 && one.figures.counts[3] == 0)
    #expect(one.figures.counts[0] + one.figures.counts[2] == one.count)
    #expect(one.figures.itemCount == one.count)
  }
}

struct SegmentedOrderTests {
  /// New items are HOT; beyond a fifth of the class they cool down, oldest first.
  @Test func newItemsCoolDown() throws {
    let one = try OneClass(.segmented)
    try one.put(100..<200)
    #expect(one.list(.hot) == 100)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.hot) == 20 && one.list(.warm) == 0 && one.list(.cold) == 80)
    for number in 100..<200 {
      let segment: Segment = number < 180 ? .cold : .hot
      #expect(one.test.withItem("\(number)") { $0.segment } == segment, "\(number)")
    }
    #expect(one.test.statistics.movesToCold == 80)
    #expect(one.test.broken() == [])
  }

  /// Read twice, an item is active: from HOT and from COLD it goes to WARM, once.
  @Test func activeItemsBecomeWarm() throws {
    let one = try OneClass(.segmented)
    try one.put(0..<100)
    one.read(0, times: 2)
    one.read(1)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.test.withItem("0") { $0.segment } == .warm && one.test.withItem("1") { $0.segment } == .cold)
    #expect(one.test.statistics.movesToWarm == 1)
    // From COLD when it would be evicted.
    one.read(1)
    one.read(2, times: 2)
    try one.put(1000..<1010)
    #expect(one.has(1) && one.has(2) && !one.has(3))
    #expect(one.test.withItem("1") { $0.segment } == .warm && one.test.withItem("2") { $0.segment } == .warm)
    #expect(one.test.statistics.movesToWarm == 3)
    #expect(one.test.broken() == [])
  }

  /// WARM has two fifths; who is active there goes round, who is not cools down.
  @Test func warmItemsCoolDown() throws {
    let one = try OneClass(.segmented)
    try one.put(0..<100)
    for number in 0..<100 { one.read(number, times: 2) }
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.warm) + one.list(.cold) + one.list(.hot) == 100)
    #expect(one.list(.warm) <= 41 && one.test.statistics.movesToWarm >= 80)
    let before = one.test.statistics
    // The tail of WARM, read twice more, stays.
    let tail = try #require(warmTail(one))
    one.test.read(tail)
    one.test.read(tail)
    one.test.read(tail)
    for number in 2000..<2030 {
      try one.put(number)
      one.read(number, times: 2)
      _ = one.test.store.value.maintainLists(now: one.test.now)
    }
    #expect(one.test.withItem(tail) { $0.segment } == .warm)
    #expect(one.test.statistics.movesWithinLRU > before.movesWithinLRU)
    #expect(one.test.statistics.movesToCold > before.movesToCold)
    #expect(one.test.broken() == [])
  }

  private func warmTail(_ one: OneClass) -> String? {
    let held = one.test.store.value.slabs.lock(one.slabClass)
    let ref = one.test.store.value.slabs.withClass(held) { $0[.warm].tail }
    if ref.isNone { return nil }
    let item = one.test.store.value.arena.item(ref)
    return String(decoding: item.key.bytes(ByteRange(start: 0, end: item.keyByteCount)), as: UTF8.self)
  }

  /// Within its share too, what was idle longer than a part of COLD's age leaves HOT.
  @Test func idleItemsLeaveHot() throws {
    let one = try OneClass(.segmented)
    try one.put(0..<100)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    for number in 0..<90 { one.test.delete("\(number)") }
    try one.put(500..<530)
    // COLD is empty; its age is 0, and so is the time that HOT may idle: after a second it all cools down.
    one.test.advance(seconds: 1)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.hot) == 0 && one.list(.cold) == 40)
    // A fifth of an old COLD's age.
    one.test.advance(seconds: 100)
    try one.put(600..<605)
    one.test.advance(seconds: 20)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.hot) == 5)
    one.test.advance(seconds: 10)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.hot) == 0)
  }

  /// With temp_lru, what lives no longer than temporary_ttl has a list of its own, which the maintainer leaves alone.
  @Test func shortLivedItemsAreApart() throws {
    let one = try OneClass(.segmented) {
      $0.tunables.setDefault(.temporaryLRU, 1)
      $0.tunables.setDefault(.temporaryTTLSeconds, 30)
    }
    for number in 0..<10 { try one.put(number, exptime: 30) }
    for number in 10..<20 { try one.put(number, exptime: 31) }
    try one.put(20..<30)
    #expect(one.list(.temporary) == 10 && one.list(.hot) == 20)
    _ = one.test.store.value.maintainLists(now: one.test.now)
    #expect(one.list(.temporary) == 10)
    // The others go first.
    try one.put(100..<(100 + one.count))
    for number in 0..<10 { #expect(one.has(number)) }
    for number in 10..<30 { #expect(!one.has(number)) }
    one.test.advance(seconds: 31)
    for number in 0..<10 { #expect(!one.has(number)) }
    #expect(one.test.broken() == [])
  }

  /// A class full of short-lived items refuses nothing, though the reference would.
  @Test func shortLivedItemsGoWhenThereAreNoOthers() throws {
    let one = try OneClass(.segmented) { $0.tunables.setDefault(.temporaryLRU, 1) }
    for number in 0..<(2 * one.count) { try one.put(number, exptime: 10) }
    #expect(one.list(.temporary) == one.count)
    #expect(one.test.statistics.evicted == UInt64(one.count) && one.test.statistics.outOfMemory == 0)
  }
}

struct FlatOrderTests {
  /// One list: what was read since it was last looked at goes round, all others leave in the order in which they came.
  @Test func readItemsGoRoundOnce() throws {
    let one = try OneClass(.flat)
    try one.put(0..<one.count)
    one.read(0)
    one.read(5)
    #expect(one.list(.cold) == one.count)
    try one.put(1000..<1010)
    #expect(one.present.isDisjoint(with: [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]))
    #expect(one.has(0) && one.has(5) && one.has(12))
    #expect(one.test.statistics.movesWithinLRU == 2)
    try one.put(2000..<(2000 + one.count))
    #expect(!one.has(0) && !one.has(5))
    #expect(one.test.broken() == [])
  }
}

struct ChangeOfOrderTests {
  private func change(_ test: TestStore, to order: EvictionOrder) {
    test.store.value.tunables[.order] = UInt64(order.rawValue)
  }

  /// From any order to any other, and on: nothing is lost but what is evicted, nothing is refused, and flat drains the
  /// other lists.
  @Test func fromAnyToAny() throws {
    for first in EvictionOrder.allCases {
      for second in EvictionOrder.allCases {
        let one = try OneClass(first) { $0.tunables.setDefault(.temporaryLRU, 1) }
        for number in 0..<one.count {
          try one.put(number, exptime: number % 5 == 0 ? 40 : 0)
          one.read(number, times: number % 4)
        }
        _ = one.test.store.value.maintainLists(now: one.test.now)
        change(one.test, to: second)
        for number in 1000..<(1000 + 2 * one.count) {
          try one.put(number)
          one.read(number, times: number % 4)
          if number % 10 == 0 { _ = one.test.store.value.maintainLists(now: one.test.now) }
        }
        #expect(one.test.store.value.itemCount == one.count, "\(first) to \(second)")
        #expect(one.test.statistics.outOfMemory == 0)
        #expect(one.test.broken() == [], "\(first) to \(second)")
        if second == .flat { #expect(one.list(.cold) == one.count) }
        // What the old order has left does not stay for ever; short-lived items that are segmented until they die.
        one.test.advance(seconds: 41)
        for number in 3000..<(3000 + 8 * one.count) {
          try one.put(number)
          one.read(number, times: 2)
        }
        for number in 0..<one.count { #expect(!one.has(number), "\(first) to \(second): \(number)") }
      }
    }
  }

  @Test func flatDrainsWithoutTraffic() throws {
    let one = try OneClass(.segmented)
    try one.put(0..<100)
    for number in 0..<50 { one.read(number, times: 2) }
    _ = one.test.store.value.maintainLists(now: one.test.now)
    change(one.test, to: .flat)
    for _ in 0..<30 { _ = one.test.store.value.maintainLists(now: one.test.now) }
    #expect(one.list(.cold) == 100 && one.list(.hot) == 0 && one.list(.warm) == 0)
    #expect(one.test.broken() == [])
  }
}
