// The two conventions of systemd a server may follow, without its library: telling that it is ready or stopping
// (NOTIFY_SOCKET, one datagram), and listeners that were opened for it (LISTEN_FDS). What they are used for is the
// server's business.
import CSystem
import Glibc

public struct ServiceManager: Sendable {
  /// How many descriptors from 3 on were opened for this process; 0 when none were, or they are for another one.
  public let passedDescriptorCount: Int
  /// The socket to send from and the address to send to; nil when nobody asked.
  private let channel: (descriptor: Int32, address: sockaddr_un, length: socklen_t)?

  /// Reads the environment and opens what telling needs. To be made before any fork, because descriptors are passed to
  /// one process alone, and before system calls are given up.
  public init() {
    let isForUs = SystemCalls.environment("LISTEN_PID") == "\(SystemCalls.processID)"
    let count = SystemCalls.environment("LISTEN_FDS").flatMap { Int($0) } ?? 0
    passedDescriptorCount = isForUs ? min(max(count, 0), 1024) : 0
    channel = SystemCalls.environment("NOTIFY_SOCKET").flatMap { ServiceManager.open($0) }
  }

  /// `@name` is one of the abstract space. Nil for what is neither that nor an absolute path.
  private static func open(_ path: String) -> (Int32, sockaddr_un, socklen_t)? {
    let isAbstract = path.hasPrefix("@") && path.utf8.count > 1
    guard isAbstract || path.hasPrefix("/"),
      let address = UnixAddress.make(isAbstract ? "\0" + path.dropFirst() : path)
    else { return nil }
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    _ = csystem_set_nonblocking(descriptor)
    return (descriptor, address, socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count))
  }

  /// Sends `state` (`READY=1`) to who started the process, when it asked for it. Nobody waits, and failing is no error.
  public func notify(_ state: String) {
    guard let (descriptor, address, length) = channel else { return }
    let bytes = Array(state.utf8)
    // Rule 3: the length is that of the path, which fits the address; the bytes are the array's own.
    unsafe withUnsafePointer(to: address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        _ = unsafe bytes.withUnsafeBytes {
          unsafe sendto(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), generic, length)
        }
      }
    }
  }
}

extension Listening {
  /// The first descriptor that a service manager passes on.
  private static let firstPassed: Int32 = 3

  /// Takes over listener number `index` of those that were passed. Throws when it is none: not a socket, a kind that
  /// nothing here serves, or a stream socket that does not listen.
  public static func adoptPassed(_ index: Int) throws(ListenError) -> (socket: ListeningSocket, isDatagram: Bool) {
    let descriptor = firstPassed + Int32(index)
    guard let kind = option(descriptor, SO_TYPE), let family = option(descriptor, SO_DOMAIN) else {
      throw ListenError(text: "LISTEN_FDS: descriptor \(descriptor) is no socket", errorNumber: ENOTSOCK)
    }
    let isDatagram = kind == Int32(SOCK_DGRAM.rawValue)
    let isUnix = family == AF_UNIX
    let isStream = kind == Int32(SOCK_STREAM.rawValue) && option(descriptor, SO_ACCEPTCONN) == 1
    let isNetwork = family == AF_INET || family == AF_INET6
    guard isStream && (isUnix || isNetwork) || isDatagram && isNetwork else {
      throw ListenError(
        text: "LISTEN_FDS: descriptor \(descriptor) is no listener for TCP or a unix socket, and no socket for UDP",
        errorNumber: EINVAL)
    }
    _ = csystem_set_nonblocking(descriptor)
    let socket = Socket(descriptor: descriptor)
    var (address, port) = Socket.addressText(descriptor, ofPeer: false)
    if isUnix { address = "unix:\(unixPath(descriptor) ?? "?")" }
    if isDatagram {
      socket.enlargeSendBuffer()
      address = "udp" + address.dropFirst("tcp".count)
    }
    return (ListeningSocket(socket: socket, address: address, port: port, isUnix: isUnix), isDatagram)
  }

  private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    // Rule 3: the size given is that of the variable.
    return unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
  }

  /// The path a unix socket is bound to.
  private static func unixPath(_ descriptor: Int32) -> String? {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    // Rule 3: the length given is that of the variable.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { return nil }
    // Rule 3: the field's own bounds.
    let bytes = unsafe withUnsafeBytes(of: &address.sun_path) { unsafe Array($0) }
    let path = bytes.prefix { $0 != 0 }
    return path.isEmpty ? nil : String(decoding: path, as: UTF8.self)
  }
}
