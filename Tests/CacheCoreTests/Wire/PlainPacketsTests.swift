// The short way of the binary protocol's gets against the general one, which a server takes that counts prefixes: the
// same packets must get the same replies, whole and in pieces, at the edges of what is plain, with items of every kind
// and with replies that fill up.
import InProcess
import Testing

@testable import CacheCore

struct PlainPacketsTests {
  private func packet(
    _ opcode: BinaryOpcode, extras: [UInt8] = [], key: String = "", value: [UInt8] = [], opaque: UInt8 = 0
  ) -> [UInt8] {
    func bigEndian(_ number: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * (count - 1 - $0))) }
    }
    let body = extras + Array(key.utf8) + value
    var packet: [UInt8] = [0x80, opcode.rawValue] + bigEndian(key.utf8.count, 2) + [UInt8(extras.count), 0, 0, 0]
    packet += bigEndian(body.count, 4) + [0, 0, 0, opaque] + bigEndian(0, 8)
    return packet + body
  }

  private func set(_ key: String, _ count: Int, clientFlags: UInt8 = 0, exptime: UInt8 = 0) -> [UInt8] {
    packet(.set, extras: [0, 0, 0, clientFlags, 0, 0, 0, exptime], key: key, value: pattern(count))
  }

  /// What the short way and the general one answer to the same.
  private func expectSame(
    _ packets: [[UInt8]], before text: String = "", seconds: UInt32 = 0, replyByteCount: Int = 64 << 10,
    atLeast byteCount: Int = 0, _ comment: Comment? = nil
  ) {
    let bytes = packets.flatMap { $0 }
    var replies: [[UInt8]] = []
    for isGeneral in [false, true] {
      for piece in [32 << 10, 1, 37] {
        let server = InProcessServer(
          countsPrefixes: isGeneral, replyByteCount: replyByteCount, gatherThresholdByteCount: 4096)
        if !text.isEmpty { _ = server.send(text, client: 2) }
        server.advanceClock(seconds: seconds)
        replies.append(server.send(bytes, pieceByteCount: piece))
      }
    }
    #expect(replies.allSatisfy { $0 == replies[0] }, comment)
    #expect(replies[0].count >= byteCount, comment)
  }

  private let gets: [BinaryOpcode] = [.get, .getQ, .getK, .getKQ]

  @Test func everyGetInGroupsOfEverySize() {
    for count in [1, 2, 31, 32, 33, 70] {
      let packets = (0..<count).map { index in
        packet(gets[index % 4], key: "key\(index % 9)", opaque: UInt8(index))
      }
      let items = (0..<7).map { set("key\($0)", $0 * 40, clientFlags: UInt8($0 % 2 * 5)) }
      expectSame(items + packets + [packet(.noop)], atLeast: 24 * count / 2, "\(count)")
    }
  }

  @Test func keysOfEveryLength() {
    for length in 1...250 {
      let key = String(repeating: "k", count: length)
      expectSame([set(key, 10), packet(.getKQ, key: key), packet(.get, key: key)], atLeast: 24 * 3 + 28, "\(length)")
    }
  }

  /// Between plain packets: other commands, lengths that are wrong, and what ends the connection.
  @Test func packetsAtTheEdgeOfPlain() {
    let plain = packet(.getK, key: "a")
    var withExtras = packet(.get, extras: [0, 0, 0, 0], key: "a")
    let edges: [[UInt8]] = [
      packet(.get), packet(.getQ), withExtras, packet(.get, key: "a", value: [0x61]),
      packet(.get, key: String(repeating: "k", count: 251)), packet(.getAndTouch, extras: [0, 0, 0, 9], key: "a"),
      packet(.delete, key: "a"), packet(.touch, extras: [0, 0, 0, 9], key: "a"), packet(.noop), packet(.version),
      packet(.quit), packet(.increment, extras: [UInt8](repeating: 0, count: 20), key: "n"), [0x81, 0, 0, 1], [0x67],
      [0x80, 0x70, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 12) + [0x61],
    ]
    withExtras[4] = 3
    for (index, edge) in (edges + [withExtras]).enumerated() {
      for count in [0, 1, 31, 32, 40] {
        let around = [[UInt8]](repeating: plain, count: count)
        expectSame([set("a", 5)] + around + [edge] + around, atLeast: 24, "edge \(index) between \(count)")
      }
    }
  }

  /// Stale, told to recache, dead, chunked, gathered.
  @Test func itemsOfEveryKind() {
    let text =
      "set stale 0 0 1\r\nx\r\nmd stale I\r\nset dead 0 2 1\r\nx\r\nmg made N30 v\r\nset soon 0 5 1\r\ny\r\n"
      + "set long 0 0 9000\r\n" + String(repeating: "z", count: 9000) + "\r\n"
    let keys = ["stale", "stale", "dead", "made", "soon", "long", "none", "long"]
    expectSame(
      gets.flatMap { opcode in keys.map { packet(opcode, key: $0) } } + [packet(.noop)], before: text, seconds: 3,
      atLeast: 8 * 9000)
  }

  @Test func repliesThatFillUpLoseNothing() {
    let items = (0..<40).map { set("key\($0)", 900, clientFlags: UInt8($0 % 2)) }
    let packets = (0..<200).map { packet(gets[$0 % 4], key: "key\($0 % 45)", opaque: UInt8($0)) }
    expectSame(items + packets, replyByteCount: 17 << 10, atLeast: 100_000)
  }
}
