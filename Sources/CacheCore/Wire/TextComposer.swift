// Responses and values in the text protocol's words. It only appends: whoever calls has made sure of the room.
// The error lines are the reference's, letter by letter; the transcripts compare them.

enum TextComposer {
  /// Room that any Outcome needs.
  static let longestLineByteCount = 128
  /// Room that a VALUE line needs besides its value: word, key, three numbers, blanks, both line ends, and a last line
  /// (END or an error) after it, so that the end of a retrieval never waits for a flush.
  static let valueOverheadByteCount = 6 + 250 + 3 * 21 + 4 + longestLineByteCount

  @inline(__always)
  static func compose(_ outcome: Outcome, _ reply: inout ReplyBuffer) {
    // The most frequent answer is just one word of memory.
    if outcome == .stored {
      reply.compose(8) { $0.append(word: storedLine, size: 8) }
    } else {
      composeAny(outcome, &reply)
    }
  }

  /// The end of a retrieval.
  @inline(__always)
  static func composeEnd(_ reply: inout ReplyBuffer) { reply.compose(8) { $0.append(word: endLine, size: 5) } }

  /// "END" and CRLF as a little-endian word.
  private static let endLine: UInt64 = 0x0a_0d44_4e45
  /// "STORED" and CRLF as a little-endian word.
  private static let storedLine: UInt64 = 0x0a0d_4445_524f_5453

  @inline(never)
  private static func composeAny(_ outcome: Outcome, _ reply: inout ReplyBuffer) {
    switch outcome {
    case .stored: reply.append("STORED\r\n")
    case .notStored: reply.append("NOT_STORED\r\n")
    case .exists: reply.append("EXISTS\r\n")
    case .notFound: reply.append("NOT_FOUND\r\n")
    case .deleted: reply.append("DELETED\r\n")
    case .touched: reply.append("TOUCHED\r\n")
    case .ok: reply.append("OK\r\n")
    case .number(let value):
      reply.append(decimal: value)
      reply.append("\r\n")
    case .refused(let refusal): reply.append(text(refusal))
    }
  }

  /// The reference's error lines, with its own capitals and colons.
  static func text(_ refusal: Refusal) -> StaticString {
    switch refusal {
    case .unknownCommand, .badLimit: "ERROR\r\n"
    case .badFormat: "CLIENT_ERROR bad command line format\r\n"
    case .badDataChunk: "CLIENT_ERROR bad data chunk\r\n"
    case .invalidExptime: "CLIENT_ERROR invalid exptime argument\r\n"
    case .invalidDelta: "CLIENT_ERROR invalid numeric delta argument\r\n"
    case .nonNumericValue: "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    case .tooLarge: "SERVER_ERROR object too large for cache\r\n"
    case .noMemoryForStore: "SERVER_ERROR out of memory storing object\r\n"
    case .noMemory: "SERVER_ERROR out of memory\r\n"
    case .noMemoryForNewItem: "SERVER_ERROR Out of memory allocating new item\r\n"
    case .flushNotAllowed: "CLIENT_ERROR flush_all not allowed\r\n"
    case .limitTooSmall: "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
    case .limitNotMegabytes: "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"
    case .limitOutOfBounds: "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"
    case .shutdownNotEnabled: "SERVER_ERROR: shutdown not enabled\r\n"
    case .invalidShutdownMode: "CLIENT_ERROR invalid shutdown mode\r\n"
    case .flagsTooLong: "CLIENT_ERROR options flags are too long\r\n"
    case .duplicateFlag: "CLIENT_ERROR duplicate flag\r\n"
    case .invalidFlag: "CLIENT_ERROR invalid flag\r\n"
    case .invalidOrDuplicateFlag: "CLIENT_ERROR invalid or duplicate flag\r\n"
    case .badToken: "CLIENT_ERROR bad token in command line format\r\n"
    case .invalidDeltaToken: "CLIENT_ERROR invalid numeric delta value\r\n"
    case .invalidInitialToken: "CLIENT_ERROR invalid numeric initial value\r\n"
    case .opaqueTooLong: "CLIENT_ERROR opaque token too long\r\n"
    case .undecodableKey: "CLIENT_ERROR error decoding key\r\n"
    case .invalidStoreMode: "CLIENT_ERROR invalid mode for ms M token\r\n"
    case .invalidArithmeticMode: "CLIENT_ERROR invalid mode for ma M token\r\n"
    case .unauthenticated: "CLIENT_ERROR unauthenticated\r\n"
    case .authenticationFailure: "CLIENT_ERROR authentication failure\r\n"
    case .badTermination: "CLIENT_ERROR bad command line termination\r\n"
    case .badTokenFormat: "CLIENT_ERROR bad authentication token format\r\n"
    case .tokenTooLong: "CLIENT_ERROR auth token too long\r\n"
    }
  }

  /// A value copied into the reply: its line, `VALUE <key> <flags> <bytes>[ <cas>]`, the value, and the line's end.
  /// False when there is no room for it.
  @inline(__always)
  static func compose(_ contents: ItemContents, cas: UInt64?, _ reply: inout ReplyBuffer) -> Bool {
    reply.composeIfRoom(valueOverheadByteCount, contents.value, end: ReplyCursor.lineEnd, endByteCount: 2) { cursor in
      composeValueLine(
        contents.key, clientFlags: contents.clientFlags, valueByteCount: contents.valueByteCount, cas: cas, &cursor)
    }
  }

  /// The most frequent kind of value: in one piece, at most so long, without client flags.
  @inline(__always)
  static func isShort(_ contents: ItemContents, _ limit: Int) -> Bool {
    contents.flags.isDisjoint(with: [.chunked, .hasClientFlags]) && contents.valueByteCount <= limit
  }

  /// As `compose`, for such a value of less than 10,000 bytes, without CAS unique; and END, if it is the last of its
  /// retrieval.
  @inline(__always)
  static func composeShort(_ contents: ItemContents, isLast: Bool, _ reply: inout ReplyBuffer) -> Bool {
    reply.composeIfRoom(
      valueOverheadByteCount, contents.value, end: isLast ? ReplyCursor.lineEnd | endLine &<< 16 : ReplyCursor.lineEnd,
      endByteCount: isLast ? 7 : 2
    ) { cursor in
      cursor.append(word: valueWord, size: 6)
      cursor.append(key: contents.key)
      cursor.append(word: noClientFlags, size: 3)
      cursor.appendLine(few: UInt32(truncatingIfNeeded: contents.valueByteCount))
    }
  }

  /// "VALUE " and " 0 " as little-endian words.
  private static let valueWord: UInt64 = 0x2045_554c_4156
  private static let noClientFlags: UInt64 = 0x20_3020

  /// The line before a value.
  @inline(__always)
  static func composeValueLine(
    _ key: RawSpan, clientFlags: UInt32, valueByteCount: Int, cas: UInt64?, _ reply: inout ReplyCursor
  ) {
    reply.append(word: valueWord, size: 6)
    reply.append(key)
    if clientFlags == 0 {
      reply.append(word: noClientFlags, size: 3)
    } else {
      reply.append(UInt8(0x20))
      reply.append(decimal: UInt64(clientFlags))
      reply.append(UInt8(0x20))
    }
    if let cas {
      reply.append(decimal: UInt64(valueByteCount))
      reply.append(UInt8(0x20))
      reply.appendLine(decimal: cas)
    } else {
      reply.appendLine(decimal: UInt64(valueByteCount))
    }
  }
}
