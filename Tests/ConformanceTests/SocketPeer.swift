// A `TranscriptPeer` over TCP: plays a transcript against a server process. Can send in pieces of one byte
// (TCP_NODELAY), so that a server sees every place where a request can be torn. Not a client: it moves bytes and knows
// no command. While it sends it also reads, so a long pipeline whose replies fill the socket buffers cannot lock both
// ends.
import Foundation
import TestSupport

final class SocketPeer: TranscriptPeer {
  private struct Connection {
    let client: TextClient
    var received: [UInt8] = []
    var taken = 0
    var ended = false
  }

  private let port: UInt16
  private let pieceByteCount: Int
  private var connections: [Int: Connection] = [:]

  init(port: UInt16, pieceByteCount: Int = .max) {
    self.port = port
    self.pieceByteCount = pieceByteCount
  }

  func connect(_ connection: Int) throws {
    connections[connection] = Connection(client: try TextClient(port: port))
  }

  func disconnect(_ connection: Int) { connections[connection] = nil }

  func send(_ bytes: [UInt8], on connection: Int) throws {
    var sent = 0
    while sent < bytes.count {
      let descriptor = connections[connection]!.client.descriptor
      let ready = wait(descriptor, for: POLLIN | POLLOUT, milliseconds: 10_000)
      guard ready != 0 else { throw TextClient.Failure.timedOut(got: "a server that does not read") }
      if ready & Int16(POLLIN) != 0 { fill(connection) }
      if connections[connection]!.ended { return }
      guard ready & Int16(POLLOUT) != 0 else { continue }
      let end = sent + min(pieceByteCount, bytes.count - sent)
      let count = bytes[sent..<end].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
      if count > 0 { sent += count } else if errno != EAGAIN { return }
    }
  }

  func receive(upTo limit: Int, on connection: Int, patience: TranscriptPatience) throws -> TranscriptInput {
    if connections[connection]!.taken == connections[connection]!.received.count {
      if connections[connection]!.ended { return .closed }
      let milliseconds: Int32 = patience == .reply ? 5_000 : 60
      guard wait(connections[connection]!.client.descriptor, for: POLLIN, milliseconds: milliseconds) != 0 else {
        return .nothing
      }
      fill(connection)
      if connections[connection]!.ended { return .closed }
    }
    let start = connections[connection]!.taken
    let end = start + min(limit, connections[connection]!.received.count - start)
    connections[connection]!.taken = end
    return .bytes(Array(connections[connection]!.received[start..<end]))
  }

  func advanceClock(bySeconds seconds: Int) throws { sleep(UInt32(seconds)) }

  private func wait(_ descriptor: Int32, for events: Int32, milliseconds: Int32) -> Int16 {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, milliseconds) > 0 ? entry.revents : 0
  }

  /// One read of what is there. A reset counts as an end: the server closed while bytes of ours were on their way.
  private func fill(_ connection: Int) {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(connections[connection]!.client.descriptor, &chunk, chunk.count, 0)
    guard count > 0 else {
      connections[connection]!.ended = true
      return
    }
    if connections[connection]!.taken == connections[connection]!.received.count {
      connections[connection]!.received.removeAll(keepingCapacity: true)
      connections[connection]!.taken = 0
    }
    connections[connection]!.received += chunk[..<count]
  }
}
