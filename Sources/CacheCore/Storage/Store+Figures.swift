// What the store can say about itself: gauges and sums for the `stats` commands, the size histogram, and the key dump
// of a class. Each takes class locks one at a time; none is on the request path.

/// One class at one moment.
struct ClassFigures {
  var list: ItemList
  var statistics: ClassStatistics
  var tailAgeSeconds: UInt32
  var pageCount: Int
  var chunkByteCount: Int
  var chunksPerPage: Int
  /// Freed and never used chunks.
  var freeCount: Int
  var chunkCount: Int { pageCount * chunksPerPage }
}

extension ClassStatistics {
  /// Adds another class's numbers; the time of the last eviction is no sum and stays.
  mutating func add(_ other: ClassStatistics) {
    evicted += other.evicted
    evictedNonzero += other.evictedNonzero
    outOfMemory += other.outOfMemory
    reclaimed += other.reclaimed
    expiredUnfetched += other.expiredUnfetched
    evictedUnfetched += other.evictedUnfetched
    evictedActive += other.evictedActive
    lruTailReflocked += other.lruTailReflocked
    directReclaims += other.directReclaims
    movesWithinLRU += other.movesWithinLRU
    crawlerReclaimed += other.crawlerReclaimed
    crawlerItemsChecked += other.crawlerItemsChecked
  }
}

extension Store {
  func classFigures(_ slabClass: Int, now: UInt32) -> ClassFigures {
    let held = slabs.lock(slabClass)
    let state = slabs.withClass(held) { $0 }
    var age: UInt32 = 0
    if !state.list.tail.isNone {
      let tail = arena.item(state.list.tail)
      // The access time is written under the item's lock: without it there is no age to tell.
      if let itemHeld = locks.tryLock(stripe: locks.stripe(hash(tail.key))) {
        age = now >= tail.lastAccess ? now - tail.lastAccess : 0
        _ = consume itemHeld
      }
    }
    return ClassFigures(
      list: state.list, statistics: state.statistics, tailAgeSeconds: age, pageCount: state.pageCount,
      chunkByteCount: slabs.classes.chunkByteCount(slabClass), chunksPerPage: slabs.classes.chunksPerPage(slabClass),
      freeCount: state.freeCount + state.freshCount)
  }

  func figures() -> StoreFigures {
    var figures = StoreFigures()
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { state in
        figures.statistics.add(state.statistics)
        figures.itemCount += state.list.count
        figures.byteCount += state.list.byteCount
      }
    }
    return figures
  }

  func resetStatistics() {
    crawlCount.store(0, ordering: .relaxed)
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { $0.statistics = ClassStatistics() }
    }
  }

  /// The most bytes a dump may have (reference, section 6.9).
  private static let dumpByteCount = 2 << 20

  /// `ITEM <key> [<bytes> b; <unix expiration or 0> s]` for each item of the class from the newest on, then END. Keys
  /// that would break the lines are left out. Holds the class lock throughout, as long as 2 MB of lines take.
  func cacheDump(slabClass: Int, limit: Int) -> [UInt8] {
    var lines: [UInt8] = []
    if slabClass >= 1, slabClass < slabs.classes.count {
      let held = slabs.lock(slabClass)
      var ref = slabs.withClass(held) { $0.list.head }
      var count = 0
      while !ref.isNone, limit == 0 || count < limit, lines.count < Store.dumpByteCount {
        let item = arena.item(ref)
        ref = item.next
        guard let itemHeld = locks.tryLock(stripe: locks.stripe(hash(item.key))) else { continue }
        let key = item.key.bytes(ByteRange(start: 0, end: item.keyByteCount))
        let exptime = clockBase.unixSeconds(exptime: item.exptime)
        _ = consume itemHeld
        if key.contains(where: { $0 <= 0x20 }) { continue }
        lines += Array("ITEM ".utf8) + key + Array(" [\(item.valueByteCount) b; \(exptime) s]\r\n".utf8)
        count += 1
      }
    }
    return lines + Array("END\r\n".utf8)
  }

  /// Linked items by total size: upper bounds in steps of 32 bytes with their counts, ascending, empty steps left out.
  func sizeHistogram() -> [(upperBound: Int, count: Int)] {
    var counts: [Int: Int] = [:]
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      var ref = slabs.withClass(held) { $0.list.head }
      while !ref.isNone {
        let item = arena.item(ref)
        counts[(item.totalByteCount + 31) / 32 * 32, default: 0] += 1
        ref = item.next
      }
    }
    return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
