// A connection that speaks the binary protocol: one packet after the other. A packet is judged by its header; extras
// and key are waited for, the value goes straight into its item.

extension Session {
  /// Packets from `position` on, until one is not complete, needs a state of its own, or finds no room for its reply.
  /// nil when the loop is to look again.
  mutating func binaryPackets(
    _ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    if requestsPerEvent == 0, !engine.isObserved, answersPlainPackets(&engine, input, &position, end) { return nil }
    guard end &- position >= BinaryHeader.byteCount else {
      // One byte tells already that it is no packet.
      guard input.byte(at: position) == BinaryHeader.requestMagic else { return close(&position, end) }
      return .awaitInput
    }
    let start = position
    let header = BinaryHeader(input, at: start)
    switch BinaryParser.judge(header) {
    case .notARequest:
      return close(&position, end)
    case .fatal(let refusal):
      BinaryComposer.compose(.refused(refusal), header, isQuiet: false, &engine.reply)
      return close(&position, end)
    case .unknown:
      position = start &+ BinaryHeader.byteCount
      refuse(.unknownCommand, header, swallow: header.bodyByteCount)
      return nil
    case .valid(let opcode):
      let keyEnd = start &+ BinaryHeader.byteCount &+ header.extrasByteCount &+ header.keyByteCount
      guard keyEnd <= end else { return .awaitInput }
      position = keyEnd
      return packet(&engine, opcode, header, input, start: start, &position, end)
    }
  }

  @inline(__always)
  private mutating func packet(
    _ engine: inout Engine, _ opcode: BinaryOpcode, _ header: BinaryHeader, _ input: RawSpan, start: Int,
    _ position: inout Int, _ end: Int
  ) -> NextStep? {
    let isTraced = engine.configuration.modes.verbosity > 1
    if isTraced { tracePacket(engine, header) }
    let request = BinaryParser.parse(
      opcode, header, input, at: start, casEnabled: engine.store.value.configuration.casEnabled)
    switch request {
    case .fetch(let fetchRequest):
      if !fetch(&engine, fetchRequest, .binary(header), input, isQuiet: opcode.isQuiet) {
        position = start
        return .flushReply
      }
    case .store(let storeRequest):
      beginUpload(&engine, storeRequest, .binary(header), input, &position, end)
    case .login(let saslRequest):
      return login(&engine, saslRequest, header, input, start: start, &position, end)
    default:
      answer(&engine, request, header, input)
    }
    return nil
  }

  @inline(never)
  private mutating func answer(
    _ engine: inout Engine, _ request: Request, _ header: BinaryHeader, _ input: RawSpan
  ) {
    switch request {
    case .noop:
      BinaryComposer.compose(header, .success, &engine.reply)
    case .version:
      BinaryComposer.composeVersion(engine.versionText, header, &engine.reply)
    case .quit(let isQuiet):
      if !isQuiet { BinaryComposer.compose(header, .success, &engine.reply) }
      begin(.closing)
    case .stats(let words):
      if !report(engine.binaryStatsReport(input, words, header), engine) {
        BinaryComposer.composeNoMemory("out of memory writing stats", header, &engine.reply)
      }
    case .refused(let refusal, _, let swallow):
      refuse(refusal, header, swallow: swallow)
    case .flushAll where !engine.configuration.permissions.flush:
      // Not counted as a flush, unlike the text command.
      BinaryComposer.compose(.refused(.flushNotAllowed), header, isQuiet: false, &engine.reply)
    default:
      execute(&engine, request, .binary(header), input)
    }
  }

  /// Answers the refusal when `swallow` bytes of the body are thrown away.
  mutating func refuse(_ refusal: Refusal, _ header: BinaryHeader, swallow: Int) {
    begin(.swallowing(Swallowing(left: swallow, refusal: refusal, isQuiet: false, form: .binary(header))))
  }

  mutating func close(_ position: inout Int, _ end: Int) -> NextStep {
    begin(.closing)
    position = end
    return .close
  }
}
