// Pages that change hands: one is emptied chunk by chunk, its live items copied to other chunks of their class, and
// goes to the pool or to another class. Done by the maintenance thread at the page mover's word, at an operator's
// (`slabs reassign`, `cache_memlimit`), or by a worker whose class has nothing left to evict. Which page, and why, is
// said by PageMover.

/// Counts of the page mover, for `stats`.
enum PageMoveCount: Int, CaseIterable {
  case moved, rescues, chunkRescues, inlineReclaims, busyItems
}

extension Store {
  /// Chunks looked at under one hold of the class lock.
  private static let chunksPerStep = 64
  private static let attemptsPerPage = 3
  /// Pages of a class that are compared to find the one with most free chunks.
  private static let pagesCompared = 16

  /// A page of the class that can be emptied most cheaply: of its oldest ones the one with the most free chunks. 0
  /// when it has none. Takes the class lock.
  private func choosePage(of slabClass: Int, after tried: Int) -> Int {
    let held = slabs.lock(slabClass)
    var best = 0
    var mostFree: Int32 = -1
    var page = slabs.page(after: tried, held)
    for _ in 0..<Store.pagesCompared where page != 0 {
      let state = slabs.pageState(page, held)
      if !state.isLeaving, state.freeCount > mostFree { (best, mostFree) = (page, state.freeCount) }
      page = slabs.page(after: page, held)
    }
    return best
  }

  /// Takes one page from the class to the pool. Returns false when every page tried has items that cannot be moved.
  /// `heldStripe` is the stripe whose item lock the caller holds already, if any; no class lock may be held.
  func releasePage(of slabClass: Int, now: UInt32, heldStripe: Int = -1) -> Bool {
    var tried = 0
    for _ in 0..<4 {
      let page = choosePage(of: slabClass, after: tried)
      if page == 0 { return false }
      if empty(page, of: slabClass, now: now, heldStripe: heldStripe) { return true }
      tried = page
    }
    return false
  }

  /// Empties a page and puts it in the pool; leaves it as it is when something in it cannot be moved.
  private func empty(_ page: Int, of slabClass: Int, now: UInt32, heldStripe: Int) -> Bool {
    guard beginLeaving(page, slabClass) else { return false }
    for _ in 0..<Store.attemptsPerPage {
      var index = 0
      while true {
        let step = rescueStep(page, of: slabClass, from: index, now: now, heldStripe: heldStripe)
        for (chunk, hash) in step.stuck { evictOwner(of: chunk, hash, now: now, heldStripe: heldStripe) }
        if step.isEmpty { return true }
        index += Store.chunksPerStep
        if step.isLast { break }
      }
    }
    let held = slabs.lock(slabClass)
    if slabs.isLeaving(page, held) { slabs.endLeaving(page, held) }
    return false
  }

  /// What a step over the chunks of a page came to.
  private struct RescueStep {
    var isEmpty = false
    var isLast = false
    /// Parts of values for which there was no other chunk, with the hashes of their keys.
    var stuck: [(chunk: ItemRef, hash: UInt64)] = []
  }

  private func rescueStep(
    _ page: Int, of slabClass: Int, from start: Int, now: UInt32, heldStripe: Int
  ) -> RescueStep {
    var step = RescueStep()
    let held = slabs.lock(slabClass)
    guard slabs.isLeaving(page, held) else {
      step.isLast = true
      return step
    }
    let end = Int(slabs.pageState(page, held).freshIndex)
    for index in stride(from: start, to: min(start + Store.chunksPerStep, end), by: 1) {
      let chunk = slabs.chunk(index, of: page, slabClass)
      if let hash = rescue(chunk, now: now, heldStripe: heldStripe, held) { step.stuck.append((chunk, hash)) }
    }
    step.isLast = start + Store.chunksPerStep >= end
    if slabs.isEmpty(page, held) {
      slabs.removePage(page, held)
      step.isEmpty = true
    }
    return step
  }

  private func beginLeaving(_ page: Int, _ slabClass: Int) -> Bool {
    let held = slabs.lock(slabClass)
    guard slabs.slabClass(ofPage: page) == slabClass, !slabs.pageState(page, held).isLeaving else { return false }
    slabs.beginLeaving(page, held)
    return true
  }

