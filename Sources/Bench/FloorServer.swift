// The floor: a server that answers every N bytes with M bytes and parses nothing. What it costs per request is what the
// kernel costs, so no cache server on sockets can be cheaper. It is no cache and checks nothing.
import Events

/// The sizes of a case whose batches are all alike.
struct FloorSizes: Sendable {
  let requestByteCount: Int
  let replyByteCount: Int
}

/// The command line after `swiftcached-bench floor`.
struct FloorOptions: Sendable {
  let port: UInt16
  let sizes: FloorSizes

  /// Reads `--port P --request-bytes N --reply-bytes M` in any order; all three are needed.
  init(_ words: ArraySlice<String>) throws {
    var numbers: [String: Int] = [:]
    var rest = words
    while let name = rest.popFirst() { numbers[name] = rest.popFirst().flatMap { Int($0) } }
    guard numbers.count == 3, let port = numbers["--port"].flatMap({ UInt16(exactly: $0) }),
      let request = numbers["--request-bytes"], let reply = numbers["--reply-bytes"], request > 0, reply > 0
    else {
      throw BenchFailure.usage("floor: give --port P --request-bytes N --reply-bytes M, all above 0")
    }
    self.port = port
    sizes = FloorSizes(requestByteCount: request, replyByteCount: reply)
  }
}

/// `swiftcached-bench floor`: one thread, one poll.
struct FloorServer: ~Copyable {
  private var sockets = LoadSockets()
  private var pendingRequestByteCounts: [Int] = []
  private var unsentReplyByteCounts: [Int] = []
  private var buffer = [UInt8](repeating: 0, count: 256 << 10)
  private let replies: [UInt8]
  private let sizes: FloorSizes

  static func arguments(port: UInt16, sizes: FloorSizes) -> [String] {
    [
      "floor", "--port", "\(port)", "--request-bytes", "\(sizes.requestByteCount)",
      "--reply-bytes", "\(sizes.replyByteCount)",
    ]
  }

  init(sizes: FloorSizes) {
    self.sizes = sizes
    replies = Array(repeating: UInt8(ascii: "f"), count: max(sizes.replyByteCount, 1 << 20))
  }

  /// Serves `port` of 127.0.0.1 until a signal arrives.
  mutating func run(port: UInt16) throws {
    let listener = try sockets.listen(port: port)
    addClient(listener)
    while !LoadHost.isInterrupted {
      _ = try sockets.wait(timeoutMilliseconds: 1000)
      var ready = sockets.firstReady(from: 0)
      while let index = ready {
        if index == listener { acceptAll(listener) } else { try serve(index) }
        ready = sockets.firstReady(from: index + 1)
      }
    }
  }

  private mutating func acceptAll(_ listener: Int) {
    while let index = sockets.accept(listener) { addClient(index) }
  }

  private mutating func addClient(_ index: Int) {
    pendingRequestByteCounts.append(0)
    unsentReplyByteCounts.append(0)
    precondition(pendingRequestByteCounts.count == index + 1, "floor: socket indices count up")
  }

  private mutating func serve(_ index: Int) throws {
    guard let count = try sockets.receive(index, into: &buffer) else {
      sockets.close(index)
      return
    }
    let pending = pendingRequestByteCounts[index] + count
    pendingRequestByteCounts[index] = pending % sizes.requestByteCount
    unsentReplyByteCounts[index] += pending / sizes.requestByteCount * sizes.replyByteCount
    let unsent = unsentReplyByteCounts[index]
    guard unsent > 0 || count == 0 else { return }
    let sent = try sockets.send(index, replies, in: 0..<min(unsent, replies.count))
    unsentReplyByteCounts[index] = unsent - sent
    if sent < unsent || count == 0 { sockets.watchWritable(index, sent < unsent) }
  }
}
