// Counts latencies in log-linear buckets: 32 to each power of two, so a quantile is right within about 3 %.
// Not a store of samples: its size does not depend on how many there are. Those of several load processes are added.

struct LatencyHistogram: Equatable {
  private var counts = [UInt32](repeating: 0, count: 60 * 32)
  private var total = 0

  mutating func record(nanoseconds: UInt64) {
    counts[Self.bucket(of: nanoseconds)] += 1
    total += 1
  }

  /// The latency that the part `quantile` (0...1) of the records does not exceed; 0 without records.
  func nanoseconds(quantile: Double) -> UInt64 {
    let rank = Int((quantile * Double(total)).rounded(.up))
    var seen = 0
    for (bucket, count) in counts.enumerated() where count > 0 {
      seen += Int(count)
      if seen >= rank { return Self.middle(of: bucket) }
    }
    return 0
  }

  /// Adds all records of the other one.
  mutating func merge(_ other: LatencyHistogram) {
    for (bucket, count) in other.counts.enumerated() { counts[bucket] += count }
    total += other.total
  }

  /// The buckets that hold something as one word: `bucket:count,bucket:count`; `-` when there are none.
  var word: String {
    let parts = counts.enumerated().filter { $0.element > 0 }.map { "\($0.offset):\($0.element)" }
    return parts.isEmpty ? "-" : parts.joined(separator: ",")
  }

  init() {}

  /// Reads a `word`; nil when it is none.
  init?(word: Substring) {
    guard word != "-" else { return }
    for part in word.split(separator: ",", omittingEmptySubsequences: false) {
      let numbers = part.split(separator: ":").compactMap { UInt32($0) }
      guard numbers.count == 2, numbers[0] < counts.count else { return nil }
      counts[Int(numbers[0])] += numbers[1]
      total += Int(numbers[1])
    }
  }

  private static func bucket(of nanoseconds: UInt64) -> Int {
    guard nanoseconds >= 32 else { return Int(nanoseconds) }
    let exponent = 63 - nanoseconds.leadingZeroBitCount
    return (exponent - 4) * 32 + Int(nanoseconds >> UInt64(exponent - 5)) - 32
  }

  private static func middle(of bucket: Int) -> UInt64 {
    guard bucket >= 32 else { return UInt64(bucket) }
    let width: UInt64 = 1 << UInt64(bucket / 32 - 1)
    return UInt64(32 + bucket % 32) * width + width / 2
  }
}
