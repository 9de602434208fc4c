// Making room in a class: a free chunk, a new page, or the chunk of the item that its order gives up next. The three
// orders (EvictionOrder) differ in which list they look at and whom they send round again. Pages of other classes are
// the business of Store+Pages.

/// What came of a look at the tail of a list.
private enum Look {
  /// The list has no items.
  case empty
  /// The item was in use and went to the head of its list.
  case busy(Segment)
  /// The order gave the item another place.
  case moved
  case freed
  /// It could be evicted, but that is not allowed (-M).
  case refused
}

/// Lists of a class in which a search has met nothing but busy items, from one end to the other.
private struct BusyLists {
  private var looks = InlineArray<4, Int>(repeating: 0)
  private var all: UInt8 = 0

  @inline(__always)
  func contains(_ segment: Segment) -> Bool { all & (1 << segment.rawValue) != 0 }

  /// A busy item of a list with `count` items was met.
  mutating func note(_ segment: Segment, count: Int) {
    looks[Int(segment.rawValue)] += 1
    if looks[Int(segment.rawValue)] >= count { all |= 1 << segment.rawValue }
  }
}

extension Store {
  /// How many items one search looks at. Busy ones go to the head, so a client that does not read what it asked for
  /// cannot block the tail.
  private static let looksPerSearch = 192
  /// How many of them may go round again; after that the next is evicted whatever speaks for it.
  private static let chancesPerSearch = 64
  /// S3-FIFO: the part of a class in percent that is its small queue, and what it may become while nobody reads the
  /// main one.
  private static let smallQueuePercent = 10
  private static let smallQueuePercentBesideStale = 90

  /// A chunk of the class, evicting if need be, here or in another class. nil when nothing may be evicted. Takes the
  /// class lock.
  @inline(__always)
  func takeChunk(_ slabClass: Int, now: UInt32, heldStripe: Int) -> ItemRef? {
    let held = slabs.lock(slabClass)
    if let free = slabs.takeFree(held) { return free }
    if let chunk = evictForChunk(now: now, heldStripe: heldStripe, held) { return chunk }
    _ = consume held
    return takeChunkOfAnotherClass(for: slabClass, now: now, heldStripe: heldStripe)
  }

  @inline(never)
  private func evictForChunk(now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld) -> ItemRef? {
    slabs.withClass(classHeld) { slabClass in
      slabClass.statistics.directReclaims += 1
      slabClass.worth.allocates = true
    }
    // An item of a class may lie in a page that is leaving: its chunk is none for us.
    for _ in 0..<8 {
      guard evictOne(now: now, heldStripe: heldStripe, classHeld) else { return nil }
      if let free = slabs.takeFree(classHeld) { return free }
    }
    return nil
  }

  /// Frees one item, the one the order gives up next or a dead one met on the way. Returns false when none can be.
  func evictOne(now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld) -> Bool {
    let order = tunables.order
    if order == .segmented { _ = juggle(steps: 8, now: now, classHeld) }
    var chances = Store.chancesPerSearch
    var busy = BusyLists()
    for _ in 0..<Store.looksPerSearch {
      let look =
        switch order {
        case .s3fifo: lookS3(now: now, heldStripe, chances: chances, busy, classHeld)
        case .segmented: lookSegmented(now: now, heldStripe, chances: chances, busy, classHeld)
        case .flat: lookFlat(now: now, heldStripe, chances: chances, busy, classHeld)
        }
      switch look {
      case .freed: return true
      case .empty, .refused: return false
      case .moved: chances -= 1
      case .busy(let segment): busy.note(segment, count: slabs.withClass(classHeld) { $0[segment].count })
      }
    }
    return false
  }

  // The orders.

  /// S3-FIFO: from the small queue while it is larger than its share, else from the main one. While nobody reads what
  /// is in the main queue its oldest go before the new.
  private func lookS3(
    now: UInt32, _ heldStripe: Int, chances: Int, _ busy: BusyLists, _ classHeld: borrowing ClassLockHeld
  ) -> Look {
    let (small, warm, cold, left, isStale) = slabs.withClass(classHeld) { slabClass in
      (
        slabClass[.hot].count, slabClass[.warm].count, slabClass[.cold].count, slabClass[.temporary].count,
        slabClass.mainQueueUse.isStale
      )
    }
    let share = isStale ? Store.smallQueuePercentBesideStale : Store.smallQueuePercent
    func promote(_ item: Item) -> Segment? {
      guard chances > 0, item.reads >= 2 else { return nil }
      item.reads = 0
      return .cold
    }
    // Left by another order: short-lived, and nobody comes here any more.
    if left > 0, !busy.contains(.temporary) { return lookAt(.temporary, now: now, heldStripe, classHeld, promote) }
    let smallGives = small > 0 && !busy.contains(.hot)
    let warmGives = warm + cold > 0 && !busy.contains(.warm)
    let mainGives = warmGives || (cold > 0 && !busy.contains(.cold))
    if !smallGives, !mainGives { return .empty }
    if smallGives, small * 100 > (small + warm + cold) * share || !mainGives {
      return lookAt(.hot, now: now, heldStripe, classHeld, promote)
    }
    refillLastPage(classHeld)
    return lookAt(warmGives ? .warm : .cold, now: now, heldStripe, classHeld) { item in
      guard chances > 0, item.reads > 0 else { return nil }
      item.reads -= 1
      return .cold
    }
  }

