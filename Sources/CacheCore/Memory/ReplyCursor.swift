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
    if value < 10_000 {
      let (digits, size) = fewDigits(UInt32(truncatingIfNeeded: value))
      append(word: UInt64(digits), size: size)
    } else {
      count &+= unsafe ReplyCursor.writeMany(value, base + count, room: limit &- count)
    }
  }

  /// Appends `value` in decimal, and CRLF.
  @inline(__always)
  mutating func appendLine(decimal value: UInt64) {
    if value < 10_000 {
      let (digits, size) = fewDigits(UInt32(truncatingIfNeeded: value))
      append(word: UInt64(digits) | 0x0a0d &<< UInt64(truncatingIfNeeded: size &* 8), size: size &+ 2)
    } else {
      count &+= unsafe ReplyCursor.writeMany(value, base + count, room: limit &- count)
      append(word: 0x0a0d, size: 2)
    }
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

  /// The decimal digits of 0 to 9999 as a little-endian word.
  @inline(__always)
  private func fewDigits(_ value: UInt32) -> (digits: UInt32, size: Int) {
    if value < 10 { return (value &+ 0x30, 1) }
    let high = (value &* 5243) &>> 19  // value / 100 below 10,000
    let four = pair(high) | pair(value &- high &* 100) &<< 16
    let size: UInt32 = value < 100 ? 2 : value < 1000 ? 3 : 4
    return (four &>> ((4 &- size) &* 8), Int(size))
  }

  /// The two digits of 0 to 99.
  @inline(__always)
  private func pair(_ value: UInt32) -> UInt32 {
    let tens = (value &* 103) &>> 10
    return (tens | (value &- tens &* 10) &<< 8) &+ 0x3030
  }
}
