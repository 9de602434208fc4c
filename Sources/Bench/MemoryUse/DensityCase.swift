// The table of what density stores: one row is one mixture of sizes. Keys and sizes follow from the key's number, so
// nothing of what was stored has to be remembered.

struct DensityCase: Sendable {
  let name: String
  let summary: String
  let keyByteCounts: ClosedRange<Int>
  let valueSizes: SizeModel

  private static let oneSizes = [2, 32, 100, 500, 1000, 4000, 20_000, 500_000]
  private static let shortKeys = 10...10

  /// `mixed`: the sizes up to 20 000 bytes, each as often as makes it the same part of the stored bytes. `twitter`: as
  /// Yang et al. report of Twitter's caches (OSDI '20): a median value of 230 bytes, keys of 20 to 60.
  static let all: [DensityCase] =
    oneSizes.map { byteCount in
      DensityCase(
        name: "\(byteCount)", summary: "values of \(byteCount) bytes", keyByteCounts: shortKeys,
        valueSizes: .constant(byteCount))
    } + [
      DensityCase(
        name: "mixed", summary: "values of 2 to 20000 bytes, of each size as many bytes", keyByteCounts: shortKeys,
        valueSizes: mixed(oneSizes.filter { $0 < 100_000 })),
      DensityCase(
        name: "twitter", summary: "values of 230 bytes (median; lognormal, sigma 1.4), keys of 20 to 60",
        keyByteCounts: 20...60, valueSizes: .lognormal(medianByteCount: 230, sigma: 1.4)),
    ]

  func keyByteCount(_ key: Int) -> Int {
    var random = RandomNumbers(seed: ~UInt64(key))
    return keyByteCounts.lowerBound + random.next(below: keyByteCounts.count)
  }

  func valueByteCount(_ key: Int) -> Int { valueSizes.byteCount(seed: UInt64(key)) }

  /// Appends the key: its number in ten digits, and letters up to its length.
  func appendKey(_ key: Int, to bytes: inout [UInt8]) {
    var power = 1_000_000_000
    while power > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(key / power % 10))
      power /= 10
    }
    bytes += Filler.value(key, byteCount: keyByteCount(key) - 10)
  }

  private static func mixed(_ byteCounts: [Int]) -> SizeModel {
    let weights = byteCounts.map { 1 / Double($0 + shortKeys.lowerBound) }
    return .weighted(byteCounts: byteCounts, WeightedChoice(weights: weights))
  }
}
