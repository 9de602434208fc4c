// Decimal numbers as the protocols write them. Each reader says exactly what it accepts; none allocates or traps.
// Not for values: what incr and decr see in a stored value has a reader of its own, at the end.

extension UInt64 {
  /// How many decimal digits the number has, 1 to 20.
  var decimalDigitCount: Int {
    var count = 1
    var rest = self
    while rest >= 10 {
      rest /= 10
      count += 1
    }
    return count
  }
}

extension UInt32 {
  /// The number of one to eight digits in the low bytes of `text`, the first in the lowest; nil for anything else.
  @inline(__always)
  init?(fewDigits text: UInt64, count: Int) {
    if count == 1 {
      self = UInt32(truncatingIfNeeded: text & 0xff) &- 0x30
      if self > 9 { return nil }
    } else if UInt(bitPattern: count &- 2) < 3 {
      // All of them at once, in the upper bytes of a word: then pairs, and pairs of pairs.
      let shift = UInt32(truncatingIfNeeded: 32 &- count &* 8)
      let digits = UInt32(truncatingIfNeeded: text) &<< shift ^ 0x3030_3030 &<< shift
      guard (digits | (digits &+ 0x0606_0606)) & 0xf0f0_f0f0 == 0 else { return nil }
      let pairs = (digits &* 10 &+ digits &>> 8) & 0x00ff_00ff
      self = (pairs &* 100 &+ pairs &>> 16) & 0xffff
    } else {
      guard let many = UInt32(manyDigits: text, count: count) else { return nil }
      self = many
    }
  }

  @inline(never)
  private init?(manyDigits text: UInt64, count: Int) {
    guard count > 0, count <= 8 else { return nil }
    self = 0
    for index in 0..<count {
      let digit = UInt32(truncatingIfNeeded: text &>> UInt64(index &* 8) & 0xff) &- 0x30
      guard digit < 10 else { return nil }
      self = self &* 10 &+ digit
    }
  }
}

extension RawSpan {
  /// Digits only, at most 22 of them; nil when empty, longer, not digits, or above 2^64 - 1 (reference, section 2.1).
  @inline(__always)
  func unsigned64(_ range: ByteRange) -> UInt64? {
    let count = range.count
    guard count > 0, count <= 22 else { return nil }
    var value: UInt64 = 0
    if count <= 18 {
      for offset in range.start..<range.end {
        let digit = byte(at: offset) &- 0x30
        guard digit < 10 else { return nil }
        value = value &* 10 &+ UInt64(digit)
      }
      return value
    }
    return checkedNumber(range)
  }

  /// Digits only, any number of them; nil when one is none or the number is above 2^64 - 1.
  private func checkedNumber(_ range: ByteRange) -> UInt64? {
    var value: UInt64 = 0
    for offset in range.start..<range.end {
      let digit = byte(at: offset) &- 0x30
      guard digit < 10 else { return nil }
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(UInt64(digit))
      if overflow || carry { return nil }
      value = sum
    }
    return value
  }

  /// Digits only, at most 11 of them, below 2^32.
  @inline(__always)
  func unsigned32(_ range: ByteRange) -> UInt32? {
    guard range.count <= 11, let value = unsigned64(range) else { return nil }
    return UInt32(exactly: value)
  }

  /// Digits with an optional leading minus, at most 11 characters, in 32 bits. A lone minus is 0, as in the reference.
  @inline(__always)
  func signed32(_ range: ByteRange) -> Int32? {
    guard range.count > 0, range.count <= 11 else { return nil }
    guard byte(at: range.start) == 0x2d else {
      guard let value = unsigned64(range) else { return nil }
      return Int32(exactly: value)
    }
    if range.count == 1 { return 0 }
    guard let value = unsigned64(ByteRange(start: range.start + 1, end: range.end)) else { return nil }
    return Int32(exactly: -Int64(value))
  }

  /// As C's strtoul reads a whole word of any length: an optional plus, then digits; nil above 64 bits.
  func unsignedLongNumber(_ range: ByteRange) -> UInt64? {
    var start = range.start
    if start < range.end, byte(at: start) == 0x2b { start += 1 }
    return start < range.end ? checkedNumber(ByteRange(start: start, end: range.end)) : nil
  }

  /// As C's strtol reads a whole word of any length: an optional sign, then digits; nil outside 64 bits.
  func longNumber(_ range: ByteRange) -> Int64? {
    guard range.count > 1, byte(at: range.start) == 0x2d else {
      guard let value = unsignedLongNumber(range) else { return nil }
      return Int64(exactly: value)
    }
    let digits = ByteRange(start: range.start + 1, end: range.end)
    guard byte(at: digits.start) != 0x2b, let value = unsignedLongNumber(digits) else { return nil }
    return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil
  }

  /// The number that incr and decr see in a stored value: blanks, an optional plus, digits up to the end or a blank.
  func storedNumber() -> UInt64? {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
    var offset = 0
    while offset < byteCount, isBlank(byte(at: offset)) { offset += 1 }
    if offset < byteCount, byte(at: offset) == 0x2b { offset += 1 }
    let start = offset
    var value: UInt64 = 0
    while offset < byteCount, byte(at: offset) &- 0x30 < 10 {
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(UInt64(byte(at: offset) &- 0x30))
      if overflow || carry { return nil }
      value = sum
      offset += 1
    }
    guard offset > start, offset == byteCount || isBlank(byte(at: offset)) else { return nil }
    return value
  }
}
