// A set of slab classes, as commands name them (`lru_crawler metadump 3,17`): a bit for each number there can be, also
// for those that the store does not have.

struct ClassSet: Equatable {
  private var low: UInt128 = 0
  private var high: UInt128 = 0

  static let all = ClassSet(low: .max, high: .max)

  init() {}
  private init(low: UInt128, high: UInt128) {
    self.low = low
    self.high = high
  }

  /// `slabClass` is at most SlabClasses.maximumFittedClass.
  mutating func insert(_ slabClass: Int) {
    precondition((0...SlabClasses.maximumFittedClass).contains(slabClass))
    if slabClass < 128 { low |= 1 << UInt128(slabClass) } else { high |= 1 << UInt128(slabClass - 128) }
  }

  func contains(_ slabClass: Int) -> Bool {
    slabClass < 128 ? low & (1 << UInt128(slabClass)) != 0 : high & (1 << UInt128(slabClass - 128)) != 0
  }
}
