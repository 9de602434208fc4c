// A client of the UDP frame (reference, section 5.1): sends datagrams with any header, and puts the series that answer
// together. It knows no command; what is asked and answered is in DatagramTests.
import Foundation

final class DatagramClient: Sendable {
  struct Frame {
    var id: UInt16
    var sequence: UInt16
    var total: UInt16
    var reserved: UInt16
    var payload: [UInt8]
    var byteCount: Int { payload.count + 8 }
  }

  /// The datagrams that answer one request.
  struct Series {
    var id: UInt16
    var frames: [Frame]
    var bytes: [UInt8] { frames.flatMap(\.payload) }
    var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  let descriptor: Int32

  /// Talks to `host` and hears nobody else.
  init(port: UInt16, host: String = "127.0.0.1", timeoutMilliseconds: Int = 3000) {
    descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    var room: Int32 = 4 << 20
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
    var timeout = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: timeoutMilliseconds % 1000 * 1000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr(host)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  deinit { close(descriptor) }

  /// Waits until the server answers: TCP may be open a moment before UDP is. False when it does not.
  func waitForServer() -> Bool { eventually { ask("version\r\n", id: 0) != nil } }

  /// Sends bytes as they are, header or not.
  func send(raw bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

  func send(_ payload: [UInt8], id: UInt16, sequence: UInt16 = 0, total: UInt16 = 1, reserved: UInt16 = 0) {
    send(raw: [id, sequence, total, reserved].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } + payload)
  }

  func send(_ text: String, id: UInt16, sequence: UInt16 = 0, total: UInt16 = 1, reserved: UInt16 = 0) {
    send(Array(text.utf8), id: id, sequence: sequence, total: total, reserved: reserved)
  }

  /// The next datagram; nil when none comes in time, or nobody listens.
  func receive() -> Frame? {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    guard count >= 8 else { return nil }
    let words = (0..<4).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
    return Frame(
      id: words[0], sequence: words[1], total: words[2], reserved: words[3], payload: Array(bytes[8..<count]))
  }

  /// The next series, if its datagrams come in order; nil when something is missing or strange.
  func receiveSeries() -> Series? {
    guard let first = receive(), first.sequence == 0, first.total > 0 else { return nil }
    var series = Series(id: first.id, frames: [first])
    while series.frames.count < Int(first.total) {
      guard let next = receive(), next.id == first.id, next.total == first.total,
        Int(next.sequence) == series.frames.count
      else { return nil }
      series.frames.append(next)
    }
    return series
  }

  /// Sends one request and waits for its answer; nil when the answer has another id.
  func ask(_ text: String, id: UInt16) -> String? {
    send(text, id: id)
    guard let series = receiveSeries(), series.id == id else { return nil }
    return series.text
  }
}
