// Checks the checker for the binary protocol: the notation of packets in bytes, and that a reply which deviates in one
// field or one byte is refused with that field's name. Not about any server: the peer is a list of prepared replies.
import Foundation
import TestSupport
import Testing

/// Answers each send with the next prepared bytes.
private final class PacketPeer: TranscriptPeer {
  var replies: [[UInt8]]
  var pending: [UInt8] = []
  var sent: [[UInt8]] = []

  init(_ replies: [[UInt8]]) { self.replies = replies }

  func connect(_ connection: Int) {}
  func disconnect(_ connection: Int) {}
  func send(_ bytes: [UInt8], on connection: Int) {
    sent.append(bytes)
    if !replies.isEmpty { pending += replies.removeFirst() }
  }
  func receive(upTo limit: Int, on connection: Int, patience: TranscriptPatience) -> TranscriptInput {
    if pending.isEmpty { return .nothing }
    defer { pending.removeFirst(min(limit, pending.count)) }
    return .bytes(Array(pending.prefix(limit)))
  }
  func advanceClock(bySeconds seconds: Int) {}
}

@Suite struct BinaryTranscriptTests {
  private static let sentinel = hex("81 0b 0000 00 00 0000 00000006 69646c65 0000000000000000") + Array("1.6.45".utf8)
  /// get, status 0, opaque 7, CAS 9, flags 5, value `ab`.
  private static let reply = hex("81 00 0000 04 00 0000 00000006 00000007 0000000000000009 00000005 6162")

  private static func hex(_ text: String) -> [UInt8] {
    let digits = Array(text.filter { $0 != " " })
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
  }

  /// Plays `text` to replies of which the last answers the final sentinel, unless one is missing.
  @discardableResult
  private func play(_ text: String, _ replies: [[UInt8]]) throws -> PacketPeer {
    let peer = PacketPeer(replies + [Self.sentinel])
    var player = TranscriptPlayer(try Transcript(name: "case", text: "# case\n" + text), side: .ours, peer: peer)
    _ = try player.play()
    return peer
  }

  private func message(_ text: String, _ replies: [[UInt8]]) -> String {
    do { try play(text, replies) } catch { return "\(error)" }
    return "accepted"
  }

  @Test(arguments: [
    ("noop", "80 0a 0000 00 00 0000 00000000 00000000 0000000000000000"),
    ("get opaque=0x01020304 key=ab", "80 00 0002 00 00 0000 00000002 01020304 0000000000000000 6162"),
    (
      "set cas=258 flags=5 exptime=0xffffffff key=k value=v w",
      "80 01 0001 08 00 0000 0000000c 00000000 0000000000000102 00000005 ffffffff 6b 762077"
    ),
    (
      "incr delta=1 initial=2 exptime=3 key=k",
      "80 05 0001 14 00 0000 00000015 00000000 0000000000000000 0000000000000001 0000000000000002 00000003 6b"
    ),
    (
      "0x1b magic=0x80 keylen=1 extlen=2 datatype=3 vbucket=4 bodylen=5 extras=0a0b extras=0c key=\\x20\\r",
      "80 1b 0001 02 03 0004 00000005 00000000 0000000000000000 0a0b0c 200d"
    ),
  ])
  func requestsInBytes(_ notation: String, _ bytes: String) throws {
    #expect(try play(">b \(notation)", [[]]).sent[0] == Self.hex(bytes))
    #expect(try play(">x \(bytes)", [[]]).sent[0] == Self.hex(bytes))
  }

  @Test func packetsUnderEachOtherAreOneWrite() throws {
    let peer = try play(">b noop\n>x 80 0a\n>> x", [[]])
    #expect(peer.sent.map(\.count) == [27, 24], "the second is the sentinel")
  }

  @Test func exactReplyIsAccepted() throws {
    try play(">b get key=k\n<b get opaque=7 cas=9 flags=5 value=ab", [Self.reply])
    try play(">b get key=k\n<b get opaque=7 cas=<cas:a> extras=00000005 value=<text>", [Self.reply])
    try play(">b get key=k\n<x 81000000040000000000000600000007000000000000000900000005 6162", [Self.reply])
    let number = Self.hex("81 05 0000 00 00 0000 00000008 00000000 0000000000000001 000000000000002a")
    try play(">b incr key=n\n<b incr cas=1 number=42", [number])
  }