  /// Frees a chunk of a leaving page: what lies there moves to another chunk of the class, or is evicted when there is
  /// none. Does nothing when it is in use. Returns the hash of the key when it is part of a value that must be evicted
  /// as a whole, which needs other locks.
  private func rescue(
    _ ref: ItemRef, now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld
  ) -> UInt64? {
    let item = arena.item(ref)
    // Only what is linked has a key that can be read under the class lock.
    let flags = item.flags
    if flags.contains(.linked) {
      rescueItem(item, now: now, heldStripe: heldStripe, classHeld)
    } else if flags == .chunked, item.keyByteCount == 0 {
      return rescueContinuation(item, now: now, heldStripe: heldStripe, classHeld)
    }
    return nil
  }

  private func rescueItem(_ item: Item, now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld) {
    let hash = hash(item.key)
    guard let held = locks.tryLock(stripe: locks.stripe(hash), alreadyHolding: heldStripe), item.holds == 0 else {
      return moveCounts.addOne(.busyItems)
    }
    guard item.flags.contains(.linked) else { return }
    if !isLive(item, now: now) {
      noteRemoval(item, isDead: true, now: now, classHeld)
      moveCounts.addOne(.inlineReclaims)
      return drop(item, hash, held, classHeld)
    }
    item.holds += 1
    let target = replacementChunk(now: now, heldStripe: held.stripe, classHeld)
    item.holds -= 1
    guard let target else {
      guard configuration.evictionsEnabled else { return }
      noteEviction(item, hash, classHeld)
      eventLog.noteEviction(item, slabClass: classHeld.slabClass, now: now)
      noteRemoval(item, isDead: false, now: now, classHeld)
      return drop(item, hash, held, classHeld)
    }
    let copy = arena.item(target)
    copy.copyChunk(from: item, chunkByteCount: slabs.classes.chunkByteCount(classHeld.slabClass))
    table.replace(item, by: copy, hash, held)
    slabs.withClass(classHeld) { $0[copy.segment].adopt(copy, arena: arena) }
    noteMortal(copy)
    slabs.give(item, classHeld)
    moveCounts.addOne(.rescues)
  }

  /// A part of a chunked value: its item is found by the hash that the chunk carries.
  private func rescueContinuation(
    _ item: Item, now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld
  ) -> UInt64? {
    let hash = ValueChunk(item).keyHash
    guard let held = locks.tryLock(stripe: locks.stripe(hash), alreadyHolding: heldStripe),
      let (owner, previous) = owner(of: item.ref, hash, held), owner.holds == 0
    else {
      moveCounts.addOne(.busyItems)
      return nil
    }
    owner.holds += 1
    let target = replacementChunk(now: now, heldStripe: held.stripe, classHeld)
    owner.holds -= 1
    guard let target else { return hash }
    let copy = arena.item(target)
    copy.copyChunk(from: item, chunkByteCount: slabs.classes.chunkByteCount(classHeld.slabClass))
    if let previous { previous.next = target } else { owner.firstChunk = target }
    slabs.give(item, classHeld)
    moveCounts.addOne(.chunkRescues)
    return nil
  }

  /// Evicts the item whose value continues in the chunk, unless it is in use. Takes its item lock and its class lock.
  private func evictOwner(of chunk: ItemRef, _ hash: UInt64, now: UInt32, heldStripe: Int) {
    guard configuration.evictionsEnabled,
      let held = locks.tryLock(stripe: locks.stripe(hash), alreadyHolding: heldStripe),
      let (owner, _) = owner(of: chunk, hash, held), owner.holds == 0
    else { return moveCounts.addOne(.busyItems) }
    let classHeld = slabs.lock(slabs.slabClass(of: owner.ref))
    noteEviction(owner, hash, classHeld)
    eventLog.noteEviction(owner, slabClass: classHeld.slabClass, now: now)
    noteRemoval(owner, isDead: !isLive(owner, now: now), now: now, classHeld)
    drop(owner, hash, held, classHeld)
  }

  /// The linked item whose value continues in the chunk, and the chunk before it; nil when the value is still being
  /// received, or sent after its item was removed. Wants the item lock.
  private func owner(
    of chunk: ItemRef, _ hash: UInt64, _ held: borrowing ItemLockHeld
  ) -> (owner: Item, previous: ValueChunk?)? {
    var ref = table.first(hash, held)
    while !ref.isNone {
      let item = arena.item(ref)
      ref = item.hashNext
      guard item.flags.contains(.chunked) else { continue }
      var previous: ValueChunk?
      var next = item.firstChunk
      while !next.isNone {
        if next == chunk { return (item, previous) }
        let current = ValueChunk(arena.item(next))
        previous = current
        next = current.next
      }
    }
    return nil
  }

