// One worker thread: an event loop, its connections, one receive buffer and one engine for all of them. It shares the
// store with the other workers and takes new connections from its mailbox. Which fate follows which event is in
// Connection.
import CacheCore
import Events
import Synchronization
import TLS

/// Connections on their way from the listener to a worker.
final class Mailbox: Sendable {
  struct Arrival: Sendable {
    let socket: Socket
    let isUnix: Bool
    let wire: WireProtocol
    let tls: ListenerTLS?
  }
  /// A UDP socket for the worker to serve.
  struct DatagramSocket: Sendable {
    let socket: Socket
    let wire: WireProtocol
  }
  struct Contents {
    var arrivals: [Arrival] = []
    var datagramSockets: [DatagramSocket] = []
    var isStopping = false
  }
  private let contents = Mutex(Contents())
  let wakeup: Wakeup

  init(wakeup: Wakeup) { self.wakeup = wakeup }

  func post(_ arrival: Arrival) {
    contents.withLock { $0.arrivals.append(arrival) }
    wakeup.ring()
  }

  func post(_ datagramSocket: DatagramSocket) {
    contents.withLock { $0.datagramSockets.append(datagramSocket) }
    wakeup.ring()
  }

  /// Asks the worker to close its connections and end.
  func stop() {
    contents.withLock { $0.isStopping = true }
    wakeup.ring()
  }

  /// Everything that has come, and whether the worker is to end.
  func empty() -> Contents {
    wakeup.clear()
    return contents.withLock { contents in
      let taken = contents
      contents.arrivals = []
      contents.datagramSockets = []
      return taken
    }
  }
}

/// What all workers share, settled at start.
struct WorkerContext: Sendable {
  let store: Pinned<Store>
  let clock: StoreClock
  let connections: ConnectionTable
  let engine: EngineConfiguration
  let host: ServerHost
  let watchers: Watchers
  let idleTimeoutSeconds: Int
  /// 0: no limit but bytes.
  let requestsPerEvent: Int
  let itemSizeMaxBytes: Int
  /// nil without TLS.
  let tls: TLSService?
  static let receiveByteCount = 64 << 10
}

struct Worker: ~Copyable {
  private let context: WorkerContext
  private let mailbox: Mailbox
  private let counters: CounterSet
  private var loop: EventLoop
  private var connections = Slots<Connection>()
  private var datagramServices = Slots<DatagramService>()
  private var buffer = ByteBuffer(capacity: WorkerContext.receiveByteCount)
  private var engine: Engine
  /// Connections whose turn ended before their work did.
  private var postponed: [UInt64] = []
  private var mailboxRegistration: Registration?
  private var idleTimer: Registration?
  private var isStopping = false
  private let scratch: Pinned<TLSScratch>

  /// Who has not finished its handshake by then is closed, so that half-open ones cannot pile up.
  private static let handshakeTimeoutSeconds: UInt32 = 10
  /// Where there are more threads than processors, one whose clients answer at once never sleeps, and uses up its time
  /// slice while the clients of the others wait. After so many turns it steps back, half a millisecond's worth: p99 0.6
  /// of what it was, and CPU no more, since the others find more to do in a turn (Docs/performance.md).
  private static let turnsInARow = 64
  private static let mailboxToken = UInt64.max
  private static let idleTimerToken = UInt64.max - 1
  /// Set in the tokens of UDP sockets, whose slots are numbered apart; no connection's slot has so high a number.
  private static let datagramBit: UInt64 = 1 << 31

  /// Returns nil when the system has no descriptors for the loop.
  init?(_ context: WorkerContext, mailbox: Mailbox, counters: CounterSet) {
    guard let loop = EventLoop(),
      let mailboxRegistration = loop.register(mailbox.wakeup.descriptor, .readable, token: Worker.mailboxToken)
    else { return nil }
    self.context = context
    self.mailbox = mailbox
    self.counters = counters
    self.loop = loop
    engine = Engine(context.engine, store: context.store, counters: counters, host: context.host)
    self.mailboxRegistration = consume mailboxRegistration
    scratch = Pinned(TLSScratch(byteCount: context.tls?.settings.writeBufferByteCount ?? 0))
    if context.idleTimeoutSeconds > 0 || context.tls != nil {
      idleTimer = self.loop.registerTimer(everyMilliseconds: 1000, token: Worker.idleTimerToken)
    }
  }

