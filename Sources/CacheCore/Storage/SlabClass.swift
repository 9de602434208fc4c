// One slab class: its pages, its lists, what its evictions have told about its worth, its statistics. Every field is
// guarded by the class lock. No policy: the orders are in Store+Eviction, the moving of pages in PageMover.

/// Statistics of one class, `stats items`; guarded by the class lock.
struct ClassStatistics: Sendable {
  var evicted: UInt64 = 0
  var evictedNonzero: UInt64 = 0
  var evictedTimeSeconds: UInt32 = 0
  var outOfMemory: UInt64 = 0
  var reclaimed: UInt64 = 0
  var expiredUnfetched: UInt64 = 0
  var evictedUnfetched: UInt64 = 0
  var evictedActive: UInt64 = 0
  var lruTailReflocked: UInt64 = 0
  var directReclaims: UInt64 = 0
  var movesToCold: UInt64 = 0
  var movesToWarm: UInt64 = 0
  var movesWithinLRU: UInt64 = 0
  var crawlerReclaimed: UInt64 = 0
  var crawlerItemsChecked: UInt64 = 0
}

struct SlabClass: Sendable {
  /// The first of the pages with a free chunk; 0 = none.
  var availablePage: Int32 = 0
  /// All pages, oldest first.
  var firstPage: Int32 = 0
  var lastPage: Int32 = 0
  var pageCount = 0
  /// Free chunks of all pages but one that is leaving.
  var freeCount = 0
  private var lists = InlineArray<4, ItemList>(repeating: ItemList())
  var statistics = ClassStatistics()
  /// A client has asked the crawler to look at the class.
  var crawlIsDemanded = false
  /// What evictions tell the page mover.
  var worth = ClassWorth()
  /// What they tell S3-FIFO of its main queue.
  var mainQueueUse = MainQueueUse()

  @inline(__always)
  subscript(segment: Segment) -> ItemList {
    _read { yield lists[Int(segment.rawValue)] }
    _modify { yield &lists[Int(segment.rawValue)] }
  }

  /// Puts an item at the head of a list.
  @inline(__always)
  mutating func push(_ item: Item, to segment: Segment, arena: Arena) {
    item.segment = segment
    lists[Int(segment.rawValue)].pushHead(item, arena: arena)
  }

  /// Takes an item off its list.
  @inline(__always)
  mutating func remove(_ item: Item, arena: Arena) {
    lists[item.segmentNumber].remove(item, arena: arena)
  }

  /// Items of the class, whatever their segment.
  var itemCount: Int { lists[0].count + lists[1].count + lists[2].count + lists[3].count }
  /// How many chunks an item has, on average, when a page has `chunksPerPage`; at least 1.
  func chunksPerItem(_ chunksPerPage: Int) -> Double {
    max(1, Double(pageCount * chunksPerPage - freeCount) / Double(max(1, itemCount)))
  }
  /// Bytes of the items, headers included.
  var byteCount: Int { lists[0].byteCount + lists[1].byteCount + lists[2].byteCount + lists[3].byteCount }
  var meanByteCount: Double { Double(byteCount) / Double(max(itemCount, 1)) }
}

/// Whether the main queue of S3-FIFO earns its room. It loses items only to those that were read twice or came back
/// soon: a loop larger than the small queue would run for ever against a main queue full of what nobody reads any
/// more, where LRU would hold it.
struct MainQueueUse: Sendable {
  /// Items read in the main queue or on their way to it, and items evicted; both fade by half while the class is
  /// evicted once.
  private var readItems = 0.0
  private var evictedItems = 0.0
  /// Almost nothing was read there of late: what is new is worth more than its oldest.
  private(set) var isStale = false
  /// One read for so many evicted is next to nothing.
  private static let fewestReadsForEvicted = 1.0 / 64

  /// An item that was read came from the small queue, or went round the main one. Hits count in the item, and only the
  /// first after each look beside it: of what is read often the look itself must tell.
  mutating func noteMove() {
    readItems += 1
    judge()
  }

  /// A part of the class was evicted, `items` of them, and meanwhile `reads` items of the main queue were read.
  mutating func note(evictedPart part: Double, items: Double, reads: Int) {
    let kept = 1 / (1 + part)
    readItems = readItems * kept + Double(reads)
    evictedItems = evictedItems * kept + items
    judge()
  }

  private mutating func judge() { isStale = readItems < evictedItems * MainQueueUse.fewestReadsForEvicted }
}

/// What a page is worth to a class, counted since the page mover last looked; older counts fade.
struct ClassWorth: Sendable {
  /// Chunks of the class that evictions have freed, ever: its clock.
  var evictedChunks: UInt64 = 0
  /// Items stored again after their eviction, by the pages' worth that was evicted in between: up to 1, 2, 4 and so on.
  /// An item of several pages counts as its part.
  private var returns = InlineArray<9, Double>(repeating: 0)
  /// First hits on items of the last page's worth before eviction: hits that one page less would have lost.
  var loss = 0.0
  /// Hits on the class, and how many it had in all when the page mover last looked.
  var hits = 0.0
  var seenHits: UInt64 = 0
  /// The clock at the last decision, and by how much it had moved since the one before.
  var evictedAtDecision: UInt64 = 0
  var evictedSinceDecision: UInt64 = 0
  /// Whether the class has asked for a chunk since the page mover last looked.
  var allocates = false
  /// Whether it had before that.
  var didAllocate = false

  /// An item was stored again that would still be there, had the class had `pages` pages more when it was evicted.
  mutating func noteReturn(afterPages pages: Double, part: Double) {
    var index = 0
    while index < returns.count, pages > Double(1 << index) { index += 1 }
    if index < returns.count { returns[index] += part }
  }

  /// Hits that one page more would have been. With several pages more they would have been all that returned within
  /// these; one page's part of that, less what may be chance, is the better guess where it is larger. A class that is
  /// read round and round gains nothing before all fits: the hull of its curve of misses shows it (Talus, HPCA '15).
  var gain: Double {
    var best = returns[0]
    var sum = returns[0]
    for index in 1..<returns.count {
      sum += returns[index]
      best = max(best, (sum - sum.squareRoot()) / Double(1 << index))
    }
    return best
  }

  /// After a decision of the page mover: what was counted before counts less.
  mutating func fade(totalHits: UInt64) {
    // Totals begin again with `stats reset`.
    let hits = totalHits >= seenHits ? totalHits - seenHits : totalHits
    seenHits = totalHits
    for index in returns.indices { returns[index] *= PageMover.fading }
    loss *= PageMover.fading
    self.hits = self.hits * PageMover.hitsFading + Double(hits)
    evictedSinceDecision = evictedChunks - evictedAtDecision
    evictedAtDecision = evictedChunks
    didAllocate = allocates
    allocates = false
  }
}
