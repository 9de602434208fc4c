// Keys as base64 (meta flag b): the standard alphabet with padding, nothing else allowed (RFC 4648, section 4). Keys
// are at most 250 characters encoded, so nothing here is large or hot.

enum Base64 {
  /// The six bits of a character; nil when it is none of the alphabet.
  private static func bits(_ character: UInt8) -> UInt32? {
    switch character {
    case 0x41...0x5a: UInt32(character) - 0x41
    case 0x61...0x7a: UInt32(character) - 0x61 + 26
    case 0x30...0x39: UInt32(character) - 0x30 + 52
    case 0x2b: 62
    case 0x2f: 63
    default: nil
    }
  }

  /// Decodes `range` of `input` into `bytes`; returns how many bytes that are, or nil when it is no base64 or empty.
  /// `bytes` must have room for three bytes for every four characters.
  static func decode(_ input: RawSpan, _ range: ByteRange, into bytes: FixedArray<UInt8>) -> Int? {
    guard range.count >= 4, range.count % 4 == 0 else { return nil }
    var padding = 0
    while padding < 2, input.byte(at: range.end - 1 - padding) == 0x3d { padding += 1 }
    var count = 0
    for start in stride(from: range.start, to: range.end, by: 4) {
      let padded = start + 4 == range.end ? padding : 0
      var group: UInt32 = 0
      for index in 0..<4 {
        guard index < 4 - padded else {
          group <<= 6
          continue
        }
        guard let six = bits(input.byte(at: start + index)) else { return nil }
        group = group << 6 | six
      }
      for index in 0..<(3 - padded) {
        bytes[count + index] = UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index))
      }
      count += 3 - padded
    }
    return count
  }

  /// Appends `bytes` in base64: four characters for every three bytes begun.
  static func encode(_ bytes: RawSpan, _ reply: inout ReplyCursor) {
    func character(_ six: UInt32) -> UInt8 { alphabetByte(Int(six & 63)) }
    var offset = 0
    while offset < bytes.byteCount {
      let count = min(3, bytes.byteCount - offset)
      var group: UInt32 = 0
      for index in 0..<3 { group = group << 8 | (index < count ? UInt32(bytes.byte(at: offset + index)) : 0) }
      reply.append(character(group >> 18))
      reply.append(character(group >> 12))
      reply.append(count > 1 ? character(group >> 6) : 0x3d)
      reply.append(count > 2 ? character(group) : 0x3d)
      offset += 3
    }
  }

  private static func alphabetByte(_ six: Int) -> UInt8 {
    switch six {
    case 0..<26: UInt8(six) + 0x41
    case 26..<52: UInt8(six) - 26 + 0x61
    case 52..<62: UInt8(six) - 52 + 0x30
    case 62: 0x2b
    default: 0x2f
    }
  }
}
