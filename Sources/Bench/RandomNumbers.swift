// Repeatable random numbers, and draws with given weights: every server gets the same requests, in every run.
// Not for secrets.
import Glibc

/// SplitMix64.
struct RandomNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  mutating func next(below limit: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(limit)).high)
  }

  /// Evenly from 0 to below 1.
  mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// From the normal distribution of mean 0 and deviation 1 (Box and Muller).
  mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - nextUnit())).squareRoot()
    return radius * cos(2 * Double.pi * nextUnit())
  }
}

/// Draws indices in proportion to weights; a draw costs a binary search.
struct WeightedChoice: Sendable {
  /// The weights up to and with each index.
  private let sums: [Double]

  /// At least one weight must be above 0.
  init(weights: some Sequence<Double>) {
    var sum = 0.0
    sums = weights.map {
      sum += $0
      return sum
    }
    precondition(sum > 0, "nothing to draw from")
  }

  /// Zipf's law: index i has the weight 1 / (i + 1) ^ exponent.
  init(zipfOf count: Int, exponent: Double) {
    self.init(weights: (1...count).lazy.map { pow(Double($0), -exponent) })
  }

  func draw(_ random: inout RandomNumbers) -> Int {
    let place = random.nextUnit() * (sums.last ?? 0)
    var low = 0
    var high = sums.count - 1
    while low < high {
      let middle = (low + high) / 2
      if sums[middle] > place { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