  /// The oldest of the main queue stand on a list of their own, about as many as a page holds, so that a hit on one of
  /// them can be told: it is what a page less would lose. The order of the queue stays what it was.
  private func refillLastPage(_ classHeld: borrowing ClassLockHeld) {
    let chunks = slabs.classes.chunksPerPage(classHeld.slabClass)
    slabs.withClass(classHeld) { slabClass in
      let perPage = Int(Double(chunks) / slabClass.chunksPerItem(chunks))
      let wanted = max(1, min(perPage, (slabClass[.warm].count + slabClass[.cold].count) / 2))
      for _ in 0..<2 where slabClass[.warm].count < wanted && !slabClass[.cold].tail.isNone {
        let item = arena.item(slabClass[.cold].tail)
        slabClass.remove(item, arena: arena)
        slabClass.push(item, to: .warm, arena: arena)
      }
    }
  }

  private func lookSegmented(
    now: UInt32, _ heldStripe: Int, chances: Int, _ busy: BusyLists, _ classHeld: borrowing ClassLockHeld
  ) -> Look {
    // Without COLD items the oldest of the other lists are; TEMP comes last, though the reference would rather fail.
    for segment in [Segment.cold, .hot, .warm, .temporary] where !busy.contains(segment) {
      let look = lookAt(segment, now: now, heldStripe, classHeld) { item in
        guard chances > 0, segment == .cold, item.reads >= 2 else { return nil }
        item.reads = 1
        return .warm
      }
      if case .empty = look { continue }
      return look
    }
    return .empty
  }

  private func lookFlat(
    now: UInt32, _ heldStripe: Int, chances: Int, _ busy: BusyLists, _ classHeld: borrowing ClassLockHeld
  ) -> Look {
    drainSegments(classHeld)
    if busy.contains(.cold) { return .empty }
    return lookAt(.cold, now: now, heldStripe, classHeld) { item in
      guard chances > 0, item.reads > 0 else { return nil }
      item.reads = 0
      return .cold
    }
  }

  /// What another order has left on its lists joins the one list, a few at a time.
  func drainSegments(_ classHeld: borrowing ClassLockHeld) {
    slabs.withClass(classHeld) { slabClass in
      for segment in [Segment.warm, .hot, .temporary] {
        for _ in 0..<4 where !slabClass[segment].tail.isNone {
          let item = arena.item(slabClass[segment].tail)
          slabClass.remove(item, arena: arena)
          slabClass.push(item, to: .cold, arena: arena)
        }
      }
    }
  }

  /// Looks at the tail of a list: a dead item is freed, a busy one goes to the head, and for any other `judge` says to
  /// which list it goes, or nil for its eviction.
  private func lookAt(
    _ segment: Segment, now: UInt32, _ heldStripe: Int, _ classHeld: borrowing ClassLockHeld,
    _ judge: (Item) -> Segment?
  ) -> Look {
    let ref = slabs.withClass(classHeld) { $0[segment].tail }
    if ref.isNone { return .empty }
    let item = arena.item(ref)
    let hash = hash(item.key)
    guard let held = locks.tryLock(stripe: locks.stripe(hash), alreadyHolding: heldStripe), item.holds == 0 else {
      move(item, to: segment, classHeld)
      slabs.withClass(classHeld) { $0.statistics.lruTailReflocked += 1 }
      return .busy(segment)
    }
    let isDead = !isLive(item, now: now)
    if !isDead {
      if !configuration.evictionsEnabled { return .refused }
      if let target = judge(item) {
        move(item, to: target, classHeld)
        noteMove(from: segment, to: target, classHeld)
        return .moved
      }
      noteEviction(item, hash, classHeld)
      eventLog.noteEviction(item, slabClass: classHeld.slabClass, now: now)
    }
    noteRemoval(item, isDead: isDead, now: now, classHeld)
    drop(item, hash, held, classHeld)
    return .freed
  }

