// A load on a server while a test looks at it: a flood that runs until it is stopped.
// Not a load generator for measuring: that is the Bench target.
// measuring: that is the Bench target.
import Foundation
import Synchronization

/// Sends the same requests without a pause and throws the replies away, from two threads, until `stop`.
final class Flood: Sendable {
  private let socket: PlainSocket
  private let stopping = Atomic<Bool>(false)
  private let received = Atomic<Int>(0)
  private let group = DispatchGroup()

  var receivedByteCount: Int { received.load(ordering: .relaxed) }

  init(port: UInt16, _ request: String) throws {
    socket = try PlainSocket(.ipv4(port))
    let requests = Array(String(repeating: request, count: max(1, 65_536 / request.utf8.count)).utf8)
    group.enter()
    Thread.detachNewThread { [self] in
      while !stopping.load(ordering: .relaxed), socket.send(requests) {}
      group.leave()
    }
    group.enter()
    Thread.detachNewThread { [self] in
      while let bytes = socket.receive(1 << 20), !bytes.isEmpty { received.add(bytes.count, ordering: .relaxed) }
      group.leave()
    }
  }

  func stop() {
    stopping.store(true, ordering: .relaxed)
    socket.abandon()
    group.wait()
  }
}
