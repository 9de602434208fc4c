// The table of chunk sizes: computed once from the operator's settings by the reference's rule (section 7.2), then only
// read. Class 0 is the pool of unassigned pages; sizes start at class 1. It owns no memory: SlabAllocator does.

public struct SlabClassSettings: Sendable {
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

struct SlabClasses: Sendable {
  static let pageByteCount = 1 << 20
  /// The reference adds its item header to -n; the rule keeps that number whatever our own header is.
  static let ruleHeaderByteCount = 48
  static let maximumClass = 63
  /// Below this size the class is looked up, above it is searched.
  private static let lookupLimit = 4096

  /// Chunk sizes; index 0 is unused.
  private let chunkSizes: FixedArray<Int32>
  private let lookup: FixedArray<UInt8>

  init(_ settings: SlabClassSettings) {
    let sizes = SlabClasses.sizes(settings)
    chunkSizes = FixedArray(repeating: 0, count: sizes.count)
    for (index, size) in sizes.enumerated() { chunkSizes[index] = Int32(size) }
    lookup = FixedArray(repeating: 0, count: SlabClasses.lookupLimit / 8 + 1)
    for step in 0..<lookup.count {
      lookup[step] = UInt8(sizes.firstIndex { $0 > 0 && $0 >= step * 8 } ?? 0)
    }
  }

  static func sizes(_ settings: SlabClassSettings) -> [Int] {
    let alignment = settings.alignmentByteCount
    func align(_ size: Int) -> Int { (size + alignment - 1) / alignment * alignment }
    var sizes = [0]
    if settings.explicitSizes.isEmpty {
      var size = ruleHeaderByteCount + settings.minimumByteCount
      while sizes.count < maximumClass, Double(size) < Double(settings.chunkMaxByteCount) / settings.growthFactor {
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
  var count: Int { chunkSizes.count }
  /// The class of the largest chunks.
  @inline(__always)
  var last: Int { chunkSizes.count &- 1 }
  @inline(__always)
  func chunkByteCount(_ slabClass: Int) -> Int { Int(chunkSizes[slabClass]) }
  @inline(__always)
  func chunksPerPage(_ slabClass: Int) -> Int { SlabClasses.pageByteCount / chunkByteCount(slabClass) }

  /// The smallest class whose chunks hold `byteCount` bytes; nil above the largest chunk.
  @inline(__always)
  func slabClass(for byteCount: Int) -> Int? {
    if byteCount <= SlabClasses.lookupLimit {
      let found = Int(lookup[(byteCount &+ 7) &>> 3])
      if found != 0 { return found }
    }
    return search(byteCount)
  }

  private func search(_ byteCount: Int) -> Int? {
    guard byteCount <= chunkByteCount(last) else { return nil }
    var low = 1
    var high = last
    while low < high {
      let middle = (low + high) / 2
      if chunkByteCount(middle) >= byteCount { high = middle } else { low = middle + 1 }
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
    lookup.destroy()
  }
}
