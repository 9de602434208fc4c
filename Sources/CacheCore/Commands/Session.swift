// One client's side of the conversation: where in the protocol it stands, and the loop that turns its bytes into
// requests, executes them and composes the replies. No socket, no thread, no clock: bytes come in, replies are left in
// the engine's buffer, and the caller is told what to do next. So a test can be a client, one byte at a time. States:
// Docs/wire.md. The protocols' own parts are in Session+Text, +Meta and +Binary; values on their way in are in +Upload.

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
  /// Give the connection to the watchers, who answer: it reads no more requests.
  case watch(WatchRequest)
}

/// What a connection wants to watch; the event log has admitted it.
public struct WatchRequest: Equatable, Sendable {
  public var streams: LogStreams
  /// It wants no OK.
  public var isQuiet: Bool
}

/// What a connection speaks.
public enum WireProtocol: UInt8, Sendable {
  /// The first byte will tell.
  case undecided
  /// The text protocol with the meta commands.
  case text
  case binary
}

/// Why a stretch of input is thrown away, and what to answer when it has all come.
struct Swallowing {
  var left: Int
  var refusal: Refusal
  var isQuiet: Bool
  var form = ReplyForm.text
}

/// A value on its way in.
struct Upload: ~Copyable {
  var reservation: Reservation
  let terms: StoreTerms
  let isQuiet: Bool
  let form: ReplyForm
  /// What a MetaEcho in `form` names, once the line is gone.
  var words: ByteBuffer?
}

/// A long answer on its way out. All reports of a worker together are bounded, so clients that ask and do not read
/// cannot make it hold more and more.
struct Report: ~Copyable {
  let bytes: [UInt8]
  var sent = 0
  /// How many bytes of reports the worker holds.
  private let held: AtomicCells

  /// nil when the worker holds too much already.
  init?(_ bytes: [UInt8], held: AtomicCells) {
    guard held.add(0, UInt64(bytes.count)) <= Report.mostHeldByteCount else {
      held.add(0, 0 &- UInt64(bytes.count))
      return nil
    }
    self.bytes = bytes
    self.held = held
  }

  deinit { held.add(0, 0 &- UInt64(bytes.count)) }

