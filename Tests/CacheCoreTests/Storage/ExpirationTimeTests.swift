// What a client writes as an expiration time and what an item keeps for it (reference, section 2.3).
// The clock is a number here; that items really die on time is in ExpiryTests.
import Testing

@testable import CacheCore

struct ExpirationTimeTests {
  private let base = ClockBase(startedAtUnixSeconds: 1_700_000_000)
  private let month: Int64 = 2_592_000

  @Test func zeroIsForEver() { #expect(base.exptime(0, now: 1000) == 0) }

  @Test func relativeUpToThirtyDays() {
    for seconds in [1, 2, 60, month - 1, month] {
      #expect(base.exptime(seconds, now: 1000) == UInt32(1000 + seconds))
    }
  }

  @Test func negativeIsOver() {
    for seconds in [-1, -2, -month, Int64(Int32.min), Int64.min] {
      let exptime = base.exptime(seconds, now: 1000)
      #expect(exptime != 0 && exptime < ClockBase.startSeconds)
    }
  }

  @Test func aboveThirtyDaysItIsUnixTime() {
    #expect(base.exptime(1_700_000_001, now: 1000) == ClockBase.startSeconds + 1)
    #expect(base.exptime(1_700_000_500, now: 1000) == ClockBase.startSeconds + 500)
    // Before the start of the server: over, whatever the clock says; never 0, which would be for ever.
    for seconds in [month + 1, 1_600_000_000, 1_699_999_938, 1_699_999_999, 1_700_000_000] {
      let exptime = base.exptime(seconds, now: 1000)
      #expect(exptime != 0 && exptime < ClockBase.startSeconds, "\(seconds)")
    }
  }

  @Test func nothingWrapsAround() {
    #expect(base.exptime(Int64.max, now: 1000) == .max)
    #expect(base.exptime(month, now: .max) == .max)
  }

  @Test func backToUnixTime() {
    #expect(base.unixSeconds(exptime: 0) == 0)
    #expect(base.unixSeconds(exptime: ClockBase.startSeconds) == 1_700_000_000)
    #expect(base.unixSeconds(exptime: base.exptime(1_800_000_000, now: 70)) == 1_800_000_000)
  }
}
