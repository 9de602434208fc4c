// How many bytes a key's value has where a trace does not say: drawn from a distribution, with the key's own bytes as
// the seed, so that a key has the same size in every run and on every server.
import Glibc

enum SizeModel: Sendable {
  case constant(Int)
  /// The logarithm is normal; sigma is the deviation of the natural logarithm.
  case lognormal(medianByteCount: Double, sigma: Double)
  /// One of the sizes, by weight.
  case weighted(byteCounts: [Int], WeightedChoice)

  /// The longest value: an item of it fits the 1 MB that servers allow by default.
  static let longestByteCount = 1_000_000

  /// The size of the value of the key with this seed, from 1 to `longestByteCount`.
  func byteCount(seed: UInt64) -> Int {
    var random = RandomNumbers(seed: seed)
    let drawn =
      switch self {
      case .constant(let byteCount): byteCount
      case .lognormal(let median, let sigma): Int((median * exp(sigma * random.nextNormal())).rounded())
      case .weighted(let byteCounts, let choice): byteCounts[choice.draw(&random)]
      }
    return min(max(drawn, 1), Self.longestByteCount)
  }

  var description: String {
    switch self {
    case .constant(let byteCount): "\(byteCount) bytes"
    case .lognormal(let median, let sigma):
      "lognormal, median \(median.text(digits: 0)), sigma \(sigma.text(digits: 1))"
    case .weighted: "by weight"
    }
  }
}
