// The crawler: finds what has expired and frees it. Each page of memory has a hint, the earliest second at which
// something in it may die; a page whose hint is in the future is not looked at. The others are read through in the
// order of memory, chunk after chunk without any lock, which costs a few nanoseconds an item; only what looks dead is
// looked at again under its locks. No timer wheel: that would cost every item eight bytes (Docs/storage.md has the
// numbers).

/// Where a run of the crawler stands, and what it has done so far.
public struct Crawl: Sendable {
  /// The page and the chunk in it that is next.
  fileprivate(set) var page = 1
  fileprivate(set) var chunk = 0
  fileprivate(set) var earliest = UInt32.max
  fileprivate var pageIsDue = false
  /// Looked at whatever their hints say, because a client has asked: a place for each class; empty when none has.
  fileprivate var demanded: [Bool] = []
  /// By class.
  public private(set) var examined: [Int]
  public private(set) var reclaimed: [Int]
  public let startedSecond: UInt32
  public fileprivate(set) var isDone = false

  init(classCount: Int, now: UInt32) {
    examined = Array(repeating: 0, count: classCount)
    reclaimed = examined
    startedSecond = now
  }

  fileprivate mutating func note(_ slabClass: Int, examined count: Int, reclaimed freed: Int) {
    examined[slabClass] += count
    reclaimed[slabClass] += freed
  }

  public var examinedCount: Int { examined.reduce(0, +) }
  public var reclaimedCount: Int { reclaimed.reduce(0, +) }
}

extension Store {
  /// Begins a run over all pages. Whether a client has asked for it is forgotten.
  public func beginCrawl(now: UInt32) -> Crawl {
    var crawl = Crawl(classCount: slabs.classes.count, now: now)
    if crawlIsDemanded.exchange(false, ordering: .relaxed) {
      crawl.demanded = (0..<slabs.classes.count).map { slabClass in
        guard slabClass > 0 else { return false }
        let held = slabs.lock(slabClass)
        return slabs.withClass(held) { state in
          defer { state.crawlIsDemanded = false }
          return state.crawlIsDemanded
        }
      }
    }
    crawlCount.wrappingAdd(1, ordering: .relaxed)
    isCrawling.store(true, ordering: .relaxed)
    return crawl
  }

  /// Whether a client wants a run at once.
  public var isCrawlDemanded: Bool { crawlIsDemanded.load(ordering: .relaxed) }

  /// Whether a run would find anything to look at.
  public func mayCrawl(now: UInt32) -> Bool {
    for page in 1..<slabs.touchedPageEnd where slabs.nextExpiry(ofPage: page) < now {
      if slabs.slabClass(ofPage: page) != 0 { return true }
    }
    return false
  }

  /// `lru_crawler crawl`: the next run goes through these classes, and begins at once.
  func demandCrawl(_ classes: ClassSet) {
    for slabClass in 1..<slabs.classes.count where classes.contains(slabClass) {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { $0.crawlIsDemanded = true }
    }
    crawlIsDemanded.store(true, ordering: .relaxed)
    maintenanceBell.ring()
  }

  /// Looks at up to `chunks` chunks, in pages that are due, and frees the dead among them.
  public func crawlStep(_ crawl: inout Crawl, chunks: Int, now: UInt32) {
    var left = chunks
    while left > 0 {
      if crawl.page >= slabs.touchedPageEnd {
        crawl.isDone = true
        return
      }
      let slabClass = slabs.slabClass(ofPage: crawl.page)
      if crawl.chunk == 0, !beginPage(&crawl, slabClass, now: now) {
        crawl.page += 1
        continue
      }
      let end = freshEnd(of: crawl.page, slabClass)
      let last = min(crawl.chunk + left, end)
      left -= max(last - crawl.chunk, 1)
      look(&crawl, slabClass, from: crawl.chunk, to: last, now: now)
      crawl.chunk = last
      if last >= end { endPage(&crawl) }
    }
  }

  /// The run is over, or broken off: its lines for the watchers, one a class.
  public func noteCrawlDone(_ crawl: Crawl, now: UInt32) {
    isCrawling.store(false, ordering: .relaxed)
    // What a run that was broken off has not seen of its page is looked at next time.
    if !crawl.isDone, crawl.chunk > 0 { slabs.setNextExpiry(ofPage: crawl.page, 0) }
    for slabClass in crawl.examined.indices where crawl.examined[slabClass] > 0 {
      eventLog.noteCrawl(
        slabClass: slabClass, elapsedSeconds: Int(now) - Int(crawl.startedSecond),
        examined: UInt64(crawl.examined[slabClass]), reclaimed: UInt64(crawl.reclaimed[slabClass]))
    }
  }

  /// Whether the page is to be looked at. Its hint is taken away first: what is stored from now on lowers it again.
  private func beginPage(_ crawl: inout Crawl, _ slabClass: Int, now: UInt32) -> Bool {
    guard slabClass != 0 else { return false }
    let isDemanded = !crawl.demanded.isEmpty && crawl.demanded[slabClass]
    guard isDemanded || slabs.nextExpiry(ofPage: crawl.page) < now else { return false }
    slabs.setNextExpiry(ofPage: crawl.page, .max)
    crawl.earliest = .max
    return true
  }

  private func endPage(_ crawl: inout Crawl) {
    slabs.lowerNextExpiry(ofPage: crawl.page, to: crawl.earliest)
    crawl.page += 1
    crawl.chunk = 0
  }

  /// The first chunk of the page that was never used; 0 when the page has become another class's.
  private func freshEnd(of page: Int, _ slabClass: Int) -> Int {
    guard slabClass != 0 else { return 0 }
    let held = slabs.lock(slabClass)
    guard slabs.slabClass(ofPage: page) == slabClass else { return 0 }
    return Int(slabs.pageState(page, held).freshIndex)
  }

  private func look(_ crawl: inout Crawl, _ slabClass: Int, from start: Int, to end: Int, now: UInt32) {
    var freed = 0
    var seen = 0
    for index in stride(from: start, to: end, by: 1) {
      let item = arena.item(slabs.chunk(index, of: crawl.page, slabClass))
      guard item.flags.contains(.linked) else { continue }
      seen += 1
      if isLive(item, now: now) {
        if item.exptime != 0 { crawl.earliest = min(crawl.earliest, item.exptime) }
      } else if bury(item, of: crawl.page, slabClass, now: now) {
        freed += 1
      } else {
        // In use, or alive after all: it is looked at again next time.
        crawl.earliest = 0
      }
    }
    crawl.note(slabClass, examined: seen, reclaimed: freed)
    guard seen > 0 else { return }
    let held = slabs.lock(slabClass)
    slabs.withClass(held) { $0.statistics.crawlerItemsChecked += UInt64(seen) }
  }

  /// Frees what looked dead without its locks, if it is dead with them.
  private func bury(_ item: Item, of page: Int, _ slabClass: Int, now: UInt32) -> Bool {
    let classHeld = slabs.lock(slabClass)
    // While the class is locked, its pages stay its own, and what is linked stays in its place.
    guard slabs.slabClass(ofPage: page) == slabClass, item.flags.contains(.linked) else { return false }
    let hash = hash(item.key)
    guard let held = locks.tryLock(stripe: locks.stripe(hash)), item.flags.contains(.linked), item.holds == 0,
      !isLive(item, now: now)
    else { return false }
    let wasFetched = item.flags.contains(.fetched)
    drop(item, hash, held, classHeld) { state in
      state.statistics.crawlerReclaimed += 1
      if !wasFetched { state.statistics.expiredUnfetched += 1 }
    }
    return true
  }
}
