// The gate of -S and -Y, in process: nothing is carried out before the login, on whatever listener; what is waited for
// is bounded; a login that fails leaves the connection in sync; accounts change while clients are connected. What the
// reference answers is in Tests/Transcripts; sockets and files are in the server tests.
import InProcess
import Testing

@testable import CacheCore

/// Packets of the binary protocol, as far as a login needs them.
private enum Packet {
  static func request(_ opcode: UInt8, key: String = "", _ value: [UInt8] = [], extras: [UInt8] = []) -> [UInt8] {
    let body = extras + Array(key.utf8) + value
    return [0x80, opcode, 0, UInt8(key.utf8.count), UInt8(extras.count), 0, 0, 0]
      + [UInt8(body.count >> 24), UInt8(body.count >> 16 & 255), UInt8(body.count >> 8 & 255), UInt8(body.count & 255)]
      + [UInt8](repeating: 0, count: 12) + body
  }

  static func plain(_ user: String, _ password: String, as other: String = "") -> [UInt8] {
    Array("\(other)\u{0}\(user)\u{0}\(password)".utf8)
  }

  static let start: UInt8 = 0x21
  static let step: UInt8 = 0x22
  static let set = request(0x01, key: "k", [0x76], extras: [UInt8](repeating: 0, count: 8))

  /// Status and value of each reply.
  static func replies(_ bytes: [UInt8]) -> [String] {
    var rest = bytes[...]
    var replies: [String] = []
    while rest.count >= 24 {
      let head = Array(rest.prefix(24))
      let count = Int(head[8]) << 24 | Int(head[9]) << 16 | Int(head[10]) << 8 | Int(head[11])
      let body = rest.dropFirst(24).prefix(count)
      replies.append("\(String(head[7], radix: 16)) \(String(decoding: body, as: UTF8.self))")
      rest = rest.dropFirst(24 + count)
    }
    return rest.isEmpty ? replies : replies + ["\(rest.count) bytes of no packet"]
  }
}

struct TokenLoginTests {
  private let book: AccountBook
  private let server: InProcessServer

  init() throws {
    book = AccountBook(try Accounts(Array("user:pass word\nother:secret\n".utf8), .authenticationFile))
    server = InProcessServer(authentication: .token(book))
  }

  private func counters(_ client: Int) -> String {
    let lines = server.send("stats\r\n", client: client).split(separator: "\r\n")
    return lines.filter { $0.hasPrefix("STAT auth_") }.map { String($0.dropFirst(5)) }.joined(separator: " ")
  }

  private static let login = "set any 0 0 14\r\nuser pass word\r\n"

  @Test func inAndThenEverything() {
    #expect(server.send(TokenLoginTests.login) == "STORED\r\n")
    #expect(server.send("set k 0 0 1\r\nv\r\nget k any\r\n") == "STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n")
    #expect(server.send("mn\r\nversion\r\n") == "MN\r\nVERSION 1.6.45\r\n")
    #expect(counters(1) == "auth_cmds 1 auth_errors 0")
  }

  @Test func metaClientsToo() {
    #expect(server.send("ms any 12\r\nother secret\r\nmg any v\r\n") == "HD\r\nEN\r\n")
  }

  /// A login and what follows it may come in one piece, and in as many pieces as there are bytes.
  @Test(arguments: [1, 2, 17, 1 << 14])
  func inPieces(pieceByteCount: Int) {
    let bytes = Array(("get k\r\nget another\r\n" + TokenLoginTests.login + "get k\r\n").utf8).dropFirst(7)
    let answer = server.send(Array(bytes), pieceByteCount: pieceByteCount)
    #expect(String(decoding: answer, as: UTF8.self) == "CLIENT_ERROR unauthenticated\r\nSTORED\r\nEND\r\n")
  }

  /// Every verb of the text and meta protocols, on every kind of listener.
  @Test(arguments: [WireProtocol.undecided, .text, .binary])
  func nothingBefore(offered: WireProtocol) throws {
    server.offered = offered
    #expect(server.send(TokenLoginTests.login + "set k 0 0 1\r\nv\r\n", client: 1) == "STORED\r\nSTORED\r\n")
    let verbs = TextVerb.allCases.map { "\($0.wireName)" } + ["mg", "ms", "md", "ma", "me", "mn"]
    for (index, verb) in verbs.enumerated() {
      let client = index + 2
      let answer = server.send("\(verb) k abc x y 1\r\n", client: client)
      #expect(answer == "CLIENT_ERROR unauthenticated\r\n", "\(verb)")
      #expect(server.send("k\r\n", client: client) == "" && server.isClosed(client), "\(verb)")
    }
    #expect(server.send("get k\r\n", client: 1) == "VALUE k 0 1\r\nv\r\nEND\r\n")
    #expect(counters(1) == "auth_cmds 1 auth_errors 0")
  }

