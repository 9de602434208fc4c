// Wakes a thread that sleeps until there is something to do: a futex word, rung by anybody, waited at by one. Rings
// before the wait are not lost, and many rings are one.
import CSystem
import Synchronization

@safe
public struct Doorbell {
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  public init() {
    unsafe word = .allocate(capacity: 1)
    // Rule 1: allocated just above.
    unsafe word.initialize(to: Atomic(0))
  }

  /// Wakes the waiting thread, or lets its next wait return at once. A load when it was rung already.
  public func ring() {
    // Rule 2: every access is atomic.
    guard unsafe word.pointee.load(ordering: .relaxed) == 0 else { return }
    if unsafe word.pointee.exchange(1, ordering: .releasing) == 0 { unsafe csystem_futex_wake_one(word) }
  }

  /// Sleeps until it is rung, at most so long. Returns early now and then.
  public func wait(milliseconds: Int) {
    // Rule 2: every access is atomic; the futex address lives as long as the bell.
    if unsafe word.pointee.load(ordering: .relaxed) == 0 {
      unsafe csystem_futex_wait_milliseconds(word, 0, Int64(milliseconds))
    }
    unsafe word.pointee.store(0, ordering: .relaxed)
  }

  public func destroy() {
    // Rule 1: the one owner says that nobody uses the bell any more.
    unsafe word.deinitialize(count: 1)
    unsafe word.deallocate()
  }
}

// Rule 2: every access is atomic.
extension Doorbell: @unchecked Sendable {}
