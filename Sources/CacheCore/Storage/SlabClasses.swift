// The table of chunk sizes: computed once, then only read. Two ways to it: the reference's rule (section 7.2) when the
// operator gave a factor, a minimum or sizes; otherwise our own table, many and fine classes on pages that suit the
// memory (Docs/storage.md has the measurements). Class 0 is the pool of unassigned pages; sizes start at class 1. It
// owns no memory: SlabAllocator does.

public struct SlabClassSettings: Sendable {
  /// Which rule makes the table.
  public enum Rule: Sendable {
    /// Sizes grow by `growthFactor` from `minimumByteCount` on; pages of 1 MiB.
    case reference
    /// Sizes and pages are chosen for a cache of this many bytes.
    case fitted(memoryByteCount: Int)
  }
  public var rule = Rule.reference
  public var growthFactor = 1.25
  /// -n: room for key, value and flags in the smallest class.
  public var minimumByteCount = 48
  /// The largest chunk; larger items are chains of chunks.
  public var chunkMaxByteCount = 512 << 10
  /// Explicit sizes instead of the growth factor, ascending.
  public var explicitSizes: [Int] = []
  /// References count units of this many bytes, so sizes are multiples of it; 8 up to 32 GiB.
  var alignmentByteCount = 8
  public init() {}
}

public struct SlabClasses: Sendable {
  /// A page of the reference's rule, and the largest of ours.
  static let largestPageByteCount = 1 << 20
  /// The reference adds its item header to -n; the rule keeps that number whatever our own header is.
  static let ruleHeaderByteCount = 48
  /// The last class number of the reference's rule.
  static let maximumClass = 63
  /// The last class number there can be: a page and a ghost name their class in eight bits.
  static let maximumFittedClass = 255
  /// Below this size the class is looked up, above it is searched.
  private static let lookupLimit = 4096

  let pageShift: Int
  private let isFitted: Bool
  /// Chunk sizes; index 0 is unused.
  private let chunkSizes: FixedArray<Int32>
  /// The largest item of each class: its chunk, or for the classes of chained items more.
  let itemLimits: FixedArray<Int>
  private let lookup: FixedArray<UInt8>

  init(_ settings: SlabClassSettings) {
    pageShift = SlabClasses.pageShift(settings.rule)
    if case .fitted = settings.rule { isFitted = true } else { isFitted = false }
    let shapes = SlabClasses.shapes(settings)
    chunkSizes = FixedArray(repeating: 0, count: shapes.count + 1)
    itemLimits = FixedArray(repeating: 0, count: shapes.count + 1)
    for (index, shape) in shapes.enumerated() {
      chunkSizes[index + 1] = Int32(shape.chunkByteCount)
      itemLimits[index + 1] = shape.itemLimit
    }
    lookup = FixedArray(repeating: 0, count: SlabClasses.lookupLimit / 8 + 1)
    for step in 0..<lookup.count {
      lookup[step] = UInt8((shapes.firstIndex { $0.itemLimit >= step * 8 } ?? -1) + 1)
    }
  }

  /// log2 of the page size: 1 MiB by the reference's rule; otherwise about a five-hundredth of the memory, so that a
  /// small cache can still give each class what it is worth.
  static func pageShift(_ rule: SlabClassSettings.Rule) -> Int {
    guard case .fitted(let memory) = rule else { return 20 }
    let wanted = max(memory / FittedTable.pagesPerCache, 1)
    let shift = Int.bitWidth - 1 - wanted.leadingZeroBitCount
    return min(max(shift, FittedTable.smallestPageShift), 20)
  }

  /// The classes from class 1 on.
  static func shapes(_ settings: SlabClassSettings) -> [ClassShape] {
    switch settings.rule {
    case .reference:
      let sizes = referenceSizes(settings)
      // The last class has everything that is larger, as chains of its chunks.
      return sizes.dropLast().map { ClassShape(chunkByteCount: $0, itemLimit: $0) }
        + [ClassShape(chunkByteCount: settings.chunkMaxByteCount, itemLimit: Int.max)]
    case .fitted:
      return FittedTable.shapes(
        pageByteCount: 1 << pageShift(settings.rule), alignment: settings.alignmentByteCount)
    }
  }

