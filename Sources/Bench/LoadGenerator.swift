// The closed loop: each connection sends a batch, waits for its whole reply, checks it, sends the next. One thread, one
// poll, no allocation per batch outside of samples. Not the figures: see Measurement.
//
// Every reply must have exactly the expected size, the right first word and the right last line; one in 64 is compared
// byte by byte. The first difference ends the run.
import Events

/// What a connection is doing.
private struct LoadConnection {
  var batch = 0
  var isWaiting = false
  var isSampled = false
  var unsent = 0..<0
  var receivedByteCount = 0
  var expectedByteCount = 0
  var startNanoseconds: UInt64 = 0
  /// The whole reply of a sampled batch, else the start of a reply that came in parts: shown when it proves wrong.
  var kept: [UInt8] = []
}

/// Connections to one server that can run pools of requests, one run after the other. More may be open than are in use:
/// then each batch goes out on the connection that has been idle longest.
struct LoadGenerator: ~Copyable {
  private var sockets = LoadSockets()
  private var connections: [LoadConnection]
  private var buffer = [UInt8](repeating: 0, count: 256 << 10)
  private let label: String
  private let checksContents: Bool
  private var nextBatch = 0
  private var completed = 0
  private var batchLimit = 0
  private var endNanoseconds = UInt64.max
  private var result = LoadResult()

  private static let sampleInterval = 64
  private static let keptByteCount = 120
  private static let stallSeconds = 10

  /// Connects to the server on `port`; `label` names it in errors. A floor server's replies are checked for size only.
  /// `openCount` connections are open, of which at most `connectionCount` have a batch on its way.
  init(label: String, port: UInt16, connectionCount: Int, openCount: Int? = nil, checksContents: Bool) throws {
    self.label = label
    self.checksContents = checksContents
    connections = Array(repeating: LoadConnection(), count: connectionCount)
    for _ in 0..<connectionCount { _ = try sockets.connect(port: port) }
    for _ in 0..<max(0, (openCount ?? 0) - connectionCount) { try sockets.connectParked(port: port) }
  }

  /// Sends batches of the pool for some time and checks the replies.
  mutating func run(_ pool: RequestPool, milliseconds: Int, timeoutSeconds: Int) throws -> LoadResult {
    endNanoseconds = LoadHost.nowNanoseconds() + UInt64(milliseconds) * 1_000_000
    defer { endNanoseconds = .max }
    return try run(pool, batches: .max, timeoutSeconds: timeoutSeconds + milliseconds / 1000)
  }

  /// Sends `batches` batches of the pool and checks the replies. Throws `BenchFailure.wrongReply` on the first wrong
  /// one, and fails when nothing is answered for ten seconds or the run exceeds its time-out.
  mutating func run(_ pool: RequestPool, batches: Int, timeoutSeconds: Int) throws -> LoadResult {
    result = LoadResult()
    nextBatch = 0
    completed = 0
    batchLimit = batches
    let start = LoadHost.nowNanoseconds()
    let processorStart = LoadHost.ownProcessorNanoseconds()
    let deadline = start + UInt64(timeoutSeconds) * 1_000_000_000
    for index in connections.indices where nextBatch < batchLimit { try begin(index, pool, at: start) }
    var idleSeconds = 0
    while completed < batchLimit {
      idleSeconds = try sockets.wait(timeoutMilliseconds: 1000) == 0 ? idleSeconds + 1 : 0
      try checkTime(idleSeconds, deadline, pool)
      var ready = sockets.firstReady(from: 0)
      while let index = ready {
        try serve(index, pool)
        ready = sockets.firstReady(from: index + 1)
      }
    }
    result.wallNanoseconds = LoadHost.nowNanoseconds() - start
    result.processorNanoseconds = LoadHost.ownProcessorNanoseconds() - processorStart
    result.batchCount = completed
    return result
  }

  private mutating func begin(_ index: Int, _ pool: RequestPool, at now: UInt64) throws {
    let batch = nextBatch
    nextBatch += 1
    sockets.exchange(index)
    connections[index].batch = batch
    connections[index].isWaiting = true
    connections[index].isSampled = checksContents && batch % Self.sampleInterval == 0
    connections[index].receivedByteCount = 0
    connections[index].expectedByteCount = pool.replyByteCount(batch)
    connections[index].startNanoseconds = now
    connections[index].kept.removeAll(keepingCapacity: true)
    connections[index].unsent = pool.requestRange(batch)
    if try !sendMore(index, pool) { sockets.watchWritable(index, true) }
  }

