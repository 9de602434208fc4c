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
  /// Of a set: the numbers of its line.
  var clientFlags: UInt32 = 0
  var exptime: UInt32 = 0
  var valueByteCount: UInt32 = 0
  var key = ByteRange.none
  /// Where the line of an mg ends, its terminator excluded.
  var end = 0
  /// Where the next one begins, behind the value of a set.
  var next = 0
  var hash: UInt64 = 0
  /// The bucket that the key was in when the line was read.
  var bucket = 0

  /// Of an mg, from behind the key: a space and a letter, again and again.
  var flags: ByteRange { ByteRange(start: key.end, end: end) }
}

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

  /// Those of the line at `start`, which begins with "set "; nil when they are not short numbers with a space between
  /// each and the next.
  @inline(always)
  init?(_ input: RawSpan, _ look: LineLook, at start: Int) {
    var spaces = look.spaces & ~0b1111
    let first = LineLook.takeFirst(&spaces)
    let second = LineLook.takeFirst(&spaces)
    let third = LineLook.takeFirst(&spaces)
    guard spaces == 0, third < 64, first > 4,
      let clientFlags = input.fewDigits(at: start &+ first &+ 1, count: second &- first &- 1),
      let exptime = input.fewDigits(at: start &+ second &+ 1, count: third &- second &- 1),
      let size = input.fewDigits(at: start &+ third &+ 1, count: look.count &- third &- 1)
    else { return nil }
    keyEnd = first
    self.clientFlags = clientFlags
    self.exptime = exptime
    valueByteCount = size
  }
}

extension Session {
  /// Answers the get of one key that is all there is between `position` and `end`, as it is for most clients: there is
  /// nothing to read ahead. False for anything else, with nothing done.
  @inline(never)
  func answersLoneGet(_ engine: inout Engine, _ input: RawSpan, _ position: Int, _ end: Int) -> Bool {
    guard position < end, engine.reply.hasRoom(Session.replyRoomByteCount),
      let look = LineLook(input, at: position, end: end), look.countWithEnd == end &- position,
      input.halfWord(at: position) == 0x2074_6567, look.spaces == 0b1000, look.count > 4
    else { return false }
    let key = input.slice(ByteRange(start: position &+ 4, end: position &+ look.count))
    return engine.getPlain(key, hash: engine.store.value.hash(key))
  }

  /// Answers plain lines from `position` on, as far as they go and as the reply has room.
  @inline(never)
  mutating func plainLines(_ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int) {
    let lines = engine.plainLines
    while position < end {
      let count = engine.readPlainLines(input, from: position, to: end)
      for index in 0..<count {
        guard engine.reply.hasRoom(Session.replyRoomByteCount) else { return }
        switch lines[index].command {
        case .get: guard engine.getPlain(input.slice(lines[index].key), hash: lines[index].hash) else { return }
        case .fetch: guard engine.fetchPlain(index, input) else { return }
        case .set:
          guard setPlain(&engine, index, input) else {
            // The value that was refused is swallowed before the next line is read.
            position = lines[index].next &- 2 &- Int(lines[index].valueByteCount)
            return
          }
        }
        position = lines[index].next
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
  fileprivate mutating func readPlainLines(_ input: RawSpan, from start: Int, to end: Int) -> Int {
    let lines = plainLines
    var position = start
    var count = 0
    while count < Engine.plainGroupSize, position < end, let look = LineLook(input, at: position, end: end) {
      let verb = input.halfWord(at: position)
      var key = ByteRange(start: position &+ 4, end: position &+ look.count)
      var next = position &+ look.countWithEnd
      if verb == 0x2074_6567 {  // "get "
        // The only space is the verb's.
        guard look.spaces == 0b1000, look.count > 4 else { break }
        lines[count].command = .get
      } else if verb == 0x2074_6573 {  // "set "
        guard let numbers = SetNumbers(input, look, at: position) else { break }
        let valueEnd = next &+ Int(numbers.valueByteCount)
        guard end &- valueEnd >= 2, input.byte(at: valueEnd) == 0x0d, input.byte(at: valueEnd &+ 1) == 0x0a else {
          break
        }
        lines[count].command = .set
        lines[count].clientFlags = numbers.clientFlags
        lines[count].exptime = numbers.exptime
        lines[count].valueByteCount = numbers.valueByteCount
        key.end = position &+ numbers.keyEnd
        next = valueEnd &+ 2
      } else if verb & 0xff_ffff == 0x20_676d {  // "mg "
        let keyEnd = min((look.spaces & ~0b111).trailingZeroBitCount, look.count)
        guard keyEnd > 3, let flags = MetaParser.plainFlags(input, from: position &+ keyEnd, to: key.end) else { break }
        lines[count].command = .fetch
        lines[count].end = key.end
        lines[count].wantsValue = flags.wantsValue
        lines[count].isQuiet = flags.isQuiet
        key = ByteRange(start: position &+ 3, end: position &+ keyEnd)
      } else {
        break
      }
      let hash = store.value.hash(input.slice(key))
      lines[count].key = key
      lines[count].next = next
      lines[count].hash = hash
      lines[count].bucket = store.value.prefetchBucket(hash)
      position = next
      count &+= 1
    }
    if count > 1 {
      for index in 0..<count { store.value.prefetchItem(bucket: lines[index].bucket) }
    }
    return count
  }
}
