// The cache itself: finds, stores, replaces, deletes, evicts. All rules about what may be stored are here, and none
// about protocols, sockets or clocks: `now` is an argument (seconds of the store's clock), keys and values are bytes.
// Shared by all workers. Every method says which lock it takes or wants to be shown; the order is in ItemLocks.swift.
// Companions: Store+Storing (reserve, commit), Store+Eviction, Store+Pages (pages that change hands), Store+Expiry,
// Store+Upkeep (flush, growth, limit), Store+Figures, Store+Walk, Store+Save and Store+Restore, Store+Invariants.

import Synchronization

public struct StoreConfiguration: Sendable {
  public var memoryLimitBytes = 64 << 20
  /// Address space to keep ready for a higher limit later; never touched until used.
  public var reserveBytes = 0
  public var slabs = SlabClassSettings()
  public var itemSizeMaxBytes = 1 << 20
  public var casEnabled = true
  public var evictionsEnabled = true
  public var hashPower = 16
  public var hashExpandEnabled = true
  public var workerCount = 4
  /// Whether pages may go from one class to another.
  public var movesPages = true
  /// Whether the page mover goes by the age of items, as the reference's does, instead of by what a page is worth.
  public var movesByAge = false
  /// What the page mover wants more of.
  public var moveGoal = MoveGoal.balanced
  /// What commands may change later.
  public var tunables = Tunables()
  public var backing = ArenaBacking.lazy
  /// The hash that a warm restart goes on with; nil = a new one.
  var keyHash: KeyHash?
  public var startedAtUnixSeconds: Int64 = 0
  /// How many bytes of lines for watchers may wait.
  public var eventLogByteCount = 64 << 10
  /// For the lines of watchers: microseconds since 1970.
  public var wallClock: @Sendable @convention(c) () -> UInt64 = { 0 }
  public init() {}
}

/// What a look-up found.
enum Lookup {
  case hit(Item)
  case miss
  /// It was there, but its time was over; it is gone now.
  case expired
  /// It was there, but older than the last flush; it is gone now.
  case flushed

  var item: Item? {
    if case .hit(let item) = self { return item }
    return nil
  }
}

/// An item and where its key and value lie.
struct FoundItem {
  let item: Item
  let contents: ItemContents
}

public struct Store: ~Copyable, Sendable {
  let configuration: StoreConfiguration
  /// What commands change; shared with those who carry them out.
  public let tunables: Tunables
  public let clockBase: ClockBase
  let arena: Arena
  let slabs: SlabAllocator
  let locks: ItemLocks
  let table: HashTable
  let hash: KeyHash
  /// Where evictions are told, and by the layers above everything else.
  public let eventLog: EventLog
  // Atomics inside the struct also make it one that is always passed by address: a large struct without any is copied
  // for each call that is not inlined (measured: two copies of 464 bytes a get).
  /// The last CAS unique handed out; the reference hands out 2 first.
  let lastCAS = Atomic<UInt64>(1)
  /// Items last accessed before this second are flushed.
  let flushBarrier = Atomic<UInt32>(0)
  /// When a delayed flush is due; 0 = none.
  let pendingFlush = Atomic<UInt32>(0)
  /// Runs of the crawler that were begun, and whether one is under way.
  let crawlCount = Atomic<UInt64>(0)
  let isCrawling = Atomic<Bool>(false)
  /// A client has asked for a run through some classes (`SlabClass.crawlIsDemanded`).
  let crawlIsDemanded = Atomic<Bool>(false)
  /// What evictions have lost, and how many of its lines are in use.
  let ghosts: GhostTable
  let ghostLines = Atomic<Int>(0)
  /// Pages' worth of memory evicted so far, and the number at which the page mover decides next.
  let evictedPages = Atomic<UInt64>(0)
  let nextMoveDecision = Atomic<UInt64>(0)
  /// An operator's request of a move: source + 2 in the upper half, destination in the lower; 0 = none.
  let moveRequest = Atomic<UInt64>(0)
  let isMovingPage = Atomic<Bool>(false)
  let moveCounts = MoveCounts()
  /// Turns of the segmented order's maintainer.
  let juggleCount = Atomic<UInt64>(0)
  /// Rung when the maintenance thread has something to do at once.
  public let maintenanceBell = Doorbell()
  /// By class: first reads of items of the last page's worth, and of items of the small queue, since the page mover
  /// last looked (ClassWorth.loss).
  let lastPageReads = AtomicCells(count: SlabClasses.maximumFittedClass + 1)
  let newItemReads = AtomicCells(count: SlabClasses.maximumFittedClass + 1)
  /// First reads of items of the main queue, its last page too, since the class last evicted a page (MainQueueUse).
  let mainQueueReads = AtomicCells(count: SlabClasses.maximumFittedClass + 1)
  /// The second of the last flush command.
  let lastFlushSecond = Atomic<UInt32>(0)