  private static func referenceSizes(_ settings: SlabClassSettings) -> [Int] {
    let alignment = settings.alignmentByteCount
    func align(_ size: Int) -> Int { (size + alignment - 1) / alignment * alignment }
    var sizes: [Int] = []
    if settings.explicitSizes.isEmpty {
      var size = ruleHeaderByteCount + settings.minimumByteCount
      while sizes.count < maximumClass - 1, Double(size) < Double(settings.chunkMaxByteCount) / settings.growthFactor {
        size = align(size)
        sizes.append(size)
        size = Int(Double(size) * settings.growthFactor)
      }
    } else {
      sizes += settings.explicitSizes.prefix(maximumClass - 1).map(align)
    }
    sizes.append(settings.chunkMaxByteCount)
    return sizes
  }

  @inline(__always)
  var pageByteCount: Int { 1 &<< pageShift }
  @inline(__always)
  var count: Int { chunkSizes.count }
  /// The class of the largest chunks.
  @inline(__always)
  var last: Int { chunkSizes.count &- 1 }
  @inline(__always)
  func chunkByteCount(_ slabClass: Int) -> Int { Int(chunkSizes[slabClass]) }
  @inline(__always)
  func chunksPerPage(_ slabClass: Int) -> Int { pageByteCount / chunkByteCount(slabClass) }

  /// The class of an item of `byteCount` bytes: the smallest that holds it in one chunk, else that of its chain.
  @inline(__always)
  func slabClass(for byteCount: Int) -> Int {
    if byteCount <= SlabClasses.lookupLimit {
      let found = Int(lookup[(byteCount &+ 7) &>> 3])
      if found != 0 { return found }
    }
    return search(byteCount)
  }

  /// The class of a continuation chunk that holds `byteCount` bytes of an item of the class: its own, but in the
  /// reference's table, whose last class has chunks of half a page, the smallest that holds them.
  func tailClass(for byteCount: Int, of slabClass: Int) -> Int {
    isFitted ? slabClass : self.slabClass(for: byteCount)
  }

