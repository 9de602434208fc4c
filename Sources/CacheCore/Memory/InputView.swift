// Received bytes for those who read short lines: looked at in blocks of 64, whose bounds are checked once, so that what
// stands where in a line costs no check of its own. The bytes need some slack behind their end (ByteBuffer has it).
// It knows no protocol.
import CSystem

/// Received bytes up to `end`, with slack behind.
@safe
struct InputView: ~Escapable {
  let span: RawSpan
  let end: Int

  /// Traps when `span` has less than `InputBlock.readableByteCount` bytes behind `end`.
  @inline(__always) @_lifetime(copy span)
  init(_ span: RawSpan, end: Int) {
    precondition(end >= 0 && end &+ InputBlock.readableByteCount <= span.byteCount)
    self.span = span
    self.end = end
  }

  @unsafe @inline(__always)
  private var base: UnsafeRawPointer {
    // Rule 3: the slack alone is something, so there is an address.
    unsafe span.withUnsafeBytes { unsafe $0.baseAddress.unsafelyUnwrapped }
  }

  /// What begins at `offset`; traps outside.
  @inline(__always) @_lifetime(copy self)
  func block(at offset: Int) -> InputBlock {
    precondition(UInt(bitPattern: offset) <= UInt(bitPattern: end))
    // Rule 3: offset checked above; the slack has the rest.
    return unsafe _overrideLifetime(InputBlock(base + offset), copying: self)
  }

  /// The bytes of `part`; traps outside.
  @inline(__always)
  subscript(part: InputPart) -> RawSpan {
    @_lifetime(copy self)
    get {
      let (start, count) = (Int(part.start), Int(part.count))
      precondition(start &+ count <= end)
      // Rule 3: checked above; neither is negative.
      return unsafe _overrideLifetime(RawSpan(_unsafeStart: base + start, byteCount: count), copying: self)
    }
  }

  /// The two bytes at `offset`, the first in the low half; traps outside.
  @inline(__always)
  func pair(at offset: Int) -> UInt16 {
    precondition(UInt(bitPattern: offset) <= UInt(bitPattern: end))
    // Rule 3: offset checked above; the slack has the rest.
    return unsafe (base + offset).loadUnaligned(as: UInt16.self)
  }
}

/// Bytes named by their place in the input, in half the room of a ByteRange and never the wrong way round.
struct InputPart {
  var start: UInt32
  var count: UInt32
  static let none = InputPart(start: 0, count: 0)

  @inline(__always)
  init(start: UInt32, count: UInt32) {
    self.start = start
    self.count = count
  }

  /// Neither beyond 4 GiB, which a buffer never is.
  @inline(__always)
  init(_ start: Int, count: Int) {
    self.init(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: count))
  }
  @inline(__always)
  init(_ start: Int, to end: Int) { self.init(start, count: end &- start) }

  @inline(__always)
  var range: ByteRange { ByteRange(start: Int(start), end: Int(start) &+ Int(count)) }
}

/// 64 bytes of the input, and words that begin among them.
@safe
struct InputBlock: ~Escapable {
  private let base: UnsafeRawPointer
  static let byteCount = 64
  /// What must be readable: the block, and a word that begins at its last byte.
  static let readableByteCount = byteCount + 8

  /// The caller vouches for `readableByteCount` bytes.
  @unsafe @inline(__always) @_lifetime(immortal)
  fileprivate init(_ base: UnsafeRawPointer) { unsafe self.base = unsafe base }

  /// Bit i is set when byte i is `wanted`, for the first 32 bytes.
  @inline(__always)
  func firstHalf(_ wanted: UInt8) -> UInt32 {
    // Rule 3: inside what the initialiser asks for.
    unsafe matches32(base, wanted)
  }
  /// The same for the other 32.
  @inline(__always)
  func secondHalf(_ wanted: UInt8) -> UInt32 {
    // Rule 3: as above.
    unsafe matches32(base + 32, wanted)
  }
  /// Bit i is set when byte i is `wanted`.
  @inline(__always)
  func matches(_ wanted: UInt8) -> UInt64 { UInt64(secondHalf(wanted)) &<< 32 | UInt64(firstHalf(wanted)) }

  /// Bit i is set when byte i is a space or a control character, for as many bytes as `count` says, 0 to 63.
  @inline(__always)
  func blanks(_ count: Int) -> UInt64 {
    // Rule 3: as above.
    var found = UInt64(unsafe csystem_blanks16(base) | csystem_blanks16(base + 16) &<< 16)
    if count > 32 { found |= UInt64(unsafe csystem_blanks16(base + 32) | csystem_blanks16(base + 48) &<< 16) &<< 32 }
    return found & (1 &<< UInt64(truncatingIfNeeded: count) &- 1)
  }

  /// Byte `index` modulo 64.
  @inline(__always)
  func byte(at index: Int) -> UInt8 {
    // Rule 3: inside what the initialiser asks for, whatever the index.
    unsafe base.load(fromByteOffset: index & (InputBlock.byteCount &- 1), as: UInt8.self)
  }

  /// The four bytes that begin the block, the first in the low byte.
  @inline(__always)
  var halfWord: UInt32 {
    // Rule 3: as above.
    unsafe base.loadUnaligned(as: UInt32.self)
  }

  /// The eight bytes from byte `index` modulo 64 on, the first in the low byte.
  @inline(__always)
  func word(at index: Int) -> UInt64 {
    // Rule 3: as above.
    unsafe base.loadUnaligned(fromByteOffset: index & (InputBlock.byteCount &- 1), as: UInt64.self)
  }
}
