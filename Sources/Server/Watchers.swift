// The thread that serves `watch`: connections that have asked for it are taken over from their workers, and get the
// lines of the event log that belong to their streams. A watcher that reads slowly misses lines and is told how many;
// it never makes anybody wait, and it holds no more memory than its buffer. What the lines are is the event log's
// business (CacheCore, EventLog).
import CacheCore
import Events
import Synchronization

/// One connection that watches.
private struct Watcher: ~Copyable {
  let socket: Socket
  let streams: LogStreams
  var name: ConnectionName
  var unsent: ByteBuffer
  /// The OK it begins with is no line of the log.
  var isGreeted = false
  /// Lines for it that there was no room for, since the last `skipped=` line.
  var skippedLineCount: UInt64 = 0
  /// What the log had dropped for everybody when this watcher was last told.
  var knownDroppedLineCount: UInt64
  var registration: Registration?

  /// Room that is kept for the line that tells how many were skipped.
  static let skippedLineRoom = 64
}

final class Watchers: Sendable {
  struct Arrival: Sendable {
    let socket: Socket
    let request: WatchRequest
    let name: ConnectionName
  }
  private struct Contents {
    var arrivals: [Arrival] = []
    var isStopping = false
  }

  private let contents = Mutex(Contents())
  private let wakeup: Wakeup
  private let store: Pinned<Store>
  private let connections: ConnectionTable
  private let clock: StoreClock
  private let bufferByteCount: Int

  private static let mailboxToken = UInt64.max
  private static let timerToken = UInt64.max - 1
  private static let millisecondsBetweenSends = 10

  init(
    wakeup: Wakeup, store: Pinned<Store>, connections: ConnectionTable, clock: StoreClock, bufferByteCount: Int
  ) {
    self.wakeup = wakeup
    self.store = store
    self.connections = connections
    self.clock = clock
    self.bufferByteCount = max(bufferByteCount, 4096)
  }

  /// Takes a connection over. Its place among the watchers was given by the log already.
  func post(_ arrival: Arrival) {
    contents.withLock { $0.arrivals.append(arrival) }
    wakeup.ring()
  }

  func stop() {
    contents.withLock { $0.isStopping = true }
    wakeup.ring()
  }

  /// Runs until told to stop. `registry` knows what the workers dropped.
  func run(_ registry: CounterRegistry, _ gate: StartGate) {
    guard let loop = EventLoop() else { return gate.arrive(failed: true) }
    var watchers = Slots<Watcher>()
    let mailbox = loop.register(wakeup.descriptor, .readable, token: Watchers.mailboxToken)
    gate.arrive()
    var timer: Registration?
    var isStopping = false
    while !isStopping {
      loop.wait()
      for index in 0..<loop.readyCount {
        switch loop.readyEvent(index).token {
        case Watchers.mailboxToken: isStopping = receiveMail(loop, registry, &watchers)
        case Watchers.timerToken: deliver(registry, &watchers)
        case let token: discardInput(token, &watchers)
        }
      }
      let isWatching = store.value.eventLog.watcherCount > 0
      if isWatching, timer == nil {
        timer = loop.registerTimer(everyMilliseconds: Watchers.millisecondsBetweenSends, token: Watchers.timerToken)
      } else if !isWatching {
        timer = nil
      }
    }
    for token in watchers.tokens { close(token, .shutdown, &watchers) }
    // Registrations go before the loop they are in.
    timer = nil
    _ = consume mailbox
  }

