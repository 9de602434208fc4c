// Pages and chunks: which page belongs to which class, which chunks of it are free. Memory is never given to anybody by
// size, only by class. One lock per class guards its pages, its lists and its statistics; one more guards the pool of
// pages that no class owns. It evicts nothing: Store decides what to free when a class has no chunk, and which page
// changes hands (Store+Pages).

/// One page of a class; guarded by the class lock. Pages are linked by number, 0 is none.
struct PageState: BitwiseCopyable, Sendable {
  /// Freed chunks, linked through `next`.
  var firstFree = ItemRef.none
  /// All its chunks.
  var chunkCount: Int32 = 0
  /// Chunks that are free: freed ones, and those that were never used.
  var freeCount: Int32 = 0
  /// The first chunk that was never used since the class got the page; it and those after it need not be touched.
  var freshIndex: Int32 = 0
  /// The pages of the class that have a free chunk.
  var nextAvailable: Int32 = 0
  var previousAvailable: Int32 = 0
  /// All pages of the class, in the order in which it got them; in the pool, `next` alone.
  var next: Int32 = 0
  var previous: Int32 = 0
  /// The page is being emptied: its free chunks are not given out.
  var isLeaving = false
}

/// The lock of one class, held until this value's life ends.
struct ClassLockHeld: ~Copyable {
  private let word: LockWord
  let slabClass: Int
  @inline(__always)
  fileprivate init(_ word: LockWord, slabClass: Int) {
    self.word = word
    self.slabClass = slabClass
  }
  @inline(__always)
  deinit { word.unlock() }
}

struct SlabAllocator: Sendable {
  let classes: SlabClasses
  private let arena: Arena
  private let state: FixedArray<SlabClass>
  /// Index 0 is the page lock.
  private let locks: LockWords
  private let pages: ZeroedArray<PageState>
  /// The class of each page, 0 when none owns it. Changed with the class lock and the page lock held.
  private let pageClass: AtomicBytes
  /// For each page, no item in it expires before this second of the store's clock; a hint for the crawler.
  private let nextExpiry: AtomicCells
  private let shared: AtomicCells
  private enum Cell: Int, CaseIterable {
    /// Pages that classes own.
    case owned
    /// The limit in pages.
    case limit
    /// Pages that were ever used: all after them are untouched.
    case touched
    /// Pages in the pool, and the first of them.
    case pooled, firstPooled
    /// First pages of classes that were given beyond the limit.
    case granted
  }
  /// The first page stays unused, so that no item has reference 0 and no page number 0.
  private static let firstPage = 1

  /// Whether a class without a page gets its first one beyond the limit.
  private let firstPageMayExceedLimit: Bool
  /// From a reference to the page it lies in.
  private let refPageShift: Int
  /// Whether pages without items go to the pool.
  private let poolsEmptyPages: Bool

  init(classes: SlabClasses, arena: Arena, pageLimit: Int, firstPageMayExceedLimit: Bool, poolsEmptyPages: Bool) {
    self.classes = classes
    self.poolsEmptyPages = poolsEmptyPages
    self.firstPageMayExceedLimit = firstPageMayExceedLimit
    self.arena = arena
    refPageShift = classes.pageShift - arena.unitShift
    state = FixedArray(repeating: SlabClass(), count: classes.count)
    locks = LockWords(count: classes.count)
    let pageCount = arena.byteCount >> classes.pageShift
    pages = ZeroedArray(count: pageCount)
    pageClass = AtomicBytes(count: pageCount)
    nextExpiry = AtomicCells(count: pageCount)
    shared = AtomicCells(count: Cell.allCases.count)
    self[.limit] = pageLimit
  }

  func destroy() {
    state.destroy()
    locks.destroy()
    pages.destroy()
    pageClass.destroy()
    nextExpiry.destroy()
    shared.destroy()
    classes.destroy()
  }

  private subscript(cell: Cell) -> Int {
    get { Int(shared.load(cell.rawValue)) }
    nonmutating set { shared.store(cell.rawValue, UInt64(newValue)) }
  }

