// Responses and items in the meta protocol's words: a return code, then the flags that the request asked back, in its
// order (reference, section 3.2). It only appends: whoever calls has made sure of the room.

/// An item that was found, as it was before the look-up changed it, and what the look-up came to.
struct Fetched {
  var flags: ItemFlags
  var lastAccess: UInt32
  var exptime: UInt32
  /// After the touch, if there was one.
  var newExptime: UInt32
  /// This client is the one to recache.
  var hasWon = false
}

/// The two letters a reply begins with, as a little-endian word.
private enum ReturnCode: UInt64 {
  case header = 0x4448  // HD
  case value = 0x4156  // VA
  case miss = 0x4e45  // EN
  case notFound = 0x464e  // NF
  case notStored = 0x534e  // NS
  case exists = 0x5845  // EX
}

enum MetaComposer {
  /// Room that any reply needs besides a value: all flags with their longest arguments.
  static let longestLineByteCount = 768

  /// The answer to ms, md, ma, and every error. `words` holds what `echo` names.
  static func compose(
    _ response: Response, _ echo: MetaEcho, _ words: RawSpan, isQuiet: Bool, now: UInt32, _ reply: inout ReplyBuffer
  ) {
    if case .refused(let refusal) = response.outcome {
      reply.append(TextComposer.text(refusal))
      return
    }
    var isSuccess = false
    reply.compose(longestLineByteCount) { cursor in
      var number: UInt64?
      switch response.outcome {
      case .notStored: cursor.append(ReturnCode.notStored)
      case .exists: cursor.append(ReturnCode.exists)
      case .notFound: cursor.append(ReturnCode.notFound)
      case .number(let value):
        isSuccess = true
        if isQuiet { return }
        if hasFlag(UInt8(ascii: "v"), echo, words) {
          number = value
          cursor.append(ReturnCode.value)
          cursor.append(UInt8(0x20))
          cursor.append(decimal: UInt64(value.decimalDigitCount))
        } else {
          cursor.append(ReturnCode.header)
        }
      case .stored, .deleted, .touched, .ok, .refused:
        isSuccess = true
        if isQuiet { return }
        cursor.append(ReturnCode.header)
      }
      composeFlags(response, isSuccess: isSuccess, echo, words, now: now, &cursor)
      cursor.appendLineEnd()
      if let number {
        cursor.append(decimal: number)
        cursor.appendLineEnd()
      }
    }
  }

  private static func composeFlags(
    _ response: Response, isSuccess: Bool, _ echo: MetaEcho, _ words: RawSpan, now: UInt32,
    _ cursor: inout ReplyCursor
  ) {
    var flags = Tokenizer(start: echo.flags.start, end: echo.flags.end)
    var exptime = response.oldExptime
    while true {
      let word = flags.next(words)
      if word.isEmpty { return }
      switch (words.byte(at: word.start), echo.command) {
      case (UInt8(ascii: "O"), _): cursor.append(flag: words.slice(word))
      case (UInt8(ascii: "k"), _): composeKey(echo, words, &cursor)
      case (UInt8(ascii: "c"), .set): cursor.append(flag: UInt8(ascii: "c"), response.cas)
      case (UInt8(ascii: "s"), .set) where isSuccess:
        cursor.append(flag: UInt8(ascii: "s"), UInt64(response.valueByteCount))
      case (UInt8(ascii: "c"), .arithmetic) where isSuccess: cursor.append(flag: UInt8(ascii: "c"), response.cas)
      case (UInt8(ascii: "t"), .arithmetic) where isSuccess: composeTimeLeft(exptime, now: now, &cursor)
      case (UInt8(ascii: "T"), _), (UInt8(ascii: "N"), _): exptime = response.exptime
      default: break
      }
    }
  }

  private static func hasFlag(_ letter: UInt8, _ echo: MetaEcho, _ words: RawSpan) -> Bool {
    var flags = Tokenizer(start: echo.flags.start, end: echo.flags.end)
    while true {
      let word = flags.next(words)
      if word.isEmpty { return false }
      if words.byte(at: word.start) == letter { return true }
    }
  }

