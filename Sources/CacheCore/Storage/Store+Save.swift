// The end of a server that will be started again on the same memory file: what the next one must know is written down
// (SavedStore). The items stay where they are. Only for a store that nobody uses any more: its workers have ended,
// nothing is being received or sent. How it is taken up again: Store+Restore.

extension Store {
  /// What the next server needs besides the arena. Reads all memory in use once, for its checksums.
  public func saved(at clock: SavedClock) -> SavedStore {
    SavedStore(
      parameters: savedParameters, shapes: classShapes, keyHash: hash, clock: clock,
      lastCAS: lastCAS.load(ordering: .relaxed), flushBarrier: UInt64(flushBarrier.load(ordering: .relaxed)),
      pendingFlush: UInt64(pendingFlush.load(ordering: .relaxed)),
      lastFlushSecond: UInt64(lastFlushSecond.load(ordering: .relaxed)), hashPower: UInt64(table.power),
      pages: (1..<slabs.touchedPageEnd).map { savedPage($0) },
      heads: (1..<slabs.classes.count).flatMap { savedHeads($0) })
  }

  /// What must be the same for the items to be understood.
  var savedParameters: SavedStore.Parameters {
    SavedStore.Parameters(
      layout: SavedStore.layout, maxBytes: UInt64(configuration.memoryLimitBytes),
      itemSizeMax: UInt64(configuration.itemSizeMaxBytes), pageByteCount: UInt64(slabs.classes.pageByteCount),
      arenaByteCount: UInt64(arena.byteCount), unitByteCount: 1 << UInt64(arena.unitShift),
      casByteCount: UInt64(arena.casByteCount))
  }

  /// The slab table, from class 1 on.
  var classShapes: [ClassShape] {
    (1..<slabs.classes.count).map {
      ClassShape(chunkByteCount: slabs.classes.chunkByteCount($0), itemLimit: slabs.classes.itemLimits[$0])
    }
  }

  private func savedPage(_ page: Int) -> SavedPage {
    let slabClass = slabs.slabClass(ofPage: page)
    guard slabClass != 0 else { return SavedPage(slabClass: 0, freshIndex: 0, checksum: 0) }
    let held = slabs.lock(slabClass)
    let freshIndex = Int(slabs.pageState(page, held).freshIndex)
    return SavedPage(
      slabClass: slabClass, freshIndex: freshIndex,
      checksum: checksum(ofPage: page, slabClass: slabClass, freshIndex: freshIndex))
  }

  /// Of the chunks of a page that were ever used.
  func checksum(ofPage page: Int, slabClass: Int, freshIndex: Int) -> UInt64 {
    let bytes = arena.bytes(
      byteOffset: page << slabs.classes.pageShift, count: freshIndex * slabs.classes.chunkByteCount(slabClass))
    return Checksum.of(bytes, seed: UInt64(page))
  }

  private func savedHeads(_ slabClass: Int) -> [UInt64] {
    let held = slabs.lock(slabClass)
    return slabs.withClass(held) { state in Segment.allCases.map { UInt64(state[$0].head.rawValue) } }
  }
}
