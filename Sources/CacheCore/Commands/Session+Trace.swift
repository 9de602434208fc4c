// What -vv shows: each request line as it came, each reply's first line as it goes, in the reference's form
// (`<26 get a`, `>26 END`). Only called when the verbosity asks for it.

extension Session {
  @inline(never)
  func traceLine(_ engine: borrowing Engine, _ input: RawSpan, _ line: ByteRange) {
    engine.host.log("<\(descriptor) \(String(decoding: input.bytes(line), as: UTF8.self))")
  }

  @inline(never)
  func tracePacket(_ engine: borrowing Engine, _ header: BinaryHeader) {
    let name = header.knownOpcode.map { "\($0)" } ?? "\(header.opcode)"
    engine.host.log("<\(descriptor) Read binary protocol data: \(name), \(header.bodyByteCount) bytes")
  }

  /// What was composed since `mark`; values are left out.
  @inline(never)
  func traceReply(_ engine: borrowing Engine, _ mark: ReplyBuffer.Mark) {
    for line in engine.reply.text(since: mark).split(separator: "\r\n").prefix(1) {
      engine.host.log(">\(descriptor) \(line)")
    }
  }
}
