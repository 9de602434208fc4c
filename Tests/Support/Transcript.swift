// The format of Tests/Transcripts/*.txt, as a parser (the player is in TranscriptPlayer.swift): what is sent to a cache
// server and, byte for byte, what comes back. A transcript runs against anything that is a `TranscriptPeer`: a real
// process behind a socket (SocketPeer), or the command layer in process (five functions to write). Every expected byte
// is compared, and at the end every connection must answer `version` with exactly its line, so no surplus byte stays
// unseen; nothing in the format matches "anything". Neither a client nor a server: it knows `version` and `stats` (for
// the `stat` step), no more. Throws at the first deviation. Tests/Transcripts/README.md explains the notation with an
// example; packets of the binary protocol are in BinaryPacket.swift.
import Foundation

/// One parsed transcript file.
public struct Transcript: Sendable {
  /// File name without `.txt`.
  public let name: String
  /// The comment the file opens with.
  public let about: String
  /// Server arguments (`options: -m 64 -C`).
  public let options: [String]
  /// `users: user:password`, a line each: what stands in the file of the server's -Y; without any there is no -Y.
  public let users: [String]
  /// `needs: socket`: the transcript is about a process or its connections and cannot run against a peer in process.
  public let needsSocket: Bool
  /// `ours only: reason`: what the transcript shows does not exist in the oracle; it is not played against it.
  public let oursOnly: String?
  public let steps: [Step]

  /// Whose replies a player expects where a `differs:` block states both.
  public enum Side: String, Sendable {
    case ours
    case reference

    /// What `version` answers on this side, at least up to a blank: ours follows the level of the feature map.
    public var versionNumber: String { self == .ours ? "1.6.45" : "1.6.18" }
  }

  public struct Step: Sendable, Equatable {
    public let line: Int
    public let action: Action
  }

  public indirect enum Action: Sendable, Equatable {
    /// `>`, `>>`, `>b` and `>x` lines that stand directly under each other: one write.
    case send([Piece])
    /// One `<`, `<<` or `<x` line.
    case expect([Piece])
    /// One `<b` line.
    case expectPacket(BinaryPacket)
    /// `= closed`: the server closes now, and sends nothing before.
    case closed
    /// `= silent`: no byte comes for a moment. For the middle of a data block, where no command can be sent.
    case silent
    /// `= idle`: the server owes nothing: `version` is answered at once, by exactly one line.
    case idle
    /// `stat [form] key value`: sends `stats [form]` and compares one value.
    case stat(form: String, key: String, value: [Piece])
    /// `@2`: the following steps use another connection.
    case connection(Int)
    /// `close`: the client closes the connection in use.
    case hangUp
    /// `wait 2`: the clock advances by seconds.
    case wait(Int)
    /// `differs: reason`: the two servers answer differently, by `decision: ` of ours or because `1.6.18 ` is older
    /// than the level ours follows; the reason opens with one of these.
    case differs(reason: String, ours: [Step], reference: [Step])
  }

  public enum Piece: Sendable, Equatable {
    case bytes([UInt8])
    /// `<number>`: decimal digits, at least one.
    case number
    /// `<near:1000>`: a decimal within 2 of this one. For seconds, which pass while a file is played.
    case near(Int)
    /// `<text>`: visible characters, at least one, up to what follows. Only for values that differ in every run.
    case text
    /// `<cas:x>`: the first one binds x to the digits found, which must differ from all bound before; the next ones
    /// compare or, in a line that is sent, insert.
    case cas(String)
    /// The same value as 8 bytes, in the header of a packet.
    case binaryCAS(String)
  }

  public struct FormatError: Error, CustomStringConvertible {
    public let description: String
  }

  /// The number of bytes a run sends, without sentinels and the `stats` of `stat` steps.
  public var sentByteCount: Int {
    steps.reduce(0) { sum, step in
      guard case .send(let pieces) = step.action else { return sum }
      return pieces.reduce(sum) { if case .bytes(let bytes) = $1 { $0 + bytes.count } else { $0 + 1 } }
    }
  }
}

// MARK: - Parser

extension Transcript {
  public init(name: String, text: String) throws {
    var parser = TranscriptParser(name: name)
    try parser.parse(text)
    self.init(
      name: name, about: parser.about.joined(separator: " "), options: parser.options, users: parser.users,
      needsSocket: parser.needsSocket, oursOnly: parser.oursOnly, steps: parser.steps)
  }

  public init(contentsOf file: URL) throws {
    let name = file.deletingPathExtension().lastPathComponent
    try self.init(name: name, text: String(contentsOf: file, encoding: .utf8))
  }
}

