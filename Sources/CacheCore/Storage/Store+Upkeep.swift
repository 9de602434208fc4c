// What happens besides requests: flushes, the clock's tick, growth of the hash table, the search for expired items, the
// memory limit. Each is a bounded step that a maintenance thread calls, and tests call by hand with a clock of their own.

extension Store {
  /// Makes everything stored so far invisible at once; memory returns as the dead are met. Items stored from now on,
  /// in the same second too, survive: their access time is never before the new bound.
  public func flush(now: UInt32) {
    flushBarrier.store(birthTime(now) + 1, ordering: .relaxed)
    pendingFlush.store(0, ordering: .relaxed)
    lastFlushSecond.store(now, ordering: .relaxed)
  }

  /// A flush to come, at `due` of the store's clock. A new one replaces a pending one.
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

  /// Looks at up to `items` items of a class from the tail on and frees the dead among them. The next call goes on where
  /// this one stopped. Returns false when it has reached the head.
  public func crawlStep(slabClass: Int, items: Int, now: UInt32) -> Bool {
    let classHeld = slabs.lock(slabClass)
    var ref = slabs.withClass(classHeld) { $0.crawlPosition.isNone ? $0.list.tail : $0.crawlPosition }
    var left = items
    while !ref.isNone, left > 0 {
      left -= 1
      let item = arena.item(ref)
      ref = item.previous
      let hash = hash(item.key)
      guard let held = locks.tryLock(stripe: locks.stripe(hash)) else { continue }
      slabs.withClass(classHeld) { $0.statistics.crawlerItemsChecked += 1 }
      guard item.holds == 0, !isLive(item, now: now) else { continue }
      let wasFetched = item.flags.contains(.fetched)
      table.remove(item, hash, held)
      slabs.withClass(classHeld) { slabClass in
        slabClass.remove(item, arena: arena)
        slabClass.statistics.crawlerReclaimed += 1
        if !wasFetched { slabClass.statistics.expiredUnfetched += 1 }
      }
      free(item, classHeld)
    }
    slabs.withClass(classHeld) { $0.crawlPosition = ref }
    return !ref.isNone
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
