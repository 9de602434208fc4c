// A checksum of a stretch of memory: 64 bits that tell damaged bytes from intact ones, as fast as memory is read. Four
// lanes of folded multiplication, the step of KeyHash. It defends against accidents (a torn write, a truncated or
// foreign file), not against people: who can write the file can write the checksum too.

enum Checksum {
  private static let secrets: (UInt64, UInt64, UInt64, UInt64) = (
    0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3
  )

  @inline(__always)
  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// The same of an array.
  static func of(_ bytes: [UInt8], seed: UInt64) -> UInt64 {
    // Rule 3: the array's own bounds.
    unsafe bytes.withUnsafeBytes { unsafe of($0.bytes, seed: seed) }
  }

  /// The checksum of `bytes`. Another `seed` gives another one: bytes at a wrong place are damage too.
  static func of(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
    let (one, two, three, four) = secrets
    var lanes = SIMD4(one ^ seed, two ^ seed, three ^ seed, four ^ seed)
    let count = bytes.byteCount
    var offset = 0
    while offset &+ 64 <= count {
      lanes[0] = fold(bytes.word(at: offset) ^ one, bytes.word(at: offset &+ 8) ^ lanes[0])
      lanes[1] = fold(bytes.word(at: offset &+ 16) ^ two, bytes.word(at: offset &+ 24) ^ lanes[1])
      lanes[2] = fold(bytes.word(at: offset &+ 32) ^ three, bytes.word(at: offset &+ 40) ^ lanes[2])
      lanes[3] = fold(bytes.word(at: offset &+ 48) ^ four, bytes.word(at: offset &+ 56) ^ lanes[3])
      offset &+= 64
    }
    while offset &+ 8 <= count {
      lanes[0] = fold(bytes.word(at: offset) ^ one, lanes[0] ^ two)
      offset &+= 8
    }
    while offset < count {
      lanes[1] = fold(UInt64(bytes.byte(at: offset)) ^ two, lanes[1] ^ three)
      offset &+= 1
    }
    let half = fold(lanes[0] ^ one, lanes[1] ^ UInt64(truncatingIfNeeded: count))
    return fold(half ^ three, fold(lanes[2] ^ two, lanes[3] ^ four))
  }
}
