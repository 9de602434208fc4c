// A warm restart: a new store goes on with the items that lie in its memory file. Checksums find accidents. Beyond them
// nothing in the file is believed: every size, link and chain is compared with what the page it lies in can hold before
// it is followed, so that a file that somebody made up can be refused, or give wrong values, but not crash. All of it
// is done before any thread runs, in time proportional to the memory in use: each page is read once in order, each
// list is followed once. What has died meanwhile is left to the crawler, which finds it as it always does.

extension Store {
  /// Takes over everything that `saved` describes, or throws; then the store must be thrown away. For a store that was
  /// just made from a configuration prepared for it, before anybody uses it. `fileByteCount` is the size of the memory
  /// file as it was found, `now` a second of the continued clock.
  public func restore(_ saved: SavedStore, fileByteCount: Int, now: UInt32) throws(RestartRefusal) {
    try checkParameters(saved)
    guard fileByteCount == arena.byteCount else {
      throw RestartRefusal("the memory file has \(fileByteCount) bytes; starting with a clean cache")
    }
    try checkPages(saved.pages)
    try restoreTimes(saved, now: now)
    for page in saved.pages { slabs.restorePage(slabClass: page.slabClass, freshIndex: page.freshIndex) }
    var census = ChunkCensus(arena: arena, classes: slabs.classes, pages: saved.pages)
    defer { census.destroy() }
    var batch = HashBatch()
    var tails = [ItemRef](repeating: .none, count: listCount)
    for (index, page) in saved.pages.enumerated() {
      try restoreItems(index + 1, page, latestAccess: latestAccess(now), &census, &batch, &tails)
    }
    insert(&batch)
    try restoreLists(saved.heads, tails, &census)
    freeTheRest(saved.pages, census)
    lastCAS.store(saved.lastCAS, ordering: .relaxed)
    fitGhosts()
  }

  // What must fit before any item is looked at.

  private func checkParameters(_ saved: SavedStore) throws(RestartRefusal) {
    let (old, new) = (saved.parameters, savedParameters)
    let rows: [(name: String, old: UInt64, new: UInt64)] = [
      ("maxbytes", old.maxBytes, new.maxBytes), ("item_size_max", old.itemSizeMax, new.itemSizeMax),
      ("slab_page_size", old.pageByteCount, new.pageByteCount),
      ("use_cas", old.casByteCount, new.casByteCount), ("item_layout", old.layout, new.layout),
    ]
    for row in rows where row.old != row.new { throw .incompatible(row.name, old: "\(row.old)") }
    guard saved.shapes == classShapes else { throw .incompatible("slab_config", old: "\(saved.shapes.count) classes") }
    // Follow from the others, and from whether classes may have pages beyond the limit (-M, no_slab_reassign).
    guard old.arenaByteCount == new.arenaByteCount, old.unitByteCount == new.unitByteCount else {
      throw .incompatible("memory_file_size", old: "\(old.arenaByteCount)")
    }
  }

  private func checkPages(_ pages: [SavedPage]) throws(RestartRefusal) {
    guard pages.count <= slabs.pageCapacity else { throw .invalid("it has too many pages") }
    for page in pages {
      let mostChunks =
        switch page.slabClass {
        case 0: 0
        case 1..<slabs.classes.count: slabs.classes.chunksPerPage(page.slabClass)
        default: -1
        }
      guard page.freshIndex <= mostChunks else { throw .invalid("it has a page that cannot be") }
    }
  }

  /// The last second that an item may have been used at.
  private func latestAccess(_ now: UInt32) -> UInt32 { max(now, flushBarrier.load(ordering: .relaxed)) }

  private func restoreTimes(_ saved: SavedStore, now: UInt32) throws(RestartRefusal) {
    guard let barrier = UInt32(exactly: saved.flushBarrier), barrier <= now + Store.longestFlushLead + 2,
      let pending = UInt32(exactly: saved.pendingFlush), let last = UInt32(exactly: saved.lastFlushSecond)
    else { throw .invalid("its times cannot be") }
    flushBarrier.store(barrier, ordering: .relaxed)
    pendingFlush.store(pending, ordering: .relaxed)
    lastFlushSecond.store(last, ordering: .relaxed)
  }

