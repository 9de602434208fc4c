// A stretch of memory that somebody else keeps alive: where received value bytes go, where a held value is sent from.
// It carries its own bounds. It does not own or lock: its user says why the memory stays (rules 6 and 7 of
// Docs/memory.md).
import Glibc

/// memcpy, with the sizes of keys and small values inlined: two words that may overlap copy 8 to 16 bytes, two vectors
/// 16 to 32, and so on up to 128.
///
/// The caller vouches for both ranges, which do not overlap.
@unsafe @inline(__always)
func copyBytes(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
  typealias Vector = SIMD16<UInt8>
  func copy(_ offset: Int) {
    unsafe target.storeBytes(
      of: source.loadUnaligned(fromByteOffset: offset, as: Vector.self), toByteOffset: offset, as: Vector.self)
  }
  if count > 128 {
    unsafe memcpy(target, source, count)
  } else if count > 16 {
    copy(0)
    if count > 32 {
      copy(16)
      if count > 64 {
        copy(32)
        copy(48)
        copy(count &- 64)
        copy(count &- 48)
      }
      copy(count &- 32)
    }
    copy(count &- 16)
  } else if count >= 8 {
    let tail = count &- 8
    let last = unsafe source.loadUnaligned(fromByteOffset: tail, as: UInt64.self)
    unsafe target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
    unsafe target.storeBytes(of: last, toByteOffset: tail, as: UInt64.self)
  } else {
    for offset in 0..<count {
      unsafe target.storeBytes(
        of: source.load(fromByteOffset: offset, as: UInt8.self), toByteOffset: offset, as: UInt8.self)
    }
  }
}

/// As above for the few bytes of a key, most often 8 to 16.
@unsafe @inline(__always)
func copyKey(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
  guard UInt(bitPattern: count &- 8) <= 8 else { return unsafe copyBytes(from: source, to: target, count: count) }
  let last = unsafe source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
  unsafe target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
  unsafe target.storeBytes(of: last, toByteOffset: count &- 8, as: UInt64.self)
}

@safe
public struct MemoryWindow {
  private let pointer: UnsafeMutableRawPointer
  public let count: Int

  /// The caller vouches that `count` bytes at `pointer` stay valid while the window is used.
  @unsafe @inline(__always)
  init(pointer: UnsafeMutableRawPointer, count: Int) {
    unsafe self.pointer = unsafe pointer
    self.count = count
  }

  /// Copies the whole of `source` to the start; traps when it does not fit.
  @inline(__always)
  func copy(from source: RawSpan) {
    precondition(source.byteCount <= count)
    // Rule 3: the size is checked above; source and window never overlap (one is a receive buffer or another item).
    unsafe source.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { unsafe copyBytes(from: base, to: pointer, count: bytes.count) }
    }
  }

  /// The first `limit` bytes (or all there are), for reading.
  var span: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(UnsafeRawBufferPointer(start: pointer, count: count).bytes, borrowing: self) }
  }

  /// Writes `value` in decimal at the start, in exactly `digits` digits; traps when they do not fit.
  func write(decimal value: UInt64, digits: Int) {
    precondition(digits <= count)
    var rest = value
    for offset in stride(from: digits - 1, through: 0, by: -1) {
      // Rule 3: offset < digits <= count.
      unsafe pointer.storeBytes(of: UInt8(truncatingIfNeeded: rest % 10) + 0x30, toByteOffset: offset, as: UInt8.self)
      rest /= 10
    }
  }

  /// Overwrites everything with `byte`.
  func fill(_ byte: UInt8) {
    // Rule 6: the window's own bounds.
    unsafe memset(pointer, Int32(byte), count)
  }

  /// The first `limit` bytes of the window.
  func prefix(_ limit: Int) -> MemoryWindow {
    precondition(limit >= 0)
    return unsafe MemoryWindow(pointer: pointer, count: min(limit, count))
  }

  /// The window without its first `dropped` bytes; traps when it has fewer.
  func dropFirst(_ dropped: Int) -> MemoryWindow {
    precondition(dropped >= 0 && dropped <= count)
    return unsafe MemoryWindow(pointer: pointer + dropped, count: count - dropped)
  }

  /// For system calls in the Events room.
  @unsafe public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: pointer, count: count)
  }
}

/// Where the next bytes of a value belong, stretch after stretch: what one system call may fill.
public struct WindowList {
  public static let capacity = 32
  private var windows: InlineArray<32, MemoryWindow>
  public private(set) var count = 0
  public private(set) var byteCount = 0

  public init() {
    // Rule 3: nothing is ever read or written through a window of no bytes.
    windows = unsafe InlineArray(repeating: MemoryWindow(pointer: UnsafeMutableRawPointer(bitPattern: 8)!, count: 0))
  }

  public var isEmpty: Bool { count == 0 }
  var isFull: Bool { count == WindowList.capacity }
  public subscript(index: Int) -> MemoryWindow { windows[index] }

  mutating func append(_ window: MemoryWindow) {
    windows[count] = window
    count += 1
    byteCount += window.count
  }
}