  /// The key as the client wrote it.
  private static func composeKey(_ echo: MetaEcho, _ words: RawSpan, _ cursor: inout ReplyCursor) {
    cursor.append(UInt8(0x20))
    cursor.append(UInt8(ascii: "k"))
    cursor.append(words.slice(echo.key))
    if echo.isKeyEncoded { cursor.append(word: 0x6220, size: 2) }
  }

  /// ` t` and the seconds left, -1 for ever, and also -1 for an item that was made to expire just now.
  private static func composeTimeLeft(_ exptime: UInt32, now: UInt32, _ cursor: inout ReplyCursor) {
    if exptime == 0 || exptime < now {
      cursor.append(word: 0x312d_7420, size: 4)
    } else {
      cursor.append(flag: UInt8(ascii: "t"), UInt64(exptime - now))
    }
  }

  /// A miss of mg: key and opaque are repeated.
  static func composeMiss(_ echo: MetaEcho, _ words: RawSpan, isQuiet: Bool, _ reply: inout ReplyBuffer) {
    if isQuiet { return }
    reply.compose(longestLineByteCount) { cursor in
      cursor.append(ReturnCode.miss)
      composeFlags(Response(outcome: .notFound), isSuccess: false, echo, words, now: 0, &cursor)
      cursor.appendLineEnd()
    }
  }

  /// The line of a hit: `VA <size>` when a value follows, else `HD`, then the flags, then what only the server can say.
  @inline(__always)
  static func composeHit(
    _ item: Item, _ fetched: Fetched, withValue: Bool, _ echo: MetaEcho, _ words: RawSpan, now: UInt32,
    _ cursor: inout ReplyCursor
  ) {
    if withValue {
      cursor.append(ReturnCode.value)
      cursor.append(UInt8(0x20))
      cursor.append(decimal: UInt64(item.valueByteCount))
    } else {
      cursor.append(ReturnCode.header)
    }
    var exptime = fetched.exptime
    var flags = Tokenizer(start: echo.flags.start, end: echo.flags.end)
    while true {
      let word = flags.next(words)
      if word.isEmpty { break }
      let letter = words.byte(at: word.start)
      switch letter {
      case UInt8(ascii: "O"): cursor.append(flag: words.slice(word))
      case UInt8(ascii: "T"), UInt8(ascii: "N"): exptime = fetched.newExptime
      default: composeFlag(letter, item, fetched, exptime: exptime, now: now, &cursor)
      }
    }
    if fetched.hasWon || !fetched.flags.isDisjoint(with: [.stale, .tokenSent]) { composeState(fetched, &cursor) }
    cursor.appendLineEnd()
  }

  /// A flag that tells something about the item; nothing for any other.
  @inline(__always)
  private static func composeFlag(
    _ letter: UInt8, _ item: Item, _ fetched: Fetched, exptime: UInt32, now: UInt32, _ cursor: inout ReplyCursor
  ) {
    switch letter {
    case UInt8(ascii: "k"): composeKey(of: item, &cursor)
    case UInt8(ascii: "c"): cursor.append(flag: letter, item.cas)
    case UInt8(ascii: "f"): cursor.append(flag: letter, UInt64(item.clientFlags))
    case UInt8(ascii: "h"): cursor.append(flag: letter, fetched.flags.contains(.fetched) ? 1 : 0)
    case UInt8(ascii: "l"):
      cursor.append(flag: letter, UInt64(now >= fetched.lastAccess ? now - fetched.lastAccess : 0))
    case UInt8(ascii: "s"): cursor.append(flag: letter, UInt64(item.valueByteCount))
    case UInt8(ascii: "t"): composeTimeLeft(exptime, now: now, &cursor)
    default: break
    }
  }

  /// The answer to a plain mg that asked for the value and nothing else. The value lies in one piece and has less than
  /// 10,000 bytes. False when there is no room for it.
  @inline(__always)
  static func composeShort(_ contents: ItemContents, _ reply: inout ReplyBuffer) -> Bool {
    reply.composeIfRoom(longestLineByteCount, contents.value, end: ReplyCursor.lineEnd, endByteCount: 2) { cursor in
      cursor.append(word: valueWord, size: 3)
      cursor.appendLine(few: UInt32(truncatingIfNeeded: contents.valueByteCount))
    }
  }

