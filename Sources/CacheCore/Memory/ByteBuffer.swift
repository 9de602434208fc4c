// A buffer of received bytes: [start, end) is what nobody has consumed yet. A worker has one large one for all its
// connections; a connection with a partial request keeps its few bytes in a small one. The 72 bytes beyond `end` are
// always readable, so a parser may look at words and vectors (InputView). Not a queue: bytes are consumed from the
// front, never split.
import Glibc

@safe
public struct ByteBuffer: ~Copyable {
  private let base: UnsafeMutableRawPointer
  /// Bytes that can be held, the slack not counted.
  public let capacity: Int
  public private(set) var start = 0
  public private(set) var end = 0
  /// Readable bytes beyond the capacity.
  public static let slackByteCount = InputBlock.readableByteCount

  public init(capacity: Int) {
    self.capacity = capacity
    unsafe base = .allocate(byteCount: capacity + ByteBuffer.slackByteCount, alignment: 16)
    // Rule 1: allocated with the slack just above; zeroed so that looking at the slack reads defined bytes.
    unsafe memset(base + capacity, 0, ByteBuffer.slackByteCount)
  }

  /// A buffer that holds exactly what is unconsumed in `other`.
  public init(copyingRestOf other: borrowing ByteBuffer) {
    self.init(capacity: other.count)
    // Rule 3: both hold other.count bytes.
    unsafe memcpy(base, other.base + other.start, other.count)
    end = other.count
  }

  deinit {
    // Rule 1: this struct is the only owner.
    unsafe base.deallocate()
  }

  @inline(__always)
  public var count: Int { end &- start }
  @inline(__always)
  public var room: Int { capacity &- end }

  /// Everything from the first byte of the buffer to its slack; offsets are those of `start` and `end`.
  @inline(__always)
  public var span: RawSpan {
    @_lifetime(borrow self)
    get {
      // Rule 1: capacity and slack were allocated together. Bytes beyond `end` may be stale, never out of bounds.
      let bytes = unsafe UnsafeRawBufferPointer(start: base, count: capacity &+ ByteBuffer.slackByteCount)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }

  /// How many of the first `count` unconsumed bytes are newlines.
  public func lineCount(_ count: Int) -> Int {
    var lines = 0
    for offset in start..<(start + min(count, self.count)) where span.byte(at: offset) == 0x0a { lines += 1 }
    return lines
  }

  /// Drops the first `count` bytes; traps when there are fewer.
  public mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= self.count)
    start &+= count
    if start == end {
      start = 0
      end = 0
    }
  }

  public mutating func removeAll() {
    start = 0
    end = 0
  }

  /// Replaces the contents by what is unconsumed in `other`; traps when it does not fit.
  public mutating func refill(from other: borrowing ByteBuffer) {
    precondition(other.count <= capacity)
    // Rule 3: the size is checked above.
    unsafe memcpy(base, other.base + other.start, other.count)
    start = 0
    end = other.count
  }

  /// Moves what is unconsumed to the front, to make room behind it.
  public mutating func compact() {
    guard start > 0 else { return }
    // Rule 3: both stretches lie inside the capacity; memmove allows the overlap.
    unsafe memmove(base, base + start, count)
    end = count
    start = 0
  }

  /// Moves the first `count` unconsumed bytes of `other` behind what is here; traps when they do not fit or are not
  /// there.
  public mutating func move(_ count: Int, from other: inout ByteBuffer) {
    append(other.span.extracting(other.start..<(other.start + count)))
    other.consume(count)
  }

  /// Appends `bytes`; traps when they do not fit.
  public mutating func append(_ bytes: RawSpan) {
    precondition(bytes.byteCount <= room)
    freeWindow.copy(from: bytes)
    end &+= bytes.byteCount
  }

  public mutating func append(_ bytes: [UInt8]) {
    // Rule 3: the array's own bounds.
    unsafe bytes.withUnsafeBytes { unsafe append($0.bytes) }
  }

  /// Appends what `body` composes, at most `byteCount` bytes; traps when there is no room for as many.
  mutating func compose(_ byteCount: Int, _ body: (inout ReplyCursor) -> Void) {
    precondition(byteCount <= room)
    // Rule 3: [end, end + byteCount) is room, checked above; the cursor stays inside it.
    var cursor = unsafe ReplyCursor(base: base + end, limit: byteCount)
    body(&cursor)
    end &+= cursor.count
  }

  /// The two bytes at `offset` of what is unconsumed, as a big-endian number; traps when they are not there.
  public func bigEndian16(at offset: Int) -> UInt16 {
    precondition(offset >= 0 && offset + 2 <= count)
    return UInt16(span.byte(at: start + offset)) << 8 | UInt16(span.byte(at: start + offset + 1))
  }

  public mutating func append(bigEndian16 number: UInt16) {
    append([UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)])
  }

  /// Where the next received bytes go; call `filled` with how many came.
  @inline(__always)
  public var freeWindow: MemoryWindow {
    // Rule 6: [end, capacity) is inside the allocation.
    unsafe MemoryWindow(pointer: base + end, count: room)
  }

  /// `count` bytes were written to the free window; traps when it was smaller.
  @inline(__always)
  public mutating func filled(_ count: Int) {
    precondition(count >= 0 && count <= room)
    end &+= count
  }
}
