// One thread's counters, and their sum over all threads. Adding is a plain load and store by the only writer; reading
// is allowed to anybody. `stats reset` remembers the sums as a baseline instead of writing into other threads' cells.

/// The cells of one thread. Only that thread adds.
public struct CounterSet: Sendable {
  static let maximumClassCount = SlabClasses.maximumFittedClass + 1
  private static let classOffset = Counter.allCases.count
  static let cellCount = classOffset + maximumClassCount * ClassCounter.allCases.count
  let cells: AtomicCells

  public init() { cells = AtomicCells(count: CounterSet.cellCount) }

  @inline(__always)
  static func cell(_ counter: ClassCounter, _ slabClass: Int) -> Int {
    classOffset &+ slabClass &* ClassCounter.allCases.count &+ counter.rawValue
  }

  @inline(__always)
  public func add(_ counter: Counter, _ amount: UInt64 = 1) { cells.addAsOnlyWriter(counter.rawValue, amount) }

  @inline(__always)
  func add(_ counter: ClassCounter, slabClass: Int) {
    cells.addAsOnlyWriter(CounterSet.cell(counter, slabClass), 1)
  }
}

extension CounterSet {
  /// Counts a get's hit for the list that the item is on.
  @inline(__always)
  func addGetHit(segmentNumber: Int, slabClass: Int) {
    cells.addAsOnlyWriter(CounterSet.cell(.hitsToHot, slabClass) &+ segmentNumber, 1)
  }
}

/// All threads' counters together. Threads register at start, before any of them counts.
public struct CounterRegistry: Sendable {
  private let sets: [CounterSet]
  private let baseline: AtomicCells

  public init(sets: [CounterSet]) {
    self.sets = sets
    baseline = AtomicCells(count: CounterSet.cellCount)
  }

  private func sum(_ cell: Int) -> UInt64 { sets.reduce(0) { $0 &+ $1.cells.load(cell) } }

  public func value(_ counter: Counter) -> UInt64 {
    if counter == .getCommands { return total(.getHits) &+ value(.getMisses) }
    return sum(counter.rawValue) &- baseline.load(counter.rawValue)
  }

  func value(_ counter: ClassCounter, slabClass: Int) -> UInt64 {
    if counter == .getHits { return ClassCounter.hitRows.reduce(0) { $0 &+ value($1, slabClass: slabClass) } }
    let cell = CounterSet.cell(counter, slabClass)
    return sum(cell) &- baseline.load(cell)
  }

  /// The sum over all slab classes.
  func total(_ counter: ClassCounter) -> UInt64 {
    (0..<CounterSet.maximumClassCount).reduce(0) { $0 &+ value(counter, slabClass: $1) }
  }

  /// Hits of gets and touches on a class.
  public func hits(slabClass: Int) -> UInt64 {
    value(.getHits, slabClass: slabClass) &+ value(.touchHits, slabClass: slabClass)
  }

  /// From now on every counter reads as if it had been zero at this moment.
  func reset() {
    for cell in 0..<CounterSet.cellCount { baseline.store(cell, sum(cell)) }
  }
}
