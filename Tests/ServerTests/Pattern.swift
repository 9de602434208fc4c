// Bytes that say where they come from: every value of these tests is a stretch of one long random block, beginning at a
// place that its seed decides, so that a torn, shifted or exchanged value is told from the right one by comparing. Also
// the small seeded generator behind it. Nothing here knows a server.
import Foundation

/// SplitMix64: small, seeded, good enough for choosing.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var words = [UInt64](repeating: 0, count: (count + 7) / 8)
    for index in words.indices { words[index] = next() }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
  }
}

enum Pattern {
  /// A prime length, so that no buffer size is a multiple of it.
  private static let period = 65_521
  /// Two periods, so that a period can begin anywhere in the first.
  private static let block: [UInt8] = {
    var random = SeededRandom(2_026)
    let once = random.bytes(period)
    return once + once
  }()

  /// `count` bytes for `seed`.
  static func bytes(_ count: Int, seed: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      var offset = 0
      while offset < count {
        let step = min(period, count - offset)
        block.withUnsafeBytes { source in
          UnsafeMutableRawPointer(buffer.baseAddress! + offset)
            .copyMemory(from: source.baseAddress! + seed % period, byteCount: step)
        }
        offset += step
      }
      initialized = count
    }
  }

  /// Whether the bytes are those of `seed`.
  static func matches(_ bytes: ArraySlice<UInt8>, seed: Int) -> Bool {
    same(Array(bytes), Pattern.bytes(bytes.count, seed: seed))
  }

  /// Equality at the speed of memcmp, also in a debug build.
  static func same(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count
      && left.withUnsafeBytes { left in right.withUnsafeBytes { memcmp(left.baseAddress!, $0.baseAddress!, left.count) }
      } == 0
  }
}
