// Cuts a command line into words separated by spaces. Any other byte belongs to a word, tabs and control bytes too
// (reference, section 2.1). It reads eight bytes at a time, so the span must have slack behind the line (ByteBuffer
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

  /// The next word; an empty range at the end of the line. A word after a single space costs one load for its first
  /// seven bytes, blank included.
  @inline(__always)
  mutating func next(_ input: RawSpan) -> ByteRange {
    var start = position
    guard start < end else { return ByteRange(start: end, end: end) }
    var word = input.word(at: start)
    var length = 8
    if word & 0xff == 0x20 {
      start &+= 1
      word &>>= 8
      length = 7
      if word & 0xff == 0x20 { return nextAfterSpaces(input) }
    }
    var stop = start
    var found = Tokenizer.firstSpace(word)
    while found >= length {
      stop &+= length
      if stop >= end { break }
      found = Tokenizer.firstSpace(input.word(at: stop))
      length = 8
    }
    if found < length { stop &+= found }
    position = min(stop, end)
    return ByteRange(start: min(start, position), end: position)
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

  /// Whether nothing is left, not even a space.
  @inline(__always)
  var isAtEnd: Bool { position >= end }

  /// What is left of the line.
  @inline(__always)
  var rest: ByteRange { ByteRange(start: position, end: end) }

  /// Index of the first space among eight bytes, 8 when there is none. Exact for the first match: a borrow can only
  /// disturb bytes above it.
  @inline(__always)
  private static func firstSpace(_ word: UInt64) -> Int {
    let zeroed = word ^ 0x2020_2020_2020_2020
    let marks = (zeroed &- 0x0101_0101_0101_0101) & ~zeroed & 0x8080_8080_8080_8080
    return marks.trailingZeroBitCount &>> 3
  }

  /// The last word of the rest of the line; empty when there is none.
  func last(_ input: RawSpan) -> ByteRange {
    var stop = end
    while stop > position, input.byte(at: stop - 1) == 0x20 { stop -= 1 }
    var start = stop
    while start > position, input.byte(at: start - 1) != 0x20 { start -= 1 }
    return ByteRange(start: start, end: stop)
  }
}
