// The reply buffer: numbers in every length, and large values gathered between composed bytes, sent in pieces that end
// at every single byte. Whatever way a value leaves (sent, moved along, dropped, taken back), its hold ends exactly
// once.
import Testing

@testable import CacheCore

struct ReplyBufferTests {
  /// Ended holds, by item.
  private final class Releases {
    var counts: [ItemRef: Int] = [:]
  }

  /// What is unsent, read from the vectors without consuming; only for replies of fewer than 64 vectors.
  private static func peek(_ reply: borrowing ReplyBuffer) -> [UInt8] {
    reply.withVectors { vectors, count in
      var bytes: [UInt8] = []
      for index in 0..<count {
        bytes += UnsafeRawBufferPointer(start: vectors[index].iov_base, count: vectors[index].iov_len)
      }
      return bytes
    }
  }

  private static func composed(_ body: (inout ReplyBuffer) -> Void) -> String {
    let test = TestStore()
    var reply = ReplyBuffer(capacity: 4096, valueCapacity: 4, arena: test.store.value.arena) { _ in }
    body(&reply)
    return String(decoding: peek(reply), as: UTF8.self)
  }

  @Test func writesDecimalsOfEveryLength() {
    var values: Set<UInt64> = [0, .max, .max - 1]
    for value in 0...UInt64(10_200) { values.insert(value) }
    for shift in 0..<64 {
      for delta in -1...1 { values.insert((1 << UInt64(shift)) &+ UInt64(bitPattern: Int64(delta))) }
    }
    var ten: UInt64 = 1
    for _ in 0..<20 {
      for delta in -1...1 { values.insert(ten &+ UInt64(bitPattern: Int64(delta))) }
      ten = ten &* 10
    }
    let test = TestStore()
    var reply = ReplyBuffer(capacity: 64, valueCapacity: 0, arena: test.store.value.arena) { _ in }
    for value in values {
      reply.append(decimal: value)
      reply.append("|")
      let text = ReplyBufferTests.peek(reply)
      #expect(text == bytes("\(value)|"))
      reply.removeAll()
    }
  }

  @Test func appendsInOrder() {
    let text = ReplyBufferTests.composed { reply in
      reply.append("VALUE ")
      withInput(bytes("key")) { input, range in reply.append(input.slice(range)) }
      reply.append(UInt8(0x20))
      reply.append(decimal: 10)
      reply.append([])
      reply.append(bytes(" x"))
    }
    #expect(text == "VALUE key 10 x")
  }

  @Test func aReportIsTakenAsFarAsThereIsRoom() {
    let test = TestStore()
    var reply = ReplyBuffer(capacity: 10, valueCapacity: 0, arena: test.store.value.arena) { _ in }
    reply.append("abc")
    let report = bytes("0123456789")
    let first = reply.append(report, from: 0)
    let again = reply.append(report, from: first)
    let text = ReplyBufferTests.peek(reply)
    reply.consume(10)
    let rest = reply.append(report, from: first)
    let more = ReplyBufferTests.peek(reply)
    #expect((first, again, rest) == (7, 0, 3))
    #expect(text == bytes("abc0123456"))
    #expect(more == bytes("789"))
  }

  @Test func everyResponseFitsTheRoomAskedForIt() {
    var responses: [Outcome] = [
      .stored, .notStored, .exists, .notFound, .deleted, .touched, .ok, .number(.max),
    ]
    responses += Refusal.allCases.map { .refused($0) }
    for response in responses {
      let text = ReplyBufferTests.composed { TextComposer.compose(response, &$0) }
      #expect(text.hasSuffix("\r\n") && text.utf8.count <= TextComposer.longestLineByteCount)
      #expect(text.utf8.filter { $0 == 0x0a }.count == 1)
    }
  }

  // Gathering. Two values of several chunks each, with composed bytes before, between and behind.

  private final class Scene {
    let test = TestStore {
      $0.slabs.chunkMaxByteCount = 512
      $0.hashPower = 4
    }
    let releases = Releases()
    let expected: [UInt8]
    private let first = pattern(1200, salt: 1)
    private let second = pattern(300, salt: 2)

    init() throws {
      expected = bytes("head") + first + bytes("middle") + second + second + bytes("tail")
      try test.put("first", first)
      try test.put("second", second)
    }

    /// A reply with everything in it; "second" is gathered twice.
    func reply() -> ReplyBuffer {
      let releases = releases
      let store = test.store
      var reply = ReplyBuffer(capacity: 64, valueCapacity: 3, arena: store.value.arena) { ref in
        releases.counts[ref, default: 0] += 1
        store.value.release(ref)
      }
      reply.append("head")
      gather("first", &reply)
      reply.append("middle")
      gather("second", &reply)
      gather("second", &reply)
      reply.append("tail")
      return reply
    }

    private func gather(_ key: String, _ reply: inout ReplyBuffer) {
      reply.gather(test.hold(key)!)
    }

    func checkReleases(_ times: Int, _ comment: String) {
      let first = test.withItem("first") { (releases.counts[$0.ref] ?? 0, $0.holds) }!
      let second = test.withItem("second") { (releases.counts[$0.ref] ?? 0, $0.holds) }!
      #expect(first == (times, 0), "first, \(comment)")
      #expect(second == (2 * times, 0), "second, \(comment)")
      releases.counts = [:]
    }
  }

