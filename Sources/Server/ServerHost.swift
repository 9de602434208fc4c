// The process as the command layer sees it (CacheCore's Host): figures, settings, connections, shutdown, the log.
// Called from any worker; everything it reads is atomic or fixed at start.
import CacheCore
import Events
import Options
import Synchronization
import TLS

final class ServerHost: Host {
  private let configured: Settings
  private let modes: Modes
  private let store: Pinned<Store>
  private let clock: StoreClock
  private let connectionTable: ConnectionTable
  /// Addresses of the listeners by descriptor.
  private let listeners = Mutex<[Int32: String]>([:])
  private let datagramSockets = Mutex<[Int32: String]>([:])
  private let libeventVersion = EventLoop.libeventVersion
  private let tls: TLSService?

  init(
    _ settings: Settings, modes: Modes, store: Pinned<Store>, clock: StoreClock, connectionTable: ConnectionTable,
    tls: TLSService?
  ) {
    self.tls = tls
    configured = settings
    self.modes = modes
    self.store = store
    self.clock = clock
    self.connectionTable = connectionTable
  }

  func noteListener(_ descriptor: Int32, address: String) {
    listeners.withLock { $0[descriptor] = address }
    connectionTable.note(
      descriptor, state: ConnectionTable.stateCode("conn_listening"), now: clock.now)
  }

  func noteDatagramSocket(_ descriptor: Int32, address: String) {
    datagramSockets.withLock { $0[descriptor] = address }
    connectionTable.note(descriptor, state: ConnectionTable.stateCode("conn_read"), now: clock.now)
  }

  func facts() -> HostFacts {
    var facts = HostFacts()
    let cpu = SystemCalls.cpuMicroseconds
    facts.pid = SystemCalls.processID
    facts.uptimeSeconds = clock.uptimeSeconds
    facts.unixSeconds = SystemCalls.unixSeconds
    facts.libeventVersion = libeventVersion
    facts.userMicroseconds = cpu.user
    facts.systemMicroseconds = cpu.system
    facts.maxConnections = configured.maxConnections
    facts.currentConnections = connectionTable.clientCount + listeners.withLock { max($0.count - 1, 0) }
    facts.connectionStructures = connectionTable.mostClients + listeners.withLock { $0.count }
    facts.readBufferCount = configured.threads
    facts.readBufferByteCount = configured.threads * WorkerContext.receiveByteCount
    facts.acceptingConnections = connectionTable.isAccepting
    facts.threads = configured.threads
    facts.reportsRejectedConnections = configured.maxConnectionsFast
    facts.reportsIdleKicks = configured.idleTimeoutSeconds > 0
    facts.tls = tls.map {
      TLSFacts(
        newSessionCount: $0.settings.cachesSessions ? $0.newSessionCount : nil,
        secondsSinceRefresh: Int($0.secondsSinceRefresh), certificateEndUnixSeconds: Int($0.certificateEndUnixSeconds))
    }
    return facts
  }

  func settings() -> [(name: String, value: String)] {
    let runtime = RuntimeSettings(
      memoryLimitBytes: store.value.memoryLimitBytes, verbosity: modes.verbosity,
      oldestSeconds: Int(store.value.lastFlush), detailEnabled: modes.countsPrefixes,
      growthFactor: store.value.slabGrowthFactor, largestChunkBytes: store.value.largestChunkByteCount)
    let rows = settingsReport(configured, runtime: runtime)
    return store.value.tunables.applied(to: rows, ratioText: SettingsReport.fixed)
  }

  func connections() -> [ConnectionFacts] {
    connectionTable.facts(
      now: clock.now, listeners: listeners.withLock { $0 }, datagramSockets: datagramSockets.withLock { $0 })
  }

  func refreshCertificates() -> CertificateRefresh {
    guard let tls else { return .notEnabled }
    return tls.reload().map { .failed($0) } ?? .done
  }

  func shutdown(graceful: Bool) { SystemCalls.raiseSignal(graceful ? Signal.graceful : Signal.interrupt) }

  func log(_ line: String) { SystemCalls.printError(line + "\n") }

  #if DEBUG_VERBS
    func changeClock(_ change: ClockChange) -> UInt32 {
      clock.change(change)
      // A flush that has become due does not wait for the next second.
      store.value.tick(now: clock.now)
      return clock.now
    }

    var canMisbehave: Bool { SystemCalls.canOpenSocket }
  #endif
}
