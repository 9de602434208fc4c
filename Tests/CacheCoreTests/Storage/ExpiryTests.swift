// The end of items: time to live second by second, flushes at once and later. All with a clock that the test moves. The
// crawler that looks for the dead is in CrawlerTests.
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
}
