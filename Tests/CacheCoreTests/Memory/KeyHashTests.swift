// The key hash: keys that look alike must spread over the buckets as if thrown, and two seeds must have nothing in
// common. The bounds are wide enough never to fail by chance: the seeds are fixed here.
import Testing

@testable import CacheCore

struct KeyHashTests {
  private func hash(_ hash: KeyHash, _ key: [UInt8]) -> UInt64 {
    withInput(key) { input, range in hash(input.slice(range)) }
  }

  private static let families: [(name: String, key: @Sendable (Int) -> [UInt8])] = [
    ("counted", { bytes("key:\($0)") }),
    ("padded", { bytes("session:" + String(repeating: "0", count: 12 - String($0).count) + String($0)) }),
    ("long prefix", { bytes(String(repeating: "p", count: 100) + "\($0)") }),
    ("long suffix", { bytes("\($0)" + String(repeating: "s", count: 60)) }),
    ("raw numbers", { number in withUnsafeBytes(of: UInt32(number)) { Array($0) } }),
    ("raw words", { number in withUnsafeBytes(of: UInt64(number) << 20) { Array($0) } }),
  ]

  /// 100,000 keys in 65,536 buckets, from both ends of the hash. Chi-square has mean 65,535 and deviation 362.
  @Test(arguments: 0..<6) func spreadsSimilarKeys(_ family: Int) {
    let keyHash = KeyHash(seed: 0x1234_5678_9abc_def1, secret: 0x0fed_cba9_8765_4321)
    let (name, key) = KeyHashTests.families[family]
    var low = [Int](repeating: 0, count: 1 << 16)
    var high = low
    for number in 0..<100_000 {
      let value = hash(keyHash, key(number))
      low[Int(value & 0xffff)] += 1
      high[Int(value >> 48)] += 1
    }
    for (end, counts) in [("low", low), ("high", high)] {
      let expected = 100_000.0 / 65_536
      let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
      #expect(abs(chiSquare - 65_535) < 6 * 362, "\(name), \(end) bits: \(chiSquare)")
      #expect(counts.max()! <= 12, "\(name), \(end) bits: a chain of \(counts.max()!)")
    }
  }

  @Test func everyLengthAndEveryBitMatters() {
    let keyHash = KeyHash(seed: 77, secret: 0x9e37_79b9_7f4a_7c15)
    var seen: Set<UInt64> = []
    var count = 0
    for length in 0...250 {
      let key = [UInt8](repeating: 0x6b, count: length)
      seen.insert(hash(keyHash, key))
      count += 1
      for place in 0..<length {
        var other = key
        other[place] ^= UInt8(1 << (place % 8))
        seen.insert(hash(keyHash, other))
        count += 1
      }
    }
    #expect(seen.count == count)
  }

  @Test func isTheSameForTheSameSeedAndKeyWhereverItLies() {
    let keyHash = KeyHash(seed: 5, secret: 7)
    for length in 0...40 {
      let key = pattern(length)
      let plain = hash(keyHash, key)
      for offset in 1...9 {
        let buffer = receiveBuffer([UInt8](repeating: 0xff, count: offset) + key + [0xff])
        let elsewhere = keyHash(buffer.span.slice(ByteRange(start: offset, end: offset + length)))
        #expect(elsewhere == plain, "length \(length) at \(offset)")
      }
    }
  }

  /// Keys that share a bucket under one seed do not under another.
  @Test func seedsDiffer() {
    let first = KeyHash(seed: 1, secret: 3)
    let second = KeyHash(seed: 2, secret: 3)
    let third = KeyHash(seed: 1, secret: 5)
    var equal = 0
    var bucketmates = [Int](repeating: 0, count: 1 << 10)
    for number in 0..<100_000 {
      let key = bytes("key:\(number)")
      let value = hash(first, key)
      if value == hash(second, key) || value == hash(third, key) { equal += 1 }
      if value & 0x3ff == 0 { bucketmates[Int(hash(second, key) & 0x3ff)] += 1 }
    }
    #expect(equal == 0)
    #expect(bucketmates.max()! <= 6)
  }

  @Test func processesChooseDifferentSeeds() {
    let seeds = (0..<20).map { _ in KeyHash.random() }
    #expect(Set(seeds.map(\.seed)).count == 20)
    #expect(Set(seeds.map(\.secret)).count == 20)
    #expect(seeds.allSatisfy { $0.secret & 1 == 1 })
  }
}
