// A connection that speaks text: one line after the other, those of the meta protocol among them (Session+Meta). Long
// lists of keys are answered while they are still coming.

extension Session {
  /// The line that begins at `position`. nil when it is dealt with and the next may be read.
  @inline(__always)
  mutating func textLine(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    guard let newline = input.firstNewline(from: position, to: end) else {
      return partialLine(&engine, input, &position, end)
    }
    let lineEnd = newline > position && input.byte(at: newline &- 1) == 0x0d ? newline &- 1 : newline
    let start = position
    position = newline &+ 1
    let isTraced = engine.isObserved && engine.configuration.modes.verbosity > 1
    if isTraced { traceLine(engine, input, ByteRange(start: start, end: lineEnd)) }
    let mark = engine.reply.mark
    var step: NextStep?
    if let command = MetaParser.command(input, start: start, end: lineEnd), position &- start >= 4 {
      step = metaLine(&engine, command, input, start: start, lineEnd, &position, end)
    } else {
      let request = TextParser.parse(input, start: start, end: lineEnd, lineByteCount: position &- start)
      switch request {
      case .retrieve(let retrieval, let keys):
        retrieve(&engine, retrieval, input, keys, mark, &position)
      case .store(let header):
        beginUpload(&engine, header, .text, input, &position, end)
      default:
        answer(&engine, request, input)
      }
    }
    if isTraced { traceReply(engine, mark) }
    return step
  }

  @inline(__always)
  private mutating func retrieve(
    _ engine: inout Engine, _ retrieval: Retrieval, _ input: RawSpan, _ keys: ByteRange, _ mark: ReplyBuffer.Mark,
    _ position: inout Int
  ) {
    switch engine.retrieve(retrieval, input, keys) {
    case .done:
      engine.reply.append("END\r\n")
    case .replyFull(let key):
      position = key
      begin(.retrieving(retrieval))
    case .badKey:
      // The values found before the bad key are taken back: a refused command answers its error and nothing else.
      engine.reply.rewind(to: mark)
      TextComposer.compose(.refused(.badFormat), &engine.reply)
    }
  }

  @inline(never)
  private mutating func answer(_ engine: inout Engine, _ request: Request, _ input: RawSpan) {
    switch request {
    case .stats(let words):
      if !report(engine.statsReport(input, words, descriptor: descriptor), engine) {
        engine.reply.append("SERVER_ERROR out of memory writing stats\r\n")
      }
    case .administer(let verb, let words):
      administer(&engine, verb, input, words)
    case .version:
      engine.reply.append(engine.versionLine)
    case .quit, .foreignProtocol:
      begin(.closing)
    case .refused(.unknownCommand, _, _) where isDatagram:
      // No reply reads as a command, so two servers that are made to answer each other fall silent.
      break
    case .refused(let refusal, let isQuiet, let swallow) where swallow > 0:
      begin(.swallowing(Swallowing(left: swallow, refusal: refusal, isQuiet: isQuiet)))
    default:
      execute(&engine, request, .text, input)
    }
  }

  // Lines that have not come to their end.

  /// Waits for the rest of a short line; answers the complete keys of a long get at once, so that a list of any length
  /// needs no more memory than a key; closes on anything else that long.
  private mutating func partialLine(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    guard end - position > Session.longestPartialLineByteCount else { return .awaitInput }
    let rest = ByteRange(start: position, end: end)
    if input.hasPrefix(rest, "get ") {
      position += 4
      begin(.retrieving(Retrieval(withCAS: false, touches: false)))
    } else if input.hasPrefix(rest, "gets ") {
      position += 5
      begin(.retrieving(Retrieval(withCAS: true, touches: false)))
    } else {
      begin(.closing)
      return .close
    }
    return nil
  }

  mutating func resumeRetrieval(
    _ engine: inout Engine, _ retrieval: Retrieval, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    guard engine.reply.hasRoom(TextComposer.longestLineByteCount) else {
      begin(.retrieving(retrieval))
      return .flushReply
    }
    let newline = input.firstIndex(of: 0x0a, from: position, to: end)
    var keysEnd = newline ?? end
    if let newline {
      if newline > position, input.byte(at: newline - 1) == 0x0d { keysEnd = newline - 1 }
    } else {
      // Only keys that a space ends are complete.
      while keysEnd > position, input.byte(at: keysEnd - 1) != 0x20 { keysEnd -= 1 }
    }
    switch engine.retrieve(retrieval, input, ByteRange(start: position, end: keysEnd)) {
    case .replyFull(let key):
      position = key
      begin(.retrieving(retrieval))
      return .flushReply
    case .badKey:
      // Values were sent already: the error comes after them, once, and what is left of the line is dropped.
      return refuseRestOfLine(&engine, &position, newline, end)
    case .done:
      if let newline {
        position = newline + 1
        engine.reply.append("END\r\n")
        return nil
      }
      // A key cannot become shorter: one byte more than the longest is waited for, for a carriage return.
      if end - keysEnd > TextParser.longestKeyByteCount + 1 {
        return refuseRestOfLine(&engine, &position, nil, end)
      }
      position = keysEnd
      begin(.retrieving(retrieval))
      return .awaitInput
    }
  }

  private mutating func refuseRestOfLine(
    _ engine: inout Engine, _ position: inout Int, _ newline: Int?, _ end: Int
  ) -> NextStep? {
    TextComposer.compose(.refused(.badFormat), &engine.reply)
    if let newline {
      position = newline + 1
      return nil
    }
    position = end
    begin(.discardingLine)
    return .awaitInput
  }
}