  /// "VA " as a little-endian word.
  private static let valueWord: UInt64 = 0x20_4156

  /// The answer to any plain mg. The value lies beside the key.
  static func composePlainHit(
    _ item: Item, _ fetch: PlainLine, _ words: RawSpan, now: UInt32, _ cursor: inout ReplyCursor
  ) {
    if fetch.wantsValue {
      cursor.append(word: valueWord, size: 3)
      cursor.append(decimal: UInt64(item.valueByteCount))
    } else {
      cursor.append(ReturnCode.header)
    }
    let found = Fetched(
      flags: item.flags, lastAccess: item.lastAccess, exptime: item.exptime, newExptime: item.exptime)
    for position in stride(from: fetch.flags.range.start + 1, to: fetch.flags.range.end, by: 2) {
      composeFlag(words.byte(at: position), item, found, exptime: found.exptime, now: now, &cursor)
    }
    cursor.appendLineEnd()
    if fetch.wantsValue {
      cursor.append(item.inlineValue)
      cursor.appendLineEnd()
    }
  }

  @inline(never)
  private static func composeState(_ fetched: Fetched, _ cursor: inout ReplyCursor) {
    if fetched.flags.contains(.tokenSent) { cursor.append(word: 0x5a20, size: 2) }
    if fetched.flags.contains(.stale) { cursor.append(word: 0x5820, size: 2) }
    if fetched.hasWon { cursor.append(word: 0x5720, size: 2) }
  }

  /// The item's own key, in base64 when it came so or would break the line.
  private static func composeKey(of item: Item, _ cursor: inout ReplyCursor) {
    cursor.append(UInt8(0x20))
    cursor.append(UInt8(ascii: "k"))
    guard item.flags.contains(.keyIsEncoded) || !TextParser.canName(item.key) else { return cursor.append(item.key) }
    Base64.encode(item.key, &cursor)
    cursor.append(word: 0x6220, size: 2)
  }

  /// The answer to me: everything about the item.
  static func composeDescription(_ item: Item, slabClass: Int, now: UInt32, _ reply: inout ReplyBuffer) {
    reply.compose(longestLineByteCount) { cursor in
      cursor.append("ME ")
      if item.flags.contains(.keyIsEncoded) || !TextParser.canName(item.key) {
        Base64.encode(item.key, &cursor)
      } else {
        cursor.append(item.key)
      }
      cursor.append(" exp=")
      if item.exptime == 0 {
        cursor.append("-1")
      } else {
        cursor.append(decimal: UInt64(item.exptime >= now ? item.exptime - now : 0))
      }
      cursor.append(" la=")
      cursor.append(decimal: UInt64(now >= item.lastAccess ? now - item.lastAccess : 0))
      cursor.append(" cas=")
      cursor.append(decimal: item.cas)
      cursor.append(item.flags.contains(.fetched) ? " fetch=yes cls=" : " fetch=no cls=")
      cursor.append(decimal: UInt64(slabClass))
      cursor.append(" size=")
      cursor.append(decimal: UInt64(item.totalByteCount))
      cursor.appendLineEnd()
    }
  }
}

extension ReplyCursor {
  @inline(__always)
  fileprivate mutating func append(_ code: ReturnCode) { append(word: code.rawValue, size: 2) }

  /// A flag with a number behind it.
  @inline(__always)
  fileprivate mutating func append(flag letter: UInt8, _ number: UInt64) {
    append(word: 0x20 | UInt64(letter) &<< 8, size: 2)
    append(decimal: number)
  }

  /// A flag as it stands in the request.
  @inline(__always)
  fileprivate mutating func append(flag word: RawSpan) {
    append(UInt8(0x20))
    append(word)
  }

  @inline(__always)
  mutating func appendLineEnd() { append(word: ReplyCursor.lineEnd, size: 2) }
}
