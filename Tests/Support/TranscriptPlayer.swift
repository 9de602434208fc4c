// Plays a parsed transcript against anything that is a `TranscriptPeer`: a real process behind a socket, or the command
// layer in process. Not a client: it knows `version` and `stats` (for the `stat` step), no more. It throws at the first
// deviation, and at the end every connection must answer `version` with exactly its line, so no surplus byte stays
// unseen. What it does on connections that speak the binary protocol is in TranscriptPlayer+Binary.swift.
import Foundation

/// What a transcript talks to. Connections are numbered from 1; the player connects each before its first use.
public protocol TranscriptPeer {
  mutating func connect(_ connection: Int) throws
  /// The client ends the connection, at whatever byte it is.
  mutating func disconnect(_ connection: Int) throws
  /// Delivers all bytes. A peer that closed the connection meanwhile is no error here: `receive` tells.
  mutating func send(_ bytes: [UInt8], on connection: Int) throws
  /// Takes 1 to `limit` of the bytes the server sent, waiting for the first one as `patience` says.
  mutating func receive(upTo limit: Int, on connection: Int, patience: TranscriptPatience) throws -> TranscriptInput
  /// Lets the server's clock advance: a sleep over a socket, the injected clock in process.
  mutating func advanceClock(bySeconds seconds: Int) throws
}

public enum TranscriptPatience: Sendable {
  /// A reply is due: wait some seconds. In process everything that will come is there, so nothing is waited for.
  case reply
  /// No byte should come: wait a moment only.
  case silence
}

public enum TranscriptInput: Sendable, Equatable {
  case bytes([UInt8])
  case nothing
  case closed
}

/// What a played transcript amounted to.
public struct TranscriptScore: Sendable {
  public var steps = 0
  public var sentByteCount = 0
  public var comparedByteCount = 0
  public var differences: [String] = []

  public init() {}
}

public struct TranscriptFailure: Error, CustomStringConvertible {
  public let description: String
}

public struct TranscriptPlayer<Peer: TranscriptPeer> {
  private let transcript: Transcript
  let side: Transcript.Side
  var peer: Peer
  var connection = 1
  /// Connections in use; a closed one stays in `closed` and may not be used again.
  private var open: Set<Int> = []
  private var closed: Set<Int> = []
  /// The connections that have sent something, by whether the server takes it for the binary protocol.
  private var isBinary: [Int: Bool] = [:]
  /// In decimal digits, whichever protocol bound them.
  private var casValues: [String: [UInt8]] = [:]
  var score = TranscriptScore()
  private var line = 0

  public init(_ transcript: Transcript, side: Transcript.Side, peer: Peer) {
    self.transcript = transcript
    self.side = side
    self.peer = peer
  }

  /// What the first byte of a connection decides, where the options leave it the choice (`-B`).
  private func speaksBinary(first: UInt8?) -> Bool {
    if let index = transcript.options.firstIndex(of: "-B"), let word = transcript.options.dropFirst(index + 1).first {
      if word != "auto" { return word == "binary" }
    }
    return first == BinaryPacket.requestMagic
  }

  /// Plays all steps and the final check of every open connection. Throws `TranscriptFailure` at the first deviation.
  public mutating func play() throws -> TranscriptScore {
    try switchTo(1)
    for step in transcript.steps { try play(step) }
    for number in open.sorted() {
      connection = number
      try expectIdle()
    }
    return score
  }

  private mutating func play(_ step: Transcript.Step) throws {
    line = step.line
    score.steps += 1
    switch step.action {
    case .send(let pieces): try send(try substitute(pieces))
    case .expect(let pieces): try expect(pieces)
    case .expectPacket(let packet): try expect(packet)
    case .closed: try expectClosed()
    case .silent: try expectSilence()
    case .idle: try expectIdle()
    case .stat(let form, let key, let value): try expectStat(form: form, key: key, value: value)
    case .connection(let number): try switchTo(number)
    case .hangUp: try hangUp()
    case .wait(let seconds): try peer.advanceClock(bySeconds: seconds)
    case .differs(let reason, let ours, let reference):
      score.differences.append("\(transcript.name).txt:\(step.line): \(reason)")
      for inner in side == .ours ? ours : reference { try play(inner) }
    }
  }

