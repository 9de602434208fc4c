// The hash of a key: seeded per process, so a client that can choose keys cannot choose collisions.
// Folded 64x64 -> 128 bit multiplication over overlapping 16-byte windows, the construction of wyhash (Wang Yi, 2019;
// public domain). Not cryptographic: it defends the bucket chains, not a secret. Docs/storage.md states the defence.
struct KeyHash: Equatable, Sendable {
  /// Both are unknown to clients: a window that equals a known constant would blind the multiplication.
  let seed: UInt64
  let secret: UInt64
  /// What the seed makes of the construction's constants.
  private let firstState: UInt64
  private let lengthSeed: UInt64

  init(seed: UInt64, secret: UInt64) {
    self.seed = seed
    self.secret = secret
    firstState = seed ^ 0xa076_1d64_78bd_642f
    lengthSeed = seed ^ 0x5899_65cc_7537_4cc3
  }

  /// A hash with a seed from the kernel's random numbers.
  static func random() -> KeyHash {
    var generator = SystemRandomNumberGenerator()
    return KeyHash(seed: generator.next(), secret: generator.next() | 1)
  }

  @inline(__always)
  private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// The hash of `key`, any length from 0 up.
  @inline(__always)
  func callAsFunction(_ key: RawSpan) -> UInt64 {
    let count = key.byteCount
    var first: UInt64
    var second: UInt64
    var state = firstState
    if count <= 16 {
      if count >= 8 {
        first = key.word(at: 0)
        second = key.word(at: count &- 8)
      } else if count >= 4 {
        first = UInt64(key.halfWord(at: 0))
        second = UInt64(key.halfWord(at: count &- 4))
      } else if count > 0 {
        first = UInt64(key.byte(at: 0)) << 16 | UInt64(key.byte(at: count >> 1)) << 8 | UInt64(key.byte(at: count &- 1))
        second = 0
      } else {
        first = 0
        second = 0
      }
    } else {
      var offset = 0
      while count &- offset > 16 {
        state = fold(key.word(at: offset) ^ secret, key.word(at: offset &+ 8) ^ state)
        offset &+= 16
      }
      first = key.word(at: count &- 16)
      second = key.word(at: count &- 8)
    }
    let mixed = fold(first ^ secret, second ^ state)
    return fold(mixed ^ 0x8ebc_6af0_9c88_c6e3, UInt64(truncatingIfNeeded: count) ^ lengthSeed)
  }
}