  private init(
    _ configuration: StoreConfiguration, arena: Arena, slabs: SlabAllocator, locks: ItemLocks,
    table: consuming HashTable, ghosts: GhostTable
  ) {
    self.configuration = configuration
    tunables = configuration.tunables
    hash = configuration.keyHash ?? .random()
    self.ghosts = ghosts
    clockBase = ClockBase(startedAtUnixSeconds: configuration.startedAtUnixSeconds)
    self.arena = arena
    self.slabs = slabs
    self.locks = locks
    self.table = table
    eventLog = EventLog(byteCount: configuration.eventLogByteCount, wallClock: configuration.wallClock)
  }

  /// Reserves everything. Returns nil when the kernel refuses the address space.
  public static func make(_ configuration: StoreConfiguration) -> Pinned<Store>? {
    guard
      let arena = Arena(
        byteCount: arenaByteCount(configuration), casByteCount: configuration.casEnabled ? 8 : 0,
        backing: configuration.backing)
    else { return nil }
    var settings = configuration.slabs
    settings.alignmentByteCount = max(8, 1 << arena.unitShift)
    let classes = SlabClasses(settings)
    let locks = ItemLocks(power: min(ItemLocks.power(workers: configuration.workerCount), configuration.hashPower - 1))
    let mostItems = arena.byteCount / classes.chunkByteCount(1)
    let lastPower = configuration.hashExpandEnabled ? Int.bitWidth - mostItems.leadingZeroBitCount : 0
    guard let table = HashTable(arena: arena, locks: locks, power: configuration.hashPower, lastPower: lastPower),
      let ghosts = GhostTable(entries: mostItems)
    else { return nil }
    let slabs = SlabAllocator(
      classes: classes, arena: arena, pageLimit: pageLimit(configuration),
      firstPageMayExceedLimit: exceedsLimit(configuration),
      poolsEmptyPages: configuration.evictionsEnabled && configuration.movesPages)
    return Pinned(Store(configuration, arena: arena, slabs: slabs, locks: locks, table: table, ghosts: ghosts))
  }

  private static func pageLimit(_ configuration: StoreConfiguration) -> Int {
    let page = 1 << SlabClasses.pageShift(configuration.slabs.rule)
    return max(1, (configuration.memoryLimitBytes + page - 1) / page)
  }

  /// The size of the arena: the limit, one page per class beyond it (where a class without a page always gets its
  /// first), and the unused first page; in whole pages of the kernel's. A file has no more than can be needed, because
  /// its room is taken at once.
  public static func arenaByteCount(_ configuration: StoreConfiguration) -> Int {
    let page = 1 << SlabClasses.pageShift(configuration.slabs.rule)
    if case .file = configuration.backing {
      let beyond = exceedsLimit(configuration) ? SlabClasses.shapes(configuration.slabs).count : 0
      return (pageLimit(configuration) + beyond + 1) * page
    }
    let pages = max(pageLimit(configuration), configuration.reserveBytes / page)
    return (pages + SlabClasses.maximumFittedClass + 2) * page
  }

  /// The reference gives a class without a page its first one whatever the limit. So do we where no page can be taken
  /// from another class, and with the reference's pages of 1 MiB, of which a small cache has too few to share.
  private static func exceedsLimit(_ configuration: StoreConfiguration) -> Bool {
    if case .reference = configuration.slabs.rule { return true }
    return !configuration.evictionsEnabled || !configuration.movesPages
  }

  /// Gives everything back. No reservation, hold or thread may be left.
  deinit {
    table.destroy()
    locks.destroy()
    slabs.destroy()
    arena.unmap()
    eventLog.destroy()
    ghosts.unmap()
    moveCounts.destroy()
    lastPageReads.destroy()
    newItemReads.destroy()
    mainQueueReads.destroy()
    maintenanceBell.destroy()
  }

  // Finding.

  /// The item of `key`, dead or alive. Wants the item lock of the key.
  @inline(__always)
  private func linked(_ key: RawSpan, _ hash: UInt64, _ held: borrowing ItemLockHeld) -> FoundItem? {
    let first = table.first(hash, held)
    if first.isNone { return nil }
    var item = arena.item(first)
    // Nearly always it is the first of its chain.
    if let contents = item.contents(ifKeyIs: key) { return FoundItem(item: item, contents: contents) }
    let ref = linked(key, behind: item.hashNext)
    if ref.isNone { return nil }
    item = arena.item(ref)
    return FoundItem(item: item, contents: item.contents)
  }

