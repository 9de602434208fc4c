// Tells the main thread that the others have opened what they need, so that nobody is announced, and no right given up,
// before all of them serve. Used once, at start; it is no lock and orders nothing afterwards.
import Events
import Synchronization

final class StartGate: Sendable {
  private let arrivedCount = Atomic<Int>(0)
  private let failedCount = Atomic<Int>(0)

  /// The calling thread has all it needs, or could not get it.
  func arrive(failed: Bool = false) {
    if failed { failedCount.add(1, ordering: .relaxed) }
    arrivedCount.add(1, ordering: .releasing)
  }

  /// Waits until so many threads have arrived; false when one of them failed. Looks again every fifth of a millisecond.
  func waitForAll(_ count: Int) -> Bool {
    while arrivedCount.load(ordering: .acquiring) < count { SystemCalls.sleep(microseconds: 200) }
    return failedCount.load(ordering: .relaxed) == 0
  }
}
