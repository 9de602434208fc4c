// Replies on their way out: composed bytes, and between them windows on large values that are held instead of copied.
// One per worker for all connections; what a slow client leaves unsent moves to a small one of its own (`takeUnsent`).
// It knows no protocol and does no I/O. Its capacity is fixed: composers ask `hasRoom` first.
import Glibc

/// A stretch of a held value, to be sent after the first `position` composed bytes.
private struct GatheredPiece {
  var position: Int
  var window: MemoryWindow
  /// The held item; none on all but the last piece of a value.
  var ref: ItemRef
}

@safe
public struct ReplyBuffer: ~Copyable {
  private let base: UnsafeMutableRawPointer
  public let capacity: Int
  /// Composed bytes, gathered values not counted.
  public private(set) var count = 0
  private let pieces: UnsafeMutablePointer<GatheredPiece>
  private var pieceCount = 0
  private let pieceCapacity: Int
  /// Bytes of all gathered pieces.
  private var gatheredByteCount = 0
  /// Called once for each held item that has left the buffer, sent or dropped.
  private let release: (ItemRef) -> Void
  private static let slackByteCount = 32

  /// A buffer for `capacity` composed bytes and `pieceCapacity` stretches of held values.
  public init(capacity: Int, pieceCapacity: Int, release: @escaping (ItemRef) -> Void) {
    self.capacity = capacity
    self.pieceCapacity = pieceCapacity
    self.release = release
    unsafe base = .allocate(byteCount: capacity + ReplyBuffer.slackByteCount, alignment: 16)
    unsafe pieces = .allocate(capacity: max(pieceCapacity, 1))
  }

  deinit {
    // Rule 1: this struct is the only owner of both allocations.
    for index in 0..<pieceCount where unsafe !pieces[index].ref.isNone { release(unsafe pieces[index].ref) }
    unsafe base.deallocate()
    unsafe pieces.deallocate()
  }

  @inline(__always)
  public var isEmpty: Bool { count == 0 && pieceCount == 0 }
  /// All bytes to send.
  public var totalByteCount: Int { count + gatheredByteCount }
  public var hasGatheredPieces: Bool { pieceCount > 0 }
  @inline(__always)
  public func hasRoom(_ byteCount: Int) -> Bool { capacity &- count >= byteCount }
  /// Whether `count` more pieces can be gathered.
  public func hasPieces(_ count: Int) -> Bool { pieceCapacity - pieceCount >= count }

  // Composing. Every append traps when the room is missing.

  @inline(__always)
  mutating func append(_ text: StaticString) {
    let size = text.utf8CodeUnitCount
    precondition(capacity &- count >= size)
    // Rule 3: the room is checked above; a StaticString is valid for its own count.
    unsafe memcpy(base + count, text.utf8Start, size)
    count &+= size
  }

  @inline(__always)
  mutating func append(_ byte: UInt8) {
    precondition(capacity &- count >= 1)
    // Rule 3: the room is checked above.
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  @inline(__always)
  mutating func append(_ bytes: RawSpan) {
    let size = bytes.byteCount
    precondition(capacity &- count >= size)
    // Rule 3: the room is checked above.
    unsafe MemoryWindow(pointer: base + count, count: size).copy(from: bytes)
    count &+= size
  }

  @inline(__always)
  mutating func append(_ bytes: [UInt8]) {
    precondition(capacity &- count >= bytes.count)
    // Rule 3: the room is checked above.
    unsafe bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { unsafe memcpy(base + count, start, source.count) }
    }
    count &+= bytes.count
  }