  func failure(_ text: String) -> TranscriptFailure {
    TranscriptFailure(description: "\(transcript.name).txt:\(line) (\(side.rawValue)): \(text)")
  }
}

// MARK: - Steps

extension TranscriptPlayer {
  private mutating func switchTo(_ number: Int) throws {
    connection = number
    guard !closed.contains(number) else { throw failure("connection \(number) is closed") }
    if open.insert(number).inserted { try peer.connect(number) }
  }

  private mutating func hangUp() throws {
    guard open.remove(connection) != nil else { throw failure("connection \(connection) is not open") }
    closed.insert(connection)
    try peer.disconnect(connection)
  }

  mutating func send(_ bytes: [UInt8]) throws {
    if isBinary[connection] == nil { isBinary[connection] = speaksBinary(first: bytes[0]) }
    guard !closed.contains(connection) else { throw failure("connection \(connection) is closed") }
    score.sentByteCount += bytes.count
    try peer.send(bytes, on: connection)
  }

  private mutating func expect(_ pieces: [Transcript.Piece]) throws {
    if case .bytes(let literal)? = pieces.first, pieces.count == 1 {
      try expect(literal)
    } else {
      try match(try receiveLine(), pieces)
    }
  }

  private mutating func expect(_ expected: [UInt8]) throws {
    var got: [UInt8] = []
    while got.count < expected.count {
      let input = try peer.receive(upTo: expected.count - got.count, on: connection, patience: .reply)
      guard case .bytes(let bytes) = input else {
        throw failure("expected \(shown(expected)), got \(shown(got)) and then \(shown(input))")
      }
      let matches = expected[got.count...].withUnsafeBytes { memcmp($0.baseAddress!, bytes, bytes.count) == 0 }
      got += bytes
      guard matches else {
        if case .bytes(let more) = try peer.receive(upTo: 200, on: connection, patience: .silence) { got += more }
        throw failure("expected \(shown(expected)), got \(shown(got))\(firstDifference(expected, got))")
      }
    }
    score.comparedByteCount += expected.count
  }

  private mutating func expectSilence() throws {
    let input = try peer.receive(upTo: 200, on: connection, patience: .silence)
    guard input == .nothing else { throw failure("expected silence, got \(shown(input))") }
  }

  private mutating func expectClosed() throws {
    let input = try peer.receive(upTo: 200, on: connection, patience: .reply)
    guard input == .closed else { throw failure("expected the end of the connection, got \(shown(input))") }
    open.remove(connection)
    closed.insert(connection)
  }

  private mutating func expectIdle() throws {
    if isBinary[connection] ?? speaksBinary(first: nil) { return try expectIdleBinary() }
    try send(Array("version\r\n".utf8))
    let reply = String(decoding: try receiveLine(), as: UTF8.self)
    let number = "VERSION " + side.versionNumber
    guard reply == number + "\r\n" || reply.hasPrefix(number + " ") && reply.hasSuffix("\r\n") else {
      throw failure("expected no more than the sentinel's \(number), got \(shown(Array(reply.utf8)))")
    }
  }

  private mutating func expectStat(form: String, key: String, value: [Transcript.Piece]) throws {
    if isBinary[connection] ?? speaksBinary(first: nil) {
      return try expectBinaryStat(form: form, key: key, value: value)
    }
    try send(Array((form.isEmpty ? "stats\r\n" : "stats \(form)\r\n").utf8))
    var found: [UInt8]?
    while true {
      let reply = try receiveLine()
      if reply == Array("END\r\n".utf8) { break }
      guard reply.starts(with: "STAT ".utf8) else { throw failure("not a line of stats: \(shown(reply))") }
      let prefix = Array("STAT \(key) ".utf8)
      guard reply.starts(with: prefix) else { continue }
      guard found == nil else { throw failure("stats names \(key) twice") }
      found = Array(reply.dropFirst(prefix.count))
    }
    guard let found else { throw failure("stats \(form) has no \(key)") }
    do {
      try match(found, value + [.bytes([13, 10])])
    } catch let error as TranscriptFailure {
      throw TranscriptFailure(description: "\(error.description) [\(key)]")
    }
  }
}

// MARK: - Bytes

