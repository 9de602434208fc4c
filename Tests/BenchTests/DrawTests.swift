// What is drawn at random: sizes, popularity, weights. All of it is repeatable, so the bounds cannot fail by chance.
import Testing

@testable import Bench

struct DrawTests {
  @Test func aSizeFollowsFromItsSeed() {
    let model = SizeModel.lognormal(medianByteCount: 800, sigma: 1)
    let sizes = (0..<20_001).map { model.byteCount(seed: UInt64($0)) }
    #expect(sizes == (0..<20_001).map { model.byteCount(seed: UInt64($0)) })
    let sorted = sizes.sorted()
    #expect((760...840).contains(sorted[10_000]))
    // One deviation above the median is 800 * e.
    #expect((2060...2290).contains(sorted[16_827]))
  }

  @Test func sizesAreNeitherNothingNorTooLong() {
    #expect(SizeModel.constant(0).byteCount(seed: 1) == 1)
    #expect(SizeModel.constant(5_000_000).byteCount(seed: 1) == SizeModel.longestByteCount)
  }

  @Test func weightsAreKept() {
    var random = RandomNumbers(seed: 1)
    let choice = WeightedChoice(weights: [1, 0, 2, 1])
    var counts = [0, 0, 0, 0]
    for _ in 0..<40_000 { counts[choice.draw(&random)] += 1 }
    #expect(counts[1] == 0)
    #expect((9_700...10_300).contains(counts[0]) && (19_600...20_400).contains(counts[2]))
  }

  @Test func zipfHalvesAtTheSecondRank() {
    var random = RandomNumbers(seed: 2)
    let choice = WeightedChoice(zipfOf: 1000, exponent: 1)
    var counts = [Int](repeating: 0, count: 1000)
    for _ in 0..<100_000 { counts[choice.draw(&random)] += 1 }
    // 1 of the harmonic number of 1000, 7.485.
    #expect((13_000...13_700).contains(counts[0]) && (6_400...6_950).contains(counts[1]))
    #expect(counts.reduce(0, +) == 100_000)
  }

  @Test func aSmallerPoolKeepsTheParts() {
    let popularity = Popularity(rows: [(1, 60), (3, 20), (4, 10), (8, 10)], scale: 4)
    #expect(popularity.starts == [0, 1, 2, 4])
    let trace = popularity.trace(requestCount: 10_000, seed: 3)
    #expect(trace.keys.count == 4)
    #expect(trace.requests == popularity.trace(requestCount: 10_000, seed: 3).requests)
    var counts: [String: Int] = [:]
    for request in trace.requests {
      let key = trace.keys.bytes[trace.keys.range(Int(request.key))]
      counts[String(decoding: key, as: UTF8.self), default: 0] += 1
    }
    #expect((7_850...8_150).contains(counts["pool:00000000000"] ?? 0))
    #expect((900...1_100).contains(counts["pool:00000000001"] ?? 0))
  }

  @Test func everySizeOfTheMixtureBringsAsManyBytes() throws {
    let row = try #require(DensityCase.all.first { $0.name == "mixed" })
    var bytes: [Int: Int] = [:]
    for key in 0..<2_000_000 { bytes[row.valueByteCount(key), default: 0] += 10 + row.valueByteCount(key) }
    let mean = bytes.values.reduce(0, +) / bytes.count
    #expect(bytes.count == 7 && bytes.values.allSatisfy { abs($0 - mean) < mean / 10 })
  }

  @Test func keysOfDensityHaveTheirLength() throws {
    for row in DensityCase.all {
      for key in [0, 1, 4_000_000] {
        var bytes: [UInt8] = []
        row.appendKey(key, to: &bytes)
        #expect(bytes.count == row.keyByteCount(key) && row.keyByteCounts.contains(bytes.count))
      }
    }
  }
}
