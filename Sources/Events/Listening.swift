// Opening listeners: names to addresses, sockets, options, bind, listen; and telling a socket's addresses in the words
// of `stats conns`. Errors are values that carry the system's text. No event loop here.
import CSystem
import CacheCore
import Glibc

/// Why a listener could not be opened.
public struct ListenError: Error, Sendable {
  public let text: String
  public let errorNumber: Int32
  /// The peer has ended the connection, and not in good order.
  public var isReset: Bool { errorNumber == ECONNRESET || errorNumber == EPIPE }
}

public struct ListeningSocket: Sendable {
  public let socket: Socket
  /// As `tcp:127.0.0.1:11211`, `tcp6:[::]:11211` or `unix:/path`.
  public let address: String
  public let port: UInt16
  public let isUnix: Bool
}

public enum Listening {
  /// Opens a listener on every address that `host` (nil = all) stands for. An address family that the machine does not
  /// support is passed over; an address that is in use is an error, so that no server starts half bound.
  public static func openTCP(host: String?, port: Int, backlog: Int) throws(ListenError) -> [ListeningSocket] {
    try open(host: host, port: port, kind: SOCK_STREAM, backlog: backlog)
  }

  /// The same for UDP: sockets to receive datagrams from.
  public static func openUDP(host: String?, port: Int) throws(ListenError) -> [ListeningSocket] {
    try open(host: host, port: port, kind: SOCK_DGRAM, backlog: 0)
  }

  private static func open(
    host: String?, port: Int, kind: __socket_type, backlog: Int
  ) throws(ListenError) -> [ListeningSocket] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = AI_PASSIVE
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(kind.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    // Rule 8: the list is freed below, after its last use.
    let result = unsafe getaddrinfo(host, String(max(port, 0)), &hints, &found)
    guard result == 0 else {
      throw unsafe ListenError(text: "getaddrinfo(): \(String(cString: gai_strerror(result)))", errorNumber: EINVAL)
    }
    defer { unsafe freeaddrinfo(found) }
    var opened: [ListeningSocket] = []
    var failure: ListenError?
    var next = unsafe found
    while let info = unsafe next {
      unsafe next = unsafe info.pointee.ai_next
      switch unsafe open(info.pointee, backlog: backlog) {
      case .success(let listener?): opened.append(listener)
      case .success(nil): break
      case .failure(let error): failure = failure ?? error
      }
    }
    if let failure {
      for listener in opened { listener.socket.close() }
      throw failure
    }
    guard !opened.isEmpty else {
      throw ListenError(text: "no address family of \(host ?? "*") is supported here", errorNumber: EAFNOSUPPORT)
    }
    return opened
  }

  private static func open(_ info: addrinfo, backlog: Int) -> Result<ListeningSocket?, ListenError> {
    let descriptor = unsafe Glibc.socket(info.ai_family, info.ai_socktype, info.ai_protocol)
    if descriptor < 0 {
      let error = errno
      return error == EAFNOSUPPORT ? .success(nil) : .failure(systemError("socket()", error))
    }
    let socket = Socket(descriptor: descriptor)
    _ = csystem_set_nonblocking(descriptor)
    let isIPv6 = unsafe info.ai_family == AF_INET6
    if isIPv6 { socket.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
    let isDatagram = unsafe info.ai_socktype == Int32(SOCK_DGRAM.rawValue)
    if isDatagram { socket.enlargeSendBuffer() } else { socket.prepareTCPConnection() }
    // Rule 3: address and length come from the same addrinfo.
    guard unsafe bind(descriptor, info.ai_addr, info.ai_addrlen) == 0 else {
      let error = errno
      socket.close()
      // A machine without IPv6 addresses knows the family but not the address.
      return error == EADDRNOTAVAIL && isIPv6 ? .success(nil) : .failure(systemError("bind()", error))
    }
    guard isDatagram || listen(descriptor, Int32(backlog)) == 0 else {
      let error = errno
      socket.close()
      return .failure(systemError("listen()", error))
    }
    var (address, port) = Socket.addressText(descriptor, ofPeer: false)
    if isDatagram { address = "udp" + address.dropFirst("tcp".count) }
    return .success(ListeningSocket(socket: socket, address: address, port: port, isUnix: false))
  }

  /// Opens a unix stream socket at `path` with permission bits `mode`; a stale socket file there is removed first.
  public static func openUnix(path: String, mode: Int, backlog: Int) throws(ListenError) -> ListeningSocket {
    guard var address = UnixAddress.make(path) else {
      throw ListenError(text: UnixAddress.tooLong, errorNumber: ENAMETOOLONG)
    }
    var status = stat()
    if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unsafe unlink(path) }
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw systemError("socket()", errno) }
    _ = csystem_set_nonblocking(descriptor)
    let oldMask = umask(~mode_t(mode & 0o777) & 0o777)
    // Rule 3: the length given is that of the variable.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    let error = errno
    umask(oldMask)
    guard result == 0, listen(descriptor, Int32(backlog)) == 0 else {
      let listenError = result == 0 ? errno : error
      _ = Glibc.close(descriptor)
      throw systemError(result == 0 ? "listen()" : "bind()", listenError)
    }
    return ListeningSocket(
      socket: Socket(descriptor: descriptor), address: "unix:\(path)", port: 0, isUnix: true)
  }

  private static func systemError(_ call: String, _ number: Int32) -> ListenError {
    ListenError(text: "\(call): \(SystemCalls.errorText(number))", errorNumber: number)
  }
}

/// Addresses of unix sockets.
enum UnixAddress {
  static let tooLong = "the path of a unix socket has at most 107 bytes"

  /// Nil when the path does not fit.
  static func make(_ path: String) -> sockaddr_un? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    // Rule 3: the path is shorter than the field, checked above.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    return address
  }
}

extension Socket {
  /// The peer's address as `stats conns` prints it; unix peers have no name.
  public var peerAddress: String { Socket.addressText(descriptor, ofPeer: true).text }

  /// The peer's host and port, for the event log; unix peers have none.
  public var peer: (host: String, port: UInt16) {
    let (text, port) = Socket.addressText(descriptor, ofPeer: true)
    guard let colon = text.firstIndex(of: ":"), let last = text.lastIndex(of: ":"), text.hasPrefix("tcp") else {
      return ("unix", 0)
    }
    return (text[text.index(after: colon)..<last].filter { $0 != "[" && $0 != "]" }, port)
  }

  /// This end of the connection, which is the listener it came by.
  public var localAddress: String { Socket.addressText(descriptor, ofPeer: false).text }

  static func addressText(_ descriptor: Int32, ofPeer: Bool) -> (text: String, port: UInt16) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // Rule 3: sockaddr_storage holds every kind of address; the length given is its size.
    return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let generic = unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
      let result = unsafe ofPeer ? getpeername(descriptor, generic, &length) : getsockname(descriptor, generic, &length)
      guard result == 0 else { return ("<null>", 0) }
      var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      switch Int32(unsafe generic.pointee.sa_family) {
      case AF_INET, AF_INET6:
        unsafe getnameinfo(generic, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
        let isIPv6 = unsafe generic.pointee.sa_family == sa_family_t(AF_INET6)
        let port = unsafe UnsafeMutableRawPointer(pointer).load(fromByteOffset: 2, as: UInt16.self).bigEndian
        let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (isIPv6 ? "tcp6:[\(name)]:\(port)" : "tcp:\(name):\(port)", port)
      default:
        return ("?:\(unsafe generic.pointee.sa_family)", 0)
      }
    }
  }
}
