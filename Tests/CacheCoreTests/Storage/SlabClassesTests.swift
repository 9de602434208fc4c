// The table of chunk sizes: the reference's numbers for its options (section 7.2), and every look-up against a search
// by hand. Which page a class owns is another matter.
import Testing

@testable import CacheCore

struct SlabClassesTests {
  private func sizes(_ change: (inout SlabClassSettings) -> Void = { _ in }) -> [Int] {
    var settings = SlabClassSettings()
    change(&settings)
    return SlabClasses.shapes(settings).map(\.chunkByteCount)
  }

  @Test func theDefaultTable() {
    #expect(
      sizes() == [
        96, 120, 152, 192, 240, 304, 384, 480, 600, 752, 944, 1184, 1480, 1856, 2320, 2904, 3632, 4544, 5680, 7104,
        8880,
        11104, 13880, 17352, 21696, 27120, 33904, 42384, 52984, 66232, 82792, 103496, 129376, 161720, 202152, 252696,
        315872, 394840, 524288,
      ])
  }

  @Test func tablesOfTheOptions() {
    #expect(sizes { $0.growthFactor = 2 } == (0..<12).map { 96 << $0 } + [524_288])
    let small = sizes { $0.minimumByteCount = 5 }
    #expect(small.count == 41 && small.first == 56)
    #expect(sizes { $0.chunkMaxByteCount = 16 << 10 }.count == 23)
    let classic = sizes { $0.chunkMaxByteCount = 1 << 20 }
    #expect(classic.count == 42 && classic.last == 1 << 20)
    #expect(sizes { $0.explicitSizes = [100, 200, 300] } == [104, 200, 304, 524_288])
  }

  @Test func neverMoreClassesThanThereAreNumbers() {
    for factor in [1.03, 1.08, 1.25, 2, 10] {
      let table = sizes { $0.growthFactor = factor }
      #expect(table.count <= SlabClasses.maximumClass, "factor \(factor)")
      #expect(table == table.sorted() && Set(table).count == table.count, "factor \(factor)")
      #expect(table.allSatisfy { $0 % 8 == 0 })
    }
    #expect(sizes { $0.growthFactor = 1.01 }.count == 63)
    #expect(sizes { $0.explicitSizes = (1...80).map { $0 * 96 } }.count == 63)
  }

  @Test func sizesAreMultiplesOfWhatReferencesCount() {
    let table = sizes { $0.alignmentByteCount = 32 }
    #expect(table.allSatisfy { $0 % 32 == 0 })
  }

  @Test(
    arguments: [
      (1.25, 48, 524_288, []), (2, 48, 524_288, []), (1.25, 5, 16_384, []), (1.05, 48, 1024, []),
      (1.25, 48, 1 << 20, []),
      (1.25, 48, 524_288, [100, 200, 300]), (1.25, 48, 3000, [4, 104, 2992]), (1.5, 200, 4096, []),
      (1.25, 48, 4104, []),
    ] as [(Double, Int, Int, [Int])])
  func everySizeFindsItsClass(_ factor: Double, _ minimum: Int, _ chunkMax: Int, _ explicit: [Int]) {
    var settings = SlabClassSettings()
    settings.growthFactor = factor
    settings.minimumByteCount = minimum
    settings.chunkMaxByteCount = chunkMax
    settings.explicitSizes = explicit
    let classes = SlabClasses(settings)
    let sizes = [0] + SlabClasses.shapes(settings).map(\.chunkByteCount)
    defer { classes.destroy() }
    var wrong: [Int] = []
    var byHand = 1
    for size in 1...chunkMax {
      while sizes[byHand] < size { byHand += 1 }
      if classes.slabClass(for: size) != byHand { wrong.append(size) }
    }
    #expect(wrong.prefix(5) == [])
    // Chains.
    #expect(classes.slabClass(for: chunkMax + 1) == classes.last)
    #expect(classes.slabClass(for: Int.max) == classes.last)
    #expect(classes.last == classes.count - 1 && classes.chunkByteCount(classes.last) == chunkMax)
  }

  @Test func theTableInWords() {
    let classes = SlabClasses(SlabClassSettings())
    defer { classes.destroy() }
    let lines = classes.description.split(separator: "\n")
    #expect(lines.count == 39)
    #expect(lines.first == "slab class   1: chunk size        96 perslab   10922")
    #expect(lines.last == "slab class  39: chunk size    524288 perslab       2")
  }

  // Our own table.

  private static let memories = [1 << 20, 8 << 20, 64 << 20, 256 << 20, 1 << 30, 64 << 30]

  @Test(arguments: memories) func theFittedTable(_ memory: Int) {
    var settings = SlabClassSettings()
    settings.rule = .fitted(memoryByteCount: memory)
    let shapes = SlabClasses.shapes(settings)
    let page = 1 << SlabClasses.pageShift(settings.rule)
    #expect(shapes.count <= SlabClasses.maximumFittedClass)
    #expect(shapes.first?.chunkByteCount == 48 && shapes.last?.itemLimit == Int.max)
    for (shape, next) in zip(shapes, shapes.dropFirst()) { #expect(shape.itemLimit < next.itemLimit) }
    for shape in shapes {
      #expect(shape.chunkByteCount % 8 == 0)
      #expect(shape.chunkByteCount * FittedTable.fewestChunksPerPage <= page)
      #expect(page % shape.chunkByteCount < page / 16, "\(shape)")
    }
  }

  /// What an item takes beyond its own bytes: a sixth at worst, or 16 bytes for the smallest.
  @Test(arguments: memories) func aFittedClassWastesLittle(_ memory: Int) {
    var settings = SlabClassSettings()
    settings.rule = .fitted(memoryByteCount: memory)
    let classes = SlabClasses(settings)
    defer { classes.destroy() }
    var size = 60
    while size < 4 << 20 {
      let slabClass = classes.slabClass(for: size)
      let chunk = classes.chunkByteCount(slabClass)
      var (taken, left) = (chunk, size - (size <= chunk ? chunk : chunk - ItemLayout.chainHeadByteCount))
      while left > 0 {
        taken += chunk
        left -= chunk - ItemLayout.chunkHeaderByteCount
      }
      #expect(taken - size <= max(16, size / 6), "\(size) bytes take \(taken)")
      size += max(1, size / 97)
    }
  }
}
