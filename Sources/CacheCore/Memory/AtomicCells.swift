// Counters and flags shared between threads: arrays of 64-bit atomics. A worker's own cells are changed by load and
// store (no locked instruction), because it is the only writer; everybody may read. Not a place for compound
// invariants.
import Synchronization

/// `count` 64-bit atomic words, zero at start, alive until the process ends or `destroy()`.
@safe
public struct AtomicCells {
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  public let count: Int

  public init(count: Int) {
    self.count = count
    unsafe cells = .allocate(capacity: max(count, 1))
    // Rule 1: allocated for count elements just above.
    for index in 0..<count { unsafe (cells + index).initialize(to: Atomic(0)) }
  }

  @inline(__always)
  private func check(_ index: Int) {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
  }

  @inline(__always)
  public func load(_ index: Int) -> UInt64 {
    check(index)
    // Rule 3: index checked above.
    return unsafe cells[index].load(ordering: .relaxed)
  }

  @inline(__always)
  public func store(_ index: Int, _ value: UInt64) {
    check(index)
    // Rule 3: index checked above.
    unsafe cells[index].store(value, ordering: .relaxed)
  }

  /// Adds without a locked instruction: only for cells that one thread writes.
  @inline(__always)
  func addAsOnlyWriter(_ index: Int, _ amount: UInt64) {
    check(index)
    // Rule 3: index checked above. Load and store are separate: the caller is the only writer.
    unsafe cells[index].store(cells[index].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// Adds from any thread; returns the new value.
  @inline(__always) @discardableResult
  public func add(_ index: Int, _ amount: UInt64) -> UInt64 {
    check(index)
    // Rule 3: index checked above.
    return unsafe cells[index].wrappingAdd(amount, ordering: .relaxed).newValue
  }

  public func destroy() {
    // Rule 1: the one owner says that nobody uses the cells any more.
    unsafe cells.deinitialize(count: count)
    unsafe cells.deallocate()
  }
}

// Rule 2: every access is atomic.
extension AtomicCells: @unchecked Sendable {}
