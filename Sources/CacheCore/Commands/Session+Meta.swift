// Lines of the meta protocol, on a connection that speaks text. Their words are read by MetaParser and answered by
// MetaComposer; values on their way in are in Session+Upload.

extension Session {
  /// The meta command in the line `start ..< lineEnd`; `position` is behind it already. nil when it is dealt with.
  @inline(never)
  mutating func metaLine(
    _ engine: inout Engine, _ command: MetaCommand, _ input: RawSpan, start: Int, _ lineEnd: Int,
    _ position: inout Int, _ end: Int
  ) -> NextStep? {
    let line = MetaParser.parse(command, input, start: start, end: lineEnd, decodedKey: engine.decodedKey)
    switch line.request {
    case .fetch(let request):
      if fetch(&engine, request, .meta(line.echo), input, isQuiet: line.isQuiet) { return nil }
      position = start
      return .flushReply
    case .store(let header):
      beginUpload(&engine, header, .meta(line.echo), input, &position, end)
    default:
      answer(&engine, line, input)
    }
    return nil
  }

  @inline(never)
  private mutating func answer(_ engine: inout Engine, _ line: MetaParser.Line, _ input: RawSpan) {
    switch line.request {
    case .noop:
      engine.reply.append("MN\r\n")
    case .describe(let key):
      if key.isEncoded {
        let decoded = engine.decodedKey
        engine.describe(decoded.bytes(key.decodedByteCount))
      } else {
        engine.describe(input.slice(key.range))
      }
    case .refused(let refusal, _, let swallow) where swallow > 0:
      begin(.swallowing(Swallowing(left: swallow, refusal: refusal, isQuiet: false)))
    default:
      execute(&engine, line.request, .meta(line.echo), input)
    }
  }
}