  /// Wants the class lock.
  private func move(_ item: Item, to segment: Segment, _ classHeld: borrowing ClassLockHeld) {
    slabs.withClass(classHeld) { slabClass in
      slabClass.remove(item, arena: arena)
      slabClass.push(item, to: segment, arena: arena)
    }
  }

  private func noteMove(from segment: Segment, to target: Segment, _ classHeld: borrowing ClassLockHeld) {
    slabs.withClass(classHeld) { slabClass in
      if target == .cold { slabClass.mainQueueUse.noteMove() }
      switch (segment, target) {
      case (.hot, .cold): slabClass.statistics.movesToCold += 1
      case (.cold, .warm), (.hot, .warm): slabClass.statistics.movesToWarm += 1
      case (.warm, .cold) where tunables.order == .segmented: slabClass.statistics.movesToCold += 1
      default: slabClass.statistics.movesWithinLRU += 1
      }
    }
  }

  // The segmented order's maintainer (reference, sections 7.5 and 7.6).

  /// Moves up to `steps` items of a class to the segment they belong to; returns how many were moved. Wants the class
  /// lock.
  func juggle(steps: Int, now: UInt32, _ classHeld: borrowing ClassLockHeld) -> Int {
    let coldAge = idleSeconds(ofTail: .cold, now: now, classHeld)
    let hotLimit = Double(coldAge) * tunables.ratio(.hotMaxFactor)
    let warmLimit = Double(coldAge) * tunables.ratio(.warmMaxFactor)
    var moved = 0
    while moved < steps {
      if juggle(.hot, percent: tunables.current(.hotPercent), idleLimit: hotLimit, now: now, classHeld)
        || juggle(.warm, percent: tunables.current(.warmPercent), idleLimit: warmLimit, now: now, classHeld)
      {
        moved += 1
      } else {
        break
      }
    }
    return moved
  }

  /// Moves the tail of HOT or WARM if it does not belong there any more.
  private func juggle(
    _ segment: Segment, percent: UInt64, idleLimit: Double, now: UInt32, _ classHeld: borrowing ClassLockHeld
  ) -> Bool {
    let (ref, bytes, total) = slabs.withClass(classHeld) { slabClass in
      (slabClass[segment].tail, slabClass[segment].byteCount, slabClass.byteCount - slabClass[.temporary].byteCount)
    }
    if ref.isNone { return false }
    let item = arena.item(ref)
    guard let held = locks.tryLock(stripe: locks.stripe(hash(item.key))) else { return false }
    let isOver = UInt64(bytes) * 100 > UInt64(total) * percent
    let idle = now >= item.lastAccess ? now - item.lastAccess : 0
    if item.reads >= 2 {
      // An active tail of WARM needs no second look before its list is over its share.
      guard segment == .hot || isOver || Double(idle) > idleLimit else { return false }
      item.reads = 1
      move(item, to: .warm, classHeld)
      noteMove(from: segment, to: .warm, classHeld)
    } else {
      guard isOver || Double(idle) > idleLimit else { return false }
      move(item, to: .cold, classHeld)
      noteMove(from: segment, to: .cold, classHeld)
    }
    _ = consume held
    return true
  }

  /// How long the tail of a list was not read; 0 without one, or when its lock is busy. Wants the class lock.
  func idleSeconds(ofTail segment: Segment, now: UInt32, _ classHeld: borrowing ClassLockHeld) -> UInt32 {
    let ref = slabs.withClass(classHeld) { $0[segment].tail }
    if ref.isNone { return 0 }
    let lastAccess = arena.item(ref).lastAccess
    return now >= lastAccess ? now - lastAccess : 0
  }

  // Accounts.

  func noteRemoval(_ item: Item, isDead: Bool, now: UInt32, _ classHeld: borrowing ClassLockHeld) {
    let wasFetched = item.flags.contains(.fetched)
    slabs.withClass(classHeld) { slabClass in
      if isDead {
        slabClass.statistics.reclaimed += 1
        if !wasFetched { slabClass.statistics.expiredUnfetched += 1 }
        return
      }
      slabClass.statistics.evicted += 1
      slabClass.statistics.evictedTimeSeconds = now >= item.lastAccess ? now - item.lastAccess : 0
      if item.exptime != 0 { slabClass.statistics.evictedNonzero += 1 }
      if !wasFetched { slabClass.statistics.evictedUnfetched += 1 }
      if item.reads >= 2 { slabClass.statistics.evictedActive += 1 }
    }
  }

