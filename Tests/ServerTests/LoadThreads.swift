// Threads that put load on a server while a test looks at it: several workers to their end, and a flood that runs until
// it is stopped. Not a load generator for measuring: that is the Bench target.
import Foundation
import Synchronization

/// Runs `body` with 0..<count on as many threads at once, and gives their results in order.
func onThreads<Result: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Result) -> [Result] {
  let results = ResultList<Result>(count)
  let group = DispatchGroup()
  for index in 0..<count {
    group.enter()
    Thread.detachNewThread {
      let result = body(index)
      results.items.withLock { $0[index] = result }
      group.leave()
    }
  }
  group.wait()
  return results.items.withLock { $0.compactMap { $0 } }
}

private final class ResultList<Element: Sendable>: Sendable {
  let items: Mutex<[Element?]>
  init(_ count: Int) { items = Mutex(Array(repeating: nil, count: count)) }
}

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
