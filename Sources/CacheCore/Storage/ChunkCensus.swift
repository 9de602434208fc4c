// What a warm restart has found out about the chunks of the arena: which references lead to the beginning of a chunk
// at all, which chunks are in use, and which of the items among them no list has shown yet. Bits, one a chunk, so that
// no link has to be followed to know that it may be. It reads no item.

struct ChunkCensus {
  private let arena: Arena
  private let classes: SlabClasses
  private let pages: [SavedPage]
  /// By page: the number of its first chunk.
  private let firstNumbers: [Int]
  private let used: ZeroedArray<UInt64>
  private let unlisted: ZeroedArray<UInt64>
  private(set) var unlistedCount = 0

  /// The pages have been compared with the classes: no chunk of theirs lies outside.
  init(arena: Arena, classes: SlabClasses, pages: [SavedPage]) {
    self.arena = arena
    self.classes = classes
    self.pages = pages
    var count = 0
    firstNumbers = pages.map { page in
      defer { count += page.freshIndex }
      return count
    }
    used = ZeroedArray(count: count / 64 + 1)
    unlisted = ZeroedArray(count: count / 64 + 1)
  }

  func destroy() {
    used.destroy()
    unlisted.destroy()
  }

  /// A chunk that there is.
  struct Place {
    var slabClass: Int
    fileprivate var number: Int
  }

  /// The chunk that begins at `ref`; nil when none does that was ever used.
  @inline(__always)
  func place(of ref: ItemRef) -> Place? {
    let offset = arena.byteOffset(ref)
    // Page 0 has no chunks; its number would be -1 here.
    let index = (offset &>> classes.pageShift) &- 1
    guard !ref.isNone, index >= 0, index < pages.count, pages[index].slabClass != 0 else { return nil }
    let page = pages[index]
    let inPage = UInt32(truncatingIfNeeded: offset & (classes.pageByteCount &- 1))
    let (chunk, rest) = inPage.quotientAndRemainder(
      dividingBy: UInt32(truncatingIfNeeded: classes.chunkByteCount(page.slabClass)))
    guard rest == 0, Int(chunk) < page.freshIndex else { return nil }
    return Place(slabClass: page.slabClass, number: firstNumbers[index] &+ Int(chunk))
  }

  /// The `index`th chunk of a page, below its fresh index.
  func place(page: Int, index: Int) -> Place {
    Place(slabClass: pages[page - 1].slabClass, number: firstNumbers[page - 1] + index)
  }

  func isUsed(_ place: Place) -> Bool { used[place.number >> 6] & 1 << UInt64(place.number & 63) != 0 }

  /// The chunk is in use; false when it was already.
  mutating func use(_ place: Place) -> Bool {
    if isUsed(place) { return false }
    used[place.number >> 6] |= 1 << UInt64(place.number & 63)
    return true
  }

  /// The chunk is an item that some list must show.
  mutating func expectListed(_ place: Place) {
    unlisted[place.number >> 6] |= 1 << UInt64(place.number & 63)
    unlistedCount += 1
  }

  /// A list shows the chunk; false when it is no item, or was shown before.
  mutating func noteListed(_ place: Place) -> Bool {
    let bit: UInt64 = 1 << UInt64(place.number & 63)
    guard unlisted[place.number >> 6] & bit != 0 else { return false }
    unlisted[place.number >> 6] &= ~bit
    unlistedCount -= 1
    return true
  }
}