  @inline(__always)
  func lock(_ slabClass: Int) -> ClassLockHeld {
    let word = locks[slabClass]
    word.lock()
    return ClassLockHeld(word, slabClass: slabClass)
  }

  /// The state of the class whose lock is shown.
  @inline(__always)
  func withClass<Result>(_ held: borrowing ClassLockHeld, _ body: (inout SlabClass) -> Result) -> Result {
    body(&state[held.slabClass])
  }

  @inline(__always)
  func page(of ref: ItemRef) -> Int { Int(ref.rawValue) &>> refPageShift }

  /// The class whose page `ref` lies in.
  @inline(__always)
  func slabClass(of ref: ItemRef) -> Int { Int(pageClass[page(of: ref)]) }

  /// The class whose page the item lies in.
  @inline(__always)
  func slabClass(of item: Item) -> Int { Int(pageClass[arena.byteOffset(of: item) &>> classes.pageShift]) }

  /// The class that owns the page, 0 for none; without the lock it may be another at the next moment.
  func slabClass(ofPage page: Int) -> Int { Int(pageClass[page]) }

  // Chunks.

  /// A free chunk of the class: a freed one, an unused one, or one of a new page if the limit allows. nil when there is
  /// none and something must be evicted.
  @inline(__always)
  func takeFree(_ held: borrowing ClassLockHeld) -> ItemRef? {
    let page = Int(state[held.slabClass].availablePage)
    if page != 0 {
      let first = pages[page].firstFree
      if !first.isNone {
        pages[page].firstFree = arena.item(first).next
        noteTaken(page, held)
        return first
      }
    }
    return takeFresh(held)
  }

  @inline(__always)
  private func noteTaken(_ page: Int, _ held: borrowing ClassLockHeld) {
    pages[page].freeCount &-= 1
    state[held.slabClass].freeCount &-= 1
    if pages[page].freeCount == 0 { unlinkAvailable(page, held) }
  }

  @inline(never)
  private func takeFresh(_ held: borrowing ClassLockHeld) -> ItemRef? {
    if state[held.slabClass].availablePage == 0, !addPage(held) { return nil }
    let page = Int(state[held.slabClass].availablePage)
    let index = Int(pages[page].freshIndex)
    pages[page].freshIndex += 1
    noteTaken(page, held)
    let item = arena.item(chunk(index, of: page, held.slabClass))
    // What an earlier class left there must not look like an item.
    item.clear()
    return item.ref
  }

  /// Puts a chunk back; it must belong to the class.
  @inline(__always)
  func give(_ item: Item, _ held: borrowing ClassLockHeld) {
    let page = page(of: item.ref)
    item.clear()
    item.next = pages[page].firstFree
    pages[page].firstFree = item.ref
    pages[page].freeCount &+= 1
    if pages[page].isLeaving { return }
    state[held.slabClass].freeCount &+= 1
    if pages[page].freeCount == 1 { linkAvailable(page, held) }
    if pages[page].freeCount == pages[page].chunkCount { giveBackEmpty(page, held) }
  }

  /// A page without items is anybody's, but a class keeps its last one.
  @inline(never)
  private func giveBackEmpty(_ page: Int, _ held: borrowing ClassLockHeld) {
    guard poolsEmptyPages, state[held.slabClass].pageCount > 1 else { return }
    beginLeaving(page, held)
    removePage(page, held)
  }

  /// Chunk `index` of a page of the class.
  @inline(__always)
  func chunk(_ index: Int, of page: Int, _ slabClass: Int) -> ItemRef {
    arena.ref(byteOffset: page &<< classes.pageShift &+ index &* classes.chunkByteCount(slabClass))
  }

  private func linkAvailable(_ page: Int, _ held: borrowing ClassLockHeld) {
    let following = state[held.slabClass].availablePage
    pages[page].nextAvailable = following
    pages[page].previousAvailable = 0
    if following != 0 { pages[Int(following)].previousAvailable = Int32(page) }
    state[held.slabClass].availablePage = Int32(page)
  }

  private func unlinkAvailable(_ page: Int, _ held: borrowing ClassLockHeld) {
    let (following, preceding) = (pages[page].nextAvailable, pages[page].previousAvailable)
    if preceding == 0 {
      state[held.slabClass].availablePage = following
    } else {
      pages[Int(preceding)].nextAvailable = following
    }
    if following != 0 { pages[Int(following)].previousAvailable = preceding }
  }