  /// Appends `value` in decimal: 1 to 20 digits.
  @inline(__always)
  mutating func append(decimal value: UInt64) {
    precondition(capacity &- count >= 20)
    if value < 10 {
      // Rule 3: room for 20 digits is checked above.
      unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: value) &+ 0x30, toByteOffset: count, as: UInt8.self)
      count &+= 1
    } else if value < 10_000 {
      appendFour(UInt32(truncatingIfNeeded: value))
    } else {
      appendLong(value)
    }
  }

  /// 10 to 9999: four digits at once, leading zeros shifted away.
  @inline(__always)
  private mutating func appendFour(_ value: UInt32) {
    let high = (value &* 5243) &>> 19  // value / 100 below 10,000
    let low = value &- high &* 100
    let tensHigh = (high &* 103) &>> 10
    let tensLow = (low &* 103) &>> 10
    let digits =
      (tensHigh | (high &- tensHigh &* 10) &<< 8 | tensLow &<< 16 | (low &- tensLow &* 10) &<< 24) &+ 0x3030_3030
    let size = value < 100 ? 2 : value < 1000 ? 3 : 4
    let shifted = digits &>> UInt32(truncatingIfNeeded: (4 &- size) &* 8)
    // Rule 3: room for 20 digits was checked by the caller; four bytes are stored, `size` of them counted.
    unsafe base.storeBytes(of: shifted, toByteOffset: count, as: UInt32.self)
    count &+= size
  }

  @inline(never)
  private mutating func appendLong(_ value: UInt64) {
    var digits = 1
    var limit: UInt64 = 10
    while digits < 20, value >= limit {
      digits &+= 1
      limit = limit.multipliedReportingOverflow(by: 10).partialValue
      if digits == 20 { break }
    }
    var rest = value
    var offset = count &+ digits
    count &+= digits
    while offset > count &- digits {
      offset &-= 1
      // Rule 3: room for 20 digits was checked by the caller.
      unsafe base.storeBytes(of: UInt8(truncatingIfNeeded: rest % 10) &+ 0x30, toByteOffset: offset, as: UInt8.self)
      rest /= 10
    }
  }

  // Marks, to take back what a command composed before it failed.

  public struct Mark {
    let count: Int
    let pieceCount: Int
  }

  public var mark: Mark { Mark(count: count, pieceCount: pieceCount) }

  /// Drops everything appended since `mark`; held values among it are released.
  public mutating func rewind(to mark: Mark) {
    precondition(mark.count <= count && mark.pieceCount <= pieceCount)
    for index in mark.pieceCount..<pieceCount {
      // Rule 3: below pieceCount.
      let piece = unsafe pieces[index]
      gatheredByteCount -= piece.window.count
      if !piece.ref.isNone { release(piece.ref) }
    }
    count = mark.count
    pieceCount = mark.pieceCount
  }

  // Gathering and sending.

  /// Sends `window` after what is composed so far. `ref` is released when this piece is done; none keeps nothing.
  mutating func gather(_ window: MemoryWindow, releasing ref: ItemRef) {
    precondition(pieceCount < pieceCapacity)
    // Rule 7: the hold on `ref` keeps the window's memory until release.
    let piece = GatheredPiece(position: count, window: window, ref: ref)
    unsafe (pieces + pieceCount).initialize(to: piece)
    pieceCount += 1
    gatheredByteCount += window.count
  }

  /// The composed bytes, for the common case without gathered pieces.
  @inline(__always)
  public var composed: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(UnsafeRawBufferPointer(start: base, count: count).bytes, borrowing: self) }
  }

  /// Calls `body` with at most 64 io vectors that begin what is unsent; nothing may be appended meanwhile.
  @unsafe public func withVectors<Result>(_ body: (UnsafeMutablePointer<iovec>, Int) -> Result) -> Result {
    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 64) { vectors in
      var used = 0
      var position = 0
      for index in 0..<pieceCount where used < 62 {
        // Rules 3 and 7: below pieceCount; the pieces' memory is held.
        let piece = unsafe pieces[index]
        if piece.position > position {
          unsafe vectors[used] = unsafe iovec(iov_base: base + position, iov_len: piece.position - position)
          position = piece.position
          used += 1
        }
        unsafe vectors[used] = unsafe iovec(iov_base: piece.window.bytes.baseAddress, iov_len: piece.window.count)
        used += 1
        if used >= 62 { return unsafe body(vectors.baseAddress.unsafelyUnwrapped, used) }
      }
      if count > position {
        unsafe vectors[used] = unsafe iovec(iov_base: base + position, iov_len: count - position)
        used += 1
      }
      return unsafe body(vectors.baseAddress.unsafelyUnwrapped, used)
    }
  }

  /// Forgets everything: all of it was sent, or nobody wants it.
  @inline(__always)
  public mutating func removeAll() {
    count = 0
    if pieceCount > 0 { rewind(to: Mark(count: 0, pieceCount: 0)) }
  }

  /// Drops the first `sent` bytes, gathered ones included, and returns the rest in a buffer of its own, leaving this one
  /// empty. Traps when fewer bytes were there.
  public mutating func takeUnsent(after sent: Int) -> ReplyBuffer {
    precondition(sent >= 0 && sent <= totalByteCount)
    var rest = ReplyBuffer(capacity: count, pieceCapacity: pieceCount, release: release)
    var skip = sent
    var position = 0
    func copyComposed(to end: Int, into rest: inout ReplyBuffer) {
      let available = end - position
      let skipped = min(skip, available)
      skip -= skipped
      // Rule 3: [position + skipped, end) was composed.
      let window = unsafe MemoryWindow(pointer: base + position + skipped, count: available - skipped)
      rest.append(window.span)
      position = end
    }
    for index in 0..<pieceCount {
      // Rules 3 and 7: below pieceCount; the hold moves to the new buffer with the piece.
      let piece = unsafe pieces[index]
      copyComposed(to: piece.position, into: &rest)
      let skipped = min(skip, piece.window.count)
      skip -= skipped
      if skipped < piece.window.count {
        rest.gather(piece.window.dropFirst(skipped), releasing: piece.ref)
      } else if !piece.ref.isNone {
        release(piece.ref)
      }
    }
    copyComposed(to: count, into: &rest)
    count = 0
    pieceCount = 0
    gatheredByteCount = 0
    return rest
  }
}