  /// One report of the largest kind always fits: 65,536 prefixes of 250 bytes and their numbers.
  private static let mostHeldByteCount: UInt64 = 32 << 20
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
    case dumping(KeyDump)
    case watching(WatchRequest)
    case closing
  }

  private var state = State.awaitingRequest
  /// Whether the client owes nothing and is owed nothing: the next byte begins a request. Kept beside the state, whose
  /// case is dear to find out.
  public private(set) var isIdle = true
  /// What the listener lets its clients speak.
  let offered: WireProtocol
  /// Who reads the bytes; Session+Login says how it changes.
  var stage = Stage.undecided
  /// The login by SASL that was begun.
  var conversation: (any SASLConversation)?
  /// Names the connection in the log.
  public let descriptor: Int32
  /// Requests that one call of `process` may begin; 0 = no limit but the bytes at hand.
  let requestsPerEvent: Int
  /// Requests came in a datagram, whose sender nobody has checked: what is endless is refused.
  let isDatagram: Bool
  /// Whether it may become a watcher. What watchers are sent is not encrypted.
  let mayWatch: Bool

  public init(
    descriptor: Int32, wire: WireProtocol = .undecided, requestsPerEvent: Int = 0, isDatagram: Bool = false,
    mayWatch: Bool = true
  ) {
    self.mayWatch = mayWatch
    self.descriptor = descriptor
    offered = wire
    self.requestsPerEvent = requestsPerEvent
    self.isDatagram = isDatagram
  }

  /// A line that is not complete after this many bytes is not waited for, unless it is a get (reference, section 2.1).
  static let longestPartialLineByteCount = 2048
  /// Room in the reply that every request finds when it begins: for any answer but a value, in any protocol.
  static let replyRoomByteCount = MetaComposer.longestLineByteCount

  /// The state's name in `stats conns`.
  public var stateName: String {
    switch state {
    case .awaitingRequest: "conn_read"
    case .retrieving: "conn_mwrite"
    case .uploading: "conn_nread"
    case .swallowing: "conn_swallow"
    case .discardingLine: "conn_swallow"
    case .reporting: "conn_write"
    case .dumping: "conn_write"
    case .watching: "conn_watch"
    case .closing: "conn_closing"
    }
  }

  /// Leaves the middle of a request in a state to go on from.
  mutating func begin(_ state: consuming State) {
    switch state {
    case .awaitingRequest: isIdle = true
    default: isIdle = false
    }
    self.state = state
  }

  mutating func takeState() -> State {
    isIdle = true
    var taken = State.awaitingRequest
    swap(&taken, &state)
    return taken
  }

  /// Works on the unconsumed bytes of `input` until they are used up, the reply is full, or the budget is spent.
  /// Consumes what it has dealt with. Never blocks.
  public mutating func process(_ engine: inout Engine, _ input: inout ByteBuffer) -> NextStep {
    let start = input.start
    let end = input.end
    var position = start
    engine.descriptor = descriptor
    engine.lookForObservers()
    let triesPlain = stage == .text && isIdle && requestsPerEvent == 0 && !engine.isObserved
    if triesPlain {
      if end &- position <= Session.loneGetByteCount, answersLoneGet(&engine, input.span, position, end) {
        position = end
      } else {
        plainLines(&engine, input.span, &position, end)
      }
      // Nearly always that was all.
      if position == end, isIdle {
        input.removeAll()
        return .awaitInput
      }
    }
    let step = run(&engine, input.span, &position, end, isFirstPlain: !triesPlain)
    input.consume(position &- start)
    return step
  }

  /// `isFirstPlain`: what stands at `position` has not been tried the short way.
  private mutating func run(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int, isFirstPlain: Bool
  ) -> NextStep {
    // What was begun before counts as the first.
    var requests = isIdle ? 0 : 1
    var mayBePlain = isFirstPlain && requestsPerEvent == 0
    while true {
      if !isIdle {
        guard let step = resume(&engine, input, &position, end) else { continue }
        return step
      }
      if position == end { return .awaitInput }
      guard engine.reply.hasRoom(Session.replyRoomByteCount) else { return .flushReply }
      if requestsPerEvent > 0 {
        if requests == requestsPerEvent { return .yield }
        requests &+= 1
      }
      if stage == .text {
        if mayBePlain, !engine.isObserved {
          plainLines(&engine, input, &position, end)
          // What stands there now is not plain.
          mayBePlain = false
          continue
        }
        mayBePlain = requestsPerEvent == 0
        if let step = textLine(&engine, input, &position, end) { return step }
      } else if let step = firstOrBinary(&engine, input, &position, end) {
        return step
      }
    }
  }

  @inline(never)
  private mutating func firstOrBinary(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    if stage == .binary { return binaryPackets(&engine, input, &position, end) }
    if stage == .undecided { stage = decide(engine, firstByte: input.byte(at: position)) }
    switch stage {
    case .text: return textLine(&engine, input, &position, end)
    case .binary: return binaryPackets(&engine, input, &position, end)
    case .lockedText: return lockedLine(&engine, input, &position, end)
    case .lockedBinary: return lockedPacket(&engine, input, &position, end)
    case .undecided: return close(&position, end)
    }
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
        begin(.swallowing(swallowing))
        return .awaitInput
      }
      guard engine.reply.hasRoom(Session.replyRoomByteCount) else {
        begin(.swallowing(swallowing))
        return .flushReply
      }
      compose(&engine, .refused(swallowing.refusal), swallowing.form, input, isQuiet: swallowing.isQuiet)
      return nil
    case .discardingLine:
      if let newline = input.firstIndex(of: 0x0a, from: position, to: end) {
        position = newline + 1
        return nil
      }
      position = end
      begin(.discardingLine)
      return .awaitInput
    case .reporting(var report):
      report.sent += engine.reply.append(report.bytes, from: report.sent)
      if report.sent == report.bytes.count { return nil }
      begin(.reporting(report))
      return .flushReply
    case .dumping(let dump):
      return resumeDump(&engine, dump)
    case .watching(let request):
      begin(.watching(request))
      position = end
      return .watch(request)
    case .closing:
      begin(.closing)
      position = end
      return .close
    }
  }

  // Answers.

  /// Puts a response in the client's form. `words` holds what a MetaEcho names. Never hides what a quiet client is to
  /// be told all the same: that is its protocol's business.
  @inline(__always)
  func compose(
    _ engine: inout Engine, _ response: Response, _ form: ReplyForm, _ words: RawSpan, isQuiet: Bool
  ) {
    switch form {
    case .text:
      if !isQuiet { TextComposer.compose(response.outcome, &engine.reply) }
    case .meta(let echo):
      MetaComposer.compose(response, echo, words, isQuiet: isQuiet, now: engine.now, &engine.reply)
    case .binary(let header):
      BinaryComposer.compose(response, header, isQuiet: isQuiet, &engine.reply)
    }
  }

  /// Sends a report as the reply makes room for it. False when too many are on their way already.
  mutating func report(_ bytes: [UInt8], _ engine: borrowing Engine) -> Bool {
    guard let report = Report(bytes, held: engine.heldReportByteCount) else { return false }
    begin(.reporting(report))
    return true
  }

  /// Executes a request that is complete in itself, and answers it.
  @inline(never)
  mutating func execute(_ engine: inout Engine, _ request: Request, _ form: ReplyForm, _ input: RawSpan) {
    let response = engine.execute(request, input)
    if engine.closesConnection {
      engine.closesConnection = false
      begin(.closing)
    } else {
      compose(&engine, response, form, input, isQuiet: request.isQuiet)
    }
  }

  /// A look-up of one key. False when the reply has no room for it.
  @inline(__always)
  func fetch(
    _ engine: inout Engine, _ request: FetchRequest, _ form: ReplyForm, _ input: RawSpan, isQuiet: Bool
  ) -> Bool {
    if request.key.isEncoded {
      let decoded = engine.decodedKey
      return engine.fetch(
        request, decoded.bytes(request.key.decodedByteCount), form, input, isQuiet: isQuiet)
    }
    return engine.fetch(request, input.slice(request.key.range), form, input, isQuiet: isQuiet)
  }
}

extension Request {
  /// Whether the client wants no answer, or none to what it expects.
  var isQuiet: Bool {
    switch self {
    case .touch(_, _, let isQuiet), .flushAll(_, let isQuiet), .verbosity(_, let isQuiet),
      .memoryLimit(_, let isQuiet), .shutdown(_, let isQuiet), .quit(let isQuiet), .refused(_, let isQuiet, _):
      isQuiet
    case .delete(let request): request.isQuiet
    case .arithmetic(let request): request.isQuiet
    case .store(let request): request.isQuiet
    case .retrieve, .fetch, .describe, .stats, .administer, .noop, .version, .login, .foreignProtocol: false
    }
  }
}