  /// Runs until the mailbox says stop. Connections left then are closed.
  mutating func run() {
    var turns = 0
    while !isStopping {
      turns &+= 1
      if turns.isMultiple(of: Worker.turnsInARow) { Thread.letOthersRun() }
      loop.wait(blocking: postponed.isEmpty)
      engine.now = context.clock.now
      for index in 0..<loop.readyCount { dispatch(loop.readyEvent(index)) }
      if !postponed.isEmpty { runPostponed() }
    }
    for token in connections.tokens {
      _ = connections.with(token) { $0.closeReason = .shutdown }
      close(token)
    }
    // Registrations go before the loop they are in.
    for token in datagramServices.tokens {
      _ = datagramServices.with(token) { $0.registration = nil }
    }
    mailboxRegistration = nil
    idleTimer = nil
    scratch.destroy()
  }

  @inline(__always)
  private mutating func dispatch(_ event: ReadyEvent) {
    switch event.token {
    case Worker.mailboxToken: receiveMail()
    case Worker.idleTimerToken: closeIdle()
    case let token where token & Worker.datagramBit != 0: receiveDatagrams(token)
    default: handle(event.token, isWritable: event.isWritable)
    }
  }

  @inline(__always)
  private mutating func handle(_ token: UInt64, isWritable: Bool) {
    let now = engine.now
    let table = context.connections
    let fate = connections.with(token) { connection -> ConnectionFate in
      if connection.lastCommandSecond != now || isWritable || !connection.session.isIdle {
        connection.note(table, now: now)
      }
      if connection.isPostponed { return .keep }
      return isWritable ? connection.writable(&engine) : connection.readable(&engine, &buffer)
    }
    buffer.removeAll()
    switch fate {
    case .keep?, nil: break
    case let fate?: settle(token, fate)
    }
  }

  @inline(never)
  private mutating func settle(_ token: UInt64, _ fate: ConnectionFate) {
    switch fate {
    case .keep: break
    case .yield: postpone(token)
    case .awaitRoom:
      // No event comes from it while it does not read: what it is doing is noted now.
      let (table, now) = (context.connections, engine.now)
      _ = connections.with(token) { $0.note(table, now: now) }
      watch(token, .writable)
    case .awaitInput: watch(token, .readable)
    case .close: close(token)
    case .watch(let request): handOver(token, request)
    case .failedHandshake: closeAfterHandshake(token)
    }
  }

  /// The watchers' thread owns the connection from here on.
  private mutating func handOver(_ token: UInt64, _ request: WatchRequest) {
    let watchers = context.watchers
    _ = connections.with(token) { connection in
      connection.registration = nil
      watchers.post(
        Watchers.Arrival(socket: connection.socket, request: request, name: connection.name))
    }
    connections.remove(token)
  }

  /// Replaces what the connection waits for; closes it when the loop has no memory for that.
  private mutating func watch(_ token: UInt64, _ readiness: Readiness) {
    let isWatched = connections.with(token) { connection in
      connection.waitsForRoom = readiness == .writable
      connection.registration = nil
      connection.registration = loop.register(connection.socket.descriptor, readiness, token: token)
      return connection.registration != nil
    }
    if isWatched == false { close(token) }
  }

  private mutating func postpone(_ token: UInt64) {
    _ = connections.with(token) { $0.isPostponed = true }
    postponed.append(token)
  }

  /// One more turn for each that had more to do when its last one ended.
  private mutating func runPostponed() {
    let tokens = postponed
    postponed.removeAll(keepingCapacity: true)
    for token in tokens {
      _ = connections.with(token) { $0.isPostponed = false }
      handle(token, isWritable: false)
      restoreInterest(token)
    }
  }

  /// After a turn that began with a wait for room, the connection waits for input again.
  private mutating func restoreInterest(_ token: UInt64) {
    let needsInput = connections.with(token) { $0.unsent == nil && !$0.hasBacklog && $0.waitsForRoom }
    if needsInput == true { watch(token, .readable) }
  }

  private mutating func receiveMail() {
    let mail = mailbox.empty()
    for arrival in mail.arrivals { open(arrival) }
    for socket in mail.datagramSockets { serve(socket) }
    isStopping = mail.isStopping
  }

  private mutating func serve(_ datagramSocket: Mailbox.DatagramSocket) {
    var service = DatagramService(
      socket: datagramSocket.socket, wire: datagramSocket.wire, itemSizeMaxBytes: context.itemSizeMaxBytes)
    service.registration = loop.register(
      service.socket.descriptor, .readable, token: Worker.datagramBit | datagramServices.nextToken)
    datagramServices.insert(service)
  }

  @inline(never)
  private mutating func receiveDatagrams(_ token: UInt64) {
    _ = datagramServices.with(token & ~Worker.datagramBit) { $0.readable(&engine) }
  }

