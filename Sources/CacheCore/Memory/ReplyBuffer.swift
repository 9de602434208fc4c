// Replies on their way out: composed bytes, and between them windows on large values that are held instead of copied.
// One per worker for all connections; what a slow client leaves unsent moves to a small one of its own (`takeUnsent`).
// It knows no protocol and does no I/O. Its capacity is fixed: composers ask `hasRoom` first.
import Glibc

/// What is left to send of a held value, after the first `position` composed bytes.
private struct GatheredValue {
  var position: Int
  var ref: ItemRef
  /// The chunk to send next: the item itself, or one of its chain; and how much of it is sent.
  var chunk: ItemRef
  var offset = 0
  /// Value bytes not sent yet.
  var left: Int
}

@safe
public struct ReplyBuffer: ~Copyable {
  private let base: UnsafeMutableRawPointer
  public let capacity: Int
  /// Composed bytes: [start, count) is unsent; gathered values not counted.
  @usableFromInline var start = 0
  @usableFromInline var count = 0
  private let values: FixedArray<GatheredValue>
  /// Gathered values: [firstValue, valueCount) are unsent.
  @usableFromInline var firstValue = 0
  @usableFromInline var valueCount = 0
  private let arena: Arena
  /// Called once for each held item that has left the buffer, sent or dropped.
  private let release: (ItemRef) -> Void
  private static let slackByteCount = 32

  /// A buffer for `capacity` composed bytes and `valueCapacity` held values of `arena`.
  init(capacity: Int, valueCapacity: Int, arena: Arena, release: @escaping (ItemRef) -> Void) {
    self.capacity = capacity
    self.arena = arena
    self.release = release
    unsafe base = .allocate(byteCount: capacity + ReplyBuffer.slackByteCount, alignment: 16)
    values = FixedArray(repeating: GatheredValue(position: 0, ref: .none, chunk: .none, left: 0), count: valueCapacity)
  }

  deinit {
    for index in firstValue..<valueCount { release(values[index].ref) }
    values.destroy()
    // Rule 1: this struct is the only owner.
    unsafe base.deallocate()
  }

  @inline(__always)
  public var isEmpty: Bool { start == count && firstValue == valueCount }
  /// Everything that is still to be sent.
  @inline(__always)
  public var unsentByteCount: Int {
    var total = count &- start
    for index in firstValue..<valueCount { total &+= values[index].left }
    return total
  }
  @inline(__always)
  public var hasGatheredValues: Bool { firstValue < valueCount }
  @inline(__always)
  public func hasRoom(_ byteCount: Int) -> Bool { capacity &- count >= byteCount }
  /// How many bytes may still be composed.
  var room: Int { capacity &- count }
  var hasRoomToGather: Bool { valueCount < values.count }

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
  mutating func append(decimal value: UInt64) {
    compose(ReplyCursor.decimalRoom) { $0.append(decimal: value) }
  }

  /// Composes through a cursor that lives in registers; what it appended counts when `body` returns. The room must be
  /// there for `byteCount` bytes and a few to spare, which the caller has asked `hasRoom` for; traps otherwise.
  @inline(__always)
  mutating func compose(_ byteCount: Int, _ body: (inout ReplyCursor) -> Void) {
    precondition(capacity &- count >= byteCount)
    // Rule 3: [count, count + byteCount) is room, checked above; the cursor stays inside it.
    var cursor = unsafe ReplyCursor(base: base + count, limit: byteCount)
    body(&cursor)
    count &+= cursor.count
  }

  /// As above, if the room is there: asked and used at once. False, without a call of `body`, when it is not.
  @inline(__always)
  mutating func composeIfRoom(_ byteCount: Int, _ body: (inout ReplyCursor) -> Void) -> Bool {
    guard hasRoom(byteCount) else { return false }
    compose(byteCount, body)
    return true
  }

  /// A line of at most `lineRoom` bytes, which `body` composes, `value`, and the low `endByteCount` bytes of `end`, if
  /// there is room for them. False, without a call of `body`, when there is not.
  @inline(__always)
  mutating func composeIfRoom(
    _ lineRoom: Int, _ value: RawSpan, end: UInt64, endByteCount: Int, _ body: (inout ReplyCursor) -> Void
  ) -> Bool {
    let place = count
    let size = value.byteCount
    guard capacity &- place >= lineRoom &+ size &+ 8 else { return false }
    precondition(endByteCount <= 8)
    // Rule 3: room for line, value and word, checked above; the cursor stays inside its part.
    var cursor = unsafe ReplyCursor(base: base + place, limit: lineRoom)
    body(&cursor)
    let valuePlace = place &+ cursor.count
    unsafe MemoryWindow(pointer: base + valuePlace, count: size).copy(from: value)
    unsafe base.storeBytes(of: end, toByteOffset: valuePlace &+ size, as: UInt64.self)
    count = valuePlace &+ size &+ endByteCount
    return true
  }

  /// Appends as much of `bytes` from `offset` on as there is room for; returns how much that was.
  mutating func append(_ bytes: [UInt8], from offset: Int) -> Int {
    let taken = min(bytes.count - offset, capacity - count)
    // Rule 3: the array's own bounds; the room is checked in append.
    unsafe bytes.withUnsafeBytes { unsafe append($0.bytes.extracting(offset..<(offset + taken))) }
    return taken
  }

  // Marks, to take back what a command composed before it failed.

  struct Mark {
    fileprivate let count: Int
    fileprivate let valueCount: Int
  }

  @inline(__always)
  var mark: Mark { Mark(count: count, valueCount: valueCount) }

