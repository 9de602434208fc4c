// The server as a whole: starts everything in the reference's order (section 8.6), runs the main thread's loop
// (accepting, signals, the clock), and stops everything. Options are read and checked before it is made; errors here
// end the process with a message and the reference's exit status. What is listened on is opened by Listeners.
import CacheCore
import Events
import Options
import TLS

/// Why the server could not start.
public struct StartFailure: Error {
  public let message: String
  public let exitStatus: Int32
}

public struct CacheServer: ~Copyable {
  private let settings: Settings
  private let manager: ServiceManager
  private let authentication: AuthenticationSource?
  private let store: Pinned<Store>
  private let clock: StoreClock
  private let connections: ConnectionTable
  private let modes: Modes
  private let host: ServerHost
  private let mailboxes: [Mailbox]
  private let mainCounters: CounterSet
  private let maintenance: Maintenance
  private var threads: [Thread] = []
  private var listeners: Listeners
  private let watchers: Watchers
  private let tls: TLSService?
  private let loop: EventLoop
  /// With -e.
  private let restart: WarmRestart?

  private static let clockToken: UInt64 = 1 << 32
  private static let retryToken: UInt64 = 1 << 33
  private static let signalToken: UInt64 = 1 << 34

  private init(
    _ settings: Settings, _ authentication: AuthenticationSource?, loop: consuming EventLoop, clock: StoreClock,
    store: Pinned<Store>, mailboxes: [Mailbox], watcherBell: Wakeup, manager: ServiceManager, tls: TLSService?,
    restart: WarmRestart?
  ) {
    self.tls = tls
    self.settings = settings
    listeners = Listeners(settings)
    self.authentication = authentication
    self.restart = restart
    self.manager = manager
    self.loop = loop
    self.clock = clock
    self.store = store
    self.mailboxes = mailboxes
    modes = Modes(verbosity: settings.verbosity, countsPrefixes: settings.detailEnabled)
    connections = ConnectionTable(descriptorCount: settings.maxConnections + settings.threads * 4 + 256)
    host = ServerHost(settings, modes: modes, store: store, clock: clock, connectionTable: connections, tls: tls)
    mainCounters = CounterSet()
    maintenance = Maintenance(store: store, clock: clock)
    watchers = Watchers(
      wakeup: watcherBell, store: store, connections: connections, clock: clock,
      bufferByteCount: settings.watcherLogBufferKilobytes << 10)
  }

  /// Reserves the memory, starts the threads and opens the listeners, or takes over those that were passed.
  static func start(
    _ settings: Settings, _ authentication: AuthenticationSource?, _ manager: ServiceManager
  ) throws(StartFailure) -> CacheServer {
    guard let loop = EventLoop() else { throw StartFailure(message: "failed to create an event base", exitStatus: 1) }
    // What may fail comes before the items of an earlier server are taken over: it must not cost them.
    let tls = try makeTLS(settings)
    var mailboxes: [Mailbox] = []
    guard let watcherBell = Wakeup() else { throw tooFewDescriptors }
    for _ in 0..<settings.threads {
      guard let wakeup = Wakeup() else {
        throw tooFewDescriptors
      }
      mailboxes.append(Mailbox(wakeup: wakeup))
    }
    let restart = try WarmRestart.open(settings)
    let (store, clock) = if let restart { try restart.makeStore(settings) } else { try makeStore(settings) }
    var server = CacheServer(
      settings, authentication, loop: loop, clock: clock, store: store, mailboxes: mailboxes,
      watcherBell: watcherBell, manager: manager, tls: tls, restart: restart)
    if settings.verbosity > 1 { SystemCalls.printError(store.value.slabTable) }
    do {
      try server.startThreads()
      try server.listen()
    } catch {
      if restart != nil { server.stop() }
      throw error
    }
    return server
  }

  private static func makeStore(_ settings: Settings) throws(StartFailure) -> (store: Pinned<Store>, clock: StoreClock)
  {
    let clock = StoreClock()
    guard let store = makeStore(settings, clock) else { throw noMemory(settings) }
    return (store, clock)
  }

  /// The store of these settings; nil when there is no address space for it. For a trial no memory is touched.
  static func makeStore(_ settings: Settings, _ clock: StoreClock, isTrial: Bool = false) -> Pinned<Store>? {
    var configuration = storeConfiguration(settings, clock)
    if isTrial { configuration.backing = .lazy }
    // What is reserved counts as locked, so nothing is that may never be used.
    if settings.lockMemory { configuration.reserveBytes = 0 }
    if let store = Store.make(configuration) { return store }
    // Some systems refuse address space that may never be used: then there is no room for a higher limit later.
    configuration.reserveBytes = 0
    return Store.make(configuration)
  }

