// UDP sockets: opening them, and single datagrams in and out with the address of the other side. What a datagram means
// is the server's business (Server/DatagramService). Nothing here blocks.
import CSystem
import CacheCore
import Glibc

/// Where a datagram came from, and where its answer goes.
@safe
public struct DatagramPeer {
  fileprivate var address = sockaddr_storage()
  fileprivate var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  public init() {}
}

extension Socket {
  /// Receives one datagram into `buffer`, which is emptied first, and notes its sender.
  public func receiveDatagram(into buffer: inout ByteBuffer, from peer: inout DatagramPeer) -> Transfer {
    buffer.removeAll()
    let window = buffer.freeWindow
    peer.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // Rules 3 and 6: the window's own bounds; sockaddr_storage holds every kind of address.
    let count = unsafe withUnsafeMutablePointer(to: &peer.address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe recvfrom(descriptor, window.bytes.baseAddress, window.count, 0, $0, &peer.length)
      }
    }
    guard count >= 0 else { return .wouldBlock }
    buffer.filled(count)
    return .bytes(count)
  }

  /// Sends what is unconsumed in `buffer` as one datagram. False when the kernel has no room: then it is lost, as
  /// datagrams may be.
  public func sendDatagram(_ buffer: borrowing ByteBuffer, to peer: DatagramPeer) -> Bool {
    let bytes = buffer.span.extracting(buffer.start..<buffer.end)
    var peer = peer
    let length = peer.length
    // Rules 3 and 6: the span's own bounds; the length is the one the kernel gave with the address.
    let count = unsafe withUnsafePointer(to: &peer.address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bytes.withUnsafeBytes { unsafe sendto(descriptor, $0.baseAddress, $0.count, 0, address, length) }
      }
    }
    return count >= 0
  }

  /// Another descriptor of the same socket; nil when there is none left.
  public func duplicate() -> Socket? {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy >= 0 ? Socket(descriptor: copy) : nil
  }

  /// The send buffer the kernel grants, at most: answers leave in bursts.
  func enlargeSendBuffer() { setOption(SOL_SOCKET, SO_SNDBUF, 8 << 20) }
}
