// One thread's counters, and their sum over all threads. Adding is a plain load and store by the only writer; reading
// is allowed to anybody. `stats reset` remembers the sums as a baseline instead of writing into other threads' cells.

/// The cells of one thread. Only that thread adds.
public struct CounterSet: Sendable {
  static let maximumClassCount = AtomicRows.rowCount
  fileprivate let events = AtomicCells(count: Counter.allCases.count)
  /// A row for each slab class, whose number fits a byte (SlabClasses.maximumFittedClass).
  fileprivate let classes = AtomicRows()

  public init() {}

  @inline(__always)
  public func add(_ counter: Counter, _ amount: UInt64 = 1) { events.addAsOnlyWriter(counter.rawValue, amount) }

  @inline(__always)
  func add(_ counter: ClassCounter, slabClass: Int) {
    classes.addOneAsOnlyWriter(UInt8(truncatingIfNeeded: slabClass), counter.rawValue)
  }

  /// Counts a get's hit for the list that the item is on.
  @inline(__always)
  func addGetHit(segmentNumber: Int, slabClass: Int) {
    classes.addOneAsOnlyWriter(UInt8(truncatingIfNeeded: slabClass), ClassCounter.hitsToHot.rawValue &+ segmentNumber)
  }
}

/// All threads' counters together. Threads register at start, before any of them counts.
public struct CounterRegistry: Sendable {
  private let sets: [CounterSet]
  private let baseline = CounterSet()

  public init(sets: [CounterSet]) { self.sets = sets }

  private func sum(_ counter: Counter) -> UInt64 { sets.reduce(0) { $0 &+ $1.events.load(counter.rawValue) } }

  private func sum(_ counter: ClassCounter, _ slabClass: Int) -> UInt64 {
    sets.reduce(0) { $0 &+ $1.classes.load(UInt8(slabClass), counter.rawValue) }
  }

  public func value(_ counter: Counter) -> UInt64 {
    if counter == .getCommands { return total(.getHits) &+ value(.getMisses) }
    return sum(counter) &- baseline.events.load(counter.rawValue)
  }

  func value(_ counter: ClassCounter, slabClass: Int) -> UInt64 {
    if counter == .getHits { return ClassCounter.hitRows.reduce(0) { $0 &+ value($1, slabClass: slabClass) } }
    return sum(counter, slabClass) &- baseline.classes.load(UInt8(slabClass), counter.rawValue)
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
    for counter in Counter.allCases { baseline.events.store(counter.rawValue, sum(counter)) }
    for slabClass in 0..<CounterSet.maximumClassCount {
      for counter in ClassCounter.allCases {
        baseline.classes.store(UInt8(slabClass), counter.rawValue, sum(counter, slabClass))
      }
    }
  }
}