  static func noMemory(_ settings: Settings) -> StartFailure {
    StartFailure(
      message: "failed to reserve \(settings.memoryLimitBytes >> 20) megabytes of address space: lower -m",
      exitStatus: ExitStatus.systemError)
  }

  /// The rows of `stats settings` as they are now.
  static func settingsRows(
    _ settings: Settings, store: Pinned<Store>, modes: Modes
  ) -> [(name: String, value: String)] {
    let runtime = RuntimeSettings(
      memoryLimitBytes: store.value.memoryLimitBytes, verbosity: modes.verbosity,
      oldestSeconds: Int(store.value.lastFlush), detailEnabled: modes.countsPrefixes,
      growthFactor: store.value.slabGrowthFactor, largestChunkBytes: store.value.largestChunkByteCount)
    let rows = settingsReport(settings, runtime: runtime)
    return store.value.tunables.applied(to: rows, ratioText: SettingsReport.fixed)
  }

  static func makeTLS(_ settings: Settings) throws(StartFailure) -> TLSService? {
    guard settings.tls.isEnabled else { return nil }
    if settings.tls.kernelTLS, !TLSContext.hasKernelTLS {
      throw StartFailure(message: "Kernel TLS offload is not available", exitStatus: ExitStatus.usage)
    }
    do {
      return try TLSService(TLSSettings(settings.tls))
    } catch {
      throw StartFailure(message: error.text, exitStatus: ExitStatus.usage)
    }
  }

  private static let tooFewDescriptors = StartFailure(
    message: "Maxconns setting is too low, use -c to increase.", exitStatus: 1)

  static func storeConfiguration(_ settings: Settings, _ clock: StoreClock) -> StoreConfiguration {
    let memory = SystemCalls.physicalMemoryBytes
    var configuration = StoreConfiguration(
      settings, startedAtUnixSeconds: clock.startedAtUnixSeconds, reserveBytes: min(memory, 16 << 30))
    configuration.memoryLimitBytes = min(settings.memoryLimitBytes, memory * 4)
    configuration.eventLogByteCount = settings.workerLogBufferKilobytes << 10
    configuration.wallClock = SystemCalls.wallClock
    return configuration
  }

  private mutating func startThreads() throws(StartFailure) {
    let gate = StartGate()
    let sets = mailboxes.map { _ in CounterSet() }
    var engine = EngineConfiguration(
      modes: modes, prefixes: PrefixCounts(delimiter: settings.prefixDelimiter),
      registry: CounterRegistry(sets: sets + [mainCounters]), versionText: Version.level)
    engine.permissions = Permissions(settings)
    engine.authentication = authentication?.authentication
    let context = WorkerContext(
      store: store, clock: clock, connections: connections, engine: engine, host: host, watchers: watchers,
      idleTimeoutSeconds: settings.idleTimeoutSeconds,
      requestsPerEvent: settings.requestsPerEventWasGiven ? settings.requestsPerEvent : 0,
      itemSizeMaxBytes: settings.itemSizeMaxBytes, tls: tls)
    for (mailbox, counters) in zip(mailboxes, sets) {
      guard let worker = Worker(context, mailbox: mailbox, counters: counters) else {
        throw CacheServer.tooFewDescriptors
      }
      let pinned = Pinned(worker)
      try start("mc-worker") {
        gate.arrive()
        pinned.value.run()
        pinned.destroy()
      }
    }
    let (maintenance, watchers, registry) = (maintenance, watchers, engine.registry)
    try start("mc-maintenance") {
      gate.arrive()
      maintenance.run(registry)
    }
    try start("mc-log") { watchers.run(registry, gate) }
    if !gate.waitForAll(threads.count) { throw CacheServer.tooFewDescriptors }
  }

  private mutating func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(StartFailure) {
    guard let thread = Thread(name: name, body: body) else {
      throw StartFailure(message: "failed to create a thread: lower -t", exitStatus: 1)
    }
    threads.append(thread)
  }

  private mutating func listen() throws(StartFailure) {
    try listeners.open(manager)
    for listener in listeners.streams {
      let listening = listener.listening
      host.noteListener(listening.socket.descriptor, address: listening.address)
      if settings.verbosity > 1 {
        host.log("<\(listening.socket.descriptor) server listening (\(listener.wire.listenerName))")
      }
    }
    shareDatagramSockets()
    listeners.writePortFile()
  }

