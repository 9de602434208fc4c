// The end of items: time to live second by second, flushes at once and later, and the crawler that looks for the dead.
// All with a clock that the test moves.
import Testing

@testable import CacheCore

struct ExpiryTests {
  /// n lives at least n and less than n + 1 seconds: through the tick of second n, and not through the next one.
  @Test(arguments: [1, 2, 3, 10, 60, 1000])
  func aTimeToLiveIsThatLong(_ seconds: Int64) throws {
    for start in [UInt32(0), 1, 100] {
      let test = TestStore()
      test.advance(seconds: start)
      try test.put("a", bytes("value"), exptime: seconds)
      for second in 0...seconds {
        #expect(test.has("a"), "after \(second) of \(seconds)")
        test.advance(seconds: 1)
      }
      #expect(!test.has("a"))
      #expect(test.statistics.reclaimed == 1)
      #expect(test.broken() == [])
    }
  }

  @Test func absoluteTimes() throws {
    let test = TestStore()
    test.advance(seconds: 10)
    let unixNow = TestStore.startedAtUnixSeconds + 10
    try test.put("past", [], exptime: unixNow - 1)
    try test.put("before the start", [], exptime: unixNow - 11)
    try test.put("soon", [], exptime: unixNow + 5)
    #expect(!test.has("past") && !test.has("before the start"))
    test.advance(seconds: 5)
    #expect(test.has("soon"))
    test.advance(seconds: 1)
    #expect(!test.has("soon"))
  }

  @Test func negativeTimesStoreAndExpireAtOnce() throws {
    let test = TestStore()
    try test.put("a", bytes("old"))
    #expect(try test.put("a", bytes("new"), exptime: -1) == .stored)
    #expect(!test.has("a"))
    #expect(test.broken() == [])
  }

  @Test func forEverIsLong() throws {
    let test = TestStore()
    try test.put("a", bytes("value"))
    test.now = .max
    #expect(test.has("a"))
  }

  @Test func theDeadDoNotCount() throws {
    let test = TestStore()
    for mode in [StoreMode.replace, .append, .prepend] {
      try test.put("a", bytes("old"), exptime: -1)
      #expect(try test.put("a", bytes("new"), mode: mode) == .notStored)
    }
    try test.put("a", bytes("old"), exptime: -1)
    #expect(try test.put("a", bytes("new"), mode: .cas, cas: 5) == .notFound)
    try test.put("a", bytes("old"), exptime: -1)
    #expect(try test.put("a", bytes("new"), mode: .add) == .stored)
    #expect(test.peek("a") == bytes("new"))
    #expect(test.broken() == [])
  }

  @Test func lookUpsTellExpiredFromFlushed() throws {
    let test = TestStore()
    func look(_ key: String) -> String {
      let buffer = receiveBuffer(bytes(key))
      let span = buffer.span.slice(ByteRange(start: 0, end: buffer.count))
      let hash = test.store.value.hash(span)
      let held = test.store.value.locks.lock(hash)
      switch test.store.value.find(span, hash, now: test.now, held) {
      case .hit: return "hit"
      case .miss: return "miss"
      case .expired: return "expired"
      case .flushed: return "flushed"
      }
    }
    try test.put("a", [])
    #expect(look("a") == "hit")
    try test.put("a", [], exptime: -1)
    #expect(look("a") == "expired")
    #expect(look("a") == "miss")
    try test.put("a", [])
    test.store.value.flush(now: test.now)
    #expect(look("a") == "flushed")
    #expect(look("a") == "miss")
  }

  // Flushes.

  @Test func aFlushInTheSameSecondTellsBeforeFromAfter() throws {
    let test = TestStore()
    for round in 0..<5 {
      try test.put("before", bytes("\(round)"))
      #expect(test.has("before"))
      test.store.value.flush(now: test.now)
      #expect(!test.has("before"))
      try test.put("after", bytes("\(round)"))
      #expect(test.peek("after") == bytes("\(round)"))
      test.read("after")
      #expect(test.has("after"))
    }
    test.advance(seconds: 3)
    #expect(test.has("after"))
    #expect(test.broken() == [])
  }

  @Test func aReadDoesNotCarryAnItemOverAFlush() throws {
    let test = TestStore()
    try test.put("a", bytes("1"))
    test.advance(seconds: 5)
    test.read("a")
    test.store.value.flush(now: test.now)
    #expect(!test.has("a"))
    try test.put("b", bytes("1"))
    test.store.value.flush(now: test.now)
    #expect(!test.has("b"))
  }

  @Test func aDelayedFlushComesWhenItIsDue() throws {
    let test = TestStore()
    try test.put("a", bytes("1"))
    test.store.value.flushLater(due: test.now + 3)
    test.advance(seconds: 2)
    #expect(test.has("a"))
    try test.put("b", bytes("1"))
    test.advance(seconds: 1)
    #expect(!test.has("a") && !test.has("b"))
    try test.put("c", bytes("1"))
    test.advance(seconds: 10)
    #expect(test.has("c"))
    #expect(test.store.value.lastFlush == ClockBase.startSeconds + 3)
  }