  /// Drops everything appended since `mark`, of which nothing was sent; held values among it are released.
  mutating func rewind(to mark: Mark) {
    precondition(mark.count >= start && mark.count <= count && mark.valueCount <= valueCount)
    for index in mark.valueCount..<valueCount { release(values[index].ref) }
    count = mark.count
    valueCount = mark.valueCount
  }

  /// How many bytes were composed since `mark`, and what they are: for the log.
  func text(since mark: Mark) -> String {
    let bytes = composed.extracting((mark.count - start)..<(count - start))
    return String(decoding: bytes.bytes(ByteRange(start: 0, end: bytes.byteCount)), as: UTF8.self)
  }

  // Gathering and sending.

  /// Sends the value of `item` after what is composed so far. The caller has taken a hold, which ends when it is sent.
  mutating func gather(_ item: Item) {
    values[valueCount] = GatheredValue(position: count, ref: item.ref, chunk: item.ref, left: item.valueByteCount)
    valueCount += 1
  }

  /// The unsent composed bytes: everything, when no value is gathered.
  @inline(__always)
  public var composed: RawSpan {
    @_lifetime(borrow self)
    get {
      // Rule 3: [start, count) was composed.
      let bytes = unsafe UnsafeRawBufferPointer(start: base + start, count: count &- start)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }

  /// The rest of the chunk where a gathered value stands.
  private func window(_ value: GatheredValue) -> MemoryWindow {
    let item = arena.item(value.chunk)
    return value.chunk == value.ref
      ? item.inlineWindow(from: value.offset) : ValueChunk(item).window(from: value.offset)
  }

  private func step(_ value: inout GatheredValue, by count: Int, of window: MemoryWindow) {
    value.left -= count
    value.offset += count
    guard count == window.count, value.left > 0 else { return }
    let item = arena.item(value.chunk)
    value.chunk = value.chunk == value.ref ? item.firstChunk : ValueChunk(item).next
    value.offset = 0
  }

  /// Calls `body` with at most 64 io vectors that begin what is unsent; nothing may be appended meanwhile.
  @unsafe public func withVectors<Result>(_ body: (UnsafeMutablePointer<iovec>, Int) -> Result) -> Result {
    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 64) { vectors in
      let vectors = unsafe vectors.baseAddress.unsafelyUnwrapped
      var used = 0
      var position = start
      for index in firstValue..<valueCount {
        var value = values[index]
        if value.position > position, used < 64 {
          unsafe vectors[used] = iovec(iov_base: base + position, iov_len: value.position - position)
          position = value.position
          used += 1
        }
        while value.left > 0, used < 64 {
          // Rule 7: the hold keeps the value's chunks.
          let window = window(value)
          unsafe vectors[used] = iovec(iov_base: window.bytes.baseAddress, iov_len: window.count)
          used += 1
          let last = value.chunk
          step(&value, by: window.count, of: window)
          arena.prefetchChain(last, value.chunk)
        }
        if used == 64 { return unsafe body(vectors, used) }
      }
      if count > position {
        unsafe vectors[used] = iovec(iov_base: base + position, iov_len: count - position)
        used += 1
      }
      return unsafe body(vectors, used)
    }
  }

  /// The first `sent` bytes are gone; values sent to their end are released. Returns whether nothing is left. Traps
  /// when fewer bytes were there.
  @inlinable @inline(__always) @discardableResult
  public mutating func consume(_ sent: Int) -> Bool {
    guard firstValue == valueCount, sent == count &- start else { return consumePart(sent) }
    start = 0
    count = 0
    firstValue = 0
    valueCount = 0
    return true
  }

  @inline(never) @usableFromInline
  mutating func consumePart(_ sent: Int) -> Bool {
    if firstValue == valueCount {
      precondition(sent >= 0 && sent <= count &- start)
      start &+= sent
    } else {
      consumeGathered(sent)
    }
    if isEmpty { reset() }
    return isEmpty
  }

  private mutating func consumeGathered(_ sent: Int) {
    var rest = sent
    while rest > 0 {
      let end = firstValue < valueCount ? values[firstValue].position : count
      let composed = min(rest, end - start)
      start += composed
      rest -= composed
      guard rest > 0 else { break }
      precondition(firstValue < valueCount)
      var value = values[firstValue]
      let window = window(value)
      let taken = min(rest, window.count)
      step(&value, by: taken, of: window)
      rest -= taken
      values[firstValue] = value
      if value.left == 0 {
        firstValue += 1
        release(value.ref)
      }
    }
  }

  /// Copies everything unsent behind what `buffer` holds, and forgets it; traps when it does not fit.
  public mutating func move(into buffer: inout ByteBuffer) {
    while !isEmpty {
      let moved = unsafe withVectors { vectors, count in
        var moved = 0
        for index in 0..<count {
          let bytes = unsafe UnsafeRawBufferPointer(start: vectors[index].iov_base, count: vectors[index].iov_len)
          // Rule 7: composed bytes and held values, both here until consumed.
          unsafe buffer.append(bytes.bytes)
          moved += bytes.count
        }
        return moved
      }
      consume(moved)
    }
  }

  private mutating func reset() {
    start = 0
    count = 0
    firstValue = 0
    valueCount = 0
  }

  /// Forgets everything: nobody wants it any more.
  public mutating func removeAll() {
    for index in firstValue..<valueCount { release(values[index].ref) }
    reset()
  }

  /// What is unsent, in a buffer of its own of just that size, leaving this one empty; holds move along.
  public mutating func takeUnsent() -> ReplyBuffer {
    var rest = ReplyBuffer(
      capacity: count - start, valueCapacity: valueCount - firstValue, arena: arena, release: release)
    rest.append(composed)
    for index in firstValue..<valueCount {
      var value = values[index]
      value.position -= start
      rest.values[rest.valueCount] = value
      rest.valueCount += 1
    }
    reset()
    return rest
  }
}
