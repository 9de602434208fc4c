// Reading bytes: the few primitives that parsers and comparisons need on RawSpan, eight bytes at a time,
// bounds-checked. Not a parser: nothing here knows a protocol. Numbers are little-endian in registers, as on every
// machine we run on.
import Glibc

extension RawSpan {
  /// The byte at `offset`; traps outside.
  @inline(__always)
  func byte(at offset: Int) -> UInt8 {
    precondition(UInt(bitPattern: offset) < UInt(bitPattern: byteCount))
    // Rule 3: offset checked above.
    return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// Eight bytes at `offset`; traps unless all of them are inside.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset &+ 8 <= byteCount)
    // Rule 3: offset checked above.
    return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
  }

  /// Four bytes at `offset`; traps unless all of them are inside.
  @inline(__always)
  func halfWord(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset &+ 4 <= byteCount)
    // Rule 3: offset checked above.
    return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self)
  }

  /// The bytes of `range`; traps unless they are inside.
  @inline(__always) @_lifetime(copy self)
  func slice(_ range: ByteRange) -> RawSpan {
    extracting(range.start..<range.end)
  }

  /// Where the first `wanted` at or after `start` and before `end` is; nil when there is none.
  @inline(__always)
  func firstIndex(of wanted: UInt8, from start: Int, to end: Int) -> Int? {
    precondition(start >= 0 && start <= end && end <= byteCount)
    return unsafe withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress else { return nil }
      // Rule 3: [start, end) lies inside, checked above; memchr reads nothing beyond it.
      guard let found = unsafe memchr(base + start, Int32(wanted), end &- start) else { return nil }
      return unsafe UnsafeRawPointer(found) - base
    }
  }

  /// Whether the bytes of `range` are those of `text`.
  @inline(__always)
  func equals(_ range: ByteRange, _ text: StaticString) -> Bool {
    range.count == text.utf8CodeUnitCount && hasPrefix(range, text)
  }

  /// Whether the bytes of `range` begin with those of `text`.
  @inline(__always)
  func hasPrefix(_ range: ByteRange, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard range.count >= count else { return false }
    precondition(range.start >= 0 && range.start &+ count <= byteCount)
    return unsafe withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return count == 0 }
      // Rule 3: checked above; a StaticString is valid for its own count.
      return unsafe memcmp(base + range.start, text.utf8Start, count) == 0
    }
  }

  /// A copy as an array, for reports and errors; not for the request path.
  func bytes(_ range: ByteRange) -> [UInt8] {
    var copy: [UInt8] = []
    copy.reserveCapacity(range.count)
    for offset in range.start..<range.end { copy.append(byte(at: offset)) }
    return copy
  }
}

/// Bytes named by their place in a buffer: `start ..< end`. A value, so a Request can hold it without borrowing the
/// buffer.
public struct ByteRange: Equatable, Sendable {
  public var start: Int
  public var end: Int

  @inline(__always)
  public init(start: Int, end: Int) {
    self.start = start
    self.end = end
  }

  @inline(__always)
  public var count: Int { end &- start }
  @inline(__always)
  public var isEmpty: Bool { end <= start }
  public static let none = ByteRange(start: 0, end: 0)
}