  @Test func aNewFlushReplacesAPendingOne() throws {
    let test = TestStore()
    test.store.value.flushLater(due: test.now + 2)
    test.store.value.flushLater(due: test.now + 5)
    try test.put("a", bytes("1"))
    test.advance(seconds: 4)
    #expect(test.has("a"))
    test.advance(seconds: 1)
    #expect(!test.has("a"))
    test.store.value.flushLater(due: test.now + 2)
    test.store.value.flush(now: test.now)
    try test.put("b", bytes("1"))
    test.advance(seconds: 10)
    #expect(test.has("b"))
  }

  // The crawler.

  /// A class of `count` items, each third of which expires after a second; "0" is the oldest.
  private func crawled(_ count: Int) throws -> (TestStore, slabClass: Int) {
    let test = TestStore()
    for number in 0..<count { try test.put("\(number)", bytes("v"), exptime: number % 3 == 0 ? 1 : 0) }
    test.advance(seconds: 2)
    return (test, test.slabClass(key: "0", valueByteCount: 1))
  }

  private func crawl(_ test: TestStore, _ slabClass: Int, items: Int) -> Bool {
    !test.store.value.crawlStep(slabClass: slabClass, items: items, now: test.now).isAtHead
  }

  @Test(arguments: [1, 7, 10, 99, 100, 1000])
  func theCrawlerFreesTheExpired(_ itemsPerStep: Int) throws {
    let (test, slabClass) = try crawled(100)
    var steps = 1
    while crawl(test, slabClass, items: itemsPerStep) {
      steps += 1
      #expect(test.broken() == [])
    }
    #expect(steps >= (100 + itemsPerStep - 1) / itemsPerStep && steps <= 100 / itemsPerStep + 1)
    let statistics = test.statistics
    #expect(statistics.crawlerReclaimed == 34 && statistics.crawlerItemsChecked == 100)
    #expect(statistics.expiredUnfetched == 34)
    #expect(test.store.value.itemCount == 66)
    for number in 0..<100 { #expect(test.has("\(number)") == (number % 3 != 0)) }
    #expect(test.broken() == [])
  }

  /// Between two steps the items around the crawler's place are removed, replaced or joined by new ones: nothing that
  /// expired before the crawl is missed, and nothing is looked at twice.
  @Test(arguments: 0..<8) func theCrawlerGoesOnUnderRemovals(_ seed: Int) throws {
    let (test, slabClass) = try crawled(200)
    var random = SeededRandom(seed: UInt64(seed))
    var gone: Set<Int> = []
    var isGoingOn = true
    var steps = 0
    var replaced = 0
    while isGoingOn {
      isGoingOn = crawl(test, slabClass, items: 5)
      steps += 1
      let position = test.store.value.slabs.withClass(test.store.value.slabs.lock(slabClass)) { $0.crawlPosition }
      // The item it stands on, and those around it.
      let standing = position.isNone ? nil : Int(String(decoding: keyOf(position, test), as: UTF8.self))
      for number in [standing, standing.map { $0 + 1 }, standing.map { $0 - 1 }].compactMap({ $0 }) {
        guard number % 3 != 0, (0..<200).contains(number), random.isOne(in: 2) else { continue }
        if random.isOne(in: 2) {
          test.delete("\(number)")
          gone.insert(number)
        } else {
          try test.put("\(number)", bytes("w"))
          replaced += 1
          gone.remove(number)
        }
      }
      try #require(steps < 1000, "seed \(seed): the crawl does not end")
      #expect(test.broken() == [], "seed \(seed)")
    }
    #expect(test.statistics.crawlerReclaimed == 67, "seed \(seed)")
    #expect(replaced > 0)
    #expect(test.statistics.crawlerItemsChecked <= 200 + UInt64(replaced), "seed \(seed)")
    for number in 0..<200 {
      #expect(test.has("\(number)") == (number % 3 != 0 && !gone.contains(number)), "seed \(seed): \(number)")
    }
  }

  private func keyOf(_ ref: ItemRef, _ test: TestStore) -> [UInt8] {
    let item = test.store.value.arena.item(ref)
    return item.key.bytes(ByteRange(start: 0, end: item.keyByteCount))
  }

  @Test func theCrawlerLeavesHeldItemsAlone() throws {
    let test = TestStore()
    try test.put("a", bytes("value"), exptime: 1)
    let item = try #require(test.hold("a"))
    test.advance(seconds: 2)
    let slabClass = test.store.value.slabs.slabClass(of: item.ref)
    while crawl(test, slabClass, items: 10) {}
    #expect(test.value(of: item) == bytes("value"))
    #expect(test.statistics.crawlerReclaimed == 0)
    test.store.value.release(item.ref)
    while crawl(test, slabClass, items: 10) {}
    #expect(test.statistics.crawlerReclaimed == 1)
    #expect(test.broken() == [])
  }

  @Test func theCrawlerFreesChunkedItemsWhole() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 1024 }
    for number in 0..<20 { try test.put("\(number)", pattern(3000 + 100 * number), exptime: 1) }
    test.advance(seconds: 2)
    for slabClass in 1..<test.store.value.slabClassCount { while crawl(test, slabClass, items: 3) {} }
    #expect(test.store.value.itemCount == 0)
    #expect(test.broken() == [])
  }

  @Test func anEmptyClassIsDoneAtOnce() {
    let test = TestStore()
    #expect(!crawl(test, 1, items: 10))
  }
}