  private func receiveMail(
    _ loop: borrowing EventLoop, _ registry: CounterRegistry, _ watchers: inout Slots<Watcher>
  ) -> Bool {
    wakeup.clear()
    let (arrivals, isStopping) = contents.withLock { contents in
      let arrivals = contents.arrivals
      contents.arrivals = []
      return (arrivals, contents.isStopping)
    }
    let log = store.value.eventLog
    for arrival in arrivals {
      let token = watchers.insert(
        Watcher(
          socket: arrival.socket, streams: arrival.request.streams, name: arrival.name,
          unsent: ByteBuffer(capacity: bufferByteCount),
          knownDroppedLineCount: droppedLineCount(registry)))
      connections.note(
        arrival.socket.descriptor, state: ConnectionTable.stateCode("conn_watch"), now: clock.now)
      let isRegistered = watchers.with(token) { watcher in
        watcher.isGreeted = arrival.request.isQuiet
        if !watcher.isGreeted { watcher.unsent.append(Array("OK\r\n".utf8)) }
        watcher.registration = loop.register(watcher.socket.descriptor, .readable, token: token)
        return watcher.registration != nil
      }
      let transfer = watchers.with(token) { $0.send(log, dropped: droppedLineCount(registry)) }
      if isRegistered != true || transfer == .closed { close(token, .error, &watchers) }
    }
    return isStopping
  }

  /// Lines lost to everybody because the log was full, by workers and others.
  private func droppedLineCount(_ registry: CounterRegistry) -> UInt64 {
    registry.value(.logDropped) + store.value.eventLog.droppedLineCount
  }

  /// Every few milliseconds: hands the lines out and sends what the sockets take.
  private func deliver(_ registry: CounterRegistry, _ watchers: inout Slots<Watcher>) {
    let tokens = watchers.tokens
    let log = store.value.eventLog
    // When nobody has room the lines stay where they are: the log fills up, and its writers drop theirs at no cost.
    let someHaveRoom = tokens.contains { token in
      watchers.with(token) { $0.unsent.count < $0.unsent.capacity / 2 } == true
    }
    if someHaveRoom {
      log.drain { stream, line in
        for token in tokens { _ = watchers.with(token) { $0.add(line, of: stream) } }
      }
    }
    let dropped = droppedLineCount(registry)
    for token in tokens {
      let transfer = watchers.with(token) { $0.send(log, dropped: dropped) }
      if transfer == .closed { close(token, .normal, &watchers) }
    }
  }

  /// Watchers have nothing more to say; when they go, it is read here.
  private func discardInput(_ token: UInt64, _ watchers: inout Slots<Watcher>) {
    let transfer = watchers.with(token) { watcher in
      var scratch = ByteBuffer(capacity: 4096)
      return watcher.socket.receive(into: &scratch)
    }
    if transfer == .closed { close(token, .normal, &watchers) }
  }

  private func close(_ token: UInt64, _ reason: CloseReason, _ watchers: inout Slots<Watcher>) {
    let (log, connections) = (store.value.eventLog, connections)
    _ = watchers.with(token) { watcher in
      watcher.registration = nil
      log.removeWatcher(watcher.streams)
      connections.remove(watcher.socket.descriptor)
      log.noteClosed(watcher.name, reason)
      watcher.socket.close()
    }
    watchers.remove(token)
    connections.clientLeft()
  }
}

extension Watcher {
  mutating func add(_ line: RawSpan, of stream: LogStream) {
    guard streams.contains(LogStreams(stream)) else { return }
    guard unsent.room >= line.byteCount + Watcher.skippedLineRoom else {
      skippedLineCount += 1
      return
    }
    unsent.append(line)
  }

  /// Sends what the socket takes, and tells what was missed as soon as there is room for it.
  mutating func send(_ log: EventLog, dropped: UInt64) -> Transfer {
    var sentLineCount = 0
    defer { log.noteSent(lines: sentLineCount) }
    while unsent.count > 0 {
      let transfer = socket.send(unsent)
      guard case .bytes(let count) = transfer, count > 0 else {
        unsent.compact()
        return transfer
      }
      sentLineCount += unsent.lineCount(count)
      if !isGreeted, sentLineCount > 0 {
        sentLineCount -= 1
        isGreeted = true
      }
      unsent.consume(count)
    }
    // `stats reset` starts that counter again.
    let missed = skippedLineCount &+ (dropped >= knownDroppedLineCount ? dropped - knownDroppedLineCount : dropped)
    knownDroppedLineCount = dropped
    skippedLineCount = 0
    if missed > 0 {
      log.noteSkipped(lines: missed)
      unsent.append(Array("skipped=\(missed)\n".utf8))
    }
    return .bytes(0)
  }
}
