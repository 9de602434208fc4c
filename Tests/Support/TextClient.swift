// A plain blocking TCP client for tests: sends bytes, reads lines or an exact count, with a time limit on every read.
// Not a memcached client: it knows no command. The clients nobody here wrote are in LibmemcachedTests and
// Tests/clients.
import Foundation

/// One blocking connection to 127.0.0.1. Not thread-safe.
public final class TextClient {
  public let descriptor: Int32
  private var buffered: [UInt8] = []

  public init(port: UInt16, timeoutSeconds: Int = 10) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    // deinit runs after this throw and closes; closing here too would close somebody else's new descriptor.
    guard result == 0 else { throw Failure.connect(errno) }
  }

  deinit { close() }

  private var isClosed = false
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    _ = Glibc.close(descriptor)
  }

  public enum Failure: Error, Equatable {
    case connect(Int32)
    case send(Int32)
    case timedOut(got: String)
    case closed(got: String)
  }

  public func send(_ text: String) throws { try send(Array(text.utf8)) }

  public func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure.send(errno) }
      sent += count
    }
  }

  /// Tells the server that no more bytes will come, while replies can still be read.
  public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  private func fill() throws {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    if count == 0 { throw Failure.closed(got: String(decoding: buffered, as: UTF8.self)) }
    guard count > 0 else { throw Failure.timedOut(got: String(decoding: buffered, as: UTF8.self)) }
    buffered += chunk[..<count]
  }

  /// The next `count` bytes.
  public func read(_ count: Int) throws -> [UInt8] {
    while buffered.count < count { try fill() }
    defer { buffered.removeFirst(count) }
    return Array(buffered.prefix(count))
  }

  /// Whatever has come, at least one byte.
  public func readSome() throws -> [UInt8] {
    if buffered.isEmpty { try fill() }
    defer { buffered = [] }
    return buffered
  }

  /// The next line without its CRLF.
  public func readLine() throws -> String {
    while true {
      if let end = buffered.firstIndex(of: 10) {
        let line = buffered[..<end]
        let text = String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
        buffered.removeFirst(end + 1)
        return text
      }
      try fill()
    }
  }

  /// Everything until the server closes.
  public func readToEnd() throws -> [UInt8] {
    while true {
      do { try fill() } catch Failure.closed {
        defer { buffered = [] }
        return buffered
      }
    }
  }

  /// Sends `line` with CRLF and returns the one line that answers.
  public func command(_ line: String) throws -> String {
    try send(line + "\r\n")
    return try readLine()
  }

  /// Sends `line` with CRLF and returns all lines up to and without `terminator`.
  public func report(_ line: String, until terminator: String = "END") throws -> [String] {
    try send(line + "\r\n")
    var lines: [String] = []
    while true {
      let next = try readLine()
      if next == terminator { return lines }
      lines.append(next)
    }
  }
}