  // Items.

  /// Items on their way into the hash table, whose buckets are being fetched from memory meanwhile.
  private struct HashBatch {
    static let count = 32
    var items: [(ref: ItemRef, hash: UInt64)] = []
    init() { items.reserveCapacity(HashBatch.count) }
  }

  private func insert(_ batch: inout HashBatch) {
    let power = table.power
    for (ref, hash) in batch.items { table.insertAlone(arena.item(ref), hash, power: power) }
    batch.items.removeAll(keepingCapacity: true)
  }

  /// Reads one page: all its items become findable. The last items of lists are noted on the way.
  private func restoreItems(
    _ page: Int, _ saved: SavedPage, latestAccess: UInt32, _ census: inout ChunkCensus, _ batch: inout HashBatch,
    _ tails: inout [ItemRef]
  ) throws(RestartRefusal) {
    guard saved.slabClass != 0 else { return }
    guard checksum(ofPage: page, slabClass: saved.slabClass, freshIndex: saved.freshIndex) == saved.checksum else {
      throw RestartRefusal("page \(page) of the memory file is damaged; starting with a clean cache")
    }
    for index in 0..<saved.freshIndex {
      let item = arena.item(slabs.chunk(index, of: page, saved.slabClass))
      guard item.flags.contains(.linked) else { continue }
      guard isSound(item, saved.slabClass, latestAccess: latestAccess) else { throw Store.damagedItem }
      let place = census.place(page: page, index: index)
      // A chunk that begins a chain was claimed as a part of one: it cannot be both.
      guard census.use(place) else { throw Store.damagedItem }
      census.expectListed(place)
      let hash = hash(item.key)
      if item.flags.contains(.chunked) { try claimChain(of: item, saved.slabClass, hash, &census) }
      // Of two that claim to be the last of a list, one is met by nobody.
      if item.next.isNone { tails[listIndex(saved.slabClass, item.segment)] = item.ref }
      if item.holds != 0 { item.holds = 0 }
      noteMortal(item)
      table.prefetcher.askForBucket(hash)
      batch.items.append((item.ref, hash))
      if batch.items.count == HashBatch.count { insert(&batch) }
    }
  }

  private static let damagedItem = RestartRefusal("an item of the memory file is damaged; starting with a clean cache")
  private static let damagedList = RestartRefusal("a list of the memory file is damaged; starting with a clean cache")

  /// Whether what lies in a chunk of the class is an item that the store could have put there.
  private func isSound(_ item: Item, _ slabClass: Int, latestAccess: UInt32) -> Bool {
    let flags = item.flags
    let keyByteCount = item.keyByteCount
    guard flags.subtracting(.all).isEmpty, keyByteCount >= 1, keyByteCount <= 250, item.lastAccess <= latestAccess
    else { return false }
    let overhead = ItemLayout.overhead(
      keyByteCount: keyByteCount, hasClientFlags: flags.contains(.hasClientFlags), casByteCount: arena.casByteCount)
    let total = overhead + item.valueByteCount
    guard total <= configuration.itemSizeMaxBytes, slabs.classes.slabClass(for: total) == slabClass else {
      return false
    }
    let chunkByteCount = slabs.classes.chunkByteCount(slabClass)
    guard flags.contains(.chunked) else { return total <= chunkByteCount }
    let inline = chunkByteCount - overhead - ItemLayout.chainHeadByteCount
    return total > chunkByteCount && inline >= 0 && item.inlineByteCount == inline
  }

