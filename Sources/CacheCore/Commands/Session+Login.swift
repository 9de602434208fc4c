// The gate of servers with -S or -Y: what a connection may say before it is logged in, and the login itself. Every
// session begins undecided, whatever its listener, and only `decide` and a login lead from there to the parsers; so no
// listener can forget to lock its door. What is waited for is bounded: a line, and a token or message of 16 KB.
// Who is admitted is Authentication's business. States: Docs/authentication.md.

extension Session {
  /// Whose turn it is to read the connection's bytes.
  enum Stage: UInt8 {
    /// No byte has come.
    case undecided
    case text
    case binary
    /// Text, not logged in.
    case lockedText
    /// The binary protocol, not logged in.
    case lockedBinary
  }

  /// The first byte of a connection decides what it speaks for good, unless the listener or the way of logging in has
  /// decided. Still undecided when the connection is to end without a word.
  @inline(never)
  func decide(_ engine: borrowing Engine, firstByte: UInt8) -> Stage {
    guard let authentication = engine.configuration.authentication else {
      let isBinary = offered == .undecided ? firstByte == BinaryHeader.requestMagic : offered == .binary
      return isBinary ? .binary : .text
    }
    // A datagram belongs to no connection that could be logged in.
    if isDatagram { return .undecided }
    switch authentication {
    case .token: return .lockedText
    case .sasl: return .lockedBinary
    }
  }

  // Text: one set or ms whose value is `user password`.

  /// The line that begins at `position`, and the token behind it. nil when it is dealt with.
  @inline(never)
  mutating func lockedLine(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    // A long line is not waited for, and not read when it has come either.
    let limit = min(end, position + Session.longestPartialLineByteCount + 1)
    guard let newline = input.firstIndex(of: 0x0a, from: position, to: limit) else {
      return limit - position > Session.longestPartialLineByteCount ? close(&position, end) : .awaitInput
    }
    let start = position
    switch LoginLine(input, start: start, newline: newline) {
    case .tooShort:
      return close(&position, end)
    case .refused(let refusal):
      position = newline + 1
      engine.reply.append(TextComposer.text(refusal))
      return nil
    case .token(let byteCount, let isMeta):
      position = newline + 1
      if byteCount > LoginLine.longestTokenByteCount {
        begin(.swallowing(Swallowing(left: byteCount + 2, refusal: .tokenTooLong, isQuiet: false)))
        return nil
      }
      let tokenEnd = position + byteCount
      guard tokenEnd + 2 <= end else {
        // The line is read again when all of the token is there.
        position = start
        return .awaitInput
      }
      let token = input.bytes(ByteRange(start: position, end: tokenEnd))
      let isTerminated = input.byte(at: tokenEnd) == 0x0d && input.byte(at: tokenEnd + 1) == 0x0a
      position = tokenEnd + 2
      logIn(&engine, token: isTerminated ? token : nil, isMeta: isMeta)
      return nil
    }
  }

  /// `token` is nil when it did not end where it was said to.
  private mutating func logIn(_ engine: inout Engine, token: [UInt8]?, isMeta: Bool) {
    guard case .token(let book)? = engine.configuration.authentication else { return }
    guard let token else { return engine.reply.append(TextComposer.text(.badTermination)) }
    // What is no token was no attempt: it is not counted.
    guard let isAdmitted = book.admit(token: token) else {
      return engine.reply.append(TextComposer.text(.badTokenFormat))
    }
    engine.counters.add(.authCommands)
    if isAdmitted {
      stage = .text
      engine.reply.append(isMeta ? "HD\r\n" : "STORED\r\n")
    } else {
      engine.counters.add(.authErrors)
      engine.reply.append(TextComposer.text(.authenticationFailure))
    }
  }

  // The binary protocol: SASL.

  /// The packet that begins at `position`: those of the login go on to be read, any other ends the connection.
  @inline(never)
  mutating func lockedPacket(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    if end - position >= BinaryHeader.byteCount {
      let header = BinaryHeader(input, at: position)
      if header.magic == BinaryHeader.requestMagic, header.knownOpcode?.needsNoLogin != true {
        BinaryComposer.compose(.refused(.unauthenticated), header, isQuiet: false, &engine.reply)
        return close(&position, end)
      }
    }
    return binaryPackets(&engine, input, &position, end)
  }

  /// Longer names are of no mechanism (reference, section 5.5).
  private static let longestMechanismByteCount = 32
  /// What a client says in one packet.
  private static let longestMessageByteCount = 16 << 10

  /// One packet of SASL whose key is there; `position` is behind it. Whoever fails is no longer logged in.
  @inline(never)
  mutating func login(
    _ engine: inout Engine, _ request: SASLRequest, _ header: BinaryHeader, _ input: RawSpan, start: Int,
    _ position: inout Int, _ end: Int
  ) -> NextStep? {
    let byteCount = header.valueByteCount
    guard case .sasl(let provider)? = engine.configuration.authentication else {
      refuse(.unknownCommand, header, swallow: byteCount)
      return nil
    }
    if case .start(let mechanism) = request, mechanism.count > Session.longestMechanismByteCount {
      refuse(.badFormat, header, swallow: byteCount)
      return nil
    }
    guard byteCount <= Session.longestMessageByteCount else {
      noteFailure(&engine)
      refuse(.unauthenticated, header, swallow: byteCount)
      return nil
    }
    guard position + byteCount <= end else {
      position = start
      return .awaitInput
    }
    let message = input.bytes(ByteRange(start: position, end: position + byteCount))
    position += byteCount
    switch request {
    case .mechanisms:
      send(&engine, header, .success, provider.converse()?.mechanisms ?? [])
    case .start(let mechanism):
      conversation = provider.converse()
      conclude(&engine, header, conversation?.start(input.bytes(mechanism), message) ?? .failed)
    case .step:
      conclude(&engine, header, conversation?.step(message) ?? .failed)
    }
    return nil
  }

  private mutating func conclude(_ engine: inout Engine, _ header: BinaryHeader, _ outcome: SASLOutcome) {
    switch outcome {
    case .authenticated:
      conversation = nil
      engine.counters.add(.authCommands)
      stage = .binary
      send(&engine, header, .success, Array("Authenticated".utf8))
    case .challenge(let bytes):
      // Whoever begins again is not logged in until he has come to the end.
      stage = .lockedBinary
      send(&engine, header, .authenticationContinues, bytes)
    case .failed:
      noteFailure(&engine)
      BinaryComposer.compose(.refused(.unauthenticated), header, isQuiet: false, &engine.reply)
    }
  }

  private mutating func noteFailure(_ engine: inout Engine) {
    engine.counters.add(.authCommands)
    engine.counters.add(.authErrors)
    conversation = nil
    stage = .lockedBinary
  }

  private mutating func send(
    _ engine: inout Engine, _ header: BinaryHeader, _ status: BinaryStatus, _ value: [UInt8]
  ) {
    // As a report, because nobody knows how long a challenge is.
    if !report(BinaryComposer.packet(header, status, key: [], value: value), engine) {
      BinaryComposer.composeNoMemory("Out of memory", header, &engine.reply)
    }
  }
}