  /// A free chunk of the class, if need be that of an item given up for it. Wants the class lock.
  private func replacementChunk(now: UInt32, heldStripe: Int, _ classHeld: borrowing ClassLockHeld) -> ItemRef? {
    for _ in 0..<4 {
      if let free = slabs.takeFree(classHeld) { return free }
      guard configuration.evictionsEnabled, evictOne(now: now, heldStripe: heldStripe, classHeld) else { return nil }
    }
    return slabs.takeFree(classHeld)
  }

  // For a class that has nothing left to evict.

  /// A chunk in a page taken from the class that loses least by it.
  @inline(never)
  func takeChunkOfAnotherClass(for slabClass: Int, now: UInt32, heldStripe: Int) -> ItemRef? {
    if configuration.evictionsEnabled, configuration.movesPages {
      for donor in PageMover.donors(pageViews(now: now), for: slabClass) {
        guard releasePage(of: donor, now: now, heldStripe: heldStripe) else { continue }
        moveCounts.addOne(.moved)
        let held = slabs.lock(slabClass)
        if let free = slabs.takeFree(held) { return free }
        if slabs.addPage(held, inExchange: true), let free = slabs.takeFree(held) { return free }
      }
    }
    let held = slabs.lock(slabClass)
    if slabs.keepLeavingPage(held), let free = slabs.takeFree(held) { return free }
    slabs.withClass(held) { $0.statistics.outOfMemory += 1 }
    return nil
  }

  private static let donorsTried = 64

  /// From counts of hits to counts of gains, which are remembered longer.
  private var hitScale: Double { (1 - PageMover.hitsFading) / (1 - PageMover.fading) }

  /// What the page mover looks at, class by class. Takes the class locks one after the other.
  func pageViews(now: UInt32) -> [PageView] {
    let meanByteCount = meanByteCountOfHits()
    return (1..<slabs.classes.count).map { slabClass in
      let held = slabs.lock(slabClass)
      let chunksPerPage = slabs.classes.chunksPerPage(slabClass)
      let age = idleSeconds(ofTail: .cold, now: now, held)
      let loss = lossOfAPage(slabClass, held)
      return slabs.withClass(held) { state in
        let weight = configuration.moveGoal.weight(state.meanByteCount / meanByteCount)
        return PageView(
          slabClass: slabClass, pageCount: state.pageCount, freePages: Double(state.freeCount) / Double(chunksPerPage),
          gain: state.worth.gain * weight, loss: loss * weight, hits: state.worth.hits * weight * hitScale,
          evictedPages: Double(state.worth.evictedSinceDecision) / Double(chunksPerPage),
          allocates: state.worth.allocates || state.worth.didAllocate,
          tailAgeSeconds: age, evicted: state.statistics.evicted)
      }
    }
  }

