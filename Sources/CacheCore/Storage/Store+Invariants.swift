// What must be true of a quiet store, checked item by item. Tests call it after their steps; the server never does.
// Each broken invariant is a sentence, so a failing test says what is wrong and where.

extension Store {
  /// Every broken invariant in words; empty when all hold. No other thread may use the store meanwhile. What is alive
  /// has to be said: the chunks of reservations and of items that are held but not linked, the holds of those that are,
  /// and a run of the crawler.
  public func brokenInvariants(reservedChunks: Int = 0, holds: Int = 0, during crawl: Crawl? = nil) -> [String] {
    var broken: [String] = []
    var hashed: Set<UInt32> = []
    table.forEachItem { item in
      if !hashed.insert(item.ref.rawValue).inserted { broken.append("item \(item.ref.rawValue) is hashed twice") }
      if !item.flags.contains(.linked) { broken.append("item \(item.ref.rawValue) is hashed but not linked") }
    }
    var listed = 0
    var unaccounted = 0
    let (linkedChunks, linkedHolds) = countLinked(&broken)
    for slabClass in 1..<slabs.classes.count {
      let classHeld = slabs.lock(slabClass)
      let state = slabs.withClass(classHeld) { $0 }
      _ = consume classHeld
      listed += check(state, slabClass, hashed, &broken)
      let rest = usedChunks(state, slabClass) - linkedChunks[slabClass]
      if rest < 0 { broken.append("class \(slabClass): \(-rest) chunks are both free and in use") }
      unaccounted += rest
    }
    if listed != hashed.count { broken.append("\(listed) items are listed, \(hashed.count) are hashed") }
    if unaccounted != reservedChunks {
      broken.append("\(unaccounted) chunks are neither free nor listed, \(reservedChunks) are reserved")
    }
    if linkedHolds != holds { broken.append("\(linkedHolds) holds of linked items, \(holds) are known") }
    if slabs.pagesInUse != pagesOfClasses {
      broken.append("\(slabs.pagesInUse) pages in use, classes have \(pagesOfClasses)")
    }
    checkHints(during: crawl, &broken)
    if slabs.pagesInUse > slabs.pageCapacity { broken.append("more pages in use than reserved") }
    return broken
  }

  /// Walks a class's lists both ways and its pages; returns how many items are listed.
  private func check(_ state: SlabClass, _ slabClass: Int, _ hashed: Set<UInt32>, _ broken: inout [String]) -> Int {
    var count = 0
    for segment in Segment.allCases {
      count += check(state[segment], segment, slabClass, hashed, &broken)
    }
    checkPages(state, slabClass, &broken)
    return count
  }

  private func check(
    _ list: ItemList, _ segment: Segment, _ slabClass: Int, _ hashed: Set<UInt32>, _ broken: inout [String]
  ) -> Int {
    var count = 0
    var bytes = 0
    var previous = ItemRef.none
    var ref = list.head
    while !ref.isNone {
      let item = arena.item(ref)
      count += 1
      bytes += item.totalByteCount
      if item.previous != previous { broken.append("class \(slabClass): link back of \(ref.rawValue) is wrong") }
      if !hashed.contains(ref.rawValue) { broken.append("class \(slabClass): item \(ref.rawValue) is not hashed") }
      if slabs.slabClass(of: ref) != slabClass { broken.append("class \(slabClass): item of another class listed") }
      if item.segment != segment { broken.append("class \(slabClass): item of another segment listed") }
      if item.keyByteCount == 0 { broken.append("class \(slabClass): free chunk \(ref.rawValue) is listed") }
      if count > list.count { break }
      previous = ref
      ref = item.next
    }
    if list.tail != previous { broken.append("class \(slabClass): the tail is wrong") }
    if count != list.count { broken.append("class \(slabClass): \(list.count) counted, \(count) listed") }
    if bytes != list.byteCount { broken.append("class \(slabClass): list bytes are wrong") }
    return count
  }