  /// Follows the chain of a sound item: chunk after chunk must be what `reserve` makes, and nobody else's.
  private func claimChain(
    of item: Item, _ slabClass: Int, _ hash: UInt64, _ census: inout ChunkCensus
  ) throws(RestartRefusal) {
    let capacity = slabs.classes.chunkByteCount(slabClass) - ItemLayout.chunkHeaderByteCount
    var missing = item.valueByteCount - item.inlineByteCount
    var ref = item.firstChunk
    while missing > 0 {
      let take = min(missing, capacity)
      let tailClass = slabs.classes.tailClass(for: take + ItemLayout.chunkHeaderByteCount, of: slabClass)
      guard let place = census.place(of: ref), place.slabClass == slabClass || place.slabClass == tailClass else {
        throw Store.damagedItem
      }
      let header = arena.item(ref)
      let chunk = ValueChunk(header)
      guard header.flags == .chunked, header.keyByteCount == 0, chunk.byteCount == take, chunk.keyHash == hash,
        census.use(place)
      else { throw Store.damagedItem }
      missing -= take
      ref = chunk.next
    }
    guard ref.isNone else { throw Store.damagedItem }
  }

  // Lists.

  private func listIndex(_ slabClass: Int, _ segment: Segment) -> Int {
    (slabClass - 1) * Segment.allCases.count + Int(segment.rawValue)
  }
  private var listCount: Int { (slabs.classes.count - 1) * Segment.allCases.count }

  /// The order of eviction: each list is followed from end to end. Every item must be met once, on the list it names.
  private func restoreLists(
    _ heads: [UInt64], _ tails: [ItemRef], _ census: inout ChunkCensus
  ) throws(RestartRefusal) {
    guard heads.count == listCount else { throw .invalid("it has another number of lists") }
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      for segment in Segment.allCases {
        let index = listIndex(slabClass, segment)
        guard let head = UInt32(exactly: heads[index]) else { throw Store.damagedList }
        let list = try follow(ItemRef(rawValue: head), tails[index], segment, slabClass, &census)
        slabs.withClass(held) { $0[segment] = list }
      }
    }
    guard census.unlistedCount == 0 else { throw Store.damagedList }
  }

  /// Follows a list from both its ends until they meet: each step waits for memory, and two can wait at once.
  private func follow(
    _ head: ItemRef, _ tail: ItemRef, _ segment: Segment, _ slabClass: Int, _ census: inout ChunkCensus
  ) throws(RestartRefusal) -> ItemList {
    var list = ItemList(head: head, tail: tail, count: 0, byteCount: 0)
    if head.isNone, tail.isNone { return list }
    var (front, back) = (head, tail)
    var (beforeFront, behindBack) = (ItemRef.none, ItemRef.none)
    while true {
      let first = try meet(front, segment, slabClass, &list, &census)
      guard first.previous == beforeFront else { throw Store.damagedList }
      if front == back {
        guard first.next == behindBack else { throw Store.damagedList }
        return list
      }
      let last = try meet(back, segment, slabClass, &list, &census)
      guard last.next == behindBack else { throw Store.damagedList }
      if first.next == back {
        guard last.previous == front else { throw Store.damagedList }
        return list
      }
      (beforeFront, behindBack) = (front, back)
      (front, back) = (first.next, last.previous)
      arena.prefetch(back)
    }
  }

  /// The item that a link leads to, if it may: one of this class and list that was not met before.
  @inline(__always)
  private func meet(
    _ ref: ItemRef, _ segment: Segment, _ slabClass: Int, _ list: inout ItemList, _ census: inout ChunkCensus
  ) throws(RestartRefusal) -> Item {
    guard let place = census.place(of: ref), place.slabClass == slabClass, census.noteListed(place) else {
      throw Store.damagedList
    }
    let item = arena.item(ref)
    guard item.segment == segment else { throw Store.damagedList }
    list.noteRestored(item)
    return item
  }

  // The rest.

  /// What is neither an item nor part of one is free: freed chunks, and what was being received when the server ended.
  private func freeTheRest(_ pages: [SavedPage], _ census: ChunkCensus) {
    for (number, saved) in pages.enumerated() where saved.slabClass != 0 {
      let held = slabs.lock(saved.slabClass)
      // The last one given back is the first one taken.
      for index in stride(from: saved.freshIndex - 1, through: 0, by: -1)
      where !census.isUsed(census.place(page: number + 1, index: index)) {
        slabs.give(arena.item(slabs.chunk(index, of: number + 1, saved.slabClass)), held)
      }
    }
  }
}
