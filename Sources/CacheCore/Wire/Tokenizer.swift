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