  /// No page has a hint later than its first item dies, or the crawler would look too late.
  private func checkHints(during crawl: Crawl?, _ broken: inout [String]) {
    table.forEachItem { item in
      let page = slabs.page(of: item.ref)
      var hint = slabs.nextExpiry(ofPage: page)
      if let crawl, !crawl.isDone, crawl.page == page, crawl.chunk > 0 {
        let offset = arena.byteOffset(item.ref) - page << slabs.classes.pageShift
        let index = offset / slabs.classes.chunkByteCount(slabs.slabClass(ofPage: page))
        // What it has not come to it will see; of the others it keeps the first second until the page is done.
        hint = index < crawl.chunk ? min(hint, crawl.earliest) : 0
      }
      if item.exptime != 0, hint > item.exptime {
        broken.append(
          "the crawler would miss item \(item.ref.rawValue): it dies at \(item.exptime), its page is due at \(hint)")
      }
    }
  }

  private func checkPages(_ state: SlabClass, _ slabClass: Int, _ broken: inout [String]) {
    let held = slabs.lock(slabClass)
    var (pages, free, available) = (0, 0, 0)
    var page = slabs.page(after: 0, held)
    while page != 0, pages <= state.pageCount {
      let pageState = slabs.pageState(page, held)
      if slabs.slabClass(ofPage: page) != slabClass { broken.append("class \(slabClass): page \(page) is another's") }
      if pageState.isLeaving { broken.append("class \(slabClass): page \(page) is leaving") }
      pages += 1
      free += Int(pageState.freeCount)
      if pageState.freeCount > 0 { available += 1 }
      checkFreeChunks(pageState, page, held, &broken)
      page = slabs.page(after: page, held)
    }
    if pages != state.pageCount {
      broken.append("class \(slabClass): \(state.pageCount) pages counted, \(pages) linked")
    }
    if free != state.freeCount {
      broken.append("class \(slabClass): \(state.freeCount) free counted, \(free) in pages")
    }
    var linked = 0
    page = Int(state.availablePage)
    while page != 0, linked <= available {
      linked += 1
      page = Int(slabs.pageState(page, held).nextAvailable)
    }
    if linked != available { broken.append("class \(slabClass): \(available) pages have room, \(linked) are linked") }
  }

  private func checkFreeChunks(
    _ state: PageState, _ page: Int, _ held: borrowing ClassLockHeld, _ broken: inout [String]
  ) {
    let expected = Int(state.freeCount) - (slabs.classes.chunksPerPage(held.slabClass) - Int(state.freshIndex))
    var free = 0
    var ref = state.firstFree
    while !ref.isNone, free <= expected {
      let item = arena.item(ref)
      if item.keyByteCount != 0 || item.flags != [] { broken.append("page \(page): used chunk on the free list") }
      if slabs.page(of: ref) != page { broken.append("page \(page): chunk of another page on the free list") }
      free += 1
      ref = item.next
    }
    if free != expected { broken.append("page \(page): \(expected) free counted, \(free) linked") }
  }

  private func usedChunks(_ state: SlabClass, _ slabClass: Int) -> Int {
    state.pageCount * slabs.classes.chunksPerPage(slabClass) - state.freeCount
  }

  private var pagesOfClasses: Int {
    (1..<slabs.classes.count).reduce(0) { sum, slabClass in
      let held = slabs.lock(slabClass)
      return sum + slabs.withClass(held) { $0.pageCount }
    }
  }

  /// By class, the chunks that are linked items or belong to the chains of linked items; and the holds of all of them.
  private func countLinked(_ broken: inout [String]) -> (chunks: [Int], holds: Int) {
    var counts = [Int](repeating: 0, count: slabs.classes.count)
    var holds = 0
    table.forEachItem { item in
      holds += Int(item.holds)
      counts[slabs.slabClass(of: item.ref)] += 1
      guard item.flags.contains(.chunked) else { return }
      let keyHash = hash(item.key)
      var byteCount = item.inlineValue.byteCount
      var ref = item.firstChunk
      while !ref.isNone {
        let chunk = ValueChunk(arena.item(ref))
        counts[slabs.slabClass(of: ref)] += 1
        byteCount += chunk.byteCount
        if chunk.keyHash != keyHash { broken.append("chunk \(ref.rawValue) has another key's hash") }
        if byteCount > item.valueByteCount { break }
        ref = chunk.next
      }
      if byteCount != item.valueByteCount {
        broken.append("item \(item.ref.rawValue): \(item.valueByteCount) bytes, its chain has \(byteCount)")
      }
    }
    return (counts, holds)
  }
}
