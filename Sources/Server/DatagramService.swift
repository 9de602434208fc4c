// UDP on one worker: a datagram is a request (or several) of a client that is nobody else's and has no state; what it
// answers leaves in datagrams of at most 1,400 bytes, each with the frame of section 5.1 of the reference:
//
//   byte 0            2                 4                 6
//        +------------+-----------------+-----------------+----------+
//        | request id | sequence number | datagrams of it | reserved |  then up to 1,392 bytes
//        +------------+-----------------+-----------------+----------+
//
// Each request's answer is a series of its own, counted from 0. A datagram cannot leave anything behind for the next: a
// request that does not end in it is dropped with it. Bounds against amplification: Docs/threat-model.md.
import CacheCore
import Events

struct DatagramService: ~Copyable {
  let socket: Socket
  private var input = ByteBuffer(capacity: 64 << 10)
  private var frame = ByteBuffer(capacity: DatagramService.frameByteCount)
  /// What one request has answered so far; larger ones come and go.
  private var answer = ByteBuffer(capacity: DatagramService.usualAnswerByteCount)
  private let largestAnswerByteCount: Int
  private let wire: WireProtocol
  var registration: Registration?

  private static let headerByteCount = 8
  private static let frameByteCount = 1400
  private static let usualAnswerByteCount = 64 << 10
  /// One event serves this many before the worker's connections have their turn.
  private static let datagramsPerEvent = 32
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
    for _ in 0..<DatagramService.datagramsPerEvent {
      var peer = DatagramPeer()
      guard case .bytes(let count) = socket.receiveDatagram(into: &input, from: &peer) else { return }
      engine.counters.add(.bytesRead, UInt64(count))
      guard count > DatagramService.headerByteCount else { continue }
      let (id, total) = (input.bigEndian16(at: 0), input.bigEndian16(at: 4))
      guard total == 1 else { continue }
      input.consume(DatagramService.headerByteCount)
      serve(&engine, id: id, peer)
    }
  }

  /// All requests of the datagram, each with an answer of its own.
  private mutating func serve(_ engine: inout Engine, id: UInt16, _ peer: DatagramPeer) {
    var session = Session(descriptor: socket.descriptor, wire: wire, requestsPerEvent: 1, isDatagram: true)
    while true {
      let step = session.process(&engine, &input)
      guard collect(&engine) else {
        answer.removeAll()
        answer.append(Array("SERVER_ERROR reply too large for UDP\r\n".utf8))
        return send(&engine, id: id, peer)
      }
      switch step {
      case .flushReply: continue
      case .yield: send(&engine, id: id, peer)
      case .awaitInput, .close, .watch: return send(&engine, id: id, peer)
      }
    }
  }

  /// Moves what was composed into the answer. False when that has become too large.
  private mutating func collect(_ engine: inout Engine) -> Bool {
    let size = engine.reply.unsentByteCount
    guard answer.count + size <= largestAnswerByteCount else {
      engine.reply.removeAll()
      return false
    }
    if answer.room < size {
      var larger = ByteBuffer(capacity: min(largestAnswerByteCount, max(answer.capacity * 2, answer.count + size)))
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
