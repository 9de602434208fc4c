// Where a test server listens: a loopback TCP port, fixed or chosen by the kernel, or a unix socket.
// It turns the place into command line arguments and knows how to ask whether somebody accepts there.
// It starts nothing and speaks no protocol: see ServerProcess and TextClient.
import Foundation

extension ServerProcess {
  public enum Listening: Sendable {
    /// 127.0.0.1 on this TCP port; with a port used before, a restarted server takes its predecessor's place.
    case port(UInt16)
    /// A unix socket at this path, and no TCP port at all.
    case unixSocket(String)

    /// The TCP port, or 0 where there is none.
    var port: UInt16 {
      switch self {
      case .port(let port): return port
      case .unixSocket: return 0
      }
    }

    var arguments: [String] {
      switch self {
      case .port(let port): return ["-l", "127.0.0.1", "-p", "\(port)", "-U", "0"]
      case .unixSocket(let path): return ["-s", path]
      }
    }

    /// True when a connection to the place is accepted now.
    func accepts() -> Bool {
      switch self {
      case .port(let port):
        guard let probe = try? TextClient(port: port) else { return false }
        probe.close()
        return true
      case .unixSocket(let path):
        return Listening.acceptsUnixSocket(path)
      }
    }

    private static func acceptsUnixSocket(_ path: String) -> Bool {
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      defer { _ = Glibc.close(descriptor) }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
      return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
        }
      }
    }
  }
}
