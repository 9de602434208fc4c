// A write position for composing one reply without touching memory but the reply's own bytes: the compiler keeps it in
// registers, which a field of ReplyBuffer is not. It lives inside ReplyBuffer.compose and cannot leave its room.

@safe
struct ReplyCursor: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let limit: Int
  private(set) var count = 0
  /// What `append(decimal:)` may touch.
  static let decimalRoom = 20

  /// The caller vouches for `limit` writable bytes at `base` for the cursor's life.
  @unsafe @inline(__always)
  init(base: UnsafeMutableRawPointer, limit: Int) {
    unsafe self.base = unsafe base
    self.limit = limit
  }

  @inline(__always)
  mutating func append(_ byte: UInt8) {
    precondition(limit &- count >= 1)
    // Rule 3: the room is checked above.
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  /// Appends the low `size` bytes of a little-endian word, at most 8; all 8 are stored.
  @inline(__always)
  mutating func append(word: UInt64, size: Int) {
    precondition(limit &- count >= 8 && size <= 8)
    // Rule 3: room for the whole word is checked above.
    unsafe base.storeBytes(of: word, toByteOffset: count, as: UInt64.self)
    count &+= size
  }

  /// Appends a little-endian word of four bytes.
  @inline(__always)
  mutating func append(halfWord: UInt32) {
    precondition(limit &- count >= 4)
    // Rule 3: the room is checked above.
    unsafe base.storeBytes(of: halfWord, toByteOffset: count, as: UInt32.self)
    count &+= 4
  }

  @inline(__always)
  mutating func append(_ bytes: RawSpan) {
    let size = bytes.byteCount
    precondition(limit &- count >= size)
    // Rule 3: the room is checked above; a reply never overlaps what it is composed from.
    unsafe bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { unsafe copyBytes(from: start, to: base + count, count: size) }
    }
    count &+= size
  }

  mutating func append(_ text: StaticString) {
    let size = text.utf8CodeUnitCount
    precondition(limit &- count >= size)
    // Rule 3: the room is checked above; a StaticString is valid for its own count.
    unsafe copyBytes(from: UnsafeRawPointer(text.utf8Start), to: base + count, count: size)
    count &+= size
  }

  /// Appends `value` in decimal: 1 to 20 digits.
  @inline(__always)
  mutating func append(decimal value: UInt64) {
    precondition(limit &- count >= ReplyCursor.decimalRoom)
    if value < 10 {
      append(UInt8(truncatingIfNeeded: value) &+ 0x30)
    } else if value < 10_000 {
      appendFour(UInt32(truncatingIfNeeded: value))
    } else {
      let digits = value.decimalDigitCount
      // Rule 3: room for 20 digits is checked above.
      unsafe MemoryWindow(pointer: base + count, count: digits).write(decimal: value, digits: digits)
      count &+= digits
    }
  }

  /// 10 to 9999: four digits at once, leading zeros shifted away.
  @inline(__always)
  private mutating func appendFour(_ value: UInt32) {
    let high = (value &* 5243) &>> 19  // value / 100 below 10,000
    let low = value &- high &* 100
    let tensHigh = (high &* 103) &>> 10
    let tensLow = (low &* 103) &>> 10
    let digits =
      (tensHigh | (high &- tensHigh &* 10) &<< 8 | tensLow &<< 16 | (low &- tensLow &* 10) &<< 24) &+ 0x3030_3030
    let size = value < 100 ? 2 : value < 1000 ? 3 : 4
    // Rule 3: room for 20 digits was checked by the caller; four bytes are stored, `size` of them counted.
    unsafe base.storeBytes(
      of: digits &>> UInt32(truncatingIfNeeded: (4 &- size) &* 8), toByteOffset: count, as: UInt32.self)
    count &+= size
  }
}