private struct TranscriptParser {
  let name: String
  var about: [String] = []
  var options: [String] = []
  var users: [String] = []
  var needsSocket = false
  var oursOnly: String?
  var steps: [Transcript.Step] = []
  private var block: (line: Int, reason: String, ours: [Transcript.Step], reference: [Transcript.Step])?
  private var joinsSend = false
  private var lineNumber = 0

  init(name: String) { self.name = name }

  func failure(_ text: String) -> Transcript.FormatError {
    Transcript.FormatError(description: "\(name).txt:\(lineNumber): \(text)")
  }

  mutating func parse(_ text: String) throws {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      lineNumber += 1
      guard line.utf8.allSatisfy({ (32..<127).contains($0) }) else { throw failure("only visible ASCII; use \\xHH") }
      guard line.last != " " else { throw failure("blank at the end of the line; use \\x20") }
      try parse(line: String(line))
    }
    try finishBlock()
    guard !about.isEmpty else { throw failure("a transcript opens with a comment that says what it shows") }
    guard !steps.isEmpty else { throw failure("no steps") }
  }

  private mutating func parse(line: String) throws {
    if line.hasPrefix("#") || line.isEmpty {
      joinsSend = false
      if steps.isEmpty && block == nil && line.hasPrefix("# ") { about.append(String(line.dropFirst(2))) }
      return
    }
    if let reason = line.rest(after: "differs: ") {
      try finishBlock()
      block = (lineNumber, try checkedReason(reason), [], [])
    } else if !line.hasPrefix("ours only: "), let rest = line.rest(after: "ours ") {
      guard block != nil else { throw failure("`ours` outside of a differs block") }
      try append(rest) { block!.ours.append($0) }
    } else if let rest = line.rest(after: "reference ") {
      guard block != nil else { throw failure("`reference` outside of a differs block") }
      try append(rest) { block!.reference.append($0) }
    } else {
      try finishBlock()
      if let rest = line.rest(after: "options: "), steps.isEmpty {
        options += rest.split(separator: " ").map(String.init)
      } else if let user = line.rest(after: "users: "), steps.isEmpty {
        users.append(user)
      } else if line == "needs: socket", steps.isEmpty {
        needsSocket = true
      } else if let reason = line.rest(after: "ours only: "), steps.isEmpty {
        oursOnly = try checkedReason(reason)
      } else if let pieces = try sentLine(line) {
        try appendSend(pieces)
        return
      } else {
        steps.append(Transcript.Step(line: lineNumber, action: try action(line)))
      }
    }
    joinsSend = false
  }

  private func checkedReason(_ reason: String) throws -> String {
    guard reason.hasPrefix("1.6.18 ") || reason.hasPrefix("decision: ") else {
      throw failure("a reason opens with `1.6.18 ` (the oracle's age) or `decision: `")
    }
    return reason
  }

  private func append(_ line: String, to add: (Transcript.Step) -> Void) throws {
    guard try sentLine(line) == nil else { throw failure("only replies can differ, not what is sent") }
    add(Transcript.Step(line: lineNumber, action: try action(line)))
  }

  private mutating func finishBlock() throws {
    guard let done = block else { return }
    block = nil
    guard done.ours.map(\.action) != done.reference.map(\.action) else { throw failure("differs without difference") }
    steps.append(
      Transcript.Step(
        line: done.line, action: .differs(reason: done.reason, ours: done.ours, reference: done.reference)))
  }

  private mutating func appendSend(_ pieces: [Transcript.Piece]) throws {
    if joinsSend, case .send(let earlier)? = steps.last?.action {
      steps[steps.count - 1] = Transcript.Step(line: steps[steps.count - 1].line, action: .send(earlier + pieces))
    } else {
      steps.append(Transcript.Step(line: lineNumber, action: .send(pieces)))
    }
    joinsSend = true
  }

  private func sentLine(_ line: String) throws -> [Transcript.Piece]? {
    if let raw = line.rest(after: ">> ") { return try pieces(raw) }
    if line == ">" { return [.bytes([13, 10])] }
    if let text = line.rest(after: "> ") { return try pieces(text) + [.bytes([13, 10])] }
    if let text = line.rest(after: ">b ") { return try packet(text, magic: BinaryPacket.requestMagic).pieces }
    if let digits = line.rest(after: ">x ") { return [.bytes(try hexBytes(digits))] }
    return nil
  }

  private func packet(_ text: String, magic: UInt8) throws -> BinaryPacket {
    do { return try BinaryPacket(notation: text, magic: magic, pieces: pieces) } catch let error
      as BinaryPacket.NotationError
    {
      throw failure(error.text)
    }
  }

  private func hexBytes(_ text: String) throws -> [UInt8] {
    do { return try BinaryPacket.hexBytes(text) } catch let error as BinaryPacket.NotationError {
      throw failure(error.text)
    }
  }

  private func action(_ line: String) throws -> Transcript.Action {
    if let raw = line.rest(after: "<< ") { return .expect(try pieces(raw)) }
    if line == "<" { return .expect([.bytes([13, 10])]) }
    if let text = line.rest(after: "< ") { return .expect(try pieces(text + "\\r\\n")) }
    if let text = line.rest(after: "<b ") { return .expectPacket(try packet(text, magic: BinaryPacket.replyMagic)) }
    if let digits = line.rest(after: "<x ") { return .expect([.bytes(try hexBytes(digits))]) }
    if let word = line.rest(after: "= ") {
      switch word {
      case "closed": return .closed
      case "silent": return .silent
      case "idle": return .idle
      default: throw failure("unknown state \(word)")
      }
    }
    if line == "close" { return .hangUp }
    if let rest = line.rest(after: "@"), let number = Int(rest), number > 0 { return .connection(number) }
    if let rest = line.rest(after: "wait "), let seconds = Int(rest), seconds > 0 { return .wait(seconds) }
    if let rest = line.rest(after: "stat ") {
      let words = rest.split(separator: " ").map(String.init)
      if words.count == 2 { return .stat(form: "", key: words[0], value: try pieces(words[1])) }
      if words.count == 3 { return .stat(form: words[0], key: words[1], value: try pieces(words[2])) }
    }
    throw failure("not a step: \(line)")
  }
}

