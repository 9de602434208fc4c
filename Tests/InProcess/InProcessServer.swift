// A server without sockets and threads: a store, one engine and a session per client, with a clock that tests move by
// hand. What the real server does between recv and send, it does here between two arrays. Deterministic, so that a
// failing sequence can be replayed. It knows no transcript and no model; those use it.
import CacheCore
import Foundation

/// Answers the commands that ask about the process, with constants.
public final class InProcessHost: CacheCore.Host, @unchecked Sendable {
  public private(set) var shutdowns: [Bool] = []
  public private(set) var lines: [String] = []
  private let settingsRows: @Sendable (Modes, Pinned<Store>) -> [(name: String, value: String)]
  private let modes: Modes
  private let store: Pinned<Store>
  init(
    modes: Modes, store: Pinned<Store>,
    settingsRows: @escaping @Sendable (Modes, Pinned<Store>) -> [(name: String, value: String)]
  ) {
    self.modes = modes
    self.store = store
    self.settingsRows = settingsRows
  }
  public func facts() -> HostFacts { HostFacts() }
  public func settings() -> [(name: String, value: String)] { settingsRows(modes, store) }
  public func connections() -> [ConnectionFacts] { [] }
  public func shutdown(graceful: Bool) { shutdowns.append(graceful) }
  public func log(_ line: String) { lines.append(line) }
}

public final class InProcessServer {
  private final class Client {
    var session: Session
    var input = ByteBuffer(capacity: 64 << 10)
    var isClosed = false
    init(descriptor: Int32, offered: WireProtocol, isDatagram: Bool) {
      session = Session(descriptor: descriptor, wire: offered, isDatagram: isDatagram)
    }
  }

  public let store: Pinned<Store>
  public let host: InProcessHost
  private var engine: Engine
  private var clients: [Int: Client] = [:]
  /// What the listener of new clients offers.
  public var offered = WireProtocol.undecided
  /// Whether what new clients send comes in datagrams.
  public var areDatagrams = false
  /// Seconds of the store's clock; tests add to it.
  public private(set) var now = ClockBase.startSeconds

  public init(
    _ configuration: StoreConfiguration = StoreConfiguration(), permissions: Permissions = Permissions(),
    delimiter: UInt8 = 0x3a, countsPrefixes: Bool = false, replyByteCount: Int = 64 << 10,
    gatherThresholdByteCount: Int = 16 << 10, authentication: Authentication? = nil,
    settingsRows: @escaping @Sendable (Modes, Pinned<Store>) -> [(name: String, value: String)] = { _, _ in [] }
  ) {
    var configuration = configuration
    if configuration.startedAtUnixSeconds == 0 {
      configuration.startedAtUnixSeconds = Int64(Date().timeIntervalSince1970)
    }
    configuration.workerCount = 1
    store = Store.make(configuration)!
    let counters = CounterSet()
    let modes = Modes(verbosity: 0, countsPrefixes: countsPrefixes)
    host = InProcessHost(modes: modes, store: store, settingsRows: settingsRows)
    var engineConfiguration = EngineConfiguration(
      modes: modes, prefixes: PrefixCounts(delimiter: delimiter),
      registry: CounterRegistry(sets: [counters]), versionText: "1.6.45")
    engineConfiguration.permissions = permissions
    engineConfiguration.authentication = authentication
    engineConfiguration.replyByteCount = replyByteCount
    engineConfiguration.gatherThresholdByteCount = gatherThresholdByteCount
    engine = Engine(engineConfiguration, store: store, counters: counters, host: host)
  }

  deinit {
    // Sessions drop their reservations before the store goes.
    clients = [:]
    engine.reply.removeAll()
    store.destroy()
  }

  public func advanceClock(seconds: UInt32) {
    for _ in 0..<seconds {
      now += 1
      store.value.tick(now: now)
    }
  }

  /// How many bytes client `index` has sent that nobody has dealt with yet.
  public func waitingByteCount(_ index: Int = 1) -> Int { clients[index]?.input.count ?? 0 }

  /// Whether the server has closed client `index`.
  public func isClosed(_ index: Int = 1) -> Bool { clients[index]?.isClosed ?? false }

  /// The client goes away, in the middle of whatever it was doing.
  public func disconnect(_ index: Int = 1) { clients[index] = nil }

  /// Sends `bytes` as client `index`, at most `pieceByteCount` at a time, and returns everything that was answered.
  public func send(_ bytes: [UInt8], client index: Int = 1, pieceByteCount: Int = 32 << 10) -> [UInt8] {
    var answer: [UInt8] = []
    var offset = 0
    while offset < bytes.count {
      let end = min(offset + pieceByteCount, bytes.count)
      answer += sendPiece(Array(bytes[offset..<end]), client: index)
      offset = end
    }
    return answer
  }

  public func send(_ text: String, client index: Int = 1) -> String {
    String(decoding: send(Array(text.utf8), client: index), as: UTF8.self)
  }

  private func sendPiece(_ piece: [UInt8], client index: Int) -> [UInt8] {
    let client = clients[index] ?? Client(descriptor: Int32(index), offered: offered, isDatagram: areDatagrams)
    clients[index] = client
    guard !client.isClosed else { return [] }
    engine.now = now
    client.input.compact()
    piece.withUnsafeBytes { client.input.append($0.bytes) }
    var answer: [UInt8] = []
    while true {
      let step = client.session.process(&engine, &client.input)
      answer += takeReply()
      switch step {
      case .awaitInput: return answer
      case .flushReply, .yield: continue
      case .watch:
        // No watchers' thread here: the connection says no more.
        answer += Array("OK\r\n".utf8)
        fallthrough
      case .close:
        client.isClosed = true
        client.session = Session(descriptor: Int32(index))
        client.input.removeAll()
        return answer
      }
    }
  }

  private func takeReply() -> [UInt8] {
    var bytes: [UInt8] = []
    while !engine.reply.isEmpty {
      let count = engine.reply.withVectors { vectors, count in
        var total = 0
        for index in 0..<count {
          bytes += UnsafeRawBufferPointer(start: vectors[index].iov_base, count: vectors[index].iov_len)
          total += vectors[index].iov_len
        }
        return total
      }
      engine.reply.consume(count)
    }
    return bytes
  }
}
