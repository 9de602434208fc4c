// The binary protocol's packets into Requests (reference, section 4). The header is judged before anything of the body
// is waited for; a packet whose lengths cannot be true ends the connection, because nobody knows where the next one
// begins. It executes nothing.

enum BinaryParser {
  /// What a header alone tells.
  enum Judgement: Equatable {
    case valid(BinaryOpcode)
    /// Well-formed, but not for us: its body is skipped and the connection goes on.
    case unknown
    /// Answered with the refusal, then the connection ends.
    case fatal(Refusal)
    /// Not a request at all: the connection ends without a word.
    case notARequest
  }

  /// Section 4.4, from top to bottom.
  @inline(__always)
  static func judge(_ header: BinaryHeader) -> Judgement {
    if header.magic != BinaryHeader.requestMagic { return .notARequest }
    if header.valueByteCount < 0 { return .fatal(.unknownCommand) }
    if header.keyByteCount > TextParser.longestKeyByteCount { return .fatal(.badFormat) }
    if header.bodyByteCount > BinaryHeader.largestBodyByteCount { return .fatal(.badFormat) }
    guard let opcode = header.knownOpcode else { return .unknown }
    return hasShape(header, opcode.shape) ? .valid(opcode) : .fatal(.badFormat)
  }

  @inline(__always)
  private static func hasShape(_ header: BinaryHeader, _ shape: BinaryOpcode.Shape) -> Bool {
    let (key, extras, value) = (header.keyByteCount, header.extrasByteCount, header.valueByteCount)
    switch shape {
    case .key: return key > 0 && extras == 0 && value == 0
    case .extrasAndKey(let size): return key > 0 && extras == size && value == 0
    case .extrasKeyAndValue(let size): return key > 0 && extras == size
    case .empty: return header.bodyByteCount == 0
    case .delay: return key == 0 && value == 0 && (extras == 0 || extras == 4)
    case .optionalKey: return extras == 0 && value == 0
    }
  }

  /// The request of a valid packet whose header begins at `start` and whose extras and key are there. A server without
  /// CAS (-C) does not compare when it stores.
  @inline(__always)
  static func parse(
    _ opcode: BinaryOpcode, _ header: BinaryHeader, _ input: RawSpan, at start: Int, casEnabled: Bool
  ) -> Request {
    let extras = start &+ BinaryHeader.byteCount
    let keyStart = extras &+ header.extrasByteCount
    let key = RequestKey(range: ByteRange(start: keyStart, end: keyStart &+ header.keyByteCount))
    let cas = casEnabled ? header.cas : 0
    switch opcode {
    case .get, .getQ, .getK, .getKQ: return .fetch(FetchRequest(key: key, options: .value))
    case .getAndTouch, .getAndTouchQ, .getAndTouchK, .getAndTouchKQ:
      return .fetch(FetchRequest(key: key, options: [.value, .touches], exptime: exptime(input, extras)))
    case .touch: return .fetch(FetchRequest(key: key, options: .touches, exptime: exptime(input, extras)))
    case .set, .setQ: return store(.set, cas, key, opcode, header, input, extras)
    case .add, .addQ: return store(.add, cas, key, opcode, header, input, extras)
    case .replace, .replaceQ: return store(.replace, cas, key, opcode, header, input, extras)
    case .append, .appendQ: return join(.append, cas, key, opcode, header)
    case .prepend, .prependQ: return join(.prepend, cas, key, opcode, header)
    case .delete, .deleteQ:
      return .delete(
        DeleteRequest(key: key, isQuiet: opcode.isQuiet, expectedCAS: header.cas == 0 ? nil : header.cas))
    case .increment, .incrementQ: return arithmetic(increments: true, key, opcode, header, input, extras)
    case .decrement, .decrementQ: return arithmetic(increments: false, key, opcode, header, input, extras)
    case .flush, .flushQ:
      let delay = header.extrasByteCount == 4 ? exptime(input, extras) : 0
      return .flushAll(exptime: delay, isQuiet: opcode.isQuiet)
    case .quit, .quitQ: return .quit(isQuiet: opcode.isQuiet)
    case .noop: return .noop
    case .version: return .version
    case .stat: return .stats(words: key.range)
    case .saslMechanisms: return .login(.mechanisms)
    case .saslAuthenticate: return .login(.start(mechanism: key.range))
    case .saslStep: return .login(.step)
    }
  }

  /// Unsigned: there is no negative expiration time in this protocol.
  @inline(__always)
  private static func exptime(_ input: RawSpan, _ offset: Int) -> Int64 {
    Int64(input.halfWord(at: offset).byteSwapped)
  }

  @inline(__always)
  private static func store(
    _ mode: StoreMode, _ cas: UInt64, _ key: RequestKey, _ opcode: BinaryOpcode, _ header: BinaryHeader,
    _ input: RawSpan, _ extras: Int
  ) -> Request {
    // With a CAS unique all three are compare-and-swap.
    let terms = cas == 0 ? StoreTerms(mode: mode) : StoreTerms(mode: .cas, expectedCAS: cas)
    return .store(
      StoreRequest(
        terms: terms, key: key, clientFlags: input.halfWord(at: extras).byteSwapped,
        exptime: exptime(input, extras &+ 4), valueByteCount: header.valueByteCount, isQuiet: opcode.isQuiet))
  }

  private static func join(
    _ mode: StoreMode, _ cas: UInt64, _ key: RequestKey, _ opcode: BinaryOpcode, _ header: BinaryHeader
  ) -> Request {
    .store(
      StoreRequest(
        terms: StoreTerms(mode: mode, expectedCAS: cas), key: key, valueByteCount: header.valueByteCount,
        isQuiet: opcode.isQuiet))
  }

  private static func arithmetic(
    increments: Bool, _ key: RequestKey, _ opcode: BinaryOpcode, _ header: BinaryHeader, _ input: RawSpan,
    _ extras: Int
  ) -> Request {
    let exptime = input.halfWord(at: extras &+ 16).byteSwapped
    return .arithmetic(
      ArithmeticRequest(
        key: key, delta: input.word(at: extras).byteSwapped, increments: increments, isQuiet: opcode.isQuiet,
        vivifyExptime: exptime == .max ? nil : Int64(exptime), initial: input.word(at: extras &+ 8).byteSwapped,
        expectedCAS: header.cas))
  }
}