  /// A first byte of 0x80 makes no binary client.
  @Test func binaryClientsStayOut() {
    #expect(server.send([0x80, 0x0b] + [UInt8](repeating: 0, count: 22)) == [])
    #expect(server.send("\r\n\r\n") == "CLIENT_ERROR unauthenticated\r\n")
    #expect(server.isClosed())
  }

  @Test(arguments: [
    "setx any 0 0 14\r\nuser pass word\r\n", "sets any 0 0 14\r\nuser pass word\r\n",
    " set any 0 0 14\r\nuser pass word\r\n", "add any 0 0 14\r\nuser pass word\r\n",
    "msx any 14\r\nuser pass word\r\n", "mset any 0 0 14\r\nuser pass word\r\n", "set any 0 0 x\r\nuser pass word\r\n",
    "set any 0 0\r\nuser pass word\r\n", "set any 0 0 -14\r\nuser pass word\r\n", "ms any\r\nuser pass word\r\n",
    "ms any S14\r\nuser pass word\r\n", "set any 0 0 99999999999\r\nuser pass word\r\n",
  ])
  func linesThatAreNoLogin(text: String) {
    let unauthenticated = "CLIENT_ERROR unauthenticated\r\n"
    #expect(server.send(text) == unauthenticated + unauthenticated)
    #expect(server.send(TokenLoginTests.login) == "STORED\r\n")
  }

  @Test(arguments: [
    "user pass wor", "user pass word ", "user pass wordx", "user  pass word", "use pass word", "users pass word",
    "user secret", "other pass word", "user ", " pass word", "user", "", "user pass word\u{0}", "user:pass word",
  ])
  func wrongTokensThenRight(token: String) {
    let isToken = token.contains(" ") && token != "user "
    let error = isToken ? "authentication failure" : "bad authentication token format"
    #expect(server.send("set k 0 0 \(token.utf8.count)\r\n\(token)\r\n") == "CLIENT_ERROR \(error)\r\n")
    #expect(server.send("get nothing\r\n") == "CLIENT_ERROR unauthenticated\r\n")
    #expect(server.send(TokenLoginTests.login) == "STORED\r\n")
    #expect(counters(1) == (isToken ? "auth_cmds 2 auth_errors 1" : "auth_cmds 1 auth_errors 0"))
  }

  @Test func lineEndsOfTheLogin() {
    // A bare newline ends a line as well as any.
    #expect(server.send("set any 0 0 14\nuser pass word\r\n", client: 1) == "STORED\r\n")
    #expect(
      server.send("set any 0 0 14\r\nuser pass wordxx", client: 2) == "CLIENT_ERROR bad command line termination\r\n")
    #expect(server.send(TokenLoginTests.login, client: 2) == "STORED\r\n")
  }

  @Test(arguments: ["\r\n", "\n", "x\r\n", "quit\r\n", "mn\r\n", "1234\r\n", "12345\n"])
  func shortLinesEndTheConnection(line: String) {
    #expect(server.send(line + TokenLoginTests.login) == "")
    #expect(server.isClosed())
  }

  @Test func hugeTokens() {
    let limit = LoginLine.longestTokenByteCount
    let longest = "user " + String(repeating: "x", count: limit - 5)
    let failure = "CLIENT_ERROR authentication failure\r\n"
    #expect(server.send("set k 0 0 \(limit)\r\n\(longest)\r\n") == failure)
    #expect(server.send("set k 0 0 \(limit + 1)\r\n\(longest)x\r\n") == "CLIENT_ERROR auth token too long\r\n")
    #expect(server.send("get nothing\r\n") == "CLIENT_ERROR unauthenticated\r\n")
    // Four gigabytes are announced: none of what comes is kept.
    #expect(server.send("set k 0 0 4294967295\r\n", client: 2) == "")
    for _ in 0..<10 { #expect(server.send(longest, client: 2) == "") }
    #expect(server.waitingByteCount(2) == 0)
    #expect(server.send(TokenLoginTests.login) == "STORED\r\n")
  }

  /// Whatever is sent, no more than a line and a token wait.
  @Test(arguments: [1, 100, 1 << 14])
  func whatWaitsIsBounded(pieceByteCount: Int) {
    let bytes = [UInt8](repeating: 0x78, count: 3000)
    #expect(server.send(bytes, client: 1, pieceByteCount: pieceByteCount) == [])
    #expect(server.isClosed(1))
    let token = Array("set k 0 0 16384\r\n".utf8) + [UInt8](repeating: 0x78, count: 16385)
    #expect(server.send(token, client: 2, pieceByteCount: pieceByteCount) == [])
    #expect(server.waitingByteCount(2) == token.count && !server.isClosed(2))
    // A long line ends the connection even when it came at once.
    let line = Array("set k 0 0 14 ".utf8) + bytes + Array("\r\nuser pass word\r\n".utf8)
    #expect(server.send(line, client: 3, pieceByteCount: pieceByteCount) == [])
    #expect(server.isClosed(3))
  }

  @Test func accountsChange() throws {
    #expect(server.send(TokenLoginTests.login, client: 1) == "STORED\r\n")
    #expect(server.send("set any 0 0 14\r\nuser", client: 2) == "")
    book.replace(try Accounts(Array("user:new\n".utf8), .authenticationFile))
    // Who is in stays in; who is half way is judged by the new ones.
    #expect(server.send("get k\r\n", client: 1) == "END\r\n")
    #expect(server.send(" pass word\r\n", client: 2) == "CLIENT_ERROR authentication failure\r\n")
    #expect(server.send("set any 0 0 8\r\nuser new\r\n", client: 2) == "STORED\r\n")
  }

  /// There is no UDP with -Y; if there were, nobody would get in by it.
  @Test func datagramsAreNotAnswered() {
    server.areDatagrams = true
    #expect(server.send("get something\r\n", client: 1) == "")
    #expect(server.send(TokenLoginTests.login, client: 2) == "")
    #expect(server.isClosed(1) && server.isClosed(2))
  }
}

