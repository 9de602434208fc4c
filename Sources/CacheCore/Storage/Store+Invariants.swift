// What must be true of a quiet store, checked item by item. Tests call it after their steps; the server never does.
// Each broken invariant is a sentence, so a failing test says what is wrong and where.

extension Store {
  /// Every broken invariant in words; empty when all hold. No other thread may use the store meanwhile, and no
  /// reservation or hold may be alive unless its chunks are said in `reservedChunks`.
  public func brokenInvariants(reservedChunks: Int = 0) -> [String] {
    var broken: [String] = []
    var hashed: Set<UInt32> = []
    table.forEachItem { item in
      if !hashed.insert(item.ref.rawValue).inserted { broken.append("item \(item.ref.rawValue) is hashed twice") }
      if !item.flags.contains(.linked) { broken.append("item \(item.ref.rawValue) is hashed but not linked") }
    }
    var listed = 0
    var unaccounted = 0
    for slabClass in 1..<slabs.classes.count {
      let classHeld = slabs.lock(slabClass)
      let state = slabs.withClass(classHeld) { $0 }
      _ = consume classHeld
      listed += check(state, slabClass, hashed, &broken)
      unaccounted += usedChunks(state, slabClass) - listedChunks(slabClass)
    }
    if listed != hashed.count { broken.append("\(listed) items are listed, \(hashed.count) are hashed") }
    if unaccounted != reservedChunks {
      broken.append("\(unaccounted) chunks are neither free nor listed, \(reservedChunks) are reserved")
    }
    if slabs.pagesInUse > slabs.pageCapacity { broken.append("more pages in use than reserved") }
    return broken
  }

  /// Walks a class's list both ways and its free list; returns how many items are listed.
  private func check(_ state: SlabClass, _ slabClass: Int, _ hashed: Set<UInt32>, _ broken: inout [String]) -> Int {
    var count = 0
    var bytes = 0
    var previous = ItemRef.none
    var ref = state.list.head
    while !ref.isNone {
      let item = arena.item(ref)
      count += 1
      bytes += item.totalByteCount
      if item.previous != previous { broken.append("class \(slabClass): link back of \(ref.rawValue) is wrong") }
      if !hashed.contains(ref.rawValue) { broken.append("class \(slabClass): item \(ref.rawValue) is not hashed") }
      if slabs.slabClass(of: ref) != slabClass { broken.append("class \(slabClass): item of another class listed") }
      if item.keyByteCount == 0 { broken.append("class \(slabClass): free chunk \(ref.rawValue) is listed") }
      if item.holds != 0 { broken.append("class \(slabClass): item \(ref.rawValue) is still held") }
      if count > state.list.count { break }
      previous = ref
      ref = item.next
    }
    if state.list.tail != previous { broken.append("class \(slabClass): the tail is wrong") }
    if count != state.list.count { broken.append("class \(slabClass): \(state.list.count) counted, \(count) listed") }
    if bytes != state.list.byteCount { broken.append("class \(slabClass): list bytes are wrong") }
    var free = 0
    ref = state.firstFree
    while !ref.isNone, free <= state.freeCount {
      let item = arena.item(ref)
      if item.keyByteCount != 0 || item.flags != [] { broken.append("class \(slabClass): used chunk on the free list") }
      free += 1
      ref = item.next
    }
    if free != state.freeCount { broken.append("class \(slabClass): \(state.freeCount) free counted, \(free) linked") }
    return count
  }

  private func usedChunks(_ state: SlabClass, _ slabClass: Int) -> Int {
    state.pageCount * slabs.classes.chunksPerPage(slabClass) - state.freeCount - state.freshCount
  }

  /// Chunks of the class that are linked items or belong to the chains of linked items.
  private func listedChunks(_ slabClass: Int) -> Int {
    var count = 0
    table.forEachItem { item in
      if slabs.slabClass(of: item.ref) == slabClass { count += 1 }
      guard item.flags.contains(.chunked) else { return }
      var ref = item.firstChunk
      while !ref.isNone {
        if slabs.slabClass(of: ref) == slabClass { count += 1 }
        ref = ValueChunk(arena.item(ref)).next
      }
    }
    return count
  }
}
