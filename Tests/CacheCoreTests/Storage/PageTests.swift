// Pages that change hands: a class gets one from another when it needs it, an operator moves one, the limit goes down.
// Whatever lies in a page, items survive the move as long as there is room, what is in use is left alone, nothing is
// refused while something may be evicted. Who gives and who gets is asked in PageMoverTests.
import Testing

@testable import CacheCore

struct PageTests {
  /// Pages of 32 KiB, `pages` of them.
  private func store(pages: Int = 32, _ change: (inout StoreConfiguration) -> Void = { _ in }) -> TestStore {
    TestStore {
      $0.memoryLimitBytes = pages << 15
      $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
      $0.itemSizeMaxBytes = 256 << 10
      change(&$0)
    }
  }

  private func pageCount(_ test: TestStore, _ slabClass: Int) -> Int {
    test.store.value.classFigures(slabClass, now: test.now).pageCount
  }

  /// Fills the store with items of one size until one is evicted; returns how many were stored before.
  @discardableResult
  private func fill(_ test: TestStore, _ name: String, _ valueByteCount: Int) throws -> Int {
    let slabs = test.store.value.slabs
    let evicted = test.statistics.evicted
    var number = 0
    // Sums over all classes are slow, so they are left for the end. A large value has up to eight pages.
    while slabs.pagesInUse < slabs.pageLimit - 8 || test.statistics.evicted == evicted {
      try test.put("\(name) \(number)", pattern(valueByteCount, salt: number))
      number += 1
      if number == 100_000 { throw Overfull() }
    }
    return number - 1
  }

  private struct Overfull: Error {}

  // Taken from other classes.

  /// Every size finds room in a store full of any other, again and again.
  @Test(arguments: EvictionOrder.allCases, [20, 500, 1500, 20_000])
  func everySizeFindsRoom(_ order: EvictionOrder, _ filling: Int) throws {
    let test = store { $0.order = order }
    try fill(test, "full", filling)
    for round in 0..<3 {
      for size in [0, 1, 50, 200, 700, 1990, 2100, 5000, 30_000, 100_000, 200_000] {
        let value = pattern(size, salt: size + round)
        #expect(try test.put("size \(size)", value) == .stored)
        let isSame = test.peek("size \(size)") == value
        #expect(isSame, "\(size)")
      }
      #expect(test.broken() == [])
    }
    #expect(test.statistics.outOfMemory == 0)
    #expect(test.store.value.slabs.pagesInUse <= test.store.value.slabs.pageLimit)
  }

