// Counters and flags shared between threads: arrays of 64-bit atomics. A worker's own cells are changed by load and
// store (no locked instruction), because it is the only writer; everybody may read. Not a place for compound
// invariants.
import CSystem
import Glibc
import Synchronization

/// `count` 64-bit atomic words, zero at start, alive until the process ends or `destroy()`.
@safe
public struct AtomicCells {
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  public let count: Int

  public init(count: Int) {
    self.count = count
    // Rule 1: fresh memory for count words. Zero bits are an atomic zero, and memory that nobody touches costs nothing.
    let memory = unsafe calloc(max(count, 1), 8)
    guard let memory = unsafe memory else { preconditionFailure("out of memory") }
    unsafe cells = unsafe memory.bindMemory(to: Atomic<UInt64>.self, capacity: max(count, 1))
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

  /// Puts `value` in the cell; returns what was there.
  func exchange(_ index: Int, _ value: UInt64) -> UInt64 {
    check(index)
    // Rule 3: index checked above.
    return unsafe cells[index].exchange(value, ordering: .relaxed)
  }

  /// Puts the bits of `value` that `mask` names in the cell; the others stay.
  func replace(_ index: Int, _ mask: UInt64, by value: UInt64) {
    check(index)
    var old = load(index)
    while true {
      // Rule 3: index checked above.
      let (exchanged, original) = unsafe cells[index].compareExchange(
        expected: old, desired: old & ~mask | value & mask, ordering: .relaxed)
      if exchanged { return }
      old = original
    }
  }

  /// Lowers the cell to `value` if it is higher, from any thread.
  @inline(__always)
  func lower(_ index: Int, to value: UInt64) {
    check(index)
    // Rule 3: index checked above.
    if unsafe cells[index].load(ordering: .relaxed) > value { unsafe cells[index].min(value, ordering: .relaxed) }
  }

  /// For AtomicRows, whose indices need no check.
  @unsafe fileprivate var words: UnsafeMutablePointer<Atomic<UInt64>> { unsafe cells }

  public func destroy() {
    // Rule 1: the one owner says that nobody uses the cells any more.
    unsafe free(cells)
  }
}

// Rule 2: every access is atomic.
extension AtomicCells: @unchecked Sendable {}

/// Sixteen 64-bit atomic words for each number that a byte can hold, zero at start, alive until the process ends. No
/// number lies outside, so counting needs no check.
@safe
struct AtomicRows {
  static let rowCount = 256
  static let columnCount = 16
  private let cells = AtomicCells(count: AtomicRows.rowCount * AtomicRows.columnCount)

  /// Column 0 to 15; traps outside.
  @inline(__always)
  private func index(_ row: UInt8, _ column: Int) -> Int {
    precondition(UInt(bitPattern: column) < UInt(AtomicRows.columnCount))
    return Int(row) &* AtomicRows.columnCount &+ column
  }

  @inline(__always)
  func load(_ row: UInt8, _ column: Int) -> UInt64 { cells.load(index(row, column)) }
  @inline(__always)
  func store(_ row: UInt8, _ column: Int, _ value: UInt64) { cells.store(index(row, column), value) }

  /// As `AtomicCells.addAsOnlyWriter`.
  @inline(__always)
  func addOneAsOnlyWriter(_ row: UInt8, _ column: Int) {
    // Rule 3: the column is checked in index(), and there is a row for every byte.
    let word = unsafe cells.words + index(row, column)
    unsafe word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }
}

// Rule 2: every access is atomic.
extension AtomicRows: @unchecked Sendable {}

/// `count` bytes that anybody may read without a lock while one writes, zero at start.
@safe
struct AtomicBytes {
  private let bytes: UnsafeMutablePointer<UInt8>
  let count: Int

  init(count: Int) {
    self.count = count
    // Rule 1: fresh memory for count bytes, zero.
    let memory = unsafe calloc(max(count, 1), 1)
    guard let memory = unsafe memory else { preconditionFailure("out of memory") }
    unsafe bytes = unsafe memory.bindMemory(to: UInt8.self, capacity: max(count, 1))
  }

  @inline(__always)
  subscript(index: Int) -> UInt8 {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked above.
      return unsafe csystem_load_relaxed_byte(bytes + index)
    }
    nonmutating set {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked above.
      unsafe csystem_store_relaxed_byte(bytes + index, newValue)
    }
  }

  func destroy() {
    // Rule 1: the one owner says that nobody uses the bytes any more.
    unsafe free(bytes)
  }
}

// Rule 2: every access is atomic.
extension AtomicBytes: @unchecked Sendable {}