  /// The size of the mean item that was hit, or lost and stored again.
  private func meanByteCountOfHits() -> Double {
    var hits = 0.0
    var bytes = 0.0
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { state in
        let uses = state.worth.hits + state.worth.gain
        hits += uses
        bytes += uses * state.meanByteCount
      }
    }
    return max(bytes, 1) / max(hits, 1)
  }

  /// Takes what readers have counted since the last look into the class's account. In the small queue nobody knows who
  /// is next to go: there a page's share of the first reads stands for its loss.
  private func lossOfAPage(_ slabClass: Int, _ held: borrowing ClassLockHeld) -> Double {
    let last = Double(lastPageReads.exchange(slabClass, 0))
    let new = Double(newItemReads.exchange(slabClass, 0))
    let chunks = slabs.classes.chunksPerPage(slabClass)
    return slabs.withClass(held) { state in
      let itemsPerPage = Double(chunks) / state.chunksPerItem(chunks)
      state.worth.loss += last * min(1, itemsPerPage) + new * min(1, itemsPerPage / Double(max(state.itemCount, 1)))
      return state.worth.loss
    }
  }

  /// As many ghosts as there are items, but not more than one for 256 bytes of memory. The table is not kept when that
  /// changes much: it fills again.
  func fitGhosts() {
    let wanted = max(1, min(itemCount, memoryLimitBytes / 256) / GhostTable.lineLength)
    let lines = ghostLines.load(ordering: .relaxed)
    if wanted > lines + lines / 4 || wanted < lines / 2 { ghostLines.store(wanted, ordering: .relaxed) }
  }

  // The mover's turn.

  /// Whether the page mover has something to do: pages above the limit, an operator's request, or enough evictions
  /// since its last decision.
  public var movesPagesNow: Bool {
    slabs.pagesToGiveBack > 0 || moveRequest.load(ordering: .relaxed) != 0
      || (automoves && evictedPages.load(ordering: .relaxed) >= nextMoveDecision.load(ordering: .relaxed))
  }

  private var automoves: Bool {
    configuration.movesPages && configuration.evictionsEnabled && tunables.current(.automove) != 0
  }

  /// One decision of the page mover, and the pages moved that it asks for. Returns whether it is worth asking again at
  /// once. `hits` are the hits on a class so far. By one thread.
  public func movePages(now: UInt32, hits: (_ slabClass: Int) -> UInt64) -> Bool {
    fitGhosts()
    if slabs.pagesToGiveBack > 0 { return giveBackPage(now: now) }
    if takeMoveRequest(now: now) { return true }
    guard automoves, evictedPages.load(ordering: .relaxed) >= nextMoveDecision.load(ordering: .relaxed) else {
      return false
    }
    let step = tunables.current(.automove) >= 2 ? 1 : max(1, slabs.pageLimit / PageMover.decisionsPerCache)
    let evicted = evictedPages.load(ordering: .relaxed)
    let late = Int(evicted &- nextMoveDecision.load(ordering: .relaxed))
    let budget = min(Int(PageMover.haste) * (late + step), max(1, slabs.pageLimit / 8))
    nextMoveDecision.store(evicted + UInt64(step), ordering: .relaxed)
    fadeWorths(hits)
    let views = pageViews(now: now)
    let moves =
      configuration.movesByAge
      ? PageMover.moveByAge(views, ratio: tunables.ratio(.automoveRatio)).map { [$0] } ?? []
      : PageMover.moves(views, budget: budget)
    for move in moves { _ = movePage(from: move.source, to: move.destination, now: now) }
    return false
  }

  /// Takes a page from one class to another, or to the pool (0).
  private func movePage(from source: Int, to destination: Int, now: UInt32) -> Bool {
    isMovingPage.store(true, ordering: .relaxed)
    defer { isMovingPage.store(false, ordering: .relaxed) }
    let isDone = releasePage(of: source, now: now)
    eventLog.noteSlabMove(source: source, destination: destination, isDone: isDone)
    guard isDone else { return false }
    moveCounts.addOne(.moved)
    if destination != 0 {
      let held = slabs.lock(destination)
      _ = slabs.addPage(held)
    }
    return true
  }

  /// Old counts fade, so that the mover sees what is going on now.
  private func fadeWorths(_ hits: (Int) -> UInt64) {
    for slabClass in 1..<slabs.classes.count {
      let total = hits(slabClass)
      let held = slabs.lock(slabClass)
      slabs.withClass(held) { $0.worth.fade(totalHits: total) }
    }
  }

  /// The limit was lowered: a page of the class that loses least goes back to the kernel.
  private func giveBackPage(now: UInt32) -> Bool {
    for donor in PageMover.donors(pageViews(now: now), for: 0).prefix(Store.donorsTried)
    where releasePage(of: donor, now: now) { return true }
    return false
  }

  // An operator's requests.

  enum MoveAnswer {
    case accepted, busy, badClass, noSparePage, same
  }

  /// `slabs reassign`: a page is to go from one class (-1: any) to another (0: the pool). It is moved in the
  /// background.
  func requestMove(from source: Int, to destination: Int) -> MoveAnswer {
    if source == destination { return .same }
    let classes = 0..<slabs.classes.count
    guard source == -1 || classes.contains(source), classes.contains(destination) else { return .badClass }
    // Classes take pages of the pool by themselves.
    if source == 0 { return .noSparePage }
    if source > 0 {
      guard pageCount(of: source) >= 2 else { return .noSparePage }
    } else if !classes.dropFirst().contains(where: { $0 != destination && pageCount(of: $0) >= 2 }) {
      return .badClass
    }
    let request = UInt64(source + 2) << 32 | UInt64(destination)
    let isFree = moveRequest.compareExchange(expected: 0, desired: request, ordering: .relaxed).exchanged
    maintenanceBell.ring()
    return isFree ? .accepted : .busy
  }

  private func pageCount(of slabClass: Int) -> Int {
    let held = slabs.lock(slabClass)
    return slabs.withClass(held) { $0.pageCount }
  }

  private func takeMoveRequest(now: UInt32) -> Bool {
    let request = moveRequest.load(ordering: .relaxed)
    if request == 0 { return false }
    let (source, destination) = (Int(request >> 32) - 2, Int(request & 0xffff_ffff))
    let sources = source > 0 ? [source] : PageMover.donors(pageViews(now: now), for: destination)
    for source in sources.prefix(Store.donorsTried) where movePage(from: source, to: destination, now: now) { break }
    moveRequest.store(0, ordering: .relaxed)
    return true
  }
}
