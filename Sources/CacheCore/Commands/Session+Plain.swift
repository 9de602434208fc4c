// The short way: plain lines, a group of them at a time. Plain is what nearly all clients send nearly always: a get of
// one key, a set whose value is at hand, an mg with flags that have no argument, each in a line of at most 64 bytes.
// They are told and taken apart by two looks at all their bytes together, and while one line is read, the memory of the
// earlier ones' buckets and items is on its way. What is not plain at first sight is left where it stands, untouched,
// for the general way (Session+Text), which knows every case; so nothing here refuses a line.

/// A line that was read and is to be answered.
struct PlainLine {
  enum Command: UInt8 { case get, set, fetch }
  var command = Command.get
  /// Of an mg.
  var wantsValue = false
  var isQuiet = false
  var key = InputPart.none
  var hash: UInt64 = 0
  /// Of a set: the numbers of its line, and its value.
  var clientFlags: UInt32 = 0
  var exptime: UInt32 = 0
  var value = InputPart.none
  /// Of an mg, from behind the key: a space and a letter, again and again.
  var flags = InputPart.none
  /// Where the next line begins.
  var next = 0

  /// "get ", "set " and "mg " as little-endian words.
  static let getVerb: UInt32 = 0x2074_6567
  static let setVerb: UInt32 = 0x2074_6573
  static let fetchVerb: UInt32 = 0x20_676d
}

/// Where the newline and the spaces of a short line are.
private struct LineLook {
  /// Bit i is set when byte i of the line is a space; none behind the end.
  let spaces: UInt64
  /// How long the line is without its terminator, and with it.
  let count: Int
  let countWithEnd: Int
  /// What a line has at least, with its end: a plain one has more.
  static let leastByteCount = 2

  /// nil when there is no newline among the block's bytes, or only behind the `room` that are there, or too soon.
  @inline(__always)
  init?(_ block: borrowing InputBlock, room: Int) {
    var newlines = UInt64(block.firstHalf(0x0a))
    var spaces = UInt64(block.firstHalf(0x20))
    if newlines == 0 {
      newlines = UInt64(block.secondHalf(0x0a)) &<< 32
      spaces |= UInt64(block.secondHalf(0x20)) &<< 32
      if newlines == 0 { return nil }
    }
    countWithEnd = newlines.trailingZeroBitCount &+ 1
    guard countWithEnd <= room, countWithEnd >= LineLook.leastByteCount else { return nil }
    self.spaces = spaces & (newlines &- 1) & ~newlines
    count = block.byte(at: countWithEnd &- 2) == 0x0d ? countWithEnd &- 2 : countWithEnd &- 1
  }

  /// The number of the lowest bit that is set, which is cleared; 64 when none is.
  @inline(__always)
  static func takeFirst(_ bits: inout UInt64) -> Int {
    let first = bits.trailingZeroBitCount
    bits &= bits &- 1
    return first
  }
}

/// What a set says besides its key.
private struct SetNumbers {
  let keyEnd: Int
  let clientFlags: UInt32
  let exptime: UInt32
  let valueByteCount: UInt32

  /// Those of a line that begins with "set "; nil when they are not short numbers with a space between each and the
  /// next.
  @inline(always)
  init?(_ block: borrowing InputBlock, _ look: LineLook) {
    var spaces = look.spaces & ~0b1111
    let first = LineLook.takeFirst(&spaces)
    let second = LineLook.takeFirst(&spaces)
    guard spaces != 0, spaces & (spaces &- 1) == 0, first > 4 else { return nil }
    let third = spaces.trailingZeroBitCount
    guard
      let clientFlags = UInt32(fewDigits: block.word(at: first &+ 1), count: second &- first &- 1),
      let exptime = UInt32(fewDigits: block.word(at: second &+ 1), count: third &- second &- 1),
      let size = UInt32(fewDigits: block.word(at: third &+ 1), count: look.count &- third &- 1)
    else { return nil }
    keyEnd = first
    self.clientFlags = clientFlags
    self.exptime = exptime
    valueByteCount = size
  }
}

extension Session {
  /// What the get of one key has at most that is looked for before anything else, its end included.
  static let loneGetByteCount = 63

