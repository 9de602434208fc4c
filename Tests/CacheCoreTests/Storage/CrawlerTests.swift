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

  // Hints.

  /// Items of one size on many pages, each page with its own last second: `exptime(page, place on it)`.
  private func pages(_ count: Int, _ exptime: (Int, Int) -> Int64) throws -> (TestStore, perPage: Int) {
    let test = TestStore {
      $0.memoryLimitBytes = (count + 1) << 15
      $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
    }
    let slabClass = test.slabClass(key: "100 100", valueByteCount: 1000)
    let perPage = test.store.value.slabs.classes.chunksPerPage(slabClass)
    for page in 0..<count {
      for place in 0..<perPage { try test.put("\(page) \(place)", pattern(1000), exptime: exptime(page, place)) }
    }
    return (test, perPage)
  }

  /// Pages whose time has not come, and those of immortal items, are not looked at.
  @Test func pagesThatAreNotDueAreNotLookedAt() throws {
    // Three pages: immortal; ten seconds; a hundred, but for one item of ten.
    let (test, perPage) = try pages(3) { page, place in
      page == 0 ? 0 : page == 1 ? 10 : place == 7 ? 10 : 100
    }
    #expect(test.crawl().examinedCount == 0)
    test.advance(seconds: 10)
    #expect(test.crawl().examinedCount == 0)
    test.advance(seconds: 1)
    let crawl = test.crawl()
    #expect(crawl.examinedCount == 2 * perPage && crawl.reclaimedCount == perPage + 1)
    // The rest of the third page is due in its time, not before.
    test.advance(seconds: 89)
    #expect(test.crawl().examinedCount == 0)
    test.advance(seconds: 1)
    #expect(test.crawl().reclaimedCount == perPage - 1)
    #expect(test.store.value.itemCount == perPage)
    #expect(test.broken() == [])
  }

  /// What a client asks for is looked at, due or not; the hints are as true afterwards.
  @Test func aDemandLooksAtAllPagesOfItsClasses() throws {
    let (test, perPage) = try pages(2) { page, _ in page == 0 ? 0 : 50 }
    try test.put("other", pattern(100), exptime: 50)
    var classes = ClassSet()
    classes.insert(test.slabClass(key: "100 100", valueByteCount: 1000))
    test.store.value.demandCrawl(classes)
    let crawl = test.crawl()
    #expect(crawl.examinedCount == 2 * perPage && crawl.reclaimedCount == 0)
    #expect(test.broken() == [])
    test.advance(seconds: 51)
    #expect(test.crawl().reclaimedCount == perPage + 1)
    #expect(test.store.value.itemCount == perPage)
  }

  /// A run that is broken off in the middle of a page has missed nothing for the next one.
  @Test(arguments: [1, 5, 20, 40]) func aRunThatIsBrokenOffMissesNothing(_ chunks: Int) throws {
    let (test, perPage) = try pages(2) { page, place in place % 2 == 0 ? 3 : 30 }
    test.advance(seconds: 4)
    var reclaimed = 0
    for _ in 0..<1000 where test.store.value.mayCrawl(now: test.now) {
      var crawl = test.store.value.beginCrawl(now: test.now)
      test.store.value.crawlStep(&crawl, chunks: chunks, now: test.now)
      test.store.value.noteCrawlDone(crawl, now: test.now)
      reclaimed += crawl.reclaimedCount
      #expect(test.broken() == [])
      if chunks < perPage, crawl.reclaimedCount == 0 { break }
    }
    // Runs of few chunks begin at the beginning again and again: then another finishes the work.
    reclaimed += test.crawl().reclaimedCount
    #expect(reclaimed == 2 * ((perPage + 1) / 2))
    test.advance(seconds: 27)
    #expect(test.crawl().reclaimedCount == 2 * (perPage / 2))
  }

  /// Pages that change hands, and items that move to other pages, take their seconds along.
  @Test func movedItemsAreNotMissed() throws {
    let (test, perPage) = try pages(4) { page, place in Int64(10 + 10 * page + place % 3) }
    for page in 0..<4 { for place in stride(from: 0, to: perPage, by: 2) { test.delete("\(page) \(place)") } }
    let slabClass = test.slabClass(key: "100 100", valueByteCount: 1000)
    let count = test.store.value.itemCount
    for _ in 0..<2 { #expect(test.releasePage(of: slabClass)) }
    #expect(test.store.value.itemCount == count && test.store.value.moveCounts[.rescues] > 0)
    for second in 1...60 {
      test.advance(seconds: 1)
      test.crawl()
      let living = (0..<4).reduce(0) { sum, page in
        sum + stride(from: 1, to: perPage, by: 2).count { 10 + 10 * page + $0 % 3 >= second }
      }
      #expect(test.store.value.itemCount == living, "second \(second)")
    }
    #expect(test.broken() == [])
  }

  /// Each item is gone within the second after its last, whatever other items and runs there are: random times, values
  /// set again, touched, joined and replaced by others.
  @Test(arguments: 0..<4) func nothingIsMissed(_ seed: Int) throws {
    let test = TestStore {
      $0.memoryLimitBytes = 4 << 20
      $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
    }
    var random = SeededRandom(seed: UInt64(seed))
    var last: [String: UInt32] = [:]
    for second in 0..<60 {
      for _ in 0..<random.number(0...60) {
        let key = "\(random.number(0...400))"
        let exptime = random.isOne(in: 3) ? 0 : Int64(random.number(1...30))
        let end = exptime == 0 ? 0 : test.now + UInt32(exptime)
        switch random.number(0...9) {
        case 0...5:
          try test.set(key, pattern(random.number(0...3000)), exptime: exptime)
          last[key] = end
        case 6:
          if try test.put(key, pattern(random.number(0...2000)), mode: .append) != .stored { last[key] = nil }
        case 7...8:
          let touched =
            test.withItem(key) { item in
              item.exptime = end
              test.store.value.noteMortal(item)
              return true
            } ?? false
          last[key] = touched ? end : nil
        default:
          test.delete(key)
          last[key] = nil
        }
      }
      test.crawl(chunksPerStep: random.number(1...200))
      let living = last.values.count { $0 == 0 || $0 >= test.now }
      #expect(test.store.value.itemCount == living, "second \(second)")
      test.advance(seconds: 1)
    }
    #expect(test.statistics.evicted == 0 && test.statistics.crawlerReclaimed > 100)
    #expect(test.broken() == [])
  }
}
