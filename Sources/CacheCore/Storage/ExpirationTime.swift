// Expiration times: what a client writes and what an item keeps. The store's clock counts seconds from a moment 62
// seconds before the server started, so that 0 can mean "never" and 1 "expired long ago" (reference, section 2.3).
// It reads no clock: `now` is an argument everywhere.

/// The store's clock at the start, and the conversions that need it.
public struct ClockBase: Sendable {
  /// The clock's value when the server starts.
  public static let startSeconds: UInt32 = 62
  /// Unix time when the store's clock was 0.
  public let unixSeconds: Int64

  public init(startedAtUnixSeconds: Int64) { unixSeconds = startedAtUnixSeconds - Int64(ClockBase.startSeconds) }

  /// Up to this many seconds an expiration time is relative: 30 days.
  static let longestRelativeSeconds: Int64 = 60 * 60 * 24 * 30
  /// What an item keeps when it is already expired at birth.
  static let alreadyExpired: UInt32 = 1

  /// What an item keeps for the client's `exptime`: 0 for ever, otherwise the last second of the store's clock in which
  /// it lives. A relative n therefore lives at least n and less than n + 1 seconds. Negative means expired.
  @inline(__always)
  func exptime(_ exptime: Int64, now: UInt32) -> UInt32 {
    if exptime == 0 { return 0 }
    return nonZeroExptime(exptime, now: now)
  }

  private func nonZeroExptime(_ exptime: Int64, now: UInt32) -> UInt32 {
    if exptime < 0 { return ClockBase.alreadyExpired }
    if exptime <= ClockBase.longestRelativeSeconds { return UInt32(clamping: Int64(now) + exptime) }
    let started = unixSeconds + Int64(ClockBase.startSeconds)
    if exptime <= started { return ClockBase.alreadyExpired }
    return UInt32(clamping: exptime - unixSeconds)
  }

  /// Unix time of an item's exptime; 0 for never.
  func unixSeconds(exptime: UInt32) -> Int64 { exptime == 0 ? 0 : unixSeconds + Int64(exptime) }
}
