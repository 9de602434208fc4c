// Reading bytes: the few primitives that parsers and comparisons need on RawSpan, eight bytes at a time,
// bounds-checked. Not a parser: nothing here knows a protocol. Numbers are little-endian in registers, as on every
// machine we run on.
import CSystem
import Glibc

/// Whether `count` bytes at both places are the same: for keys, which have most often 8 to 16 and differ at their ends.
///
/// The caller vouches for both ranges.
@unsafe @inline(__always)
func hasSameBytes(_ first: UnsafeRawPointer, _ second: UnsafeRawPointer, count: Int) -> Bool {
  func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Word.Type) -> Bool {
    unsafe first.loadUnaligned(fromByteOffset: offset, as: Word.self)
      == second.loadUnaligned(fromByteOffset: offset, as: Word.self)
  }
  if count < 8 {
    for offset in 0..<count where !isSame(offset, UInt8.self) { return false }
    return true
  }
  guard isSame(count &- 8, UInt64.self), isSame(0, UInt64.self) else { return false }
  return count <= 16 || (unsafe hasSameMiddle(first, second, count: count))
}

/// Compares what lies between the first and the last eight bytes.
@unsafe @inline(never)
private func hasSameMiddle(_ first: UnsafeRawPointer, _ second: UnsafeRawPointer, count: Int) -> Bool {
  var offset = 8
  while offset &+ 8 < count {
    guard
      unsafe first.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        == second.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    else { return false }
    offset &+= 8
  }
  return true
}

/// Bit i is set when byte i of the 32 at `place` is `wanted`.
///
/// The caller vouches for them.
@unsafe @inline(__always)
func matches32(_ place: UnsafeRawPointer, _ wanted: UInt8) -> UInt32 {
  unsafe csystem_matches16(place, wanted) | csystem_matches16(place + 16, wanted) &<< 16
}

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

  /// Bit i is set when the byte at `offset + i` is `wanted`, for 32 bytes; traps unless all of them are inside.
  @inline(__always)
  func matches32(_ wanted: UInt8, at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset &+ 32 <= byteCount)
    return unsafe withUnsafeBytes { bytes in
      // Rule 3: offset checked above, so there are bytes.
      unsafe CacheCore.matches32(bytes.baseAddress.unsafelyUnwrapped + offset, wanted)
    }
  }

  /// The bytes of `range`; traps unless they are inside.
  @inline(__always) @_lifetime(copy self)
  func slice(_ range: ByteRange) -> RawSpan {
    precondition(range.start >= 0 && range.start <= range.end && range.end <= byteCount)
    // Rule 3: checked above. Without an address there are no bytes, and the range is empty.
    guard let base = unsafe withUnsafeBytes({ $0.baseAddress }) else { return self }
    return unsafe _overrideLifetime(
      RawSpan(_unsafeStart: base + range.start, byteCount: range.end &- range.start), copying: self)
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

  /// Where the first newline at or after `start` and before `end` is; nil when there is none. In a short line it is
  /// found by one look, for which the span must have 32 bytes of slack behind `end`.
  @inline(__always)
  func firstNewline(from start: Int, to end: Int) -> Int? {
    let newlines = matches32(0x0a, at: start)
    guard newlines != 0 else { return end &- start <= 32 ? nil : firstIndex(of: 0x0a, from: start &+ 32, to: end) }
    let found = start &+ newlines.trailingZeroBitCount
    return found < end ? found : nil
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
