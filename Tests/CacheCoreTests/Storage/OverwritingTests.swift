// A `set` that is all there: where the new value fits the old one's chunk it is written in place, otherwise it is a new
// item. Either way readers, figures and later flushes must see what a new item would show.
import Testing

@testable import CacheCore

struct OverwritingTests {
  private struct Facts: Equatable {
    var ref: ItemRef
    var cas: UInt64
    var flags: UInt32
    var exptime: UInt32
  }

  private func facts(_ test: TestStore, _ key: String) -> Facts? {
    test.withItem(key) { Facts(ref: $0.ref, cas: $0.cas, flags: $0.clientFlags, exptime: $0.exptime) }
  }

  @Test func everythingIsNewButThePlace() throws {
    let test = TestStore()
    try test.set("key", pattern(60, salt: 1), flags: 7, exptime: 100)
    let first = try #require(facts(test, "key"))
    try test.set("key", pattern(60, salt: 2), flags: 8, exptime: 0)
    let second = try #require(facts(test, "key"))
    #expect(second == Facts(ref: first.ref, cas: first.cas + 1, flags: 8, exptime: 0))
    #expect(test.peek("key") == pattern(60, salt: 2))
    #expect(test.broken() == [])
  }

  /// All pairs of sizes around two class borders: same bytes, true sums, nothing lost.
  @Test(arguments: [UInt32(0), 5]) func everySizeAfterEveryOther(_ flags: UInt32) throws {
    let test = TestStore {
      $0.hashPower = 4
      $0.slabs.explicitSizes = [96, 120, 152]
      $0.slabs.chunkMaxByteCount = 512
    }
    let overhead = 36 + 3 + (flags == 0 ? 0 : 4)
    let sizes = [0, 1, 95, 96, 97, 119, 120, 121, 152, 153, 511, 512, 513, 2000].map { max(0, $0 - overhead) }
    for (index, old) in sizes.enumerated() {
      for (otherIndex, new) in sizes.enumerated() {
        try test.set("key", pattern(old, salt: index), flags: flags)
        try test.set("key", pattern(new, salt: 100 + otherIndex), flags: flags)
        #expect(test.peek("key") == pattern(new, salt: 100 + otherIndex), "\(new) after \(old)")
        let total = try #require(test.withItem("key") { $0.totalByteCount })
        #expect(test.store.value.figures().byteCount == total, "\(new) after \(old)")
      }
      #expect(test.broken() == [], "after \(old)")
    }
  }

  @Test func flagsComeAndGo() throws {
    let test = TestStore()
    for flags: UInt32 in [0, 1, 0, .max, 2, 0] {
      try test.set("key", bytes("value"), flags: flags)
      #expect(facts(test, "key")?.flags == flags)
      #expect(test.peek("key") == bytes("value"))
    }
    #expect(test.broken() == [])
  }

  @Test func aValueThatIsBeingSentIsNotTouched() throws {
    let test = TestStore()
    try test.set("key", bytes("old value"))
    let held = try #require(test.hold("key"))
    try test.set("key", bytes("new value"))
    #expect(test.value(of: held) == bytes("old value"))
    #expect(test.peek("key") == bytes("new value"))
    #expect(test.broken(reservedChunks: 1) == [])
    test.store.value.release(held.ref)
    #expect(test.broken() == [])
  }

  @Test func aRefusedSetChangesNothing() throws {
    let test = TestStore {
      $0.itemSizeMaxBytes = 1000
      $0.slabs.explicitSizes = [2000]
    }
    try test.set("key", pattern(900), exptime: 50)
    let before = facts(test, "key")
    // It would fit the chunk, but not the limit.
    #expect(throws: ReservationFailure.tooLarge) { try test.set("key", pattern(962)) }
    #expect(facts(test, "key") == before)
    #expect(test.peek("key") == pattern(900))
    try test.set("key", pattern(961))
    #expect(test.broken() == [])
  }

  @Test func aFullCacheWithoutEvictionsTakesWhatFits() throws {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.evictionsEnabled = false
      $0.slabs.explicitSizes = [10_000, 20_000]
    }
    var count = 0
    while (try? test.set("\(count)", pattern(9000, salt: count))) != nil { count += 1 }
    #expect(count == 104)
    try test.set("0", pattern(9500, salt: 1))
    #expect(test.peek("0") == pattern(9500, salt: 1))
    try test.set("large", pattern(19_000))
    for number in 1..<52 { try test.set("large \(number)", pattern(19_000)) }
    // To the other class there is no way; the old value goes, as with any set that fails, and its chunk is free again.
    #expect(throws: ReservationFailure.noMemory) { try test.set("0", pattern(15_000)) }
    #expect(!test.has("0"))
    try test.set("new", pattern(9000))
    #expect(test.broken() == [])
  }

  /// The old value is the only one that could make room for the new one.
  @Test func aSetMayTakeThePlaceOfItsOwnOldValue() throws {
    let test = TestStore { $0.memoryLimitBytes = 1 << 20 }
    try test.set("a", pattern(1_040_000))
    try test.set("a", pattern(1_040_001))
    #expect(test.withItem("a") { $0.valueByteCount } == 1_040_001)
    #expect(test.broken() == [])
  }

  /// An overwrite counts as a read: one is enough in the orders of memcached, S3-FIFO wants two.
  @Test(arguments: EvictionOrder.allCases) func anOverwrittenItemIsNotTheNextToGo(_ order: EvictionOrder) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 1 << 20
      $0.order = order
      $0.slabs.explicitSizes = [10_000]
      $0.slabs.chunkMaxByteCount = 10_008
    }
    for number in 0..<104 { try test.set("\(number)", pattern(9000, salt: number)) }
    if order == .s3fifo { try test.set("0", pattern(9000, salt: 199)) }
    try test.set("0", pattern(9000, salt: 200))
    for number in 104..<200 { try test.set("\(number)", pattern(9000, salt: number)) }
    #expect(test.peek("0") == pattern(9000, salt: 200))
    #expect(!test.has("1"))
    #expect(test.broken() == [])
  }

  @Test func flushesSeeOverwrittenItemsAsNew() throws {
    let test = TestStore()
    try test.set("a", bytes("1"))
    test.advance(seconds: 5)
    try test.set("a", bytes("2"))
    test.store.value.flush(now: test.now)
    #expect(!test.has("a"))
    try test.set("a", bytes("3"))
    try test.set("a", bytes("4"))
    #expect(test.peek("a") == bytes("4"))
    test.store.value.flush(now: test.now)
    #expect(!test.has("a"))
    #expect(test.broken() == [])
  }

  @Test func expiredItemsAreNotWrittenInto() throws {
    let test = TestStore()
    try test.set("a", bytes("old"), exptime: 1)
    test.advance(seconds: 2)
    try test.set("a", bytes("new"))
    #expect(test.peek("a") == bytes("new"))
    #expect(test.statistics.reclaimed == 1)
    #expect(test.broken() == [])
  }
}
