// One client's side of the conversation: where in the protocol it stands, and the loop that turns its bytes into
// requests, executes them and composes the replies. No socket, no thread, no clock: bytes come in, replies are left in
// the engine's buffer, and the caller is told what to do next. So a test can be a client, one byte at a time. States:
// Docs/wire.md.

/// What the caller does after `process`.
public enum NextStep: Equatable, Sendable {
  /// Nothing to do until more bytes come.
  case awaitInput
  /// Send the reply, then call again with what was not consumed: there is more to do.
  case flushReply
  /// The budget is used up: let other connections have their turn, then call again.
  case yield
  /// Send the reply, then close.
  case close
}

/// Why a stretch of input is thrown away, and what to answer when it has all come.
struct Swallowing {
  var left: Int
  var refusal: Refusal
  var noreply: Bool
}

/// A value on its way in.
struct Upload: ~Copyable {
  var reservation: Reservation
  let mode: StoreMode
  let expectedCAS: UInt64
  let noreply: Bool
}

/// A long answer on its way out.
struct Report {
  let bytes: [UInt8]
  var sent = 0
}

public struct Session: ~Copyable {
  enum State: ~Copyable {
    case awaitingRequest
    /// In the middle of the keys of a look-up.
    case retrieving(Retrieval)
    case uploading(Upload)
    case swallowing(Swallowing)
    /// Up to the end of the line.
    case discardingLine
    case reporting(Report)
    case closing
  }

  var state = State.awaitingRequest
  /// Names the connection in the log.
  public let descriptor: Int32
  /// Requests that one call of `process` may begin; 0 = no limit but the bytes at hand.
  let requestsPerEvent: Int

  public init(descriptor: Int32, requestsPerEvent: Int = 0) {
    self.descriptor = descriptor
    self.requestsPerEvent = requestsPerEvent
  }

  /// A line that is not complete after this many bytes is not waited for, unless it is a get (reference, section 2.1).
  static let longestPartialLineByteCount = 2048

  /// The state's name in `stats conns`.
  public var stateName: String {
    switch state {
    case .awaitingRequest: "conn_read"
    case .retrieving: "conn_mwrite"
    case .uploading: "conn_nread"
    case .swallowing: "conn_swallow"
    case .discardingLine: "conn_swallow"
    case .reporting: "conn_write"
    case .closing: "conn_closing"
    }
  }

  mutating func takeState() -> State {
    var taken = State.awaitingRequest
    swap(&taken, &state)
    return taken
  }

  /// Whether the client owes nothing and is owed nothing: the next byte begins a request.
  @inline(__always)
  public var isIdle: Bool {
    switch state {
    case .awaitingRequest: true
    default: false
    }
  }

  /// Works on the unconsumed bytes of `input` until they are used up, the reply is full, or the budget is spent.
  /// Consumes what it has dealt with. Never blocks.
  public mutating func process(_ engine: inout Engine, _ input: inout ByteBuffer) -> NextStep {
    let start = input.start
    var position = start
    let step = run(&engine, input.span, &position, input.end)
    input.consume(position &- start)
    return step
  }

