// A socket for what TextClient does not do: IPv6 and unix addresses, a small receive buffer, sending until nobody takes
// more. Blocking, with a time limit on reads. It buffers nothing and knows no protocol.
import Foundation

final class PlainSocket: Sendable {
  enum Address {
    case ipv4(UInt16)
    case ipv6(UInt16)
    case unix(String)
  }
  struct Failure: Error { let code: Int32 }

  let descriptor: Int32

  /// With `receiveByteCount` the kernel keeps about that much of what the server sends, and no more.
  init(_ place: Address, receiveByteCount: Int32? = nil, timeoutSeconds: Int = 10) throws {
    let family: Int32 =
      switch place {
      case .ipv4: AF_INET
      case .ipv6: AF_INET6
      case .unix: AF_UNIX
      }
    descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
    if var count = receiveByteCount {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &count, socklen_t(MemoryLayout<Int32>.size))
    }
    var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var result: Int32
    switch place {
    case .ipv4(let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = inet_addr("127.0.0.1")
      result = PlainSocket.connect(descriptor, &address)
    case .ipv6(let port):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      address.sin6_addr = in6addr_loopback
      result = PlainSocket.connect(descriptor, &address)
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
      result = PlainSocket.connect(descriptor, &address)
    }
    guard result == 0 else { throw Failure(code: errno) }
  }

  deinit { _ = Glibc.close(descriptor) }

  private static func connect<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
      }
    }
  }

  /// Sends all of it; false when the peer is gone.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// What has come, at most `limit` bytes; empty at the end, nil after the time limit or an error.
  func receive(_ limit: Int = 65_536) -> [UInt8]? {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
      let count = recv(descriptor, buffer.baseAddress, limit, 0)
      failed = count < 0
      initialized = max(count, 0)
    }
    return failed ? nil : bytes
  }

  /// Exactly `count` bytes, or what came before the end.
  func receive(exactly count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count)
    while result.count < count, let bytes = receive(min(count - result.count, 1 << 20)), !bytes.isEmpty {
      result += bytes
    }
    return result
  }

  func receiveLine() -> String {
    var line: [UInt8] = []
    while line.last != 10, let byte = receive(1), !byte.isEmpty { line += byte }
    return String(decoding: line, as: UTF8.self)
  }

  /// Whether something has come, without taking it.
  func hasInput(within milliseconds: Int32) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&wanted, 1, milliseconds) > 0
  }

  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }
  /// Ends both directions; a thread that is blocked in `send` or `receive` comes back.
  func abandon() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
