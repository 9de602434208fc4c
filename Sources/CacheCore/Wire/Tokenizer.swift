// Cuts a command line into words separated by spaces. Any other byte belongs to a word, tabs and control bytes too
// (reference, section 2.1). It looks at 32 bytes at a time, so the span must have as many behind the line (ByteBuffer
// has).

struct Tokenizer {
  private(set) var position: Int
  let end: Int

  /// Words of the line that lies at `start ..< end`, its terminator not included.
  @inline(__always)
  init(start: Int, end: Int) {
    position = start
    self.end = end
  }

  /// The next word; an empty range at the end of the line. A word after a single space costs one look if it has no more
  /// than thirty bytes.
  @inline(__always)
  mutating func next(_ input: RawSpan) -> ByteRange {
    var start = position
    guard start < end else { return ByteRange(start: end, end: end) }
    var spaces = input.matches32(0x20, at: start)
    if spaces & 1 != 0 {
      start &+= 1
      spaces &>>= 1
      if spaces & 1 != 0 { return nextAfterSpaces(input) }
    }
    let stop = spaces != 0 ? start &+ spaces.trailingZeroBitCount : endOfLongWord(input, from: start &+ 31)
    position = min(stop, end)
    return ByteRange(start: start, end: position)
  }

  /// Where a word ends that has no space before `position`.
  @inline(never)
  private func endOfLongWord(_ input: RawSpan, from position: Int) -> Int {
    var stop = position
    while stop < end {
      let spaces = input.matches32(0x20, at: stop)
      if spaces != 0 { return stop &+ spaces.trailingZeroBitCount }
      stop &+= 32
    }
    return end
  }

  @inline(never)
  private mutating func nextAfterSpaces(_ input: RawSpan) -> ByteRange {
    while position &+ 1 < end, input.byte(at: position &+ 1) == 0x20 { position &+= 1 }
    if position &+ 1 >= end {
      position = end
      return ByteRange(start: end, end: end)
    }
    // One space and a word are left.
    return next(input)
  }

  /// Whether another word follows.
  @inline(__always)
  mutating func hasNext(_ input: RawSpan) -> Bool {
    while position < end, input.byte(at: position) == 0x20 { position &+= 1 }
    return position < end
  }

  /// What is left of the line.
  @inline(__always)
  var rest: ByteRange { ByteRange(start: position, end: end) }

  /// The last word of the rest of the line; empty when there is none.
  func last(_ input: RawSpan) -> ByteRange {
    var stop = end
    while stop > position, input.byte(at: stop - 1) == 0x20 { stop -= 1 }
    var start = stop
    while start > position, input.byte(at: start - 1) != 0x20 { start -= 1 }
    return ByteRange(start: start, end: stop)
  }
}

/// The words of a long list of keys, found 64 bytes at a time. It ends where its view does.
struct WordScanner {
  private var block: Int
  /// Bit i is set when byte i of the block ends a word that has not been read: a space, or the end.
  private var ends: UInt64 = 0
  /// Where the next word begins, counted from the block, before which that may be.
  private var start = 0

  @inline(__always)
  init(_ input: borrowing InputView, from start: Int) {
    block = start
    look(input)
  }

  @inline(__always)
  private mutating func look(_ input: borrowing InputView) {
    ends = input.block(at: block).matches(0x20)
    let rest = input.end &- block
    if rest < InputBlock.byteCount {
      let end: UInt64 = 1 &<< UInt64(truncatingIfNeeded: rest)
      ends = ends & (end &- 1) | end
    }
  }

  /// The next word; an empty one at the end.
  @inline(__always)
  mutating func next(_ input: borrowing InputView) -> InputPart {
    while true {
      while ends == 0 {
        // The block with the end in it is the last.
        guard input.end &- block >= InputBlock.byteCount else { return .none }
        block &+= InputBlock.byteCount
        start &-= InputBlock.byteCount
        look(input)
      }
      let end = ends.trailingZeroBitCount
      let word = InputPart(block &+ start, count: end &- start)
      ends &= ends &- 1
      start = end &+ 1
      if word.count > 0 { return word }
    }
  }
}
