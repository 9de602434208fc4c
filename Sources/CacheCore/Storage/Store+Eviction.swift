// Making room: a free chunk, a new page, or the chunk of the least recently used item of the class. The order is a list
// with second chances: a hit only sets a bit, and the tail is asked for it. Not a background task: see Store+Upkeep.

extension Store {
  /// How many items a search looks at that it cannot take (their lock or a hold is in the way). Held ones go to the
  /// head, so a client that does not read what it asked for cannot block the tail.
  private static let busyLimit = 128
  /// How many active items one search sends back to the head.
  private static let secondChanceLimit = 64

  /// A chunk of the class, evicting if need be. nil when nothing may be evicted. Takes the class lock.
  @inline(__always)
  func takeChunk(_ slabClass: Int, now: UInt32, heldStripe: Int) -> ItemRef? {
    let held = slabs.lock(slabClass)
    if let free = slabs.takeFree(held) { return free }
    return evictForChunk(now: now, heldStripe: heldStripe, held)
  }

  @inline(never)
  private func evictForChunk(now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld) -> ItemRef? {
    var ref = slabs.withClass(classHeld) { slabClass in
      slabClass.statistics.directReclaims += 1
      return slabClass.list.tail
    }
    var busy = 0
    var chances = 0
    while busy < Store.busyLimit {
      if ref.isNone {
        // The head is reached. If every item had its second chance on the way, the first of them is next.
        guard chances > 0, chances < Store.secondChanceLimit else { break }
        chances = Store.secondChanceLimit
        ref = slabs.withClass(classHeld) { $0.list.tail }
        if ref.isNone { break }
      }
      let item = arena.item(ref)
      ref = item.previous
      let hash = hash(item.key)
      guard let held = locks.tryLock(stripe: locks.stripe(hash), alreadyHolding: heldStripe) else {
        busy += 1
        continue
      }
      if item.holds > 0 {
        slabs.withClass(classHeld) { $0.statistics.lruTailReflocked += 1 }
        busy += 1
        moveToHead(item, classHeld)
        continue
      }
      let isDead = !isLive(item, now: now)
      if !isDead {
        if !configuration.evictionsEnabled { break }
        if item.flags.contains(.active), chances < Store.secondChanceLimit {
          chances += 1
          item.flags.remove(.active)
          moveToHead(item, classHeld)
          continue
        }
      }
      noteRemoval(item, isDead: isDead, now: now, classHeld)
      if !isDead { eventLog.noteEviction(item, slabClass: classHeld.slabClass, now: now) }
      drop(item, hash, held, classHeld)
      return slabs.takeFree(classHeld)
    }
    slabs.withClass(classHeld) { $0.statistics.outOfMemory += 1 }
    return nil
  }

  /// Wants item and class lock.
  private func moveToHead(_ item: Item, _ classHeld: borrowing ClassLockHeld) {
    slabs.withClass(classHeld) { slabClass in
      slabClass.remove(item, arena: arena)
      slabClass.list.pushHead(item, arena: arena)
      slabClass.statistics.movesWithinLRU += 1
    }
  }

  private func noteRemoval(_ item: Item, isDead: Bool, now: UInt32, _ classHeld: borrowing ClassLockHeld) {
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
      if item.flags.contains(.active) { slabClass.statistics.evictedActive += 1 }
    }
  }
}