  @Test func gathersInOrder() throws {
    let scene = try Scene()
    var reply = scene.reply()
    let state = (reply.isEmpty, reply.hasGatheredValues, reply.hasRoomToGather, reply.unsentByteCount)
    let text = ReplyBufferTests.peek(reply)
    #expect(state == (false, true, false, scene.expected.count))
    #expect(text == scene.expected)
    reply.consume(scene.expected.count)
    let after = (reply.isEmpty, reply.hasGatheredValues, reply.hasRoomToGather, reply.unsentByteCount)
    #expect(after == (true, false, true, 0))
    scene.checkReleases(1, "all sent")
  }

  @Test func canStopSendingAtEveryByte() throws {
    let scene = try Scene()
    for sent in 0...scene.expected.count {
      var reply = scene.reply()
      reply.consume(sent)
      let left = reply.unsentByteCount
      let rest = ReplyBufferTests.peek(reply)
      #expect(left == scene.expected.count - sent)
      #expect(rest == Array(scene.expected[sent...]), "after \(sent) bytes")
      reply.consume(left)
      let isEmpty = reply.isEmpty
      #expect(isEmpty)
      scene.checkReleases(1, "after \(sent) bytes, then the rest")
    }
    #expect(scene.test.broken() == [])
  }

  @Test func canBeSentByteByByte() throws {
    let scene = try Scene()
    var reply = scene.reply()
    for sent in 0..<scene.expected.count {
      let next = ReplyBufferTests.peek(reply).first
      try #require(next == scene.expected[sent], "byte \(sent)")
      reply.consume(1)
    }
    let isEmpty = reply.isEmpty
    #expect(isEmpty)
    scene.checkReleases(1, "byte by byte")
  }

  @Test func theUnsentRestMovesWithItsHolds() throws {
    let scene = try Scene()
    for sent in 0...scene.expected.count {
      var reply = scene.reply()
      reply.consume(sent)
      do {
        var rest = reply.takeUnsent()
        let moved = (reply.isEmpty, reply.unsentByteCount, rest.unsentByteCount)
        let text = ReplyBufferTests.peek(rest)
        #expect(moved == (true, 0, scene.expected.count - sent))
        #expect(text == Array(scene.expected[sent...]), "after \(sent) bytes")
        // Half of the rest is sent, half is dropped with its buffer.
        rest.consume(text.count / 2)
      }
      scene.checkReleases(1, "taken after \(sent) bytes")
      // The emptied buffer is as good as new.
      reply.append("x")
      let text = ReplyBufferTests.peek(reply)
      #expect(text == bytes("x"))
    }
    #expect(scene.test.broken() == [])
  }

  @Test func aDroppedReplyEndsItsHolds() throws {
    let scene = try Scene()
    for sent in [0, 3, 4, 5, 500, 1203, 1204, 1205, 1210, 1211, 1510, 1511, scene.expected.count - 1] {
      do {
        var reply = scene.reply()
        reply.consume(sent)
      }
      scene.checkReleases(1, "dropped after \(sent) bytes")
      var reply = scene.reply()
      reply.consume(sent)
      reply.removeAll()
      let isEmpty = reply.isEmpty
      #expect(isEmpty)
      scene.checkReleases(1, "removed after \(sent) bytes")
    }
  }

  @Test func takingBackReleasesWhatWasGatheredSince() throws {
    let scene = try Scene()
    let releases = scene.releases
    let store = scene.test.store
    var reply = ReplyBuffer(capacity: 64, valueCapacity: 8, arena: store.value.arena) { ref in
      releases.counts[ref, default: 0] += 1
      store.value.release(ref)
    }
    func gather(_ key: String) {
      reply.gather(scene.test.hold(key)!)
    }
    reply.append("before")
    gather("first")
    reply.append("kept")
    let mark = reply.mark
    gather("second")
    reply.append("taken back")
    gather("second")
    reply.rewind(to: mark)
    let secondRef = try #require(scene.test.withItem("second") { $0.ref })
    #expect(releases.counts == [secondRef: 2])
    let text = ReplyBufferTests.peek(reply)
    #expect(text == bytes("before") + pattern(1200, salt: 1) + bytes("kept"))
    reply.append("!")
    let more = reply.unsentByteCount
    reply.consume(more)
    #expect(releases.counts.values.reduce(0, +) == 3)
    #expect(scene.test.broken() == [])
  }

  /// More vectors than one system call takes: what `withVectors` shows is always a beginning of what is unsent.
  @Test func manyChunksGoInSeveralCalls() throws {
    let test = TestStore {
      $0.slabs.chunkMaxByteCount = 512
      $0.hashPower = 4
    }
    let value = pattern(60_000, salt: 3)
    try test.put("big", value)
    let store = test.store
    var reply = ReplyBuffer(capacity: 64, valueCapacity: 1, arena: store.value.arena) { store.value.release($0) }
    reply.append("<")
    reply.gather(try #require(test.hold("big")))
    reply.append(">")
    var sent: [UInt8] = []
    var calls = 0
    while true {
      let piece = ReplyBufferTests.peek(reply)
      if piece.isEmpty { break }
      sent += piece
      reply.consume(piece.count)
      calls += 1
    }
    #expect(sent == bytes("<") + value + bytes(">"))
    #expect(calls > 1)
    #expect(test.broken() == [])
  }
}