  /// Sends what the kernel takes of the connection's unsent bytes; returns whether none are left.
  private mutating func sendMore(_ index: Int, _ pool: RequestPool) throws -> Bool {
    let range = connections[index].unsent
    let sent = try sockets.send(index, pool.bytes, in: range)
    connections[index].unsent = range.lowerBound + sent..<range.upperBound
    return sent == range.count
  }

  /// Sends what is left to send and takes what has come.
  private mutating func serve(_ index: Int, _ pool: RequestPool) throws {
    if !connections[index].unsent.isEmpty { sockets.watchWritable(index, try !sendMore(index, pool)) }
    guard let count = try sockets.receive(index, into: &buffer) else {
      throw wrongReply(index, pool, "the server closed the connection")
    }
    guard count > 0 else { return }
    let now = LoadHost.nowNanoseconds()
    try account(index, count, pool)
    guard connections[index].receivedByteCount == connections[index].expectedByteCount else { return }
    result.latency.record(nanoseconds: now - connections[index].startNanoseconds)
    completed += 1
    connections[index].isWaiting = false
    if now >= endNanoseconds { batchLimit = nextBatch }
    if nextBatch < batchLimit { try begin(index, pool, at: now) }
  }

  /// Counts and checks the first `count` bytes of the buffer as part of the connection's reply.
  private mutating func account(_ index: Int, _ count: Int, _ pool: RequestPool) throws {
    let batch = connections[index].batch
    let before = connections[index].receivedByteCount
    let after = before + count
    let expected = connections[index].expectedByteCount
    connections[index].receivedByteCount = after
    if connections[index].isSampled {
      connections[index].kept += buffer[..<count]
    } else if after != expected && connections[index].kept.count < Self.keptByteCount {
      connections[index].kept += buffer[..<min(count, Self.keptByteCount)]
    }
    guard connections[index].isWaiting, after <= expected else {
      throw wrongReply(index, pool, "more bytes than expected")
    }
    guard checksContents else { return }
    if before == 0 && !buffer[..<count].starts(with: pool.replyHead(batch).prefix(count)) {
      throw wrongReply(index, pool, "wrong first word")
    }
    guard after == expected else { return }
    let tail = pool.replyTail(batch)
    if !tail.reversed().starts(with: buffer[..<count].suffix(tail.count).reversed()) {
      throw wrongReply(index, pool, "wrong last line")
    }
    if connections[index].isSampled && !pool.isReply(connections[index].kept, to: batch) {
      throw wrongReply(index, pool, "right size, wrong contents")
    }
  }

  private func checkTime(_ idleSeconds: Int, _ deadline: UInt64, _ pool: RequestPool) throws {
    if LoadHost.isInterrupted { throw BenchFailure.interrupted }
    if idleSeconds >= Self.stallSeconds, let index = connections.firstIndex(where: { $0.isWaiting }) {
      throw wrongReply(index, pool, "no more bytes for \(Self.stallSeconds) seconds")
    }
    if LoadHost.nowNanoseconds() > deadline {
      throw BenchFailure.failed(
        "\(label): the run took longer than its time-out (\(completed) batches done); give more with --timeout-seconds")
    }
  }

  private func wrongReply(_ index: Int, _ pool: RequestPool, _ reason: String) -> BenchFailure {
    let connection = connections[index]
    let received = connection.kept.isEmpty ? buffer[...] : connection.kept[...]
    return .wrongReply(
      """
      \(label): wrong reply on connection \(index), batch \(connection.batch): \(reason)
        request:  \(quoted(pool.bytes[pool.requestRange(connection.batch)]))
        expected: \(connection.expectedByteCount) bytes \(quoted(pool.reply(connection.batch)[...]))
        received: \(connection.receivedByteCount) bytes \(quoted(received.prefix(connection.receivedByteCount)))
      """)
  }

  /// The first bytes in quotes, with line ends and other controls written as escapes.
  private func quoted(_ bytes: ArraySlice<UInt8>) -> String {
    let shown = String(decoding: bytes.prefix(Self.keptByteCount), as: UTF8.self)
    return "\"" + shown.unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
      + (bytes.count > Self.keptByteCount ? "\"..." : "\"")
  }
}
