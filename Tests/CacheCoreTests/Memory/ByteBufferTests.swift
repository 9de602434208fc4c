// The receive buffer: filling, consuming, compacting and refilling against a plain array, and the slack behind its end.
// What happens beyond the bounds is a trap and no matter of these tests.
import Testing

@testable import CacheCore

struct ByteBufferTests {
  private static func contents(_ buffer: borrowing ByteBuffer) -> [UInt8] {
    buffer.span.bytes(ByteRange(start: buffer.start, end: buffer.end))
  }

  @Test func followsAnArrayThroughRandomSteps() {
    for seed in UInt64(1)...20 {
      var random = SeededRandom(seed: seed)
      var buffer = ByteBuffer(capacity: random.number(1...100))
      var model: [UInt8] = []
      for step in 0..<300 {
        switch random.number(0...4) {
        case 0:
          let piece = random.bytes(random.number(0...buffer.room))
          piece.withUnsafeBytes { buffer.append($0.bytes) }
          model += piece
        case 1:
          let piece = random.bytes(random.number(0...buffer.room))
          piece.withUnsafeBytes { buffer.freeWindow.copy(from: $0.bytes) }
          buffer.filled(piece.count)
          model += piece
        case 2:
          let count = random.number(0...model.count)
          buffer.consume(count)
          model.removeFirst(count)
        case 3: buffer.compact()
        default:
          if random.isOne(in: 10) {
            buffer.removeAll()
            model = []
          }
        }
        let isSame = ByteBufferTests.contents(buffer) == model
        let count = buffer.count
        let room = buffer.room
        let end = buffer.end
        let capacity = buffer.capacity
        #expect(isSame && count == model.count && room == capacity - end, "seed \(seed), step \(step)")
      }
    }
  }

  @Test func anEmptyBufferStartsAtTheFrontAgain() {
    var buffer = receiveBuffer(bytes("abc"))
    buffer.consume(2)
    let middle = (buffer.start, buffer.end)
    buffer.consume(1)
    let after = (buffer.start, buffer.end, buffer.room)
    #expect(middle == (2, 3))
    #expect(after == (0, 0, 3))
  }

  @Test func compactMakesAllTheRoom() {
    var buffer = receiveBuffer(bytes("abcdef"))
    buffer.consume(4)
    let before = buffer.room
    buffer.compact()
    let after = buffer.room
    let contents = ByteBufferTests.contents(buffer)
    #expect(before == 0)
    #expect(after == 4)
    #expect(contents == bytes("ef"))
  }

  @Test func copiesHoldExactlyTheRest() {
    var buffer = receiveBuffer(bytes("abcdef"))
    buffer.consume(2)
    let copy = ByteBuffer(copyingRestOf: buffer)
    var other = receiveBuffer(bytes("0123456789"))
    other.consume(3)
    other.refill(from: buffer)
    let contents = (ByteBufferTests.contents(copy), ByteBufferTests.contents(other), ByteBufferTests.contents(buffer))
    let room = copy.room
    #expect(contents.0 == bytes("cdef"))
    #expect(contents.1 == bytes("cdef"))
    #expect(contents.2 == bytes("cdef"))
    #expect(room == 0)
  }

  @Test func eightBytesBehindTheEndCanBeRead() {
    for capacity in [0, 1, 7, 8, 9, 4096] {
      let buffer = ByteBuffer(capacity: capacity)
      let word = buffer.span.word(at: capacity)
      let byteCount = buffer.span.byteCount
      #expect(word == 0)
      #expect(byteCount == capacity + ByteBuffer.slackByteCount)
    }
  }
}