  @Test(arguments: [
    (0, "magic"), (1, "opcode"), (3, "keylen"), (4, "extlen"), (5, "datatype"), (7, "status"), (11, "bodylen"),
    (15, "opaque"), (23, "cas"), (27, "extras"), (29, "value"),
  ])
  func aWrongByteIsRefused(_ offset: Int, _ field: String) {
    var wrong = Self.reply
    wrong[offset] ^= 1
    // One more, so that a body length of one more byte finds it.
    let text = message(">b get key=k\n<b get opaque=7 cas=9 flags=5 value=ab", [wrong + [0]])
    #expect(text.contains(field), "\(text)")
  }

  @Test func shortAndSurplusRepliesAreRefused() {
    let expectation = ">b get key=k\n<b get opaque=7 cas=9 flags=5 value=ab"
    #expect(message(expectation, [Self.reply.dropLast()]).contains("and then nothing"))
    #expect(message(expectation, [Array(Self.reply.prefix(20))]).contains("and then nothing"))
    #expect(message(expectation, [Array("ERROR\r\n".utf8)]).contains("ERROR"))
    #expect(message(expectation, [Self.reply + [0x81]]).contains("sentinel"))
    #expect(message(expectation + "\n= idle", [Self.reply, Self.reply]).contains("sentinel"))
  }

  @Test func aFailureShowsBothPackets() {
    let text = message(">b get key=k\n<b get status=0x01 value=Not found", [Self.reply])
    #expect(text.contains("expected get status=0x01 value=\"Not found\""), "\(text)")
    #expect(text.contains("got      get opaque=0x00000007 cas=9 extras=00000005 value=\"ab\""), "\(text)")
    #expect(text.contains("81 00 00 00 04"), "\(text)")
  }

  @Test func casIsOneValueInBothProtocols() throws {
    let binary = ">b get key=k\n<b get opaque=7 cas=<cas:a> flags=5 value=ab\n"
    let peer = try play(binary + "@2\n>b set cas=<cas:a> key=k\n@1", [Self.reply, [], Self.sentinel])
    #expect(peer.sent[1][16..<24].elementsEqual(Self.hex("0000000000000009")))
    let version = Array("VERSION 1.6.45\r\n".utf8)
    for (digits, isSame) in [("9", true), ("10", false)] {
      let replies = [Self.reply, Array("\(digits)\r\n".utf8), Self.sentinel]
      let played = Result {
        let peer = PacketPeer(replies + [version])
        let text = "# case\n" + binary + "@2\n> gets k\n< <cas:a>"
        var player = TranscriptPlayer(try Transcript(name: "case", text: text), side: .ours, peer: peer)
        return try player.play()
      }
      #expect(((try? played.get()) != nil) == isSame)
    }
    let zero = Self.hex("81 01 0000 00 00 0000 00000000 00000000 0000000000000000")
    #expect(message(">b set key=k\n<b set cas=<cas:a>", [zero]).contains("is 0"))
    #expect(message(">b set cas=<cas:unbound> key=k", [[]]).contains("not bound"))
  }

  @Test func statAsksInPackets() throws {
    let row = Self.hex("81 10 0003 00 00 0000 00000004 00000000 0000000000000000") + Array("pid7".utf8)
    let end = Self.hex("81 10 0000 00 00 0000 00000000 00000000 0000000000000000")
    let peer = try play(">b noop\nstat settings pid 7", [[], row + end])
    #expect(
      peer.sent[1] == Self.hex("80 10 0008 00 00 0000 00000008 00000000 0000000000000000") + Array("settings".utf8))
    for (step, report) in [("stat pid 8", row + end), ("stat pi 7", row + end), ("stat pid 7", row + row + end)] {
      #expect(message(">b noop\n\(step)", [[], report]) != "accepted")
    }
    #expect(message(">b noop\nstat pid 7", [[], row]) != "accepted", "no end")
  }

  @Test(arguments: [
    ">b", ">b gett", ">b get key", ">b get size=1", ">b get status=1", "<b get vbucket=1", ">b get key=",
    ">b get  key=a",
    ">b get opaque=0x100000000", ">b get opaque=+1", ">b get opaque=-1", ">b get extras=123", ">b get extras=xx",
    ">b set value=<text>", ">b get key=a key=b", ">b incr number=1 value=1", ">x 8", ">x 8g", ">x +8", "<x 8",
    "ours <b get", "differs: decision: r\nours >b get\nreference <b get",
  ])
  func otherTextIsNoPacket(_ text: String) {
    #expect(throws: Transcript.FormatError.self) { try Transcript(name: "case", text: "# case\n" + text) }
  }
}
