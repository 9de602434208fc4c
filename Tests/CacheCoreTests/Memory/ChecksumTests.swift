// The checksum of memory: every bit counts, wherever it is, and so do the length and the place.
import Testing

@testable import CacheCore

struct ChecksumTests {
  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 127, 128, 200])
  func everyBitCounts(count: Int) {
    let original = pattern(count)
    var seen: Set<UInt64> = [Checksum.of(original, seed: 1)]
    for bit in 0..<(count * 8) {
      var changed = original
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(seen.insert(Checksum.of(changed, seed: 1)).inserted, "bit \(bit)")
    }
  }

  @Test func lengthAndSeedCount() {
    var seen: Set<UInt64> = []
    for count in 0...300 {
      #expect(seen.insert(Checksum.of([UInt8](repeating: 0, count: count), seed: 1)).inserted, "\(count) zeros")
    }
    for seed in 2...300 {
      #expect(seen.insert(Checksum.of([UInt8](repeating: 0, count: 300), seed: UInt64(seed))).inserted, "seed \(seed)")
    }
  }

  /// Words that change places, within a step of 64 bytes and beyond it.
  @Test func orderCounts() {
    let original = pattern(256)
    let sum = Checksum.of(original, seed: 1)
    for first in 0..<32 {
      for second in 0..<first {
        var changed = original
        for byte in 0..<8 { changed.swapAt(first * 8 + byte, second * 8 + byte) }
        #expect(Checksum.of(changed, seed: 1) != sum, "words \(first) and \(second)")
      }
    }
  }
}