  /// Every worker receives from every UDP socket, through a descriptor of its own; with several `-l` addresses each
  /// socket belongs to one worker (reference, section 5.1).
  private func shareDatagramSockets() {
    for (index, service) in listeners.datagrams.enumerated() {
      let isShared = settings.listenAddresses.count <= 1
      let receivers = isShared ? mailboxes[...] : mailboxes[(index % mailboxes.count)...].prefix(1)
      for (number, mailbox) in receivers.enumerated() {
        guard let socket = number == 0 ? service.listening.socket : service.listening.socket.duplicate() else { break }
        host.noteDatagramSocket(socket.descriptor, address: service.listening.address)
        mailbox.post(Mailbox.DatagramSocket(socket: socket, wire: service.wire))
      }
    }
  }

  // Running.

  /// Serves until a signal says stop, then closes everything.
  public consuming func run() throws(StartFailure) {
    var acceptor = Acceptor(
      listeners.streams, mailboxes: mailboxes, connections: connections, counters: mainCounters, settings: settings)
    var registrations = Slots<Registration>()
    try watch(loop.registerTimer(everyMilliseconds: 1000, token: CacheServer.clockToken), &registrations)
    for signal in Signal.handled {
      try watch(loop.registerSignal(signal, token: CacheServer.signalToken | UInt64(signal)), &registrations)
    }
    Signal.deliver()
    var accepting = Slots<Registration>()
    try watchListeners(&accepting)
    var retryTimer: Registration?
    var stopSignal: Int32?
    while stopSignal == nil {
      loop.wait()
      for index in 0..<loop.readyCount {
        let token = loop.readyEvent(index).token
        switch token {
        case CacheServer.clockToken: tick()
        case CacheServer.retryToken:
          if acceptor.resumeIfPossible() {
            retryTimer = nil
            try watchListeners(&accepting)
          }
        case let token where token >= CacheServer.signalToken:
          let signal = Int32(token & 0xff)
          if signal == Signal.hangUp { reload() } else { stopSignal = signal }
        case let token:
          if !acceptor.isPaused { acceptor.accept(listener: Int(token)) }
        }
      }
      if acceptor.isPaused, retryTimer == nil {
        // A listener that is not accepted from stays readable: watching it would spin.
        accepting = Slots<Registration>()
        retryTimer = loop.registerTimer(everyMilliseconds: 10, token: CacheServer.retryToken)
      }
    }
    announce(stopSignal ?? 0)
    manager.notify("STOPPING=1")
    stop()
  }

  private func watch(
    _ registration: consuming Registration?, _ registrations: inout Slots<Registration>
  ) throws(StartFailure) {
    guard let made = registration else {
      throw StartFailure(message: "failed to register an event", exitStatus: 1)
    }
    registrations.insert(made)
  }

  private func watchListeners(_ registrations: inout Slots<Registration>) throws(StartFailure) {
    for (index, listener) in listeners.streams.enumerated() {
      try watch(loop.register(listener.listening.socket.descriptor, .readable, token: UInt64(index)), &registrations)
    }
  }

  private func tick() {
    clock.tick()
    store.value.tick(now: clock.now)
    if tls != nil, clock.now % CacheServer.secondsBetweenCertificateLooks == 0 { reloadChangedCertificates() }
  }

  private static let secondsBetweenCertificateLooks: UInt32 = 5

  /// Certificates are renewed by programs that tell nobody.
  private func reloadChangedCertificates() {
    guard let result = tls?.reloadIfChanged() else { return }
    if let complaint = result.complaint {
      host.log("The new certificates are not used, the old ones stay: \(complaint)")
    } else if modes.verbosity > 0 {
      host.log("The certificates have changed and were read again")
    }
  }

  /// A hang-up: files are read again.
  private func reload() {
    authentication?.reload()
    if let complaint = tls?.reload() {
      host.log("The certificates could not be read again, the old ones stay: \(complaint)")
    }
  }

  private func announce(_ signal: Int32) {
    if signal == Signal.graceful {
      SystemCalls.printError("Gracefully stopping\n")
    } else if modes.verbosity > 0 {
      SystemCalls.printError("Exiting normally\n")
    }
  }

  /// Ends every thread. With -e what the next server needs is written down then, whatever made this one stop.
  private func stop() {
    maintenance.stop()
    for mailbox in mailboxes { mailbox.stop() }
    watchers.stop()
    listeners.close()
    for thread in threads { thread.join() }
    restart?.save(store, clock)
  }
}