// MARK: - Notation of bytes

extension TranscriptParser {
  /// C escapes, `{text*count}` (with `#` for the number of the repetition, from 1) and placeholders.
  fileprivate func pieces(_ text: String) throws -> [Transcript.Piece] {
    var result: [Transcript.Piece] = []
    var plain: [UInt8] = []
    var input = Array(text.utf8)[...]
    while let byte = input.popFirst() {
      switch byte {
      case UInt8(ascii: "\\"):
        plain.append(try escape(&input))
      case UInt8(ascii: "{"):
        try repetition(&input, into: &plain)
      case UInt8(ascii: "<"):
        if !plain.isEmpty { result.append(.bytes(plain)) }
        plain = []
        result.append(try placeholder(&input))
      default:
        plain.append(byte)
      }
    }
    if !plain.isEmpty { result.append(.bytes(plain)) }
    return result
  }

  private func escape(_ input: inout ArraySlice<UInt8>) throws -> UInt8 {
    switch input.popFirst() {
    case UInt8(ascii: "r"): return 13
    case UInt8(ascii: "n"): return 10
    case UInt8(ascii: "t"): return 9
    case UInt8(ascii: "x"):
      let digits = String(decoding: input.prefix(2), as: UTF8.self)
      guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else { throw failure("\\x takes two digits") }
      input = input.dropFirst(2)
      return value
    case let mark? where "\\{}<#*".utf8.contains(mark): return mark
    default: throw failure("unknown escape")
    }
  }

  private func repetition(_ input: inout ArraySlice<UInt8>, into plain: inout [UInt8]) throws {
    // The number of the repetition stands between the parts.
    var parts: [[UInt8]] = [[]]
    while let byte = input.popFirst(), byte != UInt8(ascii: "*") {
      switch byte {
      case UInt8(ascii: "\\"): parts[parts.count - 1].append(try escape(&input))
      case UInt8(ascii: "#"): parts.append([])
      default: parts[parts.count - 1].append(byte)
      }
    }
    let digits = String(decoding: input.prefix { $0 != UInt8(ascii: "}") }, as: UTF8.self)
    guard let count = Int(digits), count > 0 else { throw failure("a repetition is {text*count}") }
    input = input.dropFirst(digits.utf8.count + 1)
    if parts.count == 1, parts[0].count == 1 {
      plain += [UInt8](repeating: parts[0][0], count: count)
      return
    }
    for number in 1...count {
      plain += parts[0]
      for part in parts.dropFirst() {
        plain += Array(String(number).utf8)
        plain += part
      }
    }
  }

  private func placeholder(_ input: inout ArraySlice<UInt8>) throws -> Transcript.Piece {
    let word = String(decoding: input.prefix { $0 != UInt8(ascii: ">") }, as: UTF8.self)
    input = input.dropFirst(word.utf8.count + 1)
    if word == "number" { return .number }
    if word == "text" { return .text }
    if let digits = word.rest(after: "near:"), let number = Int(digits), number >= 0 { return .near(number) }
    if let name = word.rest(after: "cas:"), !name.isEmpty { return .cas(name) }
    throw failure("unknown placeholder <\(word)>; write \\< for the character")
  }
}

extension String {
  fileprivate func rest(after prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