struct SASLLoginTests {
  private let book: AccountBook
  private let server: InProcessServer

  init() throws {
    book = AccountBook(try Accounts(Array("user@here:word\nbare:secret\n".utf8), .passwordDatabase))
    server = InProcessServer(authentication: .sasl(PasswordDatabase(book, realm: "here")))
  }

  private func ask(_ packets: [UInt8]..., client: Int = 1) -> [String] {
    Packet.replies(server.send(packets.flatMap { $0 }, client: client))
  }

  private func start(_ user: String, _ password: String, as other: String = "", client: Int = 1) -> [String] {
    ask(Packet.request(Packet.start, key: "PLAIN", Packet.plain(user, password, as: other)), client: client)
  }

  private func counters(_ client: Int) -> String {
    var all: [String: String] = [:]
    var rest = server.send(Packet.request(0x10), client: client)[...]
    while rest.count >= 24 {
      let head = Array(rest.prefix(24))
      let (key, body) = (Int(head[3]), Int(head[10]) << 8 | Int(head[11]))
      let text = rest.dropFirst(24).prefix(body)
      all[String(decoding: text.prefix(key), as: UTF8.self)] = String(decoding: text.dropFirst(key), as: UTF8.self)
      rest = rest.dropFirst(24 + body)
    }
    return "\(all["auth_cmds"] ?? "?") \(all["auth_errors"] ?? "?")"
  }

  @Test(arguments: [
    ("user", "word", ""), ("user@here", "word", ""), ("user", "word", "user"), ("bare", "secret", ""),
  ])
  func inAndThenEverything(user: String, password: String, other: String) {
    #expect(ask(Packet.request(0x20)) == ["0 PLAIN"])
    #expect(start(user, password, as: other) == ["0 Authenticated"])
    #expect(ask(Packet.set) == ["0 "])
    #expect(ask(Packet.request(0x0c, key: "k")) == ["0 \u{0}\u{0}\u{0}\u{0}kv"])
    #expect(counters(1) == "1 0")
  }

  @Test(arguments: [
    ("user", "wor", ""), ("user", "words", ""), ("user", "secret", ""), ("user@there", "word", ""),
    ("user", "word", "root"), ("bare@here", "secret", ""), ("", "word", ""), ("user", "", ""), ("nobody", "word", ""),
  ])
  func wrongThenRight(user: String, password: String, other: String) {
    #expect(start(user, password, as: other) == ["20 Auth failure."])
    #expect(start("user", "word") == ["0 Authenticated"])
    #expect(counters(1) == "2 1")
  }

  @Test func messagesThatAreNone() {
    for message in [[0], [0, 0], [0x75], Array("\u{0}user".utf8), Array("\u{0}user\u{0}word\u{0}".utf8)] as [[UInt8]] {
      #expect(ask(Packet.request(Packet.start, key: "PLAIN", message)) == ["20 Auth failure."], "\(message)")
    }
    for mechanism in ["plain", "PLAI", "PLAINS", "LOGIN", "ANONYMOUS", "EXTERNAL", String(repeating: "m", count: 32)] {
      let message = Packet.plain("user", "word")
      #expect(ask(Packet.request(Packet.start, key: mechanism, message)) == ["20 Auth failure."], "\(mechanism)")
    }
    #expect(start("user", "word") == ["0 Authenticated"])
  }

