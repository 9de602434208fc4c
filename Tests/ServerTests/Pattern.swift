// Bytes that say where they come from: every value of these tests is a stretch of one long random block, beginning at a
// place that its seed decides, so that a torn, shifted or exchanged value is told from the right one by comparing.
// Nothing here knows a server.
import Foundation
import TestSupport

enum Pattern {
  /// A prime length, so that no buffer size is a multiple of it.
  private static let period = 65_521
  /// Two periods, so that a period can begin anywhere in the first.
  private static let block: [UInt8] = {
    var random = SeededRandom(seed: 2_026)
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
