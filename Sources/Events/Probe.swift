// One question to a listener and the beginning of its answer, with a deadline: for the health check, which is a program
// of its own and may wait. The server itself never blocks like this.
import CSystem
import Glibc

/// A listener as others reach it.
public enum ProbePlace: Sendable, CustomStringConvertible {
  case tcp(host: String, port: Int)
  case unix(String)

  public var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): path
    }
  }
}

public enum Probe {
  /// Connects, sends `question` and receives until a line has ended, the peer closes, or `answerByteCount` bytes are
  /// there. Fails when that takes longer than `seconds`.
  public static func ask(
    _ place: ProbePlace, _ question: [UInt8], answerByteCount: Int, seconds: Int
  ) -> Result<[UInt8], ListenError> {
    let deadline = SystemCalls.monotonicMilliseconds + Int64(seconds) * 1000
    do {
      let descriptor = try connect(place, deadline)
      defer { close(descriptor) }
      return .success(try converse(descriptor, question, answerByteCount, deadline))
    } catch {
      return .failure(error)
    }
  }

  private static func connect(_ place: ProbePlace, _ deadline: Int64) throws(ListenError) -> Int32 {
    switch place {
    case .unix(let path): return try connect(toPath: path, deadline)
    case .tcp(let host, let port): return try connect(to: host, port: port, deadline)
    }
  }

  private static func connect(toPath path: String, _ deadline: Int64) throws(ListenError) -> Int32 {
    guard var address = UnixAddress.make(path) else {
      throw ListenError(text: UnixAddress.tooLong, errorNumber: ENAMETOOLONG)
    }
    // Rule 3: the length given is that of the variable.
    return try unsafe withUnsafePointer(to: &address) { pointer throws(ListenError) in
      try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic throws(ListenError) in
        try unsafe open(AF_UNIX, generic, socklen_t(MemoryLayout<sockaddr_un>.size), deadline)
      }
    }
  }

  private static func connect(to host: String, port: Int, _ deadline: Int64) throws(ListenError) -> Int32 {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    // Rule 8: the list is freed below, after its last use.
    let result = unsafe getaddrinfo(host, String(port), &hints, &found)
    guard result == 0, let info = unsafe found else {
      throw unsafe ListenError(text: String(cString: gai_strerror(result)), errorNumber: EINVAL)
    }
    defer { unsafe freeaddrinfo(found) }
    // Rule 3: address and length come from the same addrinfo.
    return try unsafe open(info.pointee.ai_family, info.pointee.ai_addr, info.pointee.ai_addrlen, deadline)
  }

  private static func open(
    _ family: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t, _ deadline: Int64
  ) throws(ListenError) -> Int32 {
    let descriptor = Glibc.socket(family, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw failure(errno) }
    _ = csystem_set_nonblocking(descriptor)
    // Rule 3: the caller's address and its length.
    if unsafe Glibc.connect(descriptor, address, length) == 0 { return descriptor }
    var error = errno
    if error == EINPROGRESS, waits(descriptor, POLLOUT, deadline) {
      error = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      // Rule 3: the size given is that of the variable.
      _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
      if error == 0 { return descriptor }
    }
    close(descriptor)
    throw failure(error == EINPROGRESS ? ETIMEDOUT : error)
  }

  private static func converse(
    _ descriptor: Int32, _ question: [UInt8], _ answerByteCount: Int, _ deadline: Int64
  ) throws(ListenError) -> [UInt8] {
    // Rule 3: the array's own bounds. The question is shorter than any socket buffer, so it goes in one piece.
    let sent = unsafe question.withUnsafeBytes {
      unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    guard sent == question.count else { throw failure(errno) }
    var answer: [UInt8] = []
    while answer.count < answerByteCount, answer.last != 0x0a {
      guard waits(descriptor, POLLIN, deadline) else { throw failure(ETIMEDOUT) }
      var part = [UInt8](repeating: 0, count: answerByteCount - answer.count)
      // Rule 3: the array's own bounds.
      let count = unsafe part.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
      guard count >= 0 else { throw failure(errno) }
      if count == 0 { break }
      answer += part.prefix(count)
      if isWholePacket(answer) { break }
    }
    return answer
  }

  /// Whether these are a binary reply's header and all of its body, whose length the header says.
  private static func isWholePacket(_ answer: [UInt8]) -> Bool {
    guard answer.count >= 24, answer[0] == 0x81 else { return false }
    return answer.count >= 24 + answer[8..<12].reduce(0) { $0 << 8 | Int($1) }
  }

  private static func waits(_ descriptor: Int32, _ events: Int32, _ deadline: Int64) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    let left = deadline - SystemCalls.monotonicMilliseconds
    guard left > 0 else { return false }
    // Rule 3: one entry, and its count.
    return unsafe poll(&entry, 1, Int32(clamping: left)) == 1
  }

  private static func failure(_ number: Int32) -> ListenError {
    ListenError(text: SystemCalls.errorText(number), errorNumber: number)
  }
}
