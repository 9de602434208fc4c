// Accepting: the main thread takes connections from all listeners, refuses those above the limit, and hands the others
// to the workers in turn. When descriptors run out it stops listening and tries again every ten milliseconds; clients
// queue in the kernel meanwhile (reference, section 8.4).
import CacheCore
import Events
import Options
import TLS

struct Acceptor: ~Copyable {
  private let listeners: [Listener]
  private let mailboxes: [Mailbox]
  private let connections: ConnectionTable
  private let counters: CounterSet
  private let maxConnections: Int
  private let refusesAboveLimit: Bool
  private let backlog: Int
  private var nextWorker = 0
  private var pausedSinceMilliseconds: Int64?
  /// One event may accept this many before the clock and the signals have their turn.
  private static let acceptsPerEvent = 256

  init(
    _ listeners: [Listener], mailboxes: [Mailbox], connections: ConnectionTable, counters: CounterSet,
    settings: Settings
  ) {
    self.listeners = listeners
    self.mailboxes = mailboxes
    self.connections = connections
    self.counters = counters
    maxConnections = settings.maxConnections
    refusesAboveLimit = settings.maxConnectionsFast
    backlog = settings.listenBacklog
  }

  var isPaused: Bool { pausedSinceMilliseconds != nil }

  /// Takes what waits on a listener.
  mutating func accept(listener index: Int) {
    let listener = listeners[index]
    for _ in 0..<Acceptor.acceptsPerEvent {
      if !refusesAboveLimit, connections.clientCount >= maxConnections { return pause() }
      switch listener.listening.socket.accept() {
      case .none: return
      case .exhausted: return pause()
      case .accepted(let socket): admit(socket, listener)
      }
    }
  }

  private mutating func admit(_ socket: Socket, _ listener: Listener) {
    guard connections.clientCount < maxConnections else {
      counters.add(.rejectedConnections)
      socket.sendOnce("ERROR Too many open connections\r\n")
      return socket.close()
    }
    _ = connections.clientJoined()
    counters.add(.totalConnections)
    let isUnix = listener.listening.isUnix
    if !isUnix { socket.prepareTCPConnection() }
    mailboxes[nextWorker].post(Mailbox.Arrival(socket: socket, isUnix: isUnix, wire: listener.wire, tls: listener.tls))
    nextWorker = (nextWorker + 1) % mailboxes.count
  }

  private mutating func pause() {
    guard pausedSinceMilliseconds == nil else { return }
    pausedSinceMilliseconds = SystemCalls.monotonicMilliseconds
    connections.isAccepting = false
    counters.add(.listenDisabled)
    for listener in listeners { listener.listening.socket.setBacklog(0) }
  }

  /// Every ten milliseconds while paused: listens again once there is room. Returns whether it does.
  mutating func resumeIfPossible() -> Bool {
    guard let since = pausedSinceMilliseconds else { return true }
    guard connections.clientCount < maxConnections, SystemCalls.hasFreeDescriptor else { return false }
    pausedSinceMilliseconds = nil
    counters.add(.listenDisabledMicroseconds, UInt64(SystemCalls.monotonicMilliseconds - since) * 1000)
    connections.isAccepting = true
    for listener in listeners { listener.listening.socket.setBacklog(backlog) }
    return true
  }
}
