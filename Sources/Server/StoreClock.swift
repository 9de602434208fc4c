// The server's clock: seconds for the store, ticked once a second by the main thread and read by all workers as one
// atomic word. Monotonic, so a change of the wall clock expires nothing. Tests of the store do without it and pass
// their own time.
import CacheCore
import Events

struct StoreClock: Sendable {
  private let startMilliseconds = SystemCalls.monotonicMilliseconds
  let startedAtUnixSeconds = SystemCalls.unixSeconds
  private let cell = AtomicCells(count: 1)

  init() { tick() }

  /// Ticks may come a little early: ten milliseconds count as the full second.
  func tick() {
    let elapsed = (SystemCalls.monotonicMilliseconds - startMilliseconds + 10) / 1000
    cell.store(0, UInt64(ClockBase.startSeconds) + UInt64(max(elapsed, 0)))
  }

  @inline(__always)
  var now: UInt32 { UInt32(truncatingIfNeeded: cell.load(0)) }
  var uptimeSeconds: UInt32 { now - ClockBase.startSeconds }
}
