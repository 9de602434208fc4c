// Several threads of the operating system at once, run to their end, for tests of what is shared.
// Not a pool: each call starts its own threads and waits for all of them.
import Foundation
import Synchronization

/// Runs `body` with 0..<count on as many threads of the operating system at once, and gives their results in order.
public func onThreads<Result: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Result) -> [Result] {
  let results = SharedList<Result>(count)
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

private final class SharedList<Element: Sendable>: Sendable {
  let items: Mutex<[Element?]>
  init(_ count: Int) { items = Mutex(Array(repeating: nil, count: count)) }
}
