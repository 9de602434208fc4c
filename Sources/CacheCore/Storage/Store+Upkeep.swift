// What happens besides requests: flushes, the clock's tick, growth of the hash table, the search for expired items, the
// memory limit. Each is a bounded step that a maintenance thread calls, and tests call by hand with a clock of their
// own.

/// What a step of the crawler did.
public struct CrawlStep: Equatable, Sendable {
  public var examined = 0
  public var reclaimed = 0
  /// The class has been walked through.
  public var isAtHead = false
}

extension Store {
  /// Makes everything stored so far invisible at once; memory returns as the dead are met. Items stored from now on,
  /// in the same second too, survive: their access time is never before the new bound.
  public func flush(now: UInt32) {
    let time = birthTime(now)
    if time > now, time - now > Store.longestFlushLead {
      unlinkEverything()
    } else {
      // Two seconds: another worker's clock may be a tick ahead of the one that flushes.
      flushBarrier.store(time + 2, ordering: .relaxed)
    }
    pendingFlush.store(0, ordering: .relaxed)
    mayHoldDead.store(true, ordering: .relaxed)
    lastFlushSecond.store(now, ordering: .relaxed)
  }

  /// How far in seconds the bound may run ahead of the clock: each flush adds two. Beyond it (hundreds of millions of
  /// flushes in a row) a flush takes the items out one by one, so that the bound can never wrap.
  private static let longestFlushLead: UInt32 = 1 << 30

  /// Takes every item out of the cache, class by class. Items whose lock is busy are tried once more.
  private func unlinkEverything() {
    for slabClass in 1..<slabs.classes.count {
      for _ in 0..<2 {
        let classHeld = slabs.lock(slabClass)
        var ref = slabs.withClass(classHeld) { $0.list.tail }
        while !ref.isNone {
          let item = arena.item(ref)
          ref = item.previous
          let hash = hash(item.key)
          guard let held = locks.tryLock(stripe: locks.stripe(hash)) else { continue }
          drop(item, hash, held, classHeld)
        }
      }
    }
  }

  /// Takes a linked item out while its class lock is held already.
  func drop(
    _ item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld, _ classHeld: borrowing ClassLockHeld,
    noting note: (inout SlabClass) -> Void = { _ in }
  ) {
    table.remove(item, hash, held)
    item.flags.remove(.linked)
    slabs.withClass(classHeld) { slabClass in
      slabClass.remove(item, arena: arena)
      note(&slabClass)
    }
    if item.holds == 0 { free(item, classHeld) }
  }

  /// A flush to come, at `due` of the store's clock; 0 = none. A new one replaces a pending one.
  func flushLater(due: UInt32) { pendingFlush.store(due, ordering: .relaxed) }

  /// Once a second: carries out a flush that is due.
  public func tick(now: UInt32) {
    let due = pendingFlush.load(ordering: .relaxed)
    if due != 0, now >= due { flush(now: now) }
  }

  /// Seconds of the store's clock at the last flush, for `oldest` of the settings.
  public var lastFlush: UInt32 { lastFlushSecond.load(ordering: .relaxed) }

  /// Starts or continues doubling the hash table by at most `buckets` buckets. Returns whether there is more to do.
  public func growStep(buckets: Int) -> Bool {
    guard configuration.hashExpandEnabled else { return false }
    if !table.isGrowing, !table.growIfCrowded(itemCount: itemCount) { return false }
    return table.growStep(rows: buckets, hash: hash)
  }

  public var itemCount: Int {
    (1..<slabs.classes.count).reduce(0) { sum, slabClass in
      let held = slabs.lock(slabClass)
      return sum + slabs.withClass(held) { $0.list.count }
    }
  }

  /// The classes through which a walk can find anything, a bit each; asked before each walk, which then looks for
  /// itself.
  public func takeCrawlDemand() -> UInt64 {
    mayHoldDead.exchange(false, ordering: .relaxed) ? .max : takeExplicitCrawlDemand()
  }

  /// The classes that clients want walked at once.
  public func takeExplicitCrawlDemand() -> UInt64 { crawlDemand.exchange(0, ordering: .relaxed) }

  /// `lru_crawler crawl`: the next walk begins at once, and goes through these classes.
  func demandCrawl(_ classes: UInt64) { crawlDemand.bitwiseOr(classes, ordering: .relaxed) }

  /// For `stats`: a walk begins, or is over.
  public func noteCrawling(_ isRunning: Bool) {
    if isRunning { crawlCount.wrappingAdd(1, ordering: .relaxed) }
    isCrawling.store(isRunning, ordering: .relaxed)
  }

  /// Looks at up to `items` items of a class from the tail on and frees the dead among them. The next call goes on
  /// where this one stopped.
  public func crawlStep(slabClass: Int, items: Int, now: UInt32) -> CrawlStep {
    let classHeld = slabs.lock(slabClass)
    var ref = slabs.withClass(classHeld) { $0.crawlPosition.isNone ? $0.list.tail : $0.crawlPosition }
    var step = CrawlStep()
    while !ref.isNone, step.examined < items {
      step.examined += 1
      let item = arena.item(ref)
      ref = item.previous
      let hash = hash(item.key)
      guard let held = locks.tryLock(stripe: locks.stripe(hash)) else { continue }
      slabs.withClass(classHeld) { $0.statistics.crawlerItemsChecked += 1 }
      guard item.holds == 0, !isLive(item, now: now) else {
        noteMortal(exptime: item.exptime)
        continue
      }
      let wasFetched = item.flags.contains(.fetched)
      step.reclaimed += 1
      drop(item, hash, held, classHeld) { slabClass in
        slabClass.statistics.crawlerReclaimed += 1
        if !wasFetched { slabClass.statistics.expiredUnfetched += 1 }
      }
    }
    slabs.withClass(classHeld) { $0.crawlPosition = ref }
    step.isAtHead = ref.isNone
    return step
  }

  public var slabClassCount: Int { slabs.classes.count }

  /// The classes as -vv prints them.
  public var slabTable: String { slabs.classes.description }

  /// What `cache_memlimit` may answer.
  enum LimitChange {
    case changed
    case outOfBounds
  }

  /// A new memory limit. Raising works up to the address space reserved at start; lowering takes no page from a class.
  func setMemoryLimit(bytes: Int) -> LimitChange {
    let pages = bytes / SlabClasses.pageByteCount
    guard configuration.backing == .lazy, pages + SlabClasses.maximumClass <= slabs.pageCapacity else {
      return .outOfBounds
    }
    slabs.setPageLimit(pages)
    return .changed
  }

  public var memoryLimitBytes: Int { slabs.pageLimit * SlabClasses.pageByteCount }
}
