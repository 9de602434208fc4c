// What the store can say about itself: gauges and sums for the `stats` commands, the size histogram, and the key dump
// of a class. Each takes class locks one at a time; none is on the request path.

/// One class at one moment.
struct ClassFigures {
  /// Items by list, in the order of Segment; the last page of S3-FIFO's main queue counts as COLD, where it belongs.
  var counts: [Int]
  /// Bytes of all items, headers included.
  var byteCount: Int
  /// Idle seconds of the tails of HOT, WARM and COLD.
  var agesSeconds: [UInt32]
  var statistics: ClassStatistics
  var pageCount: Int
  var chunkByteCount: Int
  var chunksPerPage: Int
  /// Freed and never used chunks.
  var freeCount: Int
  var chunkCount: Int { pageCount * chunksPerPage }
  var itemCount: Int { counts.reduce(0, +) }
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
    movesToCold += other.movesToCold
    movesToWarm += other.movesToWarm
    movesWithinLRU += other.movesWithinLRU
    crawlerReclaimed += other.crawlerReclaimed
    crawlerItemsChecked += other.crawlerItemsChecked
  }
}

extension Store {
  func classFigures(_ slabClass: Int, now: UInt32) -> ClassFigures {
    let held = slabs.lock(slabClass)
    let state = slabs.withClass(held) { $0 }
    var counts = Segment.allCases.map { state[$0].count }
    var ages = [Segment.hot, .warm, .cold].map { idleSeconds(ofTail: $0, now: now, held) }
    if tunables.order == .s3fifo {
      counts[2] += counts[1]
      if counts[1] > 0 { ages[2] = ages[1] }
      (counts[1], ages[1]) = (0, 0)
    }
    return ClassFigures(
      counts: counts, byteCount: state.byteCount, agesSeconds: ages, statistics: state.statistics,
      pageCount: state.pageCount, chunkByteCount: slabs.classes.chunkByteCount(slabClass),
      chunksPerPage: slabs.classes.chunksPerPage(slabClass), freeCount: state.freeCount)
  }

  func figures() -> StoreFigures {
    var figures = StoreFigures()
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { state in
        figures.statistics.add(state.statistics)
        figures.itemCount += state.itemCount
        figures.byteCount += state.byteCount
      }
    }
    figures.freePages = slabs.pagesInPool
    return figures
  }

  func resetStatistics() {
    crawlCount.store(0, ordering: .relaxed)
    juggleCount.store(0, ordering: .relaxed)
    moveCounts.reset()
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { $0.statistics = ClassStatistics() }
    }
  }

  /// The most bytes a dump may have (reference, section 6.9).
  private static let dumpByteCount = 2 << 20

  /// `ITEM <key> [<bytes> b; <unix expiration or 0> s]` for each item of the class from the newest on, then END. Keys
  /// that would break the lines are left out. The last class that memcached can have stands for all above it too:
  /// clients ask for no others (libmemcached's memdump does). Holds a class lock while it makes at most 2 MB of lines.
  func cacheDump(slabClass: Int, limit: Int) -> [UInt8] {
    var lines: [UInt8] = []
    var left = limit == 0 ? Int.max : limit
    let last = slabClass == SlabClasses.maximumClass ? slabs.classes.last : slabClass
    for slabClass in stride(from: slabClass, through: min(last, slabs.classes.last), by: 1) where slabClass > 0 {
      dump(slabClass, into: &lines, atMost: &left)
    }
    return lines + Array("END\r\n".utf8)
  }

  private func dump(_ slabClass: Int, into lines: inout [UInt8], atMost left: inout Int) {
    let held = slabs.lock(slabClass)
    // From the newest on, as far as lists have an order among each other.
    for segment in Segment.allCases {
      var ref = slabs.withClass(held) { $0[segment].head }
      while !ref.isNone, left > 0, lines.count < Store.dumpByteCount {
        let item = arena.item(ref)
        ref = item.next
        if let line = dumpLine(item) {
          lines += line
          left -= 1
        }
      }
    }
  }

  /// nil when the item is in use or its key would break the line. Wants the class lock.
  private func dumpLine(_ item: Item) -> [UInt8]? {
    guard let itemHeld = locks.tryLock(stripe: locks.stripe(hash(item.key))) else { return nil }
    let key = item.key.bytes(ByteRange(start: 0, end: item.keyByteCount))
    let exptime = clockBase.unixSeconds(exptime: item.exptime)
    _ = consume itemHeld
    if key.contains(where: { $0 <= 0x20 }) { return nil }
    return Array("ITEM ".utf8) + key + Array(" [\(item.valueByteCount) b; \(exptime) s]\r\n".utf8)
  }

  /// Chunks counted under one hold of a class lock.
  private static let chunksPerCount = 256

  /// Linked items by total size: upper bounds in steps of 32 bytes with their counts, ascending, empty steps left out.
  /// Read page by page in the order of memory; items that come and go meanwhile may be counted or not.
  func sizeHistogram() -> [(upperBound: Int, count: Int)] {
    var counts: [Int: Int] = [:]
    for page in 1..<slabs.touchedPageEnd {
      let slabClass = slabs.slabClass(ofPage: page)
      if slabClass == 0 { continue }
      var start = 0
      while start < slabs.classes.chunksPerPage(slabClass) {
        let held = slabs.lock(slabClass)
        guard slabs.slabClass(ofPage: page) == slabClass else { break }
        let end = min(start + Store.chunksPerCount, Int(slabs.pageState(page, held).freshIndex))
        for index in stride(from: start, to: end, by: 1) {
          let item = arena.item(slabs.chunk(index, of: page, slabClass))
          guard item.flags.contains(.linked) else { continue }
          counts[(item.totalByteCount + 31) / 32 * 32, default: 0] += 1
        }
        start += Store.chunksPerCount
      }
    }
    return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