  // Pages of a class.

  /// Gives the class a page from the pool, or one never used, if the limit allows or the caller has just given one back
  /// (`inExchange`).
  @inline(never)
  func addPage(_ held: borrowing ClassLockHeld, inExchange: Bool = false) -> Bool {
    guard let page = takePage(for: held.slabClass, inExchange: inExchange) else { return false }
    attach(page, freshIndex: 0, held)
    return true
  }

  /// Makes the page one of the class's; its chunks from `freshIndex` on are free.
  private func attach(_ page: Int, freshIndex: Int, _ held: borrowing ClassLockHeld) {
    let slabClass = held.slabClass
    let chunks = Int32(classes.chunksPerPage(slabClass))
    pages[page] = PageState()
    pages[page].chunkCount = chunks
    pages[page].freshIndex = Int32(freshIndex)
    pages[page].freeCount = chunks - Int32(freshIndex)
    pages[page].previous = state[slabClass].lastPage
    if state[slabClass].lastPage == 0 {
      state[slabClass].firstPage = Int32(page)
    } else {
      pages[Int(state[slabClass].lastPage)].next = Int32(page)
    }
    state[slabClass].lastPage = Int32(page)
    state[slabClass].pageCount += 1
    state[slabClass].freeCount += Int(pages[page].freeCount)
    nextExpiry.store(page, UInt64(UInt32.max))
    if pages[page].freeCount > 0 { linkAvailable(page, held) }
  }

  /// The first page of the class after `page`, or its first when that is 0; 0 at the end.
  func page(after page: Int, _ held: borrowing ClassLockHeld) -> Int {
    Int(page == 0 ? state[held.slabClass].firstPage : pages[page].next)
  }

  func pageState(_ page: Int, _ held: borrowing ClassLockHeld) -> PageState { pages[page] }

  /// Starts emptying a page: what is free in it is no longer given out.
  func beginLeaving(_ page: Int, _ held: borrowing ClassLockHeld) {
    if pages[page].freeCount > 0 { unlinkAvailable(page, held) }
    state[held.slabClass].freeCount -= Int(pages[page].freeCount)
    pages[page].isLeaving = true
  }

  /// The page stays after all.
  func endLeaving(_ page: Int, _ held: borrowing ClassLockHeld) {
    pages[page].isLeaving = false
    state[held.slabClass].freeCount += Int(pages[page].freeCount)
    if pages[page].freeCount > 0 { linkAvailable(page, held) }
  }

  /// A page that is being emptied stays after all if it has free chunks. False when the class has none such.
  func keepLeavingPage(_ held: borrowing ClassLockHeld) -> Bool {
    var page = Int(state[held.slabClass].firstPage)
    while page != 0 {
      if pages[page].isLeaving, pages[page].freeCount > 0 {
        endLeaving(page, held)
        return true
      }
      page = Int(pages[page].next)
    }
    return false
  }

  /// Whether the page is still being emptied for the pool: a class may have needed it after all.
  func isLeaving(_ page: Int, _ held: borrowing ClassLockHeld) -> Bool {
    slabClass(ofPage: page) == held.slabClass && pages[page].isLeaving
  }

  func isEmpty(_ page: Int, _ held: borrowing ClassLockHeld) -> Bool {
    pages[page].freeCount == pages[page].chunkCount
  }

  /// Takes an empty page, which is leaving, from its class to the pool.
  func removePage(_ page: Int, _ held: borrowing ClassLockHeld) {
    precondition(pages[page].isLeaving && isEmpty(page, held))
    let (following, preceding) = (pages[page].next, pages[page].previous)
    if preceding == 0 {
      state[held.slabClass].firstPage = following
    } else {
      pages[Int(preceding)].next = following
    }
    if following == 0 {
      state[held.slabClass].lastPage = preceding
    } else {
      pages[Int(following)].previous = preceding
    }
    state[held.slabClass].pageCount -= 1
    givePage(page)
  }

  // The pool.