  @Test func inTwoSteps() {
    let step = Packet.request(Packet.step, key: "PLAIN", Packet.plain("user", "word"))
    #expect(ask(step) == ["20 Auth failure."])
    #expect(ask(Packet.request(Packet.start, key: "PLAIN")) == ["21 "])
    #expect(ask(Packet.set) == ["20 Auth failure."])
    #expect(server.isClosed())
    #expect(
      ask(Packet.request(Packet.start, key: "PLAIN"), step, Packet.set, client: 2) == ["21 ", "0 Authenticated", "0 "])
    // A conversation is over when it is: its last step is no key to another login.
    #expect(ask(step, client: 2) == ["20 Auth failure."])
    #expect(ask(Packet.set, client: 2) == ["20 Auth failure."])
  }

  /// Every opcode there is and is not, with any shape, on every kind of listener.
  @Test(arguments: [WireProtocol.undecided, .text, .binary])
  func nothingBefore(offered: WireProtocol) {
    server.offered = offered
    #expect(start("user", "word", client: 1) + ask(Packet.set, client: 1) == ["0 Authenticated", "0 "])
    var client = 1
    for opcode in UInt8.min...UInt8.max where ![0x0b, 0x20, 0x21, 0x22].contains(opcode) {
      for packet in [
        Packet.request(opcode), Packet.request(opcode, key: "k"), Packet.request(opcode, key: "k", [0x76]),
        Packet.request(opcode, key: "k", [0x76], extras: [UInt8](repeating: 0, count: 8)),
        Packet.request(opcode, extras: [UInt8](repeating: 0, count: 4)),
      ] {
        client += 1
        #expect(ask(packet, client: client) == ["20 Auth failure."], "opcode \(opcode)")
        #expect(server.isClosed(client), "opcode \(opcode)")
        server.disconnect(client)
      }
    }
    #expect(ask(Packet.request(0x0c, key: "k"), client: 1) == ["0 \u{0}\u{0}\u{0}\u{0}kv"])
    #expect(counters(1) == "1 0")
  }

  @Test func versionNeedsNoLogin() {
    #expect(ask(Packet.request(0x0b)) == ["0 1.6.45"])
    #expect(!server.isClosed())
  }

  @Test(arguments: [
    "get k\r\n", "set any 0 0 9\r\nuser word\r\n", "\r\n", "version\r\n", "mn\r\n", "GET / HTTP/1.1\r\n",
  ])
  func textClientsStayOut(text: String) {
    #expect(server.send(text) == "")
    #expect(server.isClosed())
  }

  @Test func whoFailsIsOut() {
    #expect(start("user", "word") == ["0 Authenticated"])
    #expect(start("user", "wrong") == ["20 Auth failure."])
    #expect(ask(Packet.set) == ["20 Auth failure."])
    #expect(server.isClosed())
  }

  /// And who has begun again is not in before he has come to the end.
  @Test func whoBeginsAgainIsOut() {
    #expect(start("user", "word") == ["0 Authenticated"])
    #expect(ask(Packet.request(Packet.start, key: "PLAIN")) == ["21 "])
    #expect(ask(Packet.set) == ["20 Auth failure."])
  }

  @Test func hugeMessages() {
    let mechanism = String(repeating: "m", count: 33)
    #expect(
      ask(Packet.request(Packet.start, key: mechanism, [1, 2, 3]), Packet.request(0x0b)) == [
        "4 Invalid arguments", "0 1.6.45",
      ])
    let longest = Packet.plain("user", String(repeating: "x", count: (16 << 10) - 6))
    #expect(ask(Packet.request(Packet.start, key: "PLAIN", longest)) == ["20 Auth failure."])
    #expect(
      ask(Packet.request(Packet.start, key: "PLAIN", longest + [1]), Packet.request(0x0b)) == [
        "20 Auth failure.", "0 1.6.45",
      ])
    #expect(start("user", "word") == ["0 Authenticated"])
  }

  @Test(arguments: [1, 3, 24, 100])
  func inPieces(pieceByteCount: Int) {
    let all =
      Packet.request(0x20) + Packet.request(Packet.start, key: "PLAIN", Packet.plain("user", "no"))
      + Packet.request(Packet.start, key: "PLAIN")
      + Packet.request(Packet.step, key: "PLAIN", Packet.plain("user", "word"))
      + Packet.set
    #expect(
      Packet.replies(server.send(all, pieceByteCount: pieceByteCount)) == [
        "0 PLAIN", "20 Auth failure.", "21 ", "0 Authenticated", "0 ",
      ])
  }

  @Test func accountsChange() throws {
    #expect(start("user", "word", client: 1) == ["0 Authenticated"])
    book.replace(try Accounts(Array("user@here:new\n".utf8), .passwordDatabase))
    #expect(ask(Packet.set, client: 1) == ["0 "])
    #expect(start("user", "word", client: 2) == ["20 Auth failure."])
    #expect(start("user", "new", client: 2) == ["0 Authenticated"])
  }
}