  /// Answers the get of one key that is all there is between `position` and `end`, at most `loneGetByteCount` bytes, as
  /// it is for most clients: there is nothing to read ahead. False for anything else, with nothing done.
  @inline(never)
  func answersLoneGet(_ engine: inout Engine, _ input: RawSpan, _ position: Int, _ end: Int) -> Bool {
    let view = InputView(input, end: end)
    let block = view.block(at: position)
    let count = end &- position
    // The only blanks are the verb's space and CRLF at the end.
    guard block.halfWord == PlainLine.getVerb, count > 6, count <= Session.loneGetByteCount,
      block.blanks(count) == 0b1000 | 0b11 &<< UInt64(truncatingIfNeeded: count &- 2),
      block.word(at: count &- 2) & 0xffff == ReplyCursor.lineEnd
    else { return false }
    let key = view[InputPart(position &+ 4, count: count &- 6)]
    return engine.getPlain(key, hash: engine.store.value.hash(key))
  }

  /// Answers plain lines from `position` on, as far as they go and as the reply has room.
  @inline(never)
  mutating func plainLines(_ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int) {
    let view = InputView(input, end: end)
    var next = position
    defer { position = next }
    while next < end {
      let count = engine.readPlainLines(view, from: next)
      let lines = engine.plainLines.prefix(count)
      for index in 0..<count {
        switch lines[index].command {
        case .get: guard engine.getPlain(view[lines[index].key], hash: lines[index].hash) else { return }
        case .fetch: guard engine.fetchPlain(lines, index, view) else { return }
        case .set: guard setPlain(&engine, lines, index, view, &next) else { return }
        }
        next = lines[index].next
      }
      if count < Engine.plainGroupSize { return }
    }
  }
}

extension Engine {
  static let plainGroupSize = 16

  /// Reads the next lines into `plainLines`, up to the first that is not plain or not all there, and sees to it that
  /// their buckets and items are on their way.
  @inline(never)
  fileprivate mutating func readPlainLines(_ input: borrowing InputView, from start: Int) -> Int {
    var lines = plainLines.prefix(Engine.plainGroupSize)
    let prefetcher = store.value.prefetcher
    var position = start
    var count = 0
    while count < Engine.plainGroupSize, position < input.end {
      guard let (key, next) = readPlainLine(input, at: position, into: lines, count) else { break }
      let hash = store.value.hash(input[key])
      prefetcher.askForBucket(hash)
      lines[count].key = key
      lines[count].hash = hash
      lines[count].next = next
      position = next
      count &+= 1
    }
    lines = lines.prefix(count)
    if count > 1 {
      for index in 0..<count { prefetcher.askForItem(lines[index].hash) }
    }
    return count
  }

  /// Reads the line at `position` into place `index`, but for what all lines have: its key, and where the next begins,
  /// which are returned. nil when it is not plain or not all there.
  @inline(always)
  private func readPlainLine(
    _ input: borrowing InputView, at position: Int, into lines: FixedArray<PlainLine>, _ index: Int
  ) -> (key: InputPart, next: Int)? {
    let block = input.block(at: position)
    guard let look = LineLook(block, room: input.end &- position) else { return nil }
    let next = position &+ look.countWithEnd
    switch block.halfWord {
    case PlainLine.getVerb:
      // The only space is the verb's.
      guard look.spaces == 0b1000, look.count > 4 else { return nil }
      lines[index].command = .get
      return (InputPart(position &+ 4, to: position &+ look.count), next)
    case PlainLine.setVerb:
      guard let numbers = SetNumbers(block, look) else { return nil }
      let value = InputPart(start: UInt32(truncatingIfNeeded: next), count: numbers.valueByteCount)
      let valueEnd = value.range.end
      guard valueEnd &+ 2 <= input.end, UInt64(input.pair(at: valueEnd)) == ReplyCursor.lineEnd else { return nil }
      lines[index].command = .set
      lines[index].clientFlags = numbers.clientFlags
      lines[index].exptime = numbers.exptime
      lines[index].value = value
      return (InputPart(position &+ 4, to: position &+ numbers.keyEnd), valueEnd &+ 2)
    case let verb where verb & 0xff_ffff == PlainLine.fetchVerb:
      let keyEnd = min((look.spaces & ~0b111).trailingZeroBitCount, look.count)
      guard keyEnd > 3, let flags = MetaParser.plainFlags(block, from: keyEnd, to: look.count) else { return nil }
      lines[index].command = .fetch
      lines[index].flags = InputPart(position &+ keyEnd, to: position &+ look.count)
      lines[index].wantsValue = flags.wantsValue
      lines[index].isQuiet = flags.isQuiet
      return (InputPart(position &+ 3, to: position &+ keyEnd), next)
    default: return nil
    }
  }
}
