// The binary parser under the fuzzer: the input is cut into packets as a session would do it; each header is judged
// again by a naive reading, each valid packet's request is compared with the bytes it came from, and every reply that
// can be composed for it must be a whole packet that repeats the opcode and the opaque. Executes nothing.
@testable import CacheCore

enum BinaryFuzz {
  static func objection(to input: [UInt8]) -> String? {
    var buffer = ByteBuffer(capacity: input.count)
    buffer.append(input)
    var position = 0
    while input.count - position >= BinaryHeader.byteCount {
      let header = BinaryHeader(buffer.span, at: position)
      if let objection = headerObjection(header, input, position) ?? replyObjection(header) {
        return "packet at \(position): \(objection)"
      }
      let judgement = BinaryParser.judge(header)
      if judgement != expected(header) { return "packet at \(position): \(judgement), not \(expected(header))" }
      let keyEnd = position + 24 + header.extrasByteCount + header.keyByteCount
      switch judgement {
      case .notARequest, .fatal: return nil
      case .unknown: break
      case .valid(let opcode):
        guard keyEnd <= input.count else { return nil }
        for casEnabled in [true, false] {
          let request = BinaryParser.parse(opcode, header, buffer.span, at: position, casEnabled: casEnabled)
          if let objection = objection(to: request, opcode, header, input, position, casEnabled) {
            return "packet at \(position): \(opcode) is \(request): \(objection)"
          }
        }
      }
      position += 24 + header.bodyByteCount
    }
    return nil
  }

  /// Big-endian, byte by byte.
  private static func number(_ input: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    input[offset..<(offset + count)].reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func headerObjection(_ header: BinaryHeader, _ input: [UInt8], _ start: Int) -> String? {
    let isRight =
      header.magic == input[start] && header.opcode == input[start + 1]
      && UInt64(header.keyByteCount) == number(input, start + 2, 2) && header.extrasByteCount == Int(input[start + 4])
      && UInt64(header.bodyByteCount) == number(input, start + 8, 4)
      && UInt64(header.opaque.byteSwapped) == number(input, start + 12, 4)
      && header.cas == number(input, start + 16, 8)
    return isRight ? nil : "the header is read as \(header)"
  }

  /// Section 4.4 of the reference once more, and the shapes of 4.2 by opcode.
  private static func expected(_ header: BinaryHeader) -> BinaryParser.Judgement {
    if header.magic != 0x80 { return .notARequest }
    let value = header.bodyByteCount - header.keyByteCount - header.extrasByteCount
    if value < 0 { return .fatal(.unknownCommand) }
    if header.keyByteCount > 250 || header.bodyByteCount > 1 << 30 { return .fatal(.badFormat) }
    guard let opcode = BinaryOpcode(rawValue: header.opcode) else { return .unknown }
    let (key, extras) = (header.keyByteCount, header.extrasByteCount)
    let isRight: Bool
    switch header.opcode {
    case 0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14: isRight = key > 0 && extras == 0 && value == 0
    case 0x1c, 0x1d, 0x1e, 0x23, 0x24: isRight = key > 0 && extras == 4 && value == 0
    case 0x05, 0x06, 0x15, 0x16: isRight = key > 0 && extras == 20 && value == 0
    case 0x01, 0x02, 0x03, 0x11, 0x12, 0x13: isRight = key > 0 && extras == 8
    case 0x0e, 0x0f, 0x19, 0x1a, 0x21, 0x22: isRight = key > 0 && extras == 0
    case 0x08, 0x18: isRight = key == 0 && value == 0 && (extras == 0 || extras == 4)
    case 0x10: isRight = extras == 0 && value == 0
    default: isRight = header.bodyByteCount == 0
    }
    return isRight ? .valid(opcode) : .fatal(.badFormat)
  }

  private static func objection(
    to request: Request, _ opcode: BinaryOpcode, _ header: BinaryHeader, _ input: [UInt8], _ start: Int,
    _ casEnabled: Bool
  ) -> String? {
    let extras = start + 24
    let keyRange = ByteRange(
      start: extras + header.extrasByteCount, end: extras + header.extrasByteCount + header.keyByteCount)
    let isQuiet = [0x09, 0x0d, 0x1e, 0x24].contains(opcode.rawValue) || (0x11...0x1a).contains(opcode.rawValue)
    guard opcode.isQuiet == isQuiet else { return "quiet is misread" }
    switch request {
    case .fetch(let fetch):
      let touches = header.extrasByteCount == 4
      guard fetch.key.range == keyRange, fetch.options.contains(.touches) == touches,
        !touches || UInt64(fetch.exptime) == number(input, extras, 4),
        fetch.options.contains(.value) == (opcode != .touch)
      else { return "not what the packet says" }
    case .store(let store):
      let cas = casEnabled ? header.cas : 0
      guard store.key.range == keyRange, store.valueByteCount == header.valueByteCount, store.isQuiet == isQuiet,
        store.terms.expectedCAS == cas,
        header.extrasByteCount == 0
          || UInt64(store.clientFlags) == number(input, extras, 4)
            && UInt64(store.exptime) == number(input, extras + 4, 4)
            && (store.terms.mode == .cas) == (cas != 0)
      else { return "not what the packet says" }
    case .delete(let delete):
      guard delete.key.range == keyRange, (delete.expectedCAS ?? 0) == header.cas, delete.isQuiet == isQuiet else {
        return "not what the packet says"
      }
    case .arithmetic(let change):
      let exptime = number(input, extras + 16, 4)
      guard change.key.range == keyRange, change.delta == number(input, extras, 8), change.isQuiet == isQuiet,
        change.initial == number(input, extras + 8, 8), change.expectedCAS == header.cas,
        change.vivifyExptime.map({ UInt64($0) }) ?? 0xffff_ffff == exptime
      else { return "not what the packet says" }
    case .stats(let words): return words == keyRange ? nil : "another key"
    case .login(.start(let mechanism)): return mechanism == keyRange && opcode == .saslAuthenticate ? nil : "no start"
    case .login(.step): return opcode == .saslStep ? nil : "no step"
    case .login(.mechanisms): return opcode == .saslMechanisms ? nil : "no list"
    case .flushAll(let exptime, _):
      let delay = header.extrasByteCount == 4 ? number(input, extras, 4) : 0
      return UInt64(exptime) == delay ? nil : "another delay"
    case .noop, .version, .quit: return nil
    default: return "not of this protocol"
    }
    return nil
  }

  // Replies.

  private static let outcomes: [Outcome] =
    [.stored, .notStored, .exists, .notFound, .deleted, .touched, .ok, .number(.max)]
    + Refusal.allCases.map { .refused($0) }

  /// Every response to this header is a packet whose lengths add up.
  private static func replyObjection(_ header: BinaryHeader) -> String? {
    let arena = Arena(byteCount: 1 << 20, casByteCount: 8, backing: .lazy)!
    defer { arena.unmap() }
    var reply = ReplyBuffer(capacity: 1024, valueCapacity: 1, arena: arena) { _ in }
    for outcome in outcomes {
      BinaryComposer.compose(Response(outcome: outcome, cas: 7), header, isQuiet: false, &reply)
      let bytes = reply.composed.bytes(ByteRange(start: 0, end: reply.composed.byteCount))
      reply.removeAll()
      if let objection = ReplyGrammar.packetsObjection(to: bytes) { return "\(outcome): \(objection)" }
      let opaque = UInt32(truncatingIfNeeded: number(bytes, 12, 4)).byteSwapped
      guard bytes[1] == header.opcode, opaque == header.opaque else { return "\(outcome) answers another packet" }
    }
    return nil
  }
}
