// What the player does on a connection that speaks the binary protocol: it compares packets field by field, so that a
// failure names the field, and asks the two questions of its own (`= idle`, `stat`) as packets. No client: it knows
// `version` and `stat`, like the player of text lines.
import Foundation

extension TranscriptPlayer {
  mutating func expect(_ expected: BinaryPacket) throws {
    let bytes = try receivePacket("expected \(described(expected))")
    let got = BinaryPacket(received: bytes)!
    var wrong = expected.differences(from: got)
    if case .number(let number) = expected.cas, got.cas != .number(number) { wrong.append("cas") }
    guard wrong.isEmpty else { throw failure(expected, got, bytes, wrong.joined(separator: ", ")) }
    guard case .number(let cas) = got.cas else { return }
    let value = got.value.reduce(into: [UInt8]()) { if case .bytes(let bytes) = $1 { $0 += bytes } }
    do {
      if case .name(let name) = expected.cas {
        guard cas != 0 else { throw failure("<cas:\(name)> is 0") }
        try bind(name, Array(String(cas).utf8))
      }
      try match(value, expected.value)
    } catch let error as TranscriptFailure {
      throw TranscriptFailure(description: "\(error.description)\n\(comparison(expected, got, bytes))")
    }
    score.comparedByteCount += bytes.count - value.count
  }

  /// `= idle`: the answer to `version` is the next packet. Not noop: a server with -S refuses that before the password.
  mutating func expectIdleBinary() throws {
    var request = BinaryPacket(magic: BinaryPacket.requestMagic, opcode: 0x0b)
    request.opaque = 0x6964_6c65  // "idle"
    try send(bytes(of: request))
    let bytes = try receivePacket("expected the sentinel's reply to version")
    let got = BinaryPacket(received: bytes)!
    var expected = request
    expected.magic = BinaryPacket.replyMagic
    expected.value = got.value
    let version = String(decoding: bytes.dropFirst(BinaryPacket.headerByteCount), as: UTF8.self)
    let isOurs = version == side.versionNumber || version.hasPrefix(side.versionNumber + " ")
    guard expected.differences(from: got).isEmpty, got.cas == .number(0), isOurs else {
      throw failure("expected no more than the sentinel's reply to version, got\n  \(described(got))\n  \(hex(bytes))")
    }
  }

  /// `stat`: asks for the form and compares one value; the report ends with an empty packet.
  mutating func expectBinaryStat(form: String, key: String, value: [Transcript.Piece]) throws {
    var request = BinaryPacket(magic: BinaryPacket.requestMagic, opcode: 0x10)
    request.key = Array(form.utf8)
    try send(bytes(of: request))
    var found: [UInt8]?
    while true {
      let bytes = try receivePacket("expected a packet of stat \(form)")
      let got = BinaryPacket(received: bytes)!
      var expected = BinaryPacket(magic: BinaryPacket.replyMagic, opcode: 0x10)
      (expected.key, expected.value) = (got.key, got.value)
      guard expected.differences(from: got).isEmpty, got.cas == .number(0) else {
        throw failure("not a packet of stat \(form):\n  \(described(got))\n  \(hex(bytes))")
      }
      if got.key.isEmpty, got.value.isEmpty { break }
      guard got.key == Array(key.utf8) else { continue }
      guard found == nil else { throw failure("stat names \(key) twice") }
      found = Array(bytes.dropFirst(BinaryPacket.headerByteCount + got.key.count))
    }
    guard let found else { throw failure("stat \(form) has no \(key)") }
    do {
      try match(found, value)
    } catch let error as TranscriptFailure {
      throw TranscriptFailure(description: "\(error.description) [\(key)]")
    }
  }
}

// MARK: - Bytes

extension TranscriptPlayer {
  /// A header, and the body it announces when it is the header of a reply.
  private mutating func receivePacket(_ expectation: String) throws -> [UInt8] {
    var got: [UInt8] = []
    var count = BinaryPacket.headerByteCount
    while got.count < count {
      let input = try peer.receive(upTo: count - got.count, on: connection, patience: .reply)
      guard case .bytes(let bytes) = input else {
        throw failure("\(expectation), got \(shown(got)) and then \(shown(input))\n  \(hex(got))")
      }
      got += bytes
      if got.count == BinaryPacket.headerByteCount, got[0] == BinaryPacket.replyMagic {
        count += Int(min(BinaryPacket(received: got)!.bodyLength!, 64 << 20))
      }
    }
    return got
  }

  /// Of a request without placeholder.
  private func bytes(of packet: BinaryPacket) -> [UInt8] {
    packet.pieces.reduce(into: []) { if case .bytes(let bytes) = $1 { $0 += bytes } }
  }

  private func described(_ packet: BinaryPacket) -> String { packet.described { shown($0) } }

  private func hex(_ bytes: [UInt8]) -> String { "[\(BinaryPacket.hexText(bytes))]" }

  private func failure(
    _ expected: BinaryPacket, _ got: BinaryPacket, _ bytes: [UInt8], _ fields: String
  ) -> TranscriptFailure {
    failure("other packet (\(fields))\n\(comparison(expected, got, bytes))")
  }

  /// Both packets in words and hex, under each other.
  private func comparison(_ expected: BinaryPacket, _ got: BinaryPacket, _ bytes: [UInt8]) -> String {
    let wanted = expected.pieces.reduce(into: [UInt8]()) { sum, piece in
      switch piece {
      case .bytes(let bytes): sum += bytes
      default: sum += [UInt8](repeating: 0, count: 8)
      }
    }
    return """
        expected \(described(expected))
        got      \(got.magic == BinaryPacket.replyMagic ? described(got) : shown(bytes))
        expected \(hex(wanted))
        got      \(hex(bytes))
      """
  }
}
