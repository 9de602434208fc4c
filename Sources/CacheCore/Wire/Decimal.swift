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

extension RawSpan {
  /// The number of one to eight digits at `offset`; nil for anything else. The eight bytes there must be inside.
  @inline(__always)
  func fewDigits(at offset: Int, count: Int) -> UInt32? {
    if count == 1 {
      let digit = UInt32(byte(at: offset)) &- 0x30
      return digit < 10 ? digit : nil
    }
    guard count > 0, count <= 8 else { return nil }
    var bytes = word(at: offset)
    var value: UInt32 = 0
    for _ in 0..<count {
      let digit = UInt32(truncatingIfNeeded: bytes & 0xff) &- 0x30
      guard digit < 10 else { return nil }
      value = value &* 10 &+ digit
      bytes &>>= 8
    }
    return value
  }

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