extension TranscriptPlayer {
  private mutating func receiveLine() throws -> [UInt8] {
    var got: [UInt8] = []
    while got.last != 10 {
      let input = try peer.receive(upTo: 1, on: connection, patience: .reply)
      guard case .bytes(let bytes) = input else {
        throw failure("expected a line, got \(shown(got)) and then \(shown(input))")
      }
      got += bytes
    }
    return got
  }

  /// The value of a bound placeholder in the header of a packet.
  private func binaryCAS(_ name: String) throws -> [UInt8] {
    guard let digits = casValues[name], let number = UInt64(String(decoding: digits, as: UTF8.self)) else {
      throw failure("<cas:\(name)> is not bound yet")
    }
    return withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }

  private func substitute(_ pieces: [Transcript.Piece]) throws -> [UInt8] {
    var result: [UInt8] = []
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): result += bytes
      case .cas(let name):
        guard let value = casValues[name] else { throw failure("<cas:\(name)> is not bound yet") }
        result += value
      case .binaryCAS(let name): result += try binaryCAS(name)
      case .number, .near, .text: throw failure("a placeholder without value cannot be sent")
      }
    }
    return result
  }

  mutating func match(_ got: [UInt8], _ pieces: [Transcript.Piece]) throws {
    var rest = got[...]
    for piece in pieces {
      switch piece {
      case .bytes(let expected):
        guard rest.starts(with: expected) else { throw failure("expected \(shown(pieces)), got \(shown(got))") }
        rest = rest.dropFirst(expected.count)
      case .number, .near, .cas:
        let digits = Array(rest.prefix { (48...57).contains($0) })
        guard !digits.isEmpty else { throw failure("expected a number in \(shown(pieces)), got \(shown(got))") }
        rest = rest.dropFirst(digits.count)
        if case .cas(let name) = piece { try bind(name, digits) }
        if case .near(let number) = piece {
          guard let value = Int(String(decoding: digits, as: UTF8.self)), abs(value - number) <= 2 else {
            throw failure("expected \(shown(pieces)), got \(shown(got))")
          }
        }
      case .text:
        let visible = rest.prefix { $0 > 32 && $0 < 127 }
        guard !visible.isEmpty else { throw failure("expected a text in \(shown(pieces)), got \(shown(got))") }
        rest = rest.dropFirst(visible.count)
      case .binaryCAS: throw failure("a packet's CAS in a line of text")
      }
    }
    guard rest.isEmpty else { throw failure("expected \(shown(pieces)), got \(shown(got))") }
    score.comparedByteCount += got.count
  }

  mutating func bind(_ name: String, _ digits: [UInt8]) throws {
    if let known = casValues[name] {
      guard known == digits else { throw failure("<cas:\(name)> was \(shown(known)), is now \(shown(digits))") }
    } else {
      if let other = casValues.first(where: { $0.value == digits })?.key {
        throw failure("<cas:\(name)> has the value of <cas:\(other)>: \(shown(digits))")
      }
      casValues[name] = digits
    }
  }

  func shown(_ bytes: some Collection<UInt8>) -> String {
    var text = bytes.prefix(200).map { byte -> String in
      switch byte {
      case 13: "\\r"
      case 10: "\\n"
      case 32..<127: String(UnicodeScalar(byte))
      default: "\\x" + String(Int(byte) + 256, radix: 16).suffix(2)
      }
    }.joined()
    if bytes.count > 200 { text += "... (\(bytes.count) bytes)" }
    return "\"\(text)\""
  }

  func shown(_ input: TranscriptInput) -> String {
    switch input {
    case .bytes(let bytes): shown(bytes)
    case .nothing: "nothing"
    case .closed: "the end of the connection"
    }
  }

  func shown(_ pieces: [Transcript.Piece]) -> String {
    pieces.map { piece in
      switch piece {
      case .bytes(let bytes): shown(bytes)
      case .number: "<number>"
      case .near(let number): "<near:\(number)>"
      case .text: "<text>"
      case .cas(let name), .binaryCAS(let name): "<cas:\(name)>" + (casValues[name].map { "=" + shown($0) } ?? "")
      }
    }.joined()
  }

  private func firstDifference(_ expected: [UInt8], _ got: [UInt8]) -> String {
    let index = zip(expected, got).prefix { $0 == $1 }.count
    guard index > 100 else { return "" }
    return "; at byte \(index): \(shown(expected.dropFirst(index))) against \(shown(got.dropFirst(index)))"
  }
}
