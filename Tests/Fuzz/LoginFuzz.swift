// The gate of -Y and -S under the fuzzer: whatever a client says that does not know the password, it is told errors and
// nothing else, in the same words however its bytes are cut; nothing is carried out or counted for it; no more than a
// line and a token wait. The first byte chooses the way of logging in (even: -Y), the second the size of the pieces.
// Replies after a login are the business of SessionFuzz.
@testable import CacheCore

enum LoginFuzz {
  static func objection(to input: [UInt8]) -> String? {
    guard input.count > 2 else { return nil }
    let isText = input[0] & 1 == 0
    let said = Array(input.dropFirst(2))
    let torn = Play(said, isText: isText, pieceByteCount: Int(input[1]) + 1)
    let joined = Play(said, isText: isText, pieceByteCount: 16 << 10)
    if let objection = torn.objection ?? joined.objection { return objection }
    // Who knows the password may be in, and out again.
    if contains(said, isText ? Array("user word".utf8) : Array("user\u{0}word".utf8)) { return nil }
    if torn.isAdmitted || joined.isAdmitted { return "admitted without a password" }
    if torn.itemsStored + joined.itemsStored > 0 { return "something was stored" }
    if !torn.wasUncounted || !joined.wasUncounted { return "more was counted than failed logins" }
    if torn.reply != joined.reply { return "answered in two ways" }
    return (isText ? textObjection(torn.reply) : binaryObjection(torn.reply)).map { "before the login: \($0)" }
  }

  private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    bytes.count >= part.count && (0...(bytes.count - part.count)).contains { bytes[$0...].starts(with: part) }
  }

  private static let lines = [
    "unauthenticated", "authentication failure", "bad authentication token format", "auth token too long",
    "bad command line termination",
  ].map { "CLIENT_ERROR \($0)" }

  private static func textObjection(_ reply: [UInt8]) -> String? {
    let text = String(decoding: reply, as: UTF8.self)
    return text.split(separator: "\r\n").first { !lines.contains(String($0)) }.map(String.init)
  }

  /// Errors, the version, the mechanism, and PLAIN's empty challenge.
  private static func binaryObjection(_ reply: [UInt8]) -> String? {
    var rest = reply[...]
    while !rest.isEmpty {
      let head = Array(rest.prefix(24))
      guard head.count == 24 else { return "half a header" }
      let count = Int(head[10]) << 8 | Int(head[11])
      let body = String(decoding: rest.dropFirst(24).prefix(count), as: UTF8.self)
      switch (head[1], head[7], body) {
      case (_, 0x20, "Auth failure."), (0x0b, 0, "fuzzed"), (0x20, 0, "PLAIN"), (0x21, 0x21, ""),
        (0x0b, 0x04, "Invalid arguments"), (0x20...0x22, 0x04, "Invalid arguments"), (_, 0x81, "Unknown command"):
        break
      default: return "opcode \(head[1]) is answered \(head[7]) \(body)"
      }
      rest = rest.dropFirst(24 + count)
    }
    return nil
  }
}

/// What one client came to that sent all of it.
private struct Play {
  var reply: [UInt8] = []
  var isAdmitted = false
  var itemsStored = 0
  /// Nothing was counted but logins that failed.
  var wasUncounted = true
  var objection: String?

  private static let counters = CounterSet()
  private static let registry = CounterRegistry(sets: [counters])
  private static let store = Store.make(StoreConfiguration())!

  private static func configuration(isText: Bool) -> EngineConfiguration {
    var configuration = EngineConfiguration(
      modes: Modes(verbosity: 0, countsPrefixes: false), prefixes: PrefixCounts(delimiter: 0x3a), registry: registry,
      versionText: "fuzzed")
    let file = Array("user:word\n".utf8)
    guard let accounts = try? Accounts(file, isText ? .authenticationFile : .passwordDatabase) else {
      preconditionFailure("the accounts are right")
    }
    let book = AccountBook(accounts)
    configuration.authentication = isText ? .token(book) : .sasl(PasswordDatabase(book, realm: "here"))
    return configuration
  }
  private static let configurations = [configuration(isText: false), configuration(isText: true)]

  init(_ said: [UInt8], isText: Bool, pieceByteCount: Int) {
    Play.registry.reset()
    let itemCount = Play.store.value.itemCount
    var engine = Engine(
      Play.configurations[isText ? 1 : 0], store: Play.store, counters: Play.counters, host: FuzzHost())
    var session = Session(descriptor: 1)
    var input = ByteBuffer(capacity: 64 << 10)
    var rest = said[...]
    var isClosed = false
    while !rest.isEmpty, !isClosed, !isAdmitted, objection == nil {
      input.compact()
      input.append(Array(rest.prefix(pieceByteCount)))
      rest = rest.dropFirst(pieceByteCount)
      var step = NextStep.flushReply
      while step == .flushReply || step == .yield {
        let before = input.count
        step = session.process(&engine, &input)
        if step == .flushReply, engine.reply.isEmpty, input.count == before { objection = "no progress" }
        takeReply(&engine)
        if objection != nil { break }
      }
      isClosed = step == .close
      isAdmitted = session.stage == .text || session.stage == .binary
      if input.count > 2048 + 24 + 256 + (16 << 10) + 2 { objection = "\(input.count) bytes wait" }
    }
    engine.reply.removeAll()
    itemsStored = Play.store.value.itemCount - itemCount
    let counted = Counter.allCases.filter { Play.registry.value($0) > 0 }
    wasUncounted =
      Set(counted).isSubset(of: [.authCommands, .authErrors])
      && Play.registry.value(.authCommands) == Play.registry.value(.authErrors)
  }

  private mutating func takeReply(_ engine: inout Engine) {
    while !engine.reply.isEmpty {
      var answer = ByteBuffer(capacity: engine.reply.unsentByteCount)
      engine.reply.move(into: &answer)
      reply += answer.span.bytes(ByteRange(start: answer.start, end: answer.end))
    }
  }
}