  /// The item of `key` at `ref` or behind it in its chain.
  @inline(never)
  private func linked(_ key: RawSpan, behind ref: ItemRef) -> ItemRef {
    var ref = ref
    while !ref.isNone {
      let item = arena.item(ref)
      if item.contents(ifKeyIs: key) != nil { break }
      ref = item.hashNext
    }
    return ref
  }

  /// The item of `key` if it is alive: for those who ask `find` when it is not. Wants the item lock of the key.
  @inline(__always)
  func findLive(_ key: RawSpan, _ hash: UInt64, now: UInt32, _ held: borrowing ItemLockHeld) -> FoundItem? {
    guard let found = linked(key, hash, held), isLive(found.item, now: now) else { return nil }
    return found
  }

  /// The live item of `key`. A dead one met on the way is unlinked. Wants the item lock of the key.
  @inline(__always)
  func find(_ key: RawSpan, _ hash: UInt64, now: UInt32, _ held: borrowing ItemLockHeld) -> Lookup {
    guard let item = linked(key, hash, held)?.item else { return .miss }
    return isLive(item, now: now) ? .hit(item) : bury(item, hash, now: now, held)
  }

  @inline(__always)
  func isLive(_ item: Item, now: UInt32) -> Bool {
    // An exptime of 0, which is never, becomes the largest number.
    item.exptime &- 1 >= now &- 1 && item.lastAccess >= flushBarrier.load(ordering: .relaxed)
  }

  @inline(never)
  private func bury(_ item: Item, _ hash: UInt64, now: UInt32, _ held: borrowing ItemLockHeld) -> Lookup {
    let wasFlushed = item.lastAccess < flushBarrier.load(ordering: .relaxed)
    unlink(item, hash, held) { slabClass in
      slabClass.statistics.reclaimed += 1
      if !item.flags.contains(.fetched) { slabClass.statistics.expiredUnfetched += 1 }
    }
    return wasFlushed ? .flushed : .expired
  }

  /// Notes that the item was read: FETCHED the first time, the count of reads up to 3, the time. Writes only what
  /// changes. `head` is the item's. Wants the item lock; no list lock, because the lists look at the count when the
  /// item is next to go.
  @inline(__always)
  func bump(_ item: Item, _ head: ItemHead, now: UInt32) {
    if !head.isReadOften { noteRead(item, head) }
    // Never the flush bound: a flush that comes between the look-up and this line must still find the item older.
    if item.lastAccess < now { item.lastAccess = now }
  }

  @inline(__always)
  func bump(_ item: Item, now: UInt32) { bump(item, item.head, now: now) }

  /// The first reads since the item was stored, or since its list last looked at it: of the first of those, what a page
  /// less might have lost. WARM is the last page in S3-FIFO; in the segmented order it is what was read before, which
  /// comes near it.
  @inline(never)
  private func noteRead(_ item: Item, _ head: ItemHead) {
    if head.reads < 3 { item.reads = head.reads &+ 1 }
    if !head.flags.contains(.fetched) { item.flags = item.flags.union(.fetched) }
    guard head.reads == 0 else { return }
    let slabClass = slabs.slabClass(of: item.ref)
    switch item.segment {
    case .warm:
      lastPageReads.add(slabClass, 1)
      mainQueueReads.add(slabClass, 1)
    case .hot: newItemReads.add(slabClass, 1)
    case .cold: mainQueueReads.add(slabClass, 1)
    case .temporary: break
    }
  }

  /// The time to note for a new item: now, but never before the last flush.
  @inline(__always)
  func birthTime(_ now: UInt32) -> UInt32 { max(now, flushBarrier.load(ordering: .relaxed)) }

  // Linking. All want the item lock and take the class lock.

  /// Makes a finished reservation visible under its key, which must not be linked already.
  @inline(__always)
  func link(_ item: Item, _ hash: UInt64, now: UInt32, _ held: borrowing ItemLockHeld) {
    item.lastAccess = birthTime(now)
    item.flags.insert(.linked)
    noteMortal(item)
    table.insert(item, hash, held)
    let slabClass = slabs.slabClass(of: item.ref)
    let lines = ghostLines.load(ordering: .relaxed)
    let evictedAt = lines == 0 ? nil : ghosts.take(hash, slabClass: slabClass, lines: lines)
    let classHeld = slabs.lock(slabClass)
    let segment = placement(item, evictedAt: evictedAt, now: now, classHeld)
    slabs.withClass(classHeld) { $0.push(item, to: segment, arena: arena) }
  }

