// What happens besides requests: flushes, the clock's tick, growth of the hash table, the segmented order's maintainer,
// the memory limit. Each is a bounded step that a maintenance thread calls, and tests call by hand with a clock of
// their own. The search for expired items is in Store+Expiry, the moving of pages in Store+Pages.

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
    for page in 1..<slabs.touchedPageEnd { slabs.setNextExpiry(ofPage: page, 0) }
    lastFlushSecond.store(now, ordering: .relaxed)
  }

  /// How far in seconds the bound may run ahead of the clock: each flush adds two. Beyond it (hundreds of millions of
  /// flushes in a row) a flush takes the items out one by one, so that the bound can never wrap.
  static let longestFlushLead: UInt32 = 1 << 30

  /// Takes every item out of the cache, class by class. Items whose lock is busy are tried once more.
  private func unlinkEverything() {
    for slabClass in 1..<slabs.classes.count {
      for _ in 0..<2 {
        let classHeld = slabs.lock(slabClass)
        for segment in Segment.allCases {
          var ref = slabs.withClass(classHeld) { $0[segment].tail }
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

  /// Once a second: carries out a flush that is due, and sees to it that ghosts and items are about as many.
  public func tick(now: UInt32) {
    let due = pendingFlush.load(ordering: .relaxed)
    if due != 0, now >= due { flush(now: now) }
    fitGhosts()
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
      return sum + slabs.withClass(held) { $0.itemCount }
    }
  }

  /// One turn of the segmented order's maintainer: each class in a bounded step. Returns how many items were moved.
  public func maintainLists(now: UInt32) -> Int {
    juggleCount.wrappingAdd(1, ordering: .relaxed)
    guard tunables.order != .s3fifo else { return 0 }
    var moved = 0
    for slabClass in 1..<slabs.classes.count {
      let classHeld = slabs.lock(slabClass)
      if tunables.order == .segmented {
        moved += juggle(steps: Store.jugglesPerTurn, now: now, classHeld)
      } else {
        drainSegments(classHeld)
      }
    }
    return moved
  }

  private static let jugglesPerTurn = 500

  public var slabClassCount: Int { slabs.classes.count }

  /// From one chunk size to the next, and the last of them.
  public var slabGrowthFactor: Double {
    if case .reference = configuration.slabs.rule { return configuration.slabs.growthFactor }
    return FittedTable.growthFactor
  }
  public var largestChunkByteCount: Int { slabs.classes.chunkByteCount(slabs.classes.last) }

  /// The classes as -vv prints them.
  public var slabTable: String { slabs.classes.description }

  /// What `cache_memlimit` may answer.
  enum LimitChange {
    case changed
    case outOfBounds
  }

  /// A new memory limit. Raising works up to the address space reserved at start. A lower one is reached page by page:
  /// the maintenance thread takes them from the classes that lose least, and gives them back to the kernel.
  func setMemoryLimit(bytes: Int) -> LimitChange {
    let pages = bytes / slabs.classes.pageByteCount
    guard configuration.backing == .lazy, pages + SlabClasses.maximumClass <= slabs.pageCapacity else {
      return .outOfBounds
    }
    slabs.setPageLimit(pages)
    if slabs.pagesToGiveBack > 0 { maintenanceBell.ring() }
    return .changed
  }

  public var memoryLimitBytes: Int { slabs.pageLimit * slabs.classes.pageByteCount }
}