  @Test func withoutEvictionAFullStoreRefuses() throws {
    let test = store { $0.evictionsEnabled = false }
    var count = 0
    while (try? test.put("\(count)", pattern(500, salt: count))) != nil { count += 1 }
    // Every class gets its first page beyond the limit, as in the reference; then it is over.
    #expect(try test.put("other", pattern(1500)) == .stored)
    var others = 0
    while others < 1000, (try? test.put("other \(others)", pattern(1500))) != nil { others += 1 }
    #expect(others < 30)
    for number in 0..<count { #expect(test.has("\(number)")) }
    #expect(test.statistics.evicted == 0 && test.statistics.outOfMemory >= 2)
    #expect(test.broken() == [])
  }

  @Test func pagesStayWhereTheyMayNotMove() throws {
    let test = store { $0.movesPages = false }
    try fill(test, "full", 500)
    let before = pageCount(test, test.slabClass(key: "full 1", valueByteCount: 500))
    for number in 0..<200 { try test.put("other \(number)", pattern(1500)) }
    #expect(pageCount(test, test.slabClass(key: "full 1", valueByteCount: 500)) == before)
    #expect(pageCount(test, test.slabClass(key: "other 1", valueByteCount: 1500)) == 1)
    #expect(test.broken() == [])
  }

  /// The reference's table gives a class without a page its first one whatever the limit; the maintenance leaves it.
  @Test func firstPagesBeyondTheLimitStay() throws {
    let test = TestStore { $0.memoryLimitBytes = 2 << 20 }
    let sizes = [1, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000]
    for size in sizes { try test.put("\(size)", pattern(size)) }
    #expect(test.store.value.slabs.pagesInUse == sizes.count)
    test.settlePages()
    for size in sizes { #expect(test.has("\(size)"), "\(size)") }
    // A limit that goes down is another matter, up to what was granted.
    #expect(test.store.value.setMemoryLimit(bytes: 1 << 20) == .changed)
    test.settlePages()
    #expect(test.store.value.slabs.pagesInUse < sizes.count)
    #expect(test.broken() == [])
  }

  /// A class whose items are all gone gives its pages without being asked.
  @Test func emptyPagesAreAnybodys() throws {
    let test = store()
    let count = try fill(test, "full", 500)
    for number in 0...count { test.delete("full \(number)") }
    #expect(test.store.value.slabs.pagesInUse <= 1)
    let evicted = test.statistics.evicted
    for number in 0..<(count / 4) { try test.put("other \(number)", pattern(1500)) }
    #expect(test.statistics.evicted == evicted)
    #expect(test.broken() == [])
  }

  // Emptying a page.

  private enum Content: CaseIterable {
    case small, mixedFlags, chained, chainedInOneClass, withoutCAS
  }

  private func content(_ content: Content) -> TestStore {
    switch content {
    case .small, .mixedFlags, .chained: store(pages: 24)
    case .withoutCAS: store(pages: 24) { $0.casEnabled = false }
    case .chainedInOneClass:
      TestStore {
        $0.memoryLimitBytes = 6 << 20
        $0.slabs.explicitSizes = [1000]
        $0.slabs.chunkMaxByteCount = 4096
      }
    }
  }

  /// Items of every shape are in a page that is emptied while there is room elsewhere: all are there afterwards, with
  /// value, flags, expiration time, CAS unique and place on their list.
  @Test(arguments: Content.allCases) private func itemsSurviveTheMove(_ kind: Content) throws {
    let test = content(kind)
    let chained = [.chained, .chainedInOneClass].contains(kind)
    let count = chained ? 20 : 400
    func value(_ number: Int) -> [UInt8] { pattern(chained ? 9000 + 800 * number : 400, salt: number) }
    for number in 0..<count {
      try test.put(
        "key \(number)", value(number), flags: kind == .mixedFlags ? UInt32(number % 2 * 5) : 0,
        exptime: number % 3 == 0 ? 100 : 0)
      if number % 4 == 0 { test.read("key \(number)") }
    }
    // Holes for those who move.
    for number in stride(from: 0, to: count, by: 5) { test.delete("key \(number)") }
    struct Facts: Equatable {
      var cas: UInt64
      var flags: UInt32
      var exptime: UInt32
      var reads: UInt8
    }
    func facts(_ number: Int) -> Facts? {
      test.withItem("key \(number)") {
        Facts(cas: $0.cas, flags: $0.clientFlags, exptime: $0.exptime, reads: $0.reads)
      }
    }
    let before = (0..<count).map(facts)
    var released = 0
    for slabClass in 1..<test.store.value.slabClassCount {
      for _ in 0..<3 where test.releasePage(of: slabClass) { released += 1 }
      #expect(test.broken() == [], "class \(slabClass)")
    }
    #expect(released > 0)
    let counts = test.store.value.moveCounts
    #expect(counts[.rescues] > 0)
    if chained { #expect(counts[.chunkRescues] > 0) }
    var survivors = 0
    for number in 0..<count {
      guard let now = facts(number) else { continue }
      survivors += 1
      #expect(now == before[number], "\(number)")
      let isSame = test.peek("key \(number)") == value(number)
      #expect(isSame, "\(number)")
    }
    #expect(UInt64(survivors) + test.statistics.evicted == UInt64(count - (count + 4) / 5))
    #expect(survivors > count / 3)
  }

  /// The order of the list is that of before: who moved is no younger for it.
  @Test func theOrderSurvivesTheMove() throws {
    let test = store(pages: 8) { $0.order = .flat }
    let count = try fill(test, "full", 1000)
    for number in stride(from: 1, to: count, by: 2) { test.delete("full \(number)") }
    let slabClass = test.slabClass(key: "full 1", valueByteCount: 1000)
    let evicted = test.statistics.evicted
    for _ in 0..<3 { #expect(test.releasePage(of: slabClass)) }
    #expect(test.statistics.evicted == evicted)
    // The class shrinks to nothing, the oldest first.
    var last = -1
    for number in 0..<2000 where test.statistics.evicted < evicted + UInt64(count / 3) {
      try test.put("new \(number)", pattern(1000))
      let gone = (0..<count).filter { $0 % 2 == 0 && !test.has("full \($0)") }
      #expect((gone.last ?? -1) >= last && gone == Array(stride(from: gone.first ?? 0, through: gone.last ?? 0, by: 2)))
      last = gone.last ?? -1
    }
    #expect(last > 0)
  }

  /// What is dead is not moved.
  @Test func theDeadAreLeftBehind() throws {
    let test = store()
    for number in 0..<100 { try test.put("\(number)", pattern(1000), exptime: 1) }
    test.advance(seconds: 2)
    let slabClass = test.slabClass(key: "1", valueByteCount: 1000)
    while pageCount(test, slabClass) > 0 { #expect(test.releasePage(of: slabClass)) }
    #expect(test.store.value.moveCounts[.inlineReclaims] == 100 && test.store.value.moveCounts[.rescues] == 0)
    #expect(test.statistics.reclaimed == 100 && test.statistics.expiredUnfetched == 100)
    #expect(test.broken() == [])
  }

  /// A page with something in use stays as it is, and can be emptied later.
  @Test(arguments: [500, 5000, 100_000]) func whatIsInUseStays(_ size: Int) throws {
    let test = store()
    try test.put("held", pattern(size, salt: 1))
    let hold = try #require(HeldValue(test, "held"))
    let classes = 1..<test.store.value.slabClassCount
    for slabClass in classes { #expect(!test.releasePage(of: slabClass)) }
    #expect(test.broken(holds: 1) == [])
    // Removed, it is still somebody's.
    test.delete("held")
    for slabClass in classes { _ = test.releasePage(of: slabClass) }
    #expect(hold.release(test))
    #expect(test.broken() == [])
    // The same for a value half received.
    var upload = try? PartialUpload(test, "upload", StoredValue(value: pattern(size, salt: 2)), .set)
    #expect(upload?.send(size / 2) == false)
    for slabClass in classes { _ = test.releasePage(of: slabClass) }
    #expect(upload?.send(size) == true && upload?.finish(test) == .stored)
    let isSame = test.peek("upload") == pattern(size, salt: 2)
    #expect(isSame)
    upload = nil
    test.delete("upload")
    for slabClass in classes { _ = test.releasePage(of: slabClass) }
    #expect(test.store.value.slabs.pagesInUse == 0)
    #expect(test.broken() == [])
  }

  /// A class has one page, full, and no other memory to go to: its items are evicted and the page goes.
  @Test(arguments: [100, 1000, 20_000, 200_000]) func withoutRoomItemsGoWithThePage(_ size: Int) throws {
    let test = store(pages: 8)
    try fill(test, "full", size)
    let items = test.store.value.itemCount
    // Otherwise the class gets another page for what must leave this one.
    #expect(test.store.value.setMemoryLimit(bytes: 0) == .changed)
    for slabClass in 1..<test.store.value.slabClassCount {
      while test.releasePage(of: slabClass) {}
    }
    #expect(test.store.value.slabs.pagesInUse == 0 && test.store.value.itemCount == 0)
    #expect(test.statistics.evicted >= UInt64(items))
    #expect(test.broken() == [])
  }

  /// A worker empties a page while it holds the lock of a key: its old value stays, neighbours of the stripe go.
  @Test func aReplacementMayTakeAnybodysPageButItsOwn() throws {
    let test = store(pages: 8) { $0.hashPower = 2 }
    for round in 0..<300 {
      let size = [30, 1900, 500, 60_000, 100, 9000][round % 6]
      try test.set("key \(round % 4)", pattern(size, salt: round))
      let isSame = test.peek("key \(round % 4)") == pattern(size, salt: round)
      #expect(isSame, "round \(round)")
      if round % 3 == 0, let outcome = try? test.put("key \(round % 4)", pattern(700, salt: 1), mode: .append) {
        if outcome == .stored {
          let isJoined = test.peek("key \(round % 4)") == pattern(size, salt: round) + pattern(700, salt: 1)
          #expect(isJoined, "round \(round)")
        }
      }
      #expect(test.broken() == [])
    }
    #expect(test.statistics.outOfMemory == 0)
  }

  // An operator's requests.

  @Test func aRequestedMoveIsMade() throws {
    let test = store()
    try fill(test, "full", 500)
    let source = test.slabClass(key: "full 1", valueByteCount: 500)
    let destination = test.slabClass(key: "other", valueByteCount: 1500)
    let before = pageCount(test, source)
    #expect(test.store.value.requestMove(from: source, to: destination) == .accepted)
    #expect(test.store.value.requestMove(from: source, to: 0) == .busy)
    test.movePages()
    #expect(pageCount(test, source) == before - 1 && pageCount(test, destination) == 1)
    #expect(test.store.value.moveCounts[.moved] == 1)
    #expect(test.store.value.requestMove(from: source, to: 0) == .accepted)
    test.movePages()
    #expect(pageCount(test, source) == before - 2 && test.store.value.slabs.pagesInPool == 1)
    #expect(test.store.value.requestMove(from: -1, to: destination) == .accepted)
    test.movePages()
    #expect(pageCount(test, destination) == 2)
    #expect(test.broken() == [])
  }

  @Test func requestsThatAreRefused() throws {
    let test = store()
    let last = test.store.value.slabClassCount - 1
    func answer(_ source: Int, _ destination: Int) -> Store.MoveAnswer {
      test.store.value.requestMove(from: source, to: destination)
    }
    try test.put("a", pattern(500))
    let slabClass = test.slabClass(key: "a", valueByteCount: 500)
    #expect(answer(slabClass, 1) == .noSparePage && answer(0, 1) == .noSparePage && answer(1, 2) == .noSparePage)
    #expect(answer(-1, 1) == .badClass && answer(last + 1, 1) == .badClass && answer(1, last + 1) == .badClass)
    #expect(answer(-2, 1) == .badClass && answer(1, -1) == .badClass)
    #expect(answer(1, 1) == .same && answer(last + 9, last + 9) == .same && answer(-1, -1) == .same)
    let request = test.store.value.moveRequest.load(ordering: .relaxed)
    #expect(request == 0)
  }

  // The limit.

  @Test(arguments: EvictionOrder.allCases) func aLoweredLimitIsReached(_ order: EvictionOrder) throws {
    let test = store(pages: 64) {
      $0.order = order
      $0.reserveBytes = 8 << 20
    }
    try fill(test, "small", 100)
    for number in 0..<100 { try test.put("large \(number)", pattern(15_000)) }
    for pages in [40, 20, 33, 8, 1, 64] {
      #expect(test.store.value.setMemoryLimit(bytes: pages << 15) == .changed)
      test.settlePages()
      #expect(test.store.value.slabs.pagesInUse <= pages && test.store.value.memoryLimitBytes == pages << 15)
      #expect(test.broken() == [], "\(pages) pages")
    }
    // And back to what it was.
    try fill(test, "again", 100)
    #expect(test.store.value.slabs.pagesInUse == 64)
  }

  /// Between the word and the deed, and with the deed half done, stores go on.
  @Test(arguments: EvictionOrder.allCases) func aLoweredLimitRefusesNothing(_ order: EvictionOrder) throws {
    let test = store(pages: 64) { $0.order = order }
    try fill(test, "full", 500)
    #expect(test.store.value.setMemoryLimit(bytes: 16 << 15) == .changed)
    for number in 0..<400 {
      for size in [10, 500, 1500, 8000, 60_000] {
        #expect(try test.put("\(size)", pattern(size, salt: number)) == .stored)
      }
      if number % 10 == 0, test.store.value.movesPagesNow { test.movePages() }
    }
    test.settlePages()
    #expect(test.store.value.slabs.pagesInUse <= 16 && test.statistics.outOfMemory == 0)
    #expect(test.broken() == [])
  }

  /// A lower limit without eviction takes what is free and leaves the items.
  @Test func aLoweredLimitWithoutEvictionKeepsItems() throws {
    let test = store(pages: 32) { $0.evictionsEnabled = false }
    for number in 0..<500 { try test.put("\(number)", pattern(700, salt: number)) }
    for number in 0..<500 where number % 3 != 0 { test.delete("\(number)") }
    #expect(test.store.value.setMemoryLimit(bytes: 2 << 15) == .changed)
    test.settlePages()
    for number in stride(from: 0, to: 500, by: 3) {
      let isSame = test.peek("\(number)") == pattern(700, salt: number)
      #expect(isSame)
    }
    #expect(test.statistics.evicted == 0)
    #expect(test.broken() == [])
  }

  /// Memory of pages that nobody owns goes back to the kernel when the limit goes down.
  @Test func memoryGoesBackToTheKernel() throws {
    let test = store(pages: 64)
    try test.put("a", bytes("somewhere"))
    let address = try #require(
      test.withItem("a") { item in item.key.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } })
    func resident() -> Int { residentBytes(from: address, byteCount: 64 << 15) }
    try fill(test, "full", 1000)
    #expect(resident() > 60 << 15)
    #expect(test.store.value.setMemoryLimit(bytes: 4 << 15) == .changed)
    test.settlePages()
    #expect(resident() <= 6 << 15)
    #expect(test.store.value.setMemoryLimit(bytes: 64 << 15) == .changed)
    try fill(test, "again", 1000)
    #expect(resident() > 60 << 15)
    #expect(test.broken() == [])
  }
}
