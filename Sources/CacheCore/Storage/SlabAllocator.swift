// Pages and chunks: which page belongs to which class, which chunks are free. Memory is never given to anybody by size,
// only by class, and returns to the class it came from. One lock per class guards its free chunks, its LRU lists and
// its statistics; one more guards the pool of pages. It evicts nothing: Store decides what to free when a class has no
// chunk.

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
  var movesWithinLRU: UInt64 = 0
  var crawlerReclaimed: UInt64 = 0
  var crawlerItemsChecked: UInt64 = 0
}

/// One slab class; every field is guarded by the class lock.
struct SlabClass: Sendable {
  /// Freed chunks, linked through `next`.
  var firstFree = ItemRef.none
  var freeCount = 0
  /// Chunks of the newest page that were never used: they are not linked, so they need not be touched.
  var freshOffset = 0
  var freshCount = 0
  var pageCount = 0
  /// COLD, the one list in use; the other segments come with the segmented LRU.
  var list = ItemList()
  var statistics = ClassStatistics()
  /// Where the crawler stands; none = at the tail.
  var crawlPosition = ItemRef.none

  /// Takes an item off the list; a crawler standing on it steps towards the head.
  @inline(__always)
  mutating func remove(_ item: Item, arena: Arena) {
    if crawlPosition == item.ref { crawlPosition = item.previous }
    list.remove(item, arena: arena)
  }
}

/// The lock of one class, held until this value's life ends.
struct ClassLockHeld: ~Copyable {
  private let words: LockWords
  let slabClass: Int
  @inline(__always)
  fileprivate init(words: LockWords, slabClass: Int) {
    self.words = words
    self.slabClass = slabClass
  }
  @inline(__always)
  deinit { words.unlock(slabClass) }
}

struct SlabAllocator: Sendable {
  let classes: SlabClasses
  private let arena: Arena
  private let state: FixedArray<SlabClass>
  /// Index 0 is the page lock.
  private let locks: LockWords
  private let pageClass: FixedArray<UInt8>
  /// 0: pages given to classes; 1: the limit in pages.
  private let shared: AtomicCells
  /// The first page stays unused, so that no item has reference 0.
  private static let firstPage = 1

  init(classes: SlabClasses, arena: Arena, pageLimit: Int) {
    self.classes = classes
    self.arena = arena
    state = FixedArray(repeating: SlabClass(), count: classes.count)
    locks = LockWords(count: classes.count)
    pageClass = FixedArray(repeating: 0, count: arena.byteCount / SlabClasses.pageByteCount)
    shared = AtomicCells(count: 2)
    shared.store(1, UInt64(pageLimit))
  }

  func destroy() {
    state.destroy()
    locks.destroy()
    pageClass.destroy()
    shared.destroy()
    classes.destroy()
  }

  @inline(__always)
  func lock(_ slabClass: Int) -> ClassLockHeld {
    locks.lock(slabClass)
    return ClassLockHeld(words: locks, slabClass: slabClass)
  }

  /// The state of the class whose lock is shown.
  @inline(__always)
  func withClass<Result>(_ held: borrowing ClassLockHeld, _ body: (inout SlabClass) -> Result) -> Result {
    body(&state[held.slabClass])
  }

  /// The class whose page `ref` lies in.
  @inline(__always)
  func slabClass(of ref: ItemRef) -> Int { Int(pageClass[arena.byteOffset(ref) &>> 20]) }

  /// A free chunk of the class: a freed one, an unused one, or one of a new page if the limit allows. nil when there is
  /// none and something must be evicted.
  @inline(__always)
  func takeFree(_ held: borrowing ClassLockHeld) -> ItemRef? {
    let slabClass = held.slabClass
    let first = state[slabClass].firstFree
    if !first.isNone {
      state[slabClass].firstFree = arena.item(first).next
      state[slabClass].freeCount &-= 1
      return first
    }
    return takeFresh(slabClass)
  }

  @inline(never)
  private func takeFresh(_ slabClass: Int) -> ItemRef? {
    if state[slabClass].freshCount == 0, !addPage(to: slabClass) { return nil }
    let offset = state[slabClass].freshOffset
    state[slabClass].freshOffset = offset + classes.chunkByteCount(slabClass)
    state[slabClass].freshCount -= 1
    return arena.ref(byteOffset: offset)
  }

  /// The reference's rule: below the limit, or a class that owns no page yet.
  private func addPage(to slabClass: Int) -> Bool {
    locks.lock(0)
    defer { locks.unlock(0) }
    let used = Int(shared.load(0))
    guard used < Int(shared.load(1)) || state[slabClass].pageCount == 0,
      used + SlabAllocator.firstPage < pageClass.count
    else { return false }
    shared.store(0, UInt64(used + 1))
    let page = used + SlabAllocator.firstPage
    pageClass[page] = UInt8(slabClass)
    state[slabClass].freshOffset = page * SlabClasses.pageByteCount
    state[slabClass].freshCount = classes.chunksPerPage(slabClass)
    state[slabClass].pageCount += 1
    return true
  }

  /// Puts a chunk back; it must belong to the class.
  @inline(__always)
  func give(_ item: Item, _ held: borrowing ClassLockHeld) {
    item.clear()
    item.next = state[held.slabClass].firstFree
    state[held.slabClass].firstFree = item.ref
    state[held.slabClass].freeCount &+= 1
  }

  // The limit and its figures.

  var pageLimit: Int { Int(shared.load(1)) }
  var pagesInUse: Int { Int(shared.load(0)) }
  /// The most pages the reservation can hold.
  var pageCapacity: Int { pageClass.count - SlabAllocator.firstPage }
  func setPageLimit(_ pages: Int) { shared.store(1, UInt64(pages)) }
}
