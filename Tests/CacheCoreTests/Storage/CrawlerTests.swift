// The crawler that looks for the dead: it frees all of them and nothing else, in steps of any length, whatever clients
// do between two steps, and looks only at pages that may hold some. When a run is worth it: CrawlDemandTests.
import Testing

@testable import CacheCore

struct CrawlerTests {
  /// A class of `count` items, each third of which expires after a second; "0" is the oldest.
  private func filled(_ count: Int) throws -> TestStore {
    let test = TestStore()
    for number in 0..<count { try test.put("\(number)", bytes("v"), exptime: number % 3 == 0 ? 1 : 0) }
    test.advance(seconds: 2)
    return test
  }

  @Test(arguments: [1, 7, 10, 99, 100, 1000])
  func theCrawlerFreesTheExpired(_ chunksPerStep: Int) throws {
    let test = try filled(100)
    var crawl = test.store.value.beginCrawl(now: test.now)
    var steps = 0
    while !crawl.isDone {
      test.store.value.crawlStep(&crawl, chunks: chunksPerStep, now: test.now)
      steps += 1
      if crawl.isDone { #expect(test.broken() == []) }
    }
    test.store.value.noteCrawlDone(crawl, now: test.now)
    #expect(steps >= (100 + chunksPerStep - 1) / chunksPerStep && steps <= 100 / chunksPerStep + 1)
    #expect(crawl.examinedCount == 100 && crawl.reclaimedCount == 34)
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
    let test = try filled(200)
    var random = SeededRandom(seed: UInt64(seed))
    var gone: Set<Int> = []
    var steps = 0
    var replaced = 0
    var crawl = test.store.value.beginCrawl(now: test.now)
    while !crawl.isDone {
      test.store.value.crawlStep(&crawl, chunks: 5, now: test.now)
      steps += 1
      // The item it stands on, and those around it: they were stored in the order of memory.
      for number in [crawl.chunk, crawl.chunk + 1, crawl.chunk - 1] {
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
    }
    #expect(test.broken() == [], "seed \(seed)")
    #expect(test.statistics.crawlerReclaimed == 67, "seed \(seed)")
    #expect(replaced > 0)
    #expect(test.statistics.crawlerItemsChecked <= 200 + UInt64(replaced), "seed \(seed)")
    for number in 0..<200 {
      #expect(test.has("\(number)") == (number % 3 != 0 && !gone.contains(number)), "seed \(seed): \(number)")
    }
  }

  @Test func theCrawlerLeavesHeldItemsAlone() throws {
    let test = TestStore()
    try test.put("a", bytes("value"), exptime: 1)
    let item = try #require(test.hold("a"))
    test.advance(seconds: 2)
    #expect(test.crawl().reclaimedCount == 0)
    #expect(test.value(of: item) == bytes("value"))
    test.store.value.release(item.ref)
    #expect(test.crawl().reclaimedCount == 1)
    #expect(test.statistics.crawlerReclaimed == 1)
    #expect(test.broken() == [])
  }

  @Test func theCrawlerFreesChunkedItemsWhole() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 1024 }
    for number in 0..<20 { try test.put("\(number)", pattern(3000 + 100 * number), exptime: 1) }
    test.advance(seconds: 2)
    #expect(test.crawl(chunksPerStep: 3).reclaimedCount == 20)
    #expect(test.store.value.itemCount == 0)
    #expect(test.broken() == [])
  }

  @Test func anEmptyStoreIsDoneAtOnce() {
    let test = TestStore()
    var crawl = test.store.value.beginCrawl(now: test.now)
    test.store.value.crawlStep(&crawl, chunks: 1, now: test.now)
    #expect(crawl.isDone && crawl.examinedCount == 0)
  }
}
