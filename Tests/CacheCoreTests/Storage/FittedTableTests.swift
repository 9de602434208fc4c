// The slab table that the server chooses itself: for every size of cache many fine classes on pages that suit it, no
// size that wastes much of its chunks, and for large items chains whose parts waste no more. What it saves in all was
// measured, not tested: Docs/storage.md.
import Testing

@testable import CacheCore

struct FittedTableTests {
  /// -m from 1 MB to 1 TB, the odd ones too.
  static let megabytes = [1, 2, 4, 8, 16, 17, 31, 32, 64, 100, 256, 511, 512, 513, 1024, 5000, 65_536, 1 << 20]

  private func classes(_ megabytes: Int, alignment: Int = 8) -> (SlabClasses, [ClassShape]) {
    var settings = SlabClassSettings()
    settings.rule = .fitted(memoryByteCount: megabytes << 20)
    settings.alignmentByteCount = alignment
    return (SlabClasses(settings), SlabClasses.shapes(settings))
  }

  /// A cache has some hundred pages of its own size, within what pages may be.
  @Test(arguments: megabytes) func pagesSuitTheMemory(_ megabytes: Int) {
    let (classes, _) = classes(megabytes)
    defer { classes.destroy() }
    let pages = (megabytes << 20) / classes.pageByteCount
    #expect(classes.pageByteCount >= 32 << 10 && classes.pageByteCount <= 1 << 20)
    #expect(classes.pageByteCount == 32 << 10 || pages >= 512)
    #expect(classes.pageByteCount == 1 << 20 || pages < 1024)
  }

  @Test(arguments: megabytes, [8, 16, 64, 256]) func sizesAscendAndFillTheirPage(_ megabytes: Int, _ alignment: Int) {
    let (classes, shapes) = classes(megabytes, alignment: alignment)
    defer { classes.destroy() }
    #expect(classes.count == shapes.count + 1 && shapes.count <= SlabClasses.maximumFittedClass)
    #expect(zip(shapes, shapes.dropFirst()).allSatisfy { $0.itemLimit < $1.itemLimit })
    #expect(shapes.last?.itemLimit == .max)
    let largest = shapes.map(\.chunkByteCount).max() ?? 0
    #expect(shapes.last?.chunkByteCount == largest)
    for (index, shape) in shapes.enumerated() {
      let count = classes.chunksPerPage(index + 1)
      #expect(classes.chunkByteCount(index + 1) == shape.chunkByteCount && shape.chunkByteCount % alignment == 0)
      #expect(count >= 16 && count * shape.chunkByteCount <= classes.pageByteCount)
      // No room for a larger chunk: what is left is less than one step of each.
      #expect(classes.pageByteCount - count * shape.chunkByteCount < count * alignment, "class \(index + 1)")
      // One chunk up to the largest; beyond, chains.
      #expect(shape.itemLimit == shape.chunkByteCount || shape.itemLimit > largest)
    }
  }

  /// Large items of similar size share a class that ends a little above a power of two.
  @Test(arguments: [64, 396, 800]) func largeItemsOfSimilarSizeShareAClass(_ megabytes: Int) {
    let (classes, _) = classes(megabytes)
    defer { classes.destroy() }
    for power in 17...19 {
      let byteCount = 1 << power + 64
      let slabClass = classes.slabClass(for: byteCount)
      #expect(classes.slabClass(for: byteCount * 15 / 16) == slabClass)
      #expect(classes.slabClass(for: byteCount * 17 / 16) == slabClass + 1)
      #expect(waste(classes, byteCount) < 0.055, "\(byteCount) bytes")
    }
  }

  /// The part of the memory for an item of `byteCount` bytes, its chain included, that is not the item.
  private func waste(_ classes: SlabClasses, _ byteCount: Int) -> Double {
    let slabClass = classes.slabClass(for: byteCount)
    let chunk = classes.chunkByteCount(slabClass)
    var chunks = 1
    if byteCount > chunk {
      let rest = byteCount + ItemLayout.chainHeadByteCount - chunk
      let part = chunk - ItemLayout.chunkHeaderByteCount
      chunks += (rest + part - 1) / part
    }
    let used = Double(chunks) * Double(classes.pageByteCount) / Double(classes.chunksPerPage(slabClass))
    return 1 - Double(byteCount) / used
  }

  /// At most an eleventh in one chunk, a seventh in a chain of large parts; on average a twenty-fifth.
  @Test(arguments: megabytes) func noSizeWastesMuch(_ megabytes: Int) {
    let (classes, shapes) = classes(megabytes)
    defer { classes.destroy() }
    let largest = shapes.map(\.chunkByteCount).max() ?? 0
    var random = SeededRandom(seed: UInt64(megabytes))
    var sum = 0.0
    var worst = (waste: 0.0, size: 0)
    var worstAlone = (waste: 0.0, size: 0)
    var count = 0.0
    for _ in 0..<20_000 {
      // Evenly over the orders of magnitude.
      let byteCount = (160 << random.number(0...14)) + random.number(0...(160 << 14)) >> random.number(0...14)
      let waste = waste(classes, byteCount)
      sum += waste
      count += 1
      if waste > worst.waste { worst = (waste, byteCount) }
      if waste > worstAlone.waste, byteCount <= largest { worstAlone = (waste, byteCount) }
    }
    #expect(worstAlone.waste < 0.088, "\(worstAlone.size) bytes")
    #expect(worst.waste < 0.135, "\(worst.size) bytes")
    #expect(sum / count < 0.04)
  }
}