  private mutating func run(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep {
    var requests = 0
    while true {
      if !isIdle {
        guard let step = resume(&engine, input, &position, end) else { continue }
        return step
      }
      if position == end { return .awaitInput }
      guard engine.reply.hasRoom(TextComposer.longestLineByteCount) else { return .flushReply }
      if requestsPerEvent > 0 {
        if requests == requestsPerEvent { return .yield }
        requests &+= 1
      }
      guard let newline = input.firstIndex(of: 0x0a, from: position, to: end) else {
        return partialLine(&engine, input, &position, end)
      }
      let lineEnd = newline > position && input.byte(at: newline &- 1) == 0x0d ? newline &- 1 : newline
      let start = position
      position = newline &+ 1
      let isTraced = engine.configuration.modes.verbosity > 1
      if isTraced { traceLine(engine, input, ByteRange(start: start, end: lineEnd)) }
      let request = TextParser.parse(input, start: start, end: lineEnd, lineByteCount: position &- start)
      let mark = engine.reply.mark
      switch request {
      case .retrieve(let retrieval, let keys):
        retrieve(&engine, retrieval, input, keys, mark, &position)
      case .store(let header):
        beginUpload(&engine, header, input, &position, end)
      default:
        answer(&engine, request, input)
      }
      if isTraced { traceReply(engine, mark) }
    }
  }

  // Requests that are a line.

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
      state = .retrieving(retrieval)
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
      state = .reporting(Report(bytes: engine.statsReport(input, words, descriptor: descriptor)))
    case .version:
      engine.reply.append(engine.versionLine)
    case .quit, .foreignProtocol:
      state = .closing
    case .refused(let refusal, let noreply, let swallow) where swallow > 0:
      state = .swallowing(Swallowing(left: swallow, refusal: refusal, noreply: noreply))
    default:
      let response = engine.execute(request, input)
      if !request.noreply, !engine.closesConnection {
        TextComposer.compose(response, &engine.reply)
      }
      if engine.closesConnection {
        engine.closesConnection = false
        state = .closing
      }
    }
  }

  // Lines that have not come to their end.

  /// Waits for the rest of a short line; answers the complete keys of a long get at once, so that a list of any length
  /// needs no more memory than a key; closes on anything else that long.
  private mutating func partialLine(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep {
    guard end - position > Session.longestPartialLineByteCount else { return .awaitInput }
    let rest = ByteRange(start: position, end: end)
    if input.hasPrefix(rest, "get ") {
      position += 4
      state = .retrieving(Retrieval(withCAS: false, touches: false))
    } else if input.hasPrefix(rest, "gets ") {
      position += 5
      state = .retrieving(Retrieval(withCAS: true, touches: false))
    } else {
      state = .closing
      return .close
    }
    return resume(&engine, input, &position, end) ?? .awaitInput
  }

  // Going on in the middle of something.

  /// One step of whatever was begun. nil when it is finished and the next request may be read.
  @inline(never)
  private mutating func resume(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    switch takeState() {
    case .awaitingRequest:
      return nil
    case .retrieving(let retrieval):
      return resumeRetrieval(&engine, retrieval, input, &position, end)
    case .uploading(let upload):
      return resumeUpload(&engine, upload, input, &position, end)
    case .swallowing(var swallowing):
      let taken = min(swallowing.left, end - position)
      position += taken
      swallowing.left -= taken
      if swallowing.left > 0 {
        state = .swallowing(swallowing)
        return .awaitInput
      }
      guard engine.reply.hasRoom(TextComposer.longestLineByteCount) else {
        state = .swallowing(swallowing)
        return .flushReply
      }
      compose(&engine, .refused(swallowing.refusal), noreply: swallowing.noreply)
      return nil
    case .discardingLine:
      if let newline = input.firstIndex(of: 0x0a, from: position, to: end) {
        position = newline + 1
        return nil
      }
      position = end
      state = .discardingLine
      return .awaitInput
    case .reporting(var report):
      report.sent += engine.reply.append(report.bytes, from: report.sent)
      if report.sent == report.bytes.count { return nil }
      state = .reporting(report)
      return .flushReply
    case .closing:
      state = .closing
      position = end
      return .close
    }
  }

  private mutating func resumeRetrieval(
    _ engine: inout Engine, _ retrieval: Retrieval, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    guard engine.reply.hasRoom(TextComposer.longestLineByteCount) else {
      state = .retrieving(retrieval)
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
      state = .retrieving(retrieval)
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
      state = .retrieving(retrieval)
      return .awaitInput
    }
  }

  private mutating func refuseRestOfLine(
    _ engine: inout Engine, _ position: inout Int, _ newline: Int?, _ end: Int
  ) -> NextStep? {
    compose(&engine, .refused(.badFormat), noreply: false)
    if let newline {
      position = newline + 1
      return nil
    }
    position = end
    state = .discardingLine
    return .awaitInput
  }

  @inline(__always)
  func compose(_ engine: inout Engine, _ response: Response, noreply: Bool) {
    if !noreply { TextComposer.compose(response, &engine.reply) }
  }
}

extension Request {
  /// Whether the client wants no answer.
  var noreply: Bool {
    switch self {
    case .delete(_, let noreply), .arithmetic(_, _, _, let noreply), .touch(_, _, let noreply),
      .flushAll(_, let noreply), .verbosity(_, let noreply), .memoryLimit(_, let noreply),
      .shutdown(_, let noreply), .refused(_, let noreply, _):
      noreply
    case .store(let request): request.noreply
    case .retrieve, .stats, .version, .quit, .foreignProtocol: false
    }
  }
}
