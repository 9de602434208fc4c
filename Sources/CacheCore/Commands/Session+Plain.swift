// The short way: plain lines, one after another. Plain is what nearly all clients send nearly always: a get of one key,
// a set whose value is at hand, an mg with flags that have no argument, each in a line of at most 64 bytes. They are
// told and taken apart by two looks at all their bytes together. What is not plain at first sight is left where it
// stands, untouched, for the general way (Session+Text), which knows every case; so nothing here refuses a line.

/// Where the newline and the spaces of a short line are.
private struct LineLook {
  /// Bit i is set when byte i of the line is a space; none behind the end.
  let spaces: UInt64
  /// How long the line is without its terminator, and with it.
  let count: Int
  let countWithEnd: Int

  /// nil when there is no newline among the next 64 bytes, or only behind `end`.
  @inline(__always)
  init?(_ input: RawSpan, at start: Int, end: Int) {
    var newlines = UInt64(input.matches32(0x0a, at: start))
    var spaces = UInt64(input.matches32(0x20, at: start))
    if newlines == 0 {
      newlines = UInt64(input.matches32(0x0a, at: start &+ 32)) &<< 32
      spaces |= UInt64(input.matches32(0x20, at: start &+ 32)) &<< 32
      if newlines == 0 { return nil }
    }
    let newline = newlines.trailingZeroBitCount
    guard start &+ newline < end else { return nil }
    let hasReturn = newline > 0 && input.byte(at: start &+ newline &- 1) == 0x0d
    self.spaces = spaces & (newlines & (0 &- newlines) &- 1)
    count = hasReturn ? newline &- 1 : newline
    countWithEnd = newline &+ 1
  }
}

extension Session {
  /// Answers plain lines from `position` on, as far as they go and as the reply has room.
  @inline(never)
  mutating func plainLines(_ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int) {
    while position < end, engine.reply.hasRoom(Session.replyRoomByteCount) {
      guard let line = LineLook(input, at: position, end: end) else { return }
      let verb = input.halfWord(at: position)
      if verb == 0x2074_6567 {  // "get "
        guard plainGet(&engine, line, input, position) else { return }
        position &+= line.countWithEnd
      } else if verb == 0x2074_6573 {  // "set "
        guard plainSet(&engine, line, input, &position, end) else { return }
      } else if verb & 0xff_ffff == 0x20_676d {  // "mg "
        guard plainFetch(&engine, line, input, position) else { return }
        position &+= line.countWithEnd
      } else {
        return
      }
    }
  }

  @inline(always)
  private func plainGet(_ engine: inout Engine, _ line: LineLook, _ input: RawSpan, _ start: Int) -> Bool {
    // The only space is the verb's.
    guard line.spaces == 0b1000, line.count > 4 else { return false }
    return engine.getPlain(input.slice(ByteRange(start: start &+ 4, end: start &+ line.count)))
  }

  @inline(always)
  private mutating func plainSet(
    _ engine: inout Engine, _ line: LineLook, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> Bool {
    // Behind the verb: key, client flags, exptime and size, with a space between each and the next.
    var spaces = line.spaces & ~0b1111
    let first = LineLook.takeFirst(&spaces)
    let second = LineLook.takeFirst(&spaces)
    let third = LineLook.takeFirst(&spaces)
    guard spaces == 0, third < 64, first > 4,
      let clientFlags = input.fewDigits(at: position &+ first &+ 1, count: second &- first &- 1),
      let exptime = input.fewDigits(at: position &+ second &+ 1, count: third &- second &- 1),
      let size = input.fewDigits(at: position &+ third &+ 1, count: line.count &- third &- 1)
    else { return false }
    let plain = PlainSet(
      key: ByteRange(start: position &+ 4, end: position &+ first), clientFlags: clientFlags, exptime: exptime,
      valueByteCount: Int(size))
    // A refused value is swallowed before the next line is read.
    return set(&engine, plain, input, valueAt: position &+ line.countWithEnd, &position, end) && isIdle
  }

  @inline(always)
  private func plainFetch(_ engine: inout Engine, _ line: LineLook, _ input: RawSpan, _ start: Int) -> Bool {
    let keyEnd = min((line.spaces & ~0b111).trailingZeroBitCount, line.count)
    guard keyEnd > 3,
      let plain = MetaParser.plainFetch(
        input, key: ByteRange(start: start &+ 3, end: start &+ keyEnd), end: start &+ line.count)
    else { return false }
    return engine.fetch(plain, input)
  }
}

extension LineLook {
  /// The number of the lowest bit that is set, which is cleared; 64 when none is.
  @inline(__always)
  fileprivate static func takeFirst(_ bits: inout UInt64) -> Int {
    let first = bits.trailingZeroBitCount
    bits &= bits &- 1
    return first
  }
}