  /// The ghost of an evicted item, and the clock of its class. Wants item and class lock.
  func noteEviction(_ item: Item, _ hash: UInt64, _ classHeld: borrowing ClassLockHeld) {
    let slabClass = classHeld.slabClass
    let perPage = UInt64(slabs.classes.chunksPerPage(slabClass))
    let chunks = item.flags.contains(.chunked) ? UInt64(chunkCount(item)) : 1
    let before = slabs.withClass(classHeld) { state in
      state.worth.evictedChunks += chunks
      return state.worth.evictedChunks - chunks
    }
    let pages = (before + chunks) / perPage - before / perPage
    if pages > 0 {
      noteEvictedPages(pages)
      noteMainQueueUse(evictedPages: Double(pages), classHeld)
    }
    ghosts.insert(
      hash, slabClass: slabClass, time: ghostTime(before + chunks, perPage), lines: ghostLines.load(ordering: .relaxed))
  }

  /// Another page's worth of memory was evicted: the page mover may want to know.
  private func noteEvictedPages(_ count: UInt64) {
    let total = evictedPages.wrappingAdd(count, ordering: .relaxed).newValue
    if total >= nextMoveDecision.load(ordering: .relaxed), configuration.movesPages { maintenanceBell.ring() }
  }

  /// A page's worth of the class was evicted: is its main queue still read?
  private func noteMainQueueUse(evictedPages pages: Double, _ classHeld: borrowing ClassLockHeld) {
    let perPage = slabs.classes.chunksPerPage(classHeld.slabClass)
    let reads = mainQueueReads.exchange(classHeld.slabClass, 0)
    slabs.withClass(classHeld) { state in
      state.mainQueueUse.note(
        evictedPart: pages / Double(max(1, state.pageCount)),
        items: pages * Double(perPage) / state.chunksPerItem(perPage), reads: Int(reads))
    }
  }

  /// The class's clock counts halves of a page, so ages are known up to 1,024 pages, all that most caches have. What is
  /// older looks young again: with quarters, a loop too large for the cache seemed to be worth half of it.
  private static let ghostTicksPerPage: UInt64 = 2

  /// The class's clock.
  @inline(__always)
  func ghostTime(_ evictedChunks: UInt64, _ chunksPerPage: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: evictedChunks * Store.ghostTicksPerPage / chunksPerPage) & GhostTable.timeMask
  }

  private func chunkCount(_ item: Item) -> Int {
    var count = 1
    var ref = item.firstChunk
    while !ref.isNone {
      count += 1
      ref = ValueChunk(arena.item(ref)).next
    }
    return count
  }

  /// On which list a new item begins, and whether a page more would have kept it. Wants the class lock; `ghostTime` is
  /// when an item of the same key was evicted from the class, if that is known.
  @inline(__always)
  func placement(
    _ item: Item, evictedAt evictionTime: UInt32?, now: UInt32, _ classHeld: borrowing ClassLockHeld
  ) -> Segment {
    let wasLostLately = evictionTime.map { noteReturn(evictedAt: $0, classHeld) } ?? false
    guard tunables.order == .s3fifo else { return placement(ofNew: item, now: now) }
    return wasLostLately ? .cold : .hot
  }

  /// Where an item goes that takes the place of another. What is set again counts as read once more.
  @inline(__always)
  func placement(_ item: Item, replacing old: Item, now: UInt32) -> Segment {
    guard tunables.order == .s3fifo else { return placement(ofNew: item, now: now) }
    item.reads = min(old.reads &+ 1, 3)
    return old.segment == .hot ? .hot : .cold
  }

  /// Outside S3-FIFO, where a new item begins does not depend on what was lost.
  @inline(__always)
  private func placement(ofNew item: Item, now: UInt32) -> Segment {
    guard tunables.order == .segmented else { return .cold }
    let ttl = item.exptime &- now
    return item.exptime != 0 && tunables.current(.temporaryLRU) != 0
      && UInt64(ttl) <= tunables.current(.temporaryTTLSeconds) ? .temporary : .hot
  }

  /// An evicted item was stored again. Returns whether the class would still know it if it had twice its memory.
  @inline(never)
  private func noteReturn(evictedAt time: UInt32, _ classHeld: borrowing ClassLockHeld) -> Bool {
    let perPage = slabs.classes.chunksPerPage(classHeld.slabClass)
    return slabs.withClass(classHeld) { slabClass in
      let age = (ghostTime(slabClass.worth.evictedChunks, UInt64(perPage)) &- time) & GhostTable.timeMask
      let pagesPerItem = max(1, slabClass.chunksPerItem(perPage) / Double(perPage))
      let pages = Double(age) / Double(Store.ghostTicksPerPage)
      slabClass.worth.noteReturn(afterPages: pages / pagesPerItem, part: 1 / pagesPerItem)
      return pages <= Double(slabClass.pageCount)
    }
  }
}