  private func takePage(for slabClass: Int, inExchange: Bool) -> Int? {
    locks[0].lock()
    defer { locks[0].unlock() }
    let isWithinLimit = self[.owned] < self[.limit] || inExchange
    guard isWithinLimit || (firstPageMayExceedLimit && state[slabClass].pageCount == 0) else { return nil }
    var page = self[.firstPooled]
    if page != 0 {
      self[.firstPooled] = Int(pages[page].next)
      self[.pooled] -= 1
    } else {
      page = self[.touched] + SlabAllocator.firstPage
      guard page < pages.count else { return nil }
      self[.touched] += 1
    }
    self[.owned] += 1
    if !isWithinLimit { self[.granted] += 1 }
    pageClass[page] = UInt8(slabClass)
    return page
  }

  private func givePage(_ page: Int) {
    locks[0].lock()
    defer { locks[0].unlock() }
    pageClass[page] = 0
    self[.owned] -= 1
    limitGrants()
    if self[.owned] + self[.pooled] >= self[.limit] { discard(page) }
    pages[page] = PageState()
    pages[page].next = Int32(self[.firstPooled])
    self[.firstPooled] = page
    self[.pooled] += 1
  }

  private func limitGrants() { self[.granted] = min(self[.granted], max(0, self[.owned] - self[.limit])) }

  private func discard(_ page: Int) {
    arena.discard(byteOffset: page << classes.pageShift, byteCount: classes.pageByteCount)
  }

  // The limit and its figures.

  var pageLimit: Int { self[.limit] }
  /// Pages that classes own.
  var pagesInUse: Int { self[.owned] }
  /// Pages above the limit that were not meant to be there.
  var pagesToGiveBack: Int { max(0, self[.owned] - self[.limit] - self[.granted]) }
  /// Pages in the pool that the limit has room for.
  var pagesInPool: Int { min(self[.pooled], max(0, self[.limit] - self[.owned])) }
  /// Pages that were ever used; those above are untouched.
  var touchedPageEnd: Int { self[.touched] + SlabAllocator.firstPage }
  /// The most pages the reservation can hold.
  var pageCapacity: Int { pages.count - SlabAllocator.firstPage }

  /// A lower limit gives the pool back to the kernel at once; what classes own is the business of Store+Pages.
  func setPageLimit(_ count: Int) {
    locks[0].lock()
    defer { locks[0].unlock() }
    self[.limit] = count
    limitGrants()
    var page = self[.firstPooled]
    while page != 0, self[.owned] + self[.pooled] > count {
      discard(page)
      page = Int(pages[page].next)
    }
  }

  // A warm restart.

  /// The next page that was never used here belongs to the class again, or to the pool (0). Its chunks below
  /// `freshIndex` count as taken; those that turn out to be free are given back one by one. Before any thread runs.
  func restorePage(slabClass: Int, freshIndex: Int) {
    let page = touchedPageEnd
    precondition(page < pages.count)
    self[.touched] += 1
    guard slabClass != 0 else {
      pages[page].next = Int32(self[.firstPooled])
      self[.firstPooled] = page
      self[.pooled] += 1
      return
    }
    precondition(slabClass < classes.count && (0...classes.chunksPerPage(slabClass)).contains(freshIndex))
    pageClass[page] = UInt8(slabClass)
    self[.owned] += 1
    if firstPageMayExceedLimit { self[.granted] = max(0, self[.owned] - self[.limit]) }
    attach(page, freshIndex: freshIndex, lock(slabClass))
  }

  // Expiry hints.

  /// An item of the page dies at the end of this second.
  @inline(__always)
  func noteExpiry(_ ref: ItemRef, exptime: UInt32) { nextExpiry.lower(page(of: ref), to: UInt64(exptime)) }

  func nextExpiry(ofPage page: Int) -> UInt32 { UInt32(nextExpiry.load(page)) }
  func setNextExpiry(ofPage page: Int, _ second: UInt32) { nextExpiry.store(page, UInt64(second)) }
  func lowerNextExpiry(ofPage page: Int, to second: UInt32) { nextExpiry.lower(page, to: UInt64(second)) }
}
