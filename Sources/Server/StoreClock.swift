// The server's clock: seconds for the store, ticked once a second by the main thread and read by all workers as one
// atomic word. Monotonic, so a change of the wall clock expires nothing. Tests of the store do without it and pass
// their own time.
import CacheCore
import Events

struct StoreClock: Sendable {
  private let startMilliseconds: Int64
  let startedAtUnixSeconds: Int64
  private let cell = AtomicCells(count: 1)

  #if DEBUG_VERBS
    /// What debugtime has done: seconds to add, and one more than the second at which the clock stands (0: it goes).
    private let changes = AtomicCells(count: 2)
  #endif

  init() {
    startMilliseconds = SystemCalls.monotonicMilliseconds
    startedAtUnixSeconds = SystemCalls.unixSeconds
    tick()
  }

  /// A clock that goes on where that of an earlier server stopped (-e).
  init(continuing saved: SavedClock) {
    startMilliseconds =
      SystemCalls.monotonicMilliseconds - saved.storeMilliseconds + Int64(ClockBase.startSeconds) * 1000
    startedAtUnixSeconds = saved.startedAtUnixSeconds
    tick()
  }

  /// What the next server needs to go on with it. Never behind what somebody may have read already.
  var saved: SavedClock {
    let start = Int64(ClockBase.startSeconds) * 1000
    return SavedClock(
      unixMilliseconds: Int64(SystemCalls.wallClock() / 1000),
      storeMilliseconds: max(start + SystemCalls.monotonicMilliseconds - startMilliseconds, Int64(now) * 1000),
      startedAtUnixSeconds: startedAtUnixSeconds)
  }

  /// Ticks may come a little early: ten milliseconds count as the full second.
  private var elapsedSeconds: Int64 { (SystemCalls.monotonicMilliseconds - startMilliseconds + 10) / 1000 }

  func tick() {
    #if DEBUG_VERBS
      let stand = changes.load(1)
      let second = stand == 0 ? elapsedSeconds : Int64(stand) - 1
      let elapsed = min(second &+ Int64(bitPattern: changes.load(0)), Int64(Int32.max))
    #else
      let elapsed = elapsedSeconds
    #endif
    cell.store(0, UInt64(ClockBase.startSeconds) + UInt64(max(elapsed, 0)))
  }

  #if DEBUG_VERBS
    /// Any worker; it never goes back behind the start.
    func change(_ change: ClockChange) {
      let elapsed = UInt64(elapsedSeconds)
      let stand = changes.load(1)
      switch change {
      case .pause: if stand == 0 { changes.store(1, elapsed + 1) }
      case .resume:
        if stand != 0 { changes.add(0, stand &- 1 &- elapsed) }
        changes.store(1, 0)
      case .move(let seconds): changes.add(0, UInt64(bitPattern: Int64(seconds)))
      }
      tick()
    }
  #endif

  @inline(__always)
  var now: UInt32 { UInt32(truncatingIfNeeded: cell.load(0)) }
  var uptimeSeconds: UInt32 { now - ClockBase.startSeconds }
}
