// UDP on one worker: a datagram is a request (or several) of a client that is nobody else's and has no state; what it
// answers leaves in datagrams of at most 1,400 bytes, each with the frame of section 5.1 of the reference:
//
//   byte 0            2                 4                 6
//        +------------+-----------------+-----------------+----------+
//        | request id | sequence number | datagrams of it | reserved |  then up to 1,392 bytes
//        +------------+-----------------+-----------------+----------+
//
// Each request's answer is a series of its own, counted from 0. A datagram cannot leave anything behind for the next: a
// request that does not end in it is dropped with it. All answers to one datagram together are bounded, and so are
// those of one turn, because nobody knows who sent it. Docs/threat-model.md.
import CacheCore
import Events

struct DatagramService: ~Copyable {
  let socket: Socket
  private var input = ByteBuffer(capacity: 64 << 10)
  private var frame = ByteBuffer(capacity: DatagramService.frameByteCount)
  /// What one request has answered so far; larger ones come and go.
  private var answer = ByteBuffer(capacity: DatagramService.usualAnswerByteCount)
  /// Of all requests of a datagram together.
  private let largestAnswerByteCount: Int
  private let wire: WireProtocol
  var registration: Registration?

  private static let headerByteCount = 8
  private static let frameByteCount = 1400
  private static let usualAnswerByteCount = 64 << 10
  /// One event serves this many before the worker's connections have their turn.
  private static let datagramsPerEvent = 32
  /// It is over sooner when this much was answered.
  private static let answerByteCountPerEvent = 256 << 10
  /// Sequence numbers have 16 bits.
  private static let mostFrames = 65_535

  init(socket: Socket, wire: WireProtocol, itemSizeMaxBytes: Int) {
    self.socket = socket
    self.wire = wire
    // One item of the largest size and its line; never more than the frame can number.
    largestAnswerByteCount = min(
      itemSizeMaxBytes + DatagramService.usualAnswerByteCount,
      DatagramService.mostFrames * (DatagramService.frameByteCount - DatagramService.headerByteCount))
  }

  /// Serves what has come.
  mutating func readable(_ engine: inout Engine) {
    var answered = 0
    for _ in 0..<DatagramService.datagramsPerEvent {
      var peer = DatagramPeer()
      guard case .bytes(let count) = socket.receiveDatagram(into: &input, from: &peer) else { return }
      engine.counters.add(.bytesRead, UInt64(count))
      guard count > DatagramService.headerByteCount else { continue }
      let (id, total) = (input.bigEndian16(at: 0), input.bigEndian16(at: 4))
      guard total == 1 else { continue }
      input.consume(DatagramService.headerByteCount)
      answered += serve(&engine, id: id, peer)
      if answered > DatagramService.answerByteCountPerEvent { return }
    }
  }

  /// All requests of the datagram, each with an answer of its own. Returns how many bytes they were answered with.
  private mutating func serve(_ engine: inout Engine, id: UInt16, _ peer: DatagramPeer) -> Int {
    var session = Session(descriptor: socket.descriptor, wire: wire, requestsPerEvent: 1, isDatagram: true)
    var answered = 0
    while true {
      let step = session.process(&engine, &input)
      guard collect(&engine, limit: largestAnswerByteCount - answered) else {
        answer.removeAll()
        answer.append(Array("SERVER_ERROR reply too large for UDP\r\n".utf8))
        send(&engine, id: id, peer)
        return largestAnswerByteCount
      }
      if step == .flushReply { continue }
      answered += answer.count
      send(&engine, id: id, peer)
      if step != .yield { return answered }
    }
  }

  /// Moves what was composed into the answer. False when that has become larger than `limit`.
  private mutating func collect(_ engine: inout Engine, limit: Int) -> Bool {
    let size = engine.reply.unsentByteCount
    guard answer.count + size <= limit else {
      engine.reply.removeAll()
      return false
    }
    if answer.room < size {
      var larger = ByteBuffer(capacity: max(answer.capacity * 2, answer.count + size))
      larger.refill(from: answer)
      answer = larger
    }
    engine.reply.move(into: &answer)
    return true
  }

  private mutating func send(_ engine: inout Engine, id: UInt16, _ peer: DatagramPeer) {
    let payload = DatagramService.frameByteCount - DatagramService.headerByteCount
    let total = (answer.count + payload - 1) / payload
    for sequence in 0..<total {
      frame.removeAll()
      frame.append(bigEndian16: id)
      frame.append(bigEndian16: UInt16(sequence))
      frame.append(bigEndian16: UInt16(total))
      frame.append(bigEndian16: 0)
      let count = min(payload, answer.count)
      frame.move(count, from: &answer)
      guard socket.sendDatagram(frame, to: peer) else { break }
      engine.counters.add(.bytesWritten, UInt64(frame.count))
    }
    answer.removeAll()
    if answer.capacity > DatagramService.usualAnswerByteCount {
      answer = ByteBuffer(capacity: DatagramService.usualAnswerByteCount)
    }
  }
}