  private func search(_ byteCount: Int) -> Int {
    var low = 1
    var high = last
    while low < high {
      let middle = (low + high) / 2
      if itemLimits[middle] >= byteCount { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The table as -vv prints it, in the reference's words.
  var description: String {
    func padded(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: " ", count: max(0, width - digits.count)) + digits
    }
    return (1..<count).map {
      "slab class \(padded($0, 3)): chunk size \(padded(chunkByteCount($0), 9)) "
        + "perslab \(padded(chunksPerPage($0), 7))\n"
    }.joined()
  }

  func destroy() {
    chunkSizes.destroy()
    itemLimits.destroy()
    lookup.destroy()
  }
}

/// One class: the size of its chunks, and the largest item that goes there, which is larger where items are chains.
struct ClassShape: Equatable {
  var chunkByteCount: Int
  var itemLimit: Int
}

/// Our own table. Chunks divide a page without a rest worth the name: sizes are page / n for a growing n, rounded down.
/// Items larger than the largest chunk are chains, again in classes by size: up to 32 KiB of equal parts, so that no
/// part wastes more than a small item does; beyond, four classes an octave, of many small parts. So large items of
/// similar size share an order: a page holds few of them, and a class of few items learns too late what a page would be
/// worth.
enum FittedTable {
  static let pagesPerCache = 512
  static let smallestPageShift = 15
  /// Chunks of the largest size in a page.
  static let fewestChunksPerPage = 16
  private static let smallestChunkByteCount = 48
  /// One size to the next: what a class wastes is half of it on average.
  static let growthFactor = 1.06
  /// The same for chains, whose parts fit less exactly.
  private static let chainGrowthFactor = 1.045
  /// From here on a class has items of different numbers of parts, and half a part is wasted. So there are ten at
  /// least; but a part more to send costs a hundredth of a get, so they have 16 KiB where that makes more than ten,
  /// and are no more than 16.
  private static let widestEqualParts = 32 << 10
  private static let partsOfWideClass = 10...16
  private static let partByteCount = 16 << 10
  /// Four steps an octave: powers of two, the commonest sizes, are about the largest of their class.
  private static let wideGrowthFactor = 1.189_207_115
  /// What an item has beside a value that is a power of two.
  private static let headAndKeyByteCount = 128
  /// From here on all items share a class.
  private static let largestChainLimit = 1 << 20

  static func shapes(pageByteCount: Int, alignment: Int) -> [ClassShape] {
    let sizes = chunkSizes(pageByteCount, alignment)
    return sizes.map { ClassShape(chunkByteCount: $0, itemLimit: $0) }
      + chains(pageByteCount, alignment, largestChunk: sizes.last ?? 0)
  }

  /// Ascending.
  private static func chunkSizes(_ pageByteCount: Int, _ alignment: Int) -> [Int] {
    var sizes: [Int] = []
    var count = fewestChunksPerPage
    while true {
      let size = pageByteCount / count / alignment * alignment
      if size < smallestChunkByteCount { break }
      if size != sizes.last { sizes.append(size) }
      count = max(count + 1, Int(Double(count) * growthFactor + 0.5))
    }
    return sizes.reversed()
  }

  private static func chains(_ pageByteCount: Int, _ alignment: Int, largestChunk: Int) -> [ClassShape] {
    var shapes: [ClassShape] = []
    var limit = largestChunk
    func append(_ wanted: Int, leastParts: Int) {
      let parts = max(leastParts, (wanted + largestChunk - 1) / largestChunk)
      let shape = chain(wanted, parts, pageByteCount, alignment, largestChunk)
      shapes.append(shape)
      limit = shape.itemLimit
    }
    while Int(Double(limit) * chainGrowthFactor) < widestEqualParts {
      append(Int(Double(limit) * chainGrowthFactor), leastParts: 1)
    }
    var value = Double(widestEqualParts)
    while value < Double(largestChainLimit) {
      value *= wideGrowthFactor
      let wanted = Int(value.rounded()) + headAndKeyByteCount
      let parts = min(max(wanted / partByteCount, partsOfWideClass.lowerBound), partsOfWideClass.upperBound)
      if wanted > limit { append(wanted, leastParts: parts) }
    }
    return shapes + [ClassShape(chunkByteCount: largestChunk, itemLimit: Int.max)]
  }

  /// A chain that holds an item of `wanted` bytes with little to spare. More parts than need be fit better, because
  /// sizes that divide a page lie closer together where they are smaller; one part more must save a hundredth.
  private static func chain(
    _ wanted: Int, _ fewestParts: Int, _ pageByteCount: Int, _ alignment: Int, _ largestChunk: Int
  ) -> ClassShape {
    var best = ClassShape(chunkByteCount: largestChunk, itemLimit: capacity(largestChunk, fewestParts + 1))
    for parts in fewestParts...(fewestParts + 4) {
      let least = (wanted + heads(parts) + parts - 1) / parts
      let chunk = pageByteCount / max(fewestChunksPerPage, pageByteCount / least) / alignment * alignment
      let limit = capacity(chunk, parts)
      if limit >= wanted, limit < best.itemLimit - wanted / 100 {
        best = ClassShape(chunkByteCount: chunk, itemLimit: limit)
      }
    }
    return best
  }

  /// What a chain of so many chunks has in front of its bytes.
  private static func heads(_ parts: Int) -> Int {
    ItemLayout.chainHeadByteCount + (parts - 1) * ItemLayout.chunkHeaderByteCount
  }

  /// The largest item, without its chain head, in so many chunks.
  private static func capacity(_ chunkByteCount: Int, _ parts: Int) -> Int {
    parts * chunkByteCount - heads(parts)
  }
}
