// Sockets by descriptor: receiving into buffers, sending from them, opening and closing. Each call is one system call
// with its outcome as a value; none blocks, none raises SIGPIPE. Who owns the descriptor is the caller's business.
import CSystem
import CacheCore
import Glibc

/// How a transfer ended.
public enum Transfer: Equatable, Sendable {
  case bytes(Int)
  /// Nothing to be had or no room now; an event will tell.
  case wouldBlock
  /// The peer is gone, or the connection failed.
  case closed
}

public struct Socket: Sendable {
  public let descriptor: Int32
  public init(descriptor: Int32) { self.descriptor = descriptor }

  @inline(__always)
  private func outcome(_ count: Int, zeroMeansClosed: Bool) -> Transfer {
    if count > 0 { return .bytes(count) }
    if count == 0 { return zeroMeansClosed ? .closed : .bytes(0) }
    let error = errno
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ? .wouldBlock : .closed
  }

  /// Receives into the free end of `buffer`, which must have room.
  @inline(__always)
  public func receive(into buffer: inout ByteBuffer) -> Transfer {
    let window = buffer.freeWindow
    // Rule 6: the window's own bounds.
    let count = unsafe csystem_receive(descriptor, window.bytes.baseAddress, UInt(window.count))
    if count > 0 { buffer.filled(count) }
    return outcome(count, zeroMeansClosed: true)
  }

  /// Receives into the windows, one after the other.
  public func receive(into windows: WindowList) -> Transfer {
    outcome(unsafe readVectors(windows, UnsafeMutableRawBufferPointer(start: nil, count: 0)), zeroMeansClosed: true)
  }

  /// Receives into the windows and what follows into `buffer`; `.bytes` is the sum, and what exceeds the windows is in
  /// the buffer.
  public func receive(into windows: WindowList, then buffer: inout ByteBuffer) -> Transfer {
    let count = unsafe readVectors(windows, buffer.freeWindow.bytes)
    if count > windows.byteCount { buffer.filled(count - windows.byteCount) }
    return outcome(count, zeroMeansClosed: true)
  }

  @unsafe private func readVectors(_ windows: WindowList, _ rest: UnsafeMutableRawBufferPointer) -> Int {
    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: WindowList.capacity + 1) { vectors in
      // Rule 6: the windows' own bounds; the caller's for the rest.
      for index in 0..<windows.count {
        let bytes = unsafe windows[index].bytes
        unsafe vectors[index] = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      }
      unsafe vectors[windows.count] = iovec(iov_base: rest.baseAddress, iov_len: rest.count)
      return unsafe readv(descriptor, vectors.baseAddress, Int32(windows.count + (rest.count > 0 ? 1 : 0)))
    }
  }

  /// Sends what `reply` holds, as far as the kernel takes it, and consumes that. `.wouldBlock` when some is left; the
  /// count is what went in any case.
  public func send(_ reply: inout ReplyBuffer) -> (transfer: Transfer, sentByteCount: Int) {
    guard !reply.hasGatheredValues else { return sendOn(&reply, after: 0) }
    let count = sendComposed(reply)
    // Nearly always that was all.
    return count >= 0 && reply.consume(count) ? (.bytes(count), count) : sendOn(&reply, after: count)
  }

  /// Goes on until nothing is left or the kernel takes no more. `first` is what the first call said.
  @inline(never)
  private func sendOn(_ reply: inout ReplyBuffer, after first: Int) -> (transfer: Transfer, sentByteCount: Int) {
    var count = first
    var total = 0
    while count >= 0 {
      total &+= count
      if reply.isEmpty { return (.bytes(total), total) }
      count = reply.hasGatheredValues ? sendGathered(reply) : sendComposed(reply)
      if count > 0 { reply.consume(count) }
    }
    return (outcome(count, zeroMeansClosed: false), total)
  }

  @inline(__always)
  private func sendComposed(_ reply: borrowing ReplyBuffer) -> Int {
    let bytes = reply.composed
    // Rule 6: the span's own bounds.
    return unsafe bytes.withUnsafeBytes {
      unsafe csystem_send(descriptor, $0.baseAddress, UInt($0.count))
    }
  }

  private func sendGathered(_ reply: borrowing ReplyBuffer) -> Int {
    unsafe reply.withVectors { vectors, count in
      var message = unsafe msghdr()
      unsafe message.msg_iov = unsafe vectors
      unsafe message.msg_iovlen = count
      // Rule 7: the vectors point to composed bytes and held values.
      return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
    }
  }

  /// Sends what is unconsumed in `buffer`, as far as the kernel takes it, and leaves it there.
  public func send(_ buffer: borrowing ByteBuffer) -> Transfer {
    let bytes = buffer.span.extracting(buffer.start..<buffer.end)
    // Rule 6: the span's own bounds.
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    return outcome(count, zeroMeansClosed: false)
  }

  /// Sends a short text, once, without waiting: for refusals on connections that get no session.
  public func sendOnce(_ text: StaticString) {
    // Rule 3: a StaticString is valid for its own count.
    _ = unsafe Glibc.send(descriptor, text.utf8Start, text.utf8CodeUnitCount, Int32(MSG_NOSIGNAL))
  }

  public func close() { _ = Glibc.close(descriptor) }

  /// What came of an accept.
  public enum Acceptance: Sendable {
    case accepted(Socket)
    case none
    /// No descriptor or memory left: wait for a connection to close.
    case exhausted
  }

  /// The next waiting connection, non-blocking and close-on-exec.
  public func accept() -> Acceptance {
    let accepted = csystem_accept(descriptor)
    if accepted >= 0 { return .accepted(Socket(descriptor: accepted)) }
    switch errno {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
    default: return .none
    }
  }

  /// Changes the length of a listener's queue; 0 stops new connections from being taken.
  public func setBacklog(_ backlog: Int) { listen(descriptor, Int32(backlog)) }

  /// Options of a new TCP connection: small replies at once, dead peers found.
  public func prepareTCPConnection() {
    setOption(SOL_SOCKET, SO_KEEPALIVE, 1)
    setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    // Rule 3: the size given is that of the variable.
    _ = unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

}