  /// Puts `new` in the place of `old`, whose chunk is freed unless somebody holds it. A value made from the old one
  /// (`isDerived`) is no younger than it for a flush.
  @inline(__always)
  func replace(
    _ old: Item, by new: Item, _ hash: UInt64, isDerived: Bool, now: UInt32, _ held: borrowing ItemLockHeld
  ) {
    new.lastAccess = isDerived ? max(old.lastAccess, now) : birthTime(now)
    new.flags.insert(.linked)
    noteMortal(new)
    table.replace(old, by: new, hash, held)
    old.flags.remove(.linked)
    let oldClass = slabs.slabClass(of: old.ref)
    let newClass = slabs.slabClass(of: new.ref)
    let classHeld = slabs.lock(oldClass)
    let segment = placement(new, replacing: old, now: now)
    slabs.withClass(classHeld) { slabClass in
      slabClass.remove(old, arena: arena)
      if oldClass == newClass { slabClass.push(new, to: segment, arena: arena) }
    }
    freeIfUnheld(old, classHeld)
    guard oldClass != newClass else { return }
    _ = consume classHeld
    let newHeld = slabs.lock(newClass)
    slabs.withClass(newHeld) { $0.push(new, to: segment, arena: arena) }
  }

  /// Takes a linked item out of the cache; its chunk is freed unless somebody holds it.
  @inline(__always)
  func unlink(
    _ item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld, noting note: (inout SlabClass) -> Void = { _ in }
  ) {
    table.remove(item, hash, held)
    item.flags.remove(.linked)
    let classHeld = slabs.lock(slabs.slabClass(of: item.ref))
    slabs.withClass(classHeld) { slabClass in
      slabClass.remove(item, arena: arena)
      note(&slabClass)
    }
    freeIfUnheld(item, classHeld)
  }

  @inline(__always)
  private func freeIfUnheld(_ item: Item, _ classHeld: borrowing ClassLockHeld) {
    if item.holds == 0 { free(item, classHeld) }
  }

  /// Gives the chunk, or all chunks, of an item back. Wants the class lock; nobody may know the item any more.
  @inline(__always)
  func free(_ item: Item, _ classHeld: borrowing ClassLockHeld) {
    if item.flags.contains(.chunked) { freeChain(item, classHeld) }
    slabs.give(item, classHeld)
  }

  /// Frees the continuation chunks of an item of the last class, whose lock is shown; a smaller tail's class is locked
  /// too.
  @inline(never)
  private func freeChain(_ item: Item, _ classHeld: borrowing ClassLockHeld) {
    var ref = item.firstChunk
    while !ref.isNone {
      let chunk = arena.item(ref)
      ref = ValueChunk(chunk).next
      let slabClass = slabs.slabClass(of: chunk.ref)
      if slabClass == classHeld.slabClass {
        slabs.give(chunk, classHeld)
      } else {
        // Class locks nest only here, from the last class to a smaller one.
        let chunkHeld = slabs.lock(slabClass)
        slabs.give(chunk, chunkHeld)
      }
    }
  }

  /// Frees an item that is neither linked nor held.
  func freeUnlinked(_ item: Item) {
    let classHeld = slabs.lock(slabs.slabClass(of: item.ref))
    freeIfUnheld(item, classHeld)
  }

  // Holding: a large value is sent from the item's own memory after the lock is gone.

  /// The most readers of one item outside the lock; one more gets a miss, as in the reference.
  static let maximumHolds: UInt16 = ItemLayout.holdsMask - 8

  /// Wants the item lock. Returns false when too many readers hold the item already.
  func hold(_ item: Item) -> Bool {
    guard item.holds < Store.maximumHolds else { return false }
    item.holds += 1
    return true
  }

  /// Ends a hold; frees the item if it was unlinked meanwhile. Takes the item lock.
  public func release(_ ref: ItemRef) {
    let item = arena.item(ref)
    let held = locks.lock(hash(item.key))
    item.holds -= 1
    if item.holds == 0, !item.flags.contains(.linked) { freeUnlinked(item) }
    _ = consume held
  }

  /// Tells the crawler when the item will die. Nothing for one that will not.
  @inline(__always)
  func noteMortal(_ item: Item) {
    let exptime = item.exptime
    if exptime != 0 { slabs.noteExpiry(item.ref, exptime: exptime) }
  }

  // CAS uniques.

  @inline(__always)
  func nextCAS() -> UInt64 { lastCAS.wrappingAdd(1, ordering: .relaxed).newValue }

  /// The CAS unique a client asks for, or the next one when it asks for none (0); 0 when there are none (-C).
  @inline(__always)
  func newCAS(_ asked: UInt64) -> UInt64 {
    if arena.casByteCount == 0 { return 0 }
    return asked != 0 ? asked : nextCAS()
  }

  /// For hints, without a lock.
  @inline(__always)
  var prefetcher: Prefetcher { table.prefetcher }
}
