// Making room: who is evicted and who is not, with one page of one class to quarrel about, in every order. The order of
// reads and writes is the test's; the clock moves only where a test says so. What sets the orders apart is in
// OrderTests, what a class gets from others in PageTests.
import Testing

@testable import CacheCore

struct EvictionTests {
  private static let valueByteCount = 1000

  /// A store with room for one page of items of this size, full: "0" is the oldest.
  private func full(
    _ order: EvictionOrder = .s3fifo, _ change: (inout StoreConfiguration) -> Void = { _ in }
  ) throws -> (TestStore, count: Int) {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
      change(&$0)
    }
    let classes = test.store.value.slabs.classes
    let count = classes.chunksPerPage(test.slabClass(key: "123", valueByteCount: EvictionTests.valueByteCount))
    for number in 0..<count { try put(test, number) }
    return (test, count)
  }

  /// A store whose one page holds five items of 190,000 bytes, "0" to "4", and is full with them.
  private func fullSmallClass(_ order: EvictionOrder) throws -> TestStore {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
      $0.slabs.explicitSizes = [200_000]
    }
    for number in 0..<5 { try test.put("\(number)", pattern(190_000)) }
    return test
  }

  private func put(_ test: TestStore, _ number: Int, exptime: Int64 = 0) throws(ReservationFailure) {
    try test.put("\(number)", pattern(EvictionTests.valueByteCount, salt: number), exptime: exptime)
  }

  @Test(arguments: EvictionOrder.allCases) func theOldestUnreadGoesFirst(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    #expect(test.statistics.evicted == 0)
    for number in 0..<count { #expect(test.has("\(number)")) }
    for number in 0..<count {
      try put(test, count + number)
      #expect(!test.has("\(number)"), "\(number) should be gone")
      #expect(test.has("\(number + 1)"))
    }
    #expect(test.statistics.evicted == UInt64(count))
    #expect(test.statistics.evictedUnfetched == UInt64(count))
    #expect(test.peek("\(count)") == pattern(EvictionTests.valueByteCount, salt: count))
    #expect(test.broken() == [])
  }

  @Test func aReadItemSurvivesOneRound() throws {
    let (test, count) = try full(.flat)
    test.read("0")
    for number in 0..<(count - 1) { try put(test, count + number) }
    #expect(test.has("0"))
    for number in 1..<count { #expect(!test.has("\(number)")) }
    #expect(test.statistics.movesWithinLRU == 1)
    // Not read again, it is as old as the others now.
    for number in 0..<count { try put(test, 2 * count + number) }
    #expect(!test.has("0"))
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func aReplacedItemIsNew(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    try put(test, 0)
    try put(test, count)
    #expect(test.has("0"))
    #expect(!test.has("1"))
  }

  @Test(arguments: EvictionOrder.allCases) func secondChancesAreBounded(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    for number in 0..<count {
      test.read("\(number)")
      test.read("\(number)")
    }
    try put(test, count)
    let statistics = test.statistics
    #expect(statistics.evicted == 1)
    // Segmented: those that became WARM begin anew, the one that went was COLD with reads of its own.
    #expect(statistics.evictedActive == 1)
    let moves = statistics.movesWithinLRU + statistics.movesToCold + statistics.movesToWarm
    #expect(moves > 0 && moves <= 64 + 8)
    #expect(test.store.value.itemCount == count)
    #expect(test.broken() == [])
  }

  /// A class with a single item, read often: it is evicted like any other, not "out of memory".
  @Test(arguments: EvictionOrder.allCases) func theOnlyItemOfAClassCanBeEvicted(_ order: EvictionOrder) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
    }
    let size = 1_040_000
    try test.put("a", pattern(size, salt: 1))
    test.read("a")
    test.read("a")
    #expect(try test.put("b", pattern(size, salt: 2)) == .stored)
    #expect(!test.has("a"))
    let isSame = test.peek("b") == pattern(size, salt: 2)
    #expect(isSame)
    test.read("b")
    test.read("b")
    // Replacing it by itself works as well.
    #expect(try test.put("b", pattern(size, salt: 3)) == .stored)
    #expect(test.statistics.outOfMemory == 0)
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func allItemsActiveInASmallClass(_ order: EvictionOrder) throws {
    let test = try fullSmallClass(order)
    for number in 0..<5 {
      test.read("\(number)")
      test.read("\(number)")
    }
    for number in 5..<50 {
      #expect(try test.put("\(number)", pattern(190_000)) == .stored)
      test.read("\(number)")
      test.read("\(number)")
      #expect(test.store.value.itemCount == 5)
    }
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func withoutEvictionsNothingIsLost(_ order: EvictionOrder) throws {
    let (test, count) = try full(order) { $0.evictionsEnabled = false }
    #expect(throws: ReservationFailure.noMemory) { try put(test, count) }
    #expect(throws: ReservationFailure.noMemory) { try put(test, 0) }
    for number in 0..<count { #expect(test.has("\(number)")) }
    #expect(test.statistics.evicted == 0 && test.statistics.outOfMemory == 2)
    // A deletion makes room for one.
    #expect(test.delete("7"))
    try put(test, count)
    #expect(throws: ReservationFailure.noMemory) { try put(test, count + 1) }
    #expect(test.broken() == [])
  }

  @Test(arguments: [true, false], EvictionOrder.allCases)
  func expiredItemsAreReclaimedBeforeLiveOnesAreEvicted(_ evictionsEnabled: Bool, _ order: EvictionOrder) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
      $0.evictionsEnabled = evictionsEnabled
    }
    let count = test.store.value.slabs.classes.chunksPerPage(
      test.slabClass(key: "123", valueByteCount: EvictionTests.valueByteCount))
    for number in 0..<count { try put(test, number, exptime: number < 10 ? 1 : 0) }
    test.advance(seconds: 2)
    for number in 0..<10 {
      try put(test, count + number)
      #expect(test.statistics.reclaimed == UInt64(number + 1))
    }
    #expect(test.statistics.evicted == 0)
    #expect(test.statistics.expiredUnfetched == 10)
    for number in 10..<(count + 10) { #expect(test.has("\(number)")) }
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func flushedItemsAreReclaimed(_ order: EvictionOrder) throws {
    let (test, count) = try full(order) { $0.evictionsEnabled = false }
    test.store.value.flush(now: test.now)
    for number in 0..<count { try put(test, count + number) }
    #expect(test.statistics.reclaimed == UInt64(count) && test.statistics.evicted == 0)
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func heldItemsAreNotEvicted(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    let held = try (0..<5).map { try #require(test.hold("\($0)")) }
    for number in 0..<20 { try put(test, count + number) }
    for number in 0..<5 { #expect(test.has("\(number)")) }
    for number in 5..<25 { #expect(!test.has("\(number)")) }
    // They were sent to the head: nobody stumbles over them again and again. The head of COLD is not far from its tail.
    #expect(test.statistics.lruTailReflocked <= (order == .segmented ? 10 : 5))
    for item in held { test.store.value.release(item.ref) }
    #expect(test.broken() == [])
  }

  /// More held items at the tail than one search looks at: it gives up instead of walking the whole list, but the next
  /// one does not meet the same items again.
  @Test(arguments: EvictionOrder.allCases) func aTailFullOfHeldItemsIsOutOfMemoryOnce(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    let held = try (0..<200).map { try #require(test.hold("\($0)")) }
    #expect(throws: ReservationFailure.noMemory) { try put(test, count) }
    try put(test, count)
    // Segmented: the eight that had come to COLD were met twice.
    #expect(test.statistics.lruTailReflocked == (order == .segmented ? 208 : 200))
    for number in 0..<200 { #expect(test.has("\(number)")) }
    #expect(!test.has("200") && test.has("\(count)"))
    for item in held { test.store.value.release(item.ref) }
    #expect(test.broken() == [])
  }

  /// A list of held items is no reason to refuse while another list of the class has some that nobody holds.
  @Test(arguments: EvictionOrder.allCases) func heldItemsOfOneListDoNotHideTheOthers(_ order: EvictionOrder) throws {
    let test = try fullSmallClass(order)
    for number in 0..<5 {
      test.read("\(number)")
      test.read("\(number)")
    }
    // New items push the others to the main queue, or to WARM and COLD.
    for number in 5..<8 { try test.put("\(number)", pattern(190_000)) }
    for _ in 0..<5 {
      for segment in Segment.allCases {
        let slabClass = test.slabClass(key: "0", valueByteCount: 190_000)
        let list = test.store.value.slabs.withClass(test.store.value.slabs.lock(slabClass)) { $0[segment] }
        guard !list.tail.isNone, list.count < 5 else { continue }
        var held: [ItemRef] = []
        var ref = list.tail
        while !ref.isNone {
          let item = test.store.value.arena.item(ref)
          ref = item.previous
          let isHeld = test.store.value.hold(item)
          #expect(isHeld)
          held.append(item.ref)
        }
        #expect(try test.put("new", pattern(190_000)) == .stored, "\(segment)")
        for ref in held { test.store.value.release(ref) }
        try test.put("another", pattern(190_000))
      }
    }
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func aClassWhoseItemsAreAllHeldIsOutOfMemory(_ order: EvictionOrder) throws {
    let test = try fullSmallClass(order)
    let held = try (0..<5).map { try #require(test.hold("\($0)")) }
    #expect(throws: ReservationFailure.noMemory) { try test.put("5", pattern(190_000)) }
    test.store.value.release(held[3].ref)
    #expect(try test.put("5", pattern(190_000)) == .stored)
    #expect((0..<6).map { test.has("\($0)") } == [true, true, true, false, true, true])
    for (number, item) in held.enumerated() where number != 3 { test.store.value.release(item.ref) }
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func aFullCacheStillAppends(_ order: EvictionOrder) throws {
    let (test, count) = try full(order)
    // The oldest is the one appended to: the room must come from another.
    #expect(try test.put("0", bytes("!"), mode: .append) == .stored)
    let isSame = test.peek("0") == pattern(EvictionTests.valueByteCount) + bytes("!")
    #expect(isSame)
    #expect(test.store.value.itemCount == count - 1)
    #expect(test.broken() == [])
  }

  @Test(arguments: EvictionOrder.allCases) func chunkedItemsAreEvictedWhole(_ order: EvictionOrder) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 2 << 20
      $0.order = order
      $0.slabs.chunkMaxByteCount = 4096
    }
    for number in 0..<400 {
      let size = 20_000 + number * 13
      #expect(try test.put("\(number)", pattern(size, salt: number)) == .stored)
      let isSame = test.peek("\(number)") == pattern(size, salt: number)
      #expect(isSame)
    }
    #expect(test.statistics.evicted > 200)
    #expect(test.broken() == [])
  }

  /// A reservation that fails half-way, because the rest of its chunks cannot be had, gives back what it got.
  @Test(arguments: EvictionOrder.allCases) func halfAReservationIsGivenBack(_ order: EvictionOrder) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.itemSizeMaxBytes = 8 << 20
      $0.order = order
      $0.slabs.chunkMaxByteCount = 4096
    }
    try test.put("small", pattern(4000))
    #expect(throws: ReservationFailure.noMemory) { try test.put("large", pattern(3 << 20)) }
    #expect(!test.has("large"))
    #expect(test.broken() == [])
    #expect(try test.put("fits", pattern(500_000)) == .stored)
    #expect(test.broken() == [])
  }

  // The limit.

  @Test func theLimitIsKeptUpToOnePageAClass() throws {
    let test = TestStore { $0.memoryLimitBytes = 3 << 20 }
    var random = SeededRandom(seed: 51)
    var used: Set<Int> = []
    for number in 0..<6000 {
      let size = random.number(0...5000)
      used.insert(test.slabClass(key: "\(number)", valueByteCount: size))
      try test.put("\(number)", pattern(size))
      let pages = test.store.value.slabs.pagesInUse
      #expect(pages <= 3 + used.count)
    }
    #expect(test.statistics.evicted > 0)
    #expect(test.broken() == [])
  }

  @Test func theLimitCanBeRaisedIntoTheReserve() throws {
    let (test, count) = try full {
      $0.evictionsEnabled = false
      $0.reserveBytes = 4 << 20
    }
    #expect(throws: ReservationFailure.noMemory) { try put(test, count) }
    #expect(test.store.value.setMemoryLimit(bytes: 3 << 20) == .changed)
    #expect(test.store.value.memoryLimitBytes == 3 << 20)
    for number in count..<(3 * count) { try put(test, number) }
    #expect(throws: ReservationFailure.noMemory) { try put(test, 3 * count) }
    #expect(test.store.value.setMemoryLimit(bytes: 1 << 40) == .outOfBounds)
    #expect(test.store.value.setMemoryLimit(bytes: 1 << 20) == .changed)
    for number in 0..<(3 * count) { #expect(test.has("\(number)")) }
    #expect(test.broken() == [])
  }

  @Test func aClassWithoutAPageGetsItsFirst() throws {
    let (test, _) = try full { $0.evictionsEnabled = false }
    var used = 1
    for size in [1, 300, 3000, 30_000, 300_000] {
      #expect(try test.put("size \(size)", pattern(size)) == .stored)
      used += 1
      #expect(test.store.value.slabs.pagesInUse == used)
    }
  }
}