  private mutating func open(_ arrival: Mailbox.Arrival) {
    let descriptor = arrival.socket.descriptor
    var channel: TLSChannel?
    if let tls = arrival.tls, let service = context.tls {
      channel = TLSChannel(
        service, descriptor: descriptor, verification: tls.verification, scratch: scratch, now: engine.now)
      guard channel != nil else {
        arrival.socket.close()
        return context.connections.clientLeft()
      }
    }
    let token = connections.insert(
      Connection(
        socket: arrival.socket,
        session: Session(
          descriptor: descriptor, wire: arrival.wire, requestsPerEvent: context.requestsPerEvent,
          mayWatch: channel == nil),
        lastCommandSecond: engine.now, isUnix: arrival.isUnix, channel: channel))
    let table = context.connections
    let now = engine.now
    _ = connections.with(token) { $0.note(table, now: now) }
    if context.engine.modes.verbosity > 1 {
      context.host.log("<\(descriptor) new \(arrival.wire.clientName) client connection")
    }
    let log = context.store.value.eventLog
    if log.isWatched(.connevents) { _ = connections.with(token) { log.noteOpened($0.name) } }
    watch(token, .readable)
  }

  /// The TLS handshake has failed, or taken too long.
  private mutating func closeAfterHandshake(_ token: UInt64) {
    counters.add(.tlsHandshakeErrors)
    let log = context.store.value.eventLog
    let isVerbose = context.engine.modes.verbosity > 0
    let host = context.host
    _ = connections.with(token) { connection in
      let reason = connection.channel?.failure ?? "handshake timed out"
      log.noteHandshakeError(descriptor: connection.socket.descriptor, reason)
      if isVerbose { host.log("SSL connection failed: \(reason)") }
      connection.closeReason = .error
    }
    close(token)
  }

  private mutating func close(_ token: UInt64) {
    let table = context.connections
    let host = context.host
    let isVerbose = context.engine.modes.verbosity > 1
    let log = context.store.value.eventLog
    let isLogged = log.isWatched(.connevents)
    _ = connections.with(token) { connection in
      connection.registration = nil
      if isLogged { log.noteClosed(connection.name, connection.closeReason) }
      if isVerbose { host.log("<\(connection.socket.descriptor) connection closed.") }
      if let channel = connection.channel {
        if channel.isEstablished, channel.failure?.isEmpty == false { counters.add(.tlsProtocolErrors) }
        channel.close()
      }
      table.remove(connection.socket.descriptor)
      connection.socket.close()
    }
    connections.remove(token)
    table.clientLeft()
  }

  /// Closes what has waited too long for a command; unix clients and commands under way are left alone.
  private mutating func closeIdle() {
    let now = engine.now
    if context.tls != nil { closeHalfOpen(now) }
    let limit = context.idleTimeoutSeconds
    guard limit > 0 else { return }
    for token in connections.tokens {
      let isIdle = connections.with(token) { connection in
        !connection.isUnix && connection.session.isIdle && connection.unsent == nil && !connection.hasBacklog
          && Int(now) - Int(connection.lastCommandSecond) > limit
      }
      if isIdle == true {
        counters.add(.idleKicks)
        _ = connections.with(token) { $0.closeReason = .idleTimeout }
        close(token)
      }
    }
  }
}

extension Worker {
  private mutating func closeHalfOpen(_ now: UInt32) {
    for token in connections.tokens {
      let isLate = connections.with(token) { connection in
        connection.channel.map { !$0.isEstablished && now > $0.openedSecond + Worker.handshakeTimeoutSeconds } ?? false
      }
      if isLate == true { closeAfterHandshake(token) }
    }
  }
}

extension WireProtocol {
  /// As -vv names what a connection may speak.
  var clientName: String {
    switch self {
    case .undecided: "auto-negotiating"
    case .text: "ascii"
    case .binary: "binary"
    }
  }
}

extension Connection {
  /// Who it is, for the event log. Asks the kernel: not for the request path.
  var name: ConnectionName {
    let (address, port) = socket.peer
    return ConnectionName(
      address: address, port: port, transport: isUnix ? "local" : "tcp", descriptor: socket.descriptor)
  }

  /// Writes the connection's line of `stats conns`.
  @inline(never)
  mutating func note(_ table: ConnectionTable, now: UInt32) {
    lastCommandSecond = now
    let name = unsent != nil ? "conn_mwrite" : session.stateName
    table.note(socket.descriptor, state: ConnectionTable.stateCode(name), now: now)
  }
}
