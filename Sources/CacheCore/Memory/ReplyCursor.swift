// A write position for composing one reply without touching memory but the reply's own bytes: the compiler keeps it in
// registers, which a field of ReplyBuffer is not. It lives inside ReplyBuffer.compose and cannot leave its room.

@safe
struct ReplyCursor: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let limit: Int
  private(set) var count = 0
  /// CRLF as a little-endian word.
  static let lineEnd: UInt64 = 0x0a0d
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

  /// Appends a key, most often 8 to 16 bytes.
  @inline(__always)
  mutating func append(key: RawSpan) {
    let size = key.byteCount
    precondition(limit &- count >= size)
    // Rule 3: the room is checked above; a reply never overlaps what it is composed from.
    unsafe key.withUnsafeBytes { source in
      if let start = source.baseAddress { unsafe copyKey(from: start, to: base + count, count: size) }
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
    if value < 10_000 {
      append(fewDigits(UInt32(truncatingIfNeeded: value), then: 0), 0)
    } else {
      count &+= unsafe ReplyCursor.writeMany(value, base + count, room: limit &- count)
    }
  }

  /// Appends `value` in decimal, and CRLF.
  @inline(__always)
  mutating func appendLine(decimal value: UInt64) {
    if value < 10_000 {
      appendLine(few: UInt32(truncatingIfNeeded: value))
    } else {
      count &+= unsafe ReplyCursor.writeMany(value, base + count, room: limit &- count)
      append(word: ReplyCursor.lineEnd, size: 2)
    }
  }

  /// Appends a value below 10,000 in decimal, and CRLF.
  @inline(__always)
  mutating func appendLine(few value: UInt32) { append(fewDigits(value, then: ReplyCursor.lineEnd), 2) }

  @inline(__always)
  private mutating func append(_ few: (text: UInt64, digits: Int), _ more: Int) {
    append(word: few.text, size: few.digits &+ more)
  }

  /// Not a method of the cursor: that would need it in memory. Returns how many digits there are.
  @unsafe @inline(never)
  private static func writeMany(_ value: UInt64, _ place: UnsafeMutableRawPointer, room: Int) -> Int {
    let digits = value.decimalDigitCount
    precondition(room >= digits)
    // Rule 3: the room is checked above.
    unsafe MemoryWindow(pointer: place, count: digits).write(decimal: value, digits: digits)
    return digits
  }

  /// The decimal digits of 0 to 9999 as a little-endian word, followed by two bytes. All four digits are made at once,
  /// in the bytes of a word, and the leading zeros shifted out.
  @inline(__always)
  private func fewDigits(_ value: UInt32, then tail: UInt64) -> (text: UInt64, digits: Int) {
    let hundreds = (value &* 5243) &>> 19  // value / 100 below 10,000
    // Value = low half * 100 + high half.
    let halves = value &<< 16 &- hundreds &* (100 &<< 16 &- 1)
    let tens = (halves &* 103) &>> 10 & 0x000f_000f  // each half / 10 below 100
    let digits = halves &<< 8 &- tens &* (10 &<< 8 &- 1)
    let leading = (digits | 0x0100_0000).trailingZeroBitCount & 0x18
    let text = UInt64(digits | 0x3030_3030) | tail &<< 32
    return (text &>> UInt64(truncatingIfNeeded: leading), 4 &- leading &>> 3)
  }
}
