// Four-byte locks in an array, with an optional state word beside each: uncontended one compare-and-swap, contended a
// futex sleep (never a spin on a descheduled owner). Not recursive, not fair. Users: item stripes, slab classes.
// The three states follow U. Drepper, "Futexes Are Tricky" (2011), section 5: 0 free, 1 held, 2 held and awaited.
import CSystem
import Synchronization

/// `count` locks, each with 32 bits of state that its holder may change and anybody may read.
@safe
struct LockWords {
  private struct Entry: ~Copyable {
    let word = Atomic<UInt32>(0)
    let state = Atomic<UInt32>(0)
  }
  private let entries: UnsafeMutablePointer<Entry>
  let count: Int
  /// 2^n - 1, the highest such number that is an index.
  private let lowBits: UInt64

  /// At least one lock.
  init(count: Int) {
    precondition(count > 0)
    self.count = count
    lowBits = (1 << UInt64(Int.bitWidth - 1 - count.leadingZeroBitCount)) - 1
    unsafe entries = .allocate(capacity: count)
    // Rule 1: allocated for count entries just above.
    for index in 0..<count { unsafe (entries + index).initialize(to: Entry()) }
  }

  func destroy() {
    // Rule 1: the one owner says that nobody uses the locks any more.
    unsafe entries.deinitialize(count: count)
    unsafe entries.deallocate()
  }

  @inline(__always)
  private func check(_ index: Int) {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
  }

  /// Lock `index`; traps outside.
  @inline(__always)
  subscript(index: Int) -> LockWord {
    check(index)
    // Rule 3: index checked above.
    return unsafe LockWord(UnsafeMutableRawPointer(entries + index).assumingMemoryBound(to: Atomic<UInt32>.self))
  }

  /// The lock that the low bits of `number` name, as many bits as there are locks for.
  @inline(__always)
  subscript(lowBitsOf number: UInt64) -> LockWord {
    // Rule 3: the low bits are an index.
    unsafe LockWord(
      UnsafeMutableRawPointer(entries + Int(truncatingIfNeeded: number & lowBits)).assumingMemoryBound(
        to: Atomic<UInt32>.self))
  }

  @inline(__always)
  func state(_ index: Int) -> UInt32 {
    check(index)
    // Rule 3: index checked above.
    return unsafe entries[index].state.load(ordering: .relaxed)
  }

  /// Only the lock's holder changes its state.
  @inline(__always)
  func setState(_ index: Int, _ state: UInt32) {
    check(index)
    // Rule 3: index checked above.
    unsafe entries[index].state.store(state, ordering: .relaxed)
  }
}

/// One of the locks, valid as long as they are (rule 1: they outlive their users).
@safe
struct LockWord {
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  @unsafe @inline(__always)
  fileprivate init(_ word: UnsafeMutablePointer<Atomic<UInt32>>) { unsafe self.word = unsafe word }

  @inline(__always)
  func tryLock() -> Bool {
    unsafe word.pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
  }

  @inline(__always)
  func lock() {
    if !tryLock() { wait() }
  }

  /// The futex address is the lock word itself.
  @inline(never)
  private func wait() {
    while unsafe word.pointee.exchange(2, ordering: .acquiring) != 0 {
      unsafe csystem_futex_wait(UnsafeRawPointer(word), 2)
    }
  }

  @inline(__always)
  func unlock() {
    if unsafe word.pointee.exchange(0, ordering: .releasing) == 2 { wakeOne() }
  }

  @inline(never)
  private func wakeOne() { unsafe csystem_futex_wake_one(UnsafeRawPointer(word)) }

  /// Hints that the lock will be taken soon.
  @inline(__always)
  func prefetch() {
    // Rule 5: a hint never faults, wherever it points.
    unsafe csystem_prefetch(UnsafeRawPointer(word))
  }
}

// Rule 2: every access is atomic.
extension LockWords: @unchecked Sendable {}
