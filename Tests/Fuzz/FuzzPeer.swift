// Plays a script against a store, an engine and two sessions, and watches: every call of `process` makes progress or
// waits for something, the reply buffer adds up, replies are well formed, and when all clients have gone the store's
// invariants hold. The same job as Server.Connection, without a socket and with an eye on each step.
@testable import CacheCore

/// What a play came to.
struct FuzzPlay {
  var objection: String?
  /// By connection: who comes after one that left has a number of his own.
  var replies: [Int: [UInt8]] = [:]
  /// The store had to evict or refuse.
  var wasFull = false
  /// A value was sent from where it lies.
  var gathered = false
  /// A reply was sent before its command was done.
  var wasFlushed = false
  var refusedFormat = false
  /// A client that did not read left without its reply, or had its next commands put off.
  var wasSlow = false
}

/// Answers the commands that ask about the process, with constants.
final class FuzzHost: Host {
  func facts() -> HostFacts { HostFacts() }
  func settings() -> [(name: String, value: String)] { [("maxbytes", "1")] }
  func connections() -> [ConnectionFacts] {
    [ConnectionFacts(descriptor: 1, address: "a", listenAddress: nil, state: "conn_read", secondsSinceLastCommand: 0)]
  }
  func shutdown(graceful: Bool) {}
  func log(_ line: String) {}
}

final class FuzzPeer {
  private final class Client {
    var session: Session
    var input = ByteBuffer(capacity: 16 << 10)
    var isClosed = false
    var reads = true
    /// Work is left that needs no further input.
    var hasBacklog = false
    var unsent: ReplyBuffer?
    var isOwed: Bool { unsent != nil }
    /// No two connections of a play have the same.
    let number: Int
    init(_ number: Int, requestsPerEvent: Int) {
      self.number = number
      session = Session(descriptor: Int32(number), requestsPerEvent: requestsPerEvent)
    }
  }

  /// Made once: a process has one of each and never gives them back. So only one play may go on at a time.
  private static let counters = CounterSet()
  private static let registry = CounterRegistry(sets: [counters])
  private static let engineConfiguration = EngineConfiguration(
    modes: Modes(verbosity: 0, countsPrefixes: false), prefixes: PrefixCounts(delimiter: 0x3a), registry: registry,
    versionText: "fuzzed")
  private static let usualConfiguration = StoreConfiguration()

  private let settings: FuzzScript.Settings
  private let store: Pinned<Store>
  private var engine: Engine
  private var clients: [Int: Client] = [:]
  private var current = 1
  private var departures = 0
  private var crawl: Crawl?
  private var play = FuzzPlay()

  static func play(_ script: FuzzScript, joined: Bool) -> FuzzPlay {
    let peer = FuzzPeer(script.settings)
    for step in joined ? script.joinedSteps : script.steps where peer.play.objection == nil { peer.take(step) }
    peer.end()
    return peer.play
  }

  private init(_ settings: FuzzScript.Settings) {
    self.settings = settings
    var configuration = FuzzPeer.usualConfiguration
    configuration.memoryLimitBytes = settings.contains(.smallStore) ? 1 << 20 : 8 << 20
    configuration.itemSizeMaxBytes = settings.contains(.smallStore) ? 256 << 10 : 1 << 20
    configuration.slabs.explicitSizes = settings.contains(.smallStore) ? [128, 512] : [96, 120, 192, 480, 2400]
    configuration.slabs.chunkMaxByteCount = settings.contains(.smallStore) ? 64 << 10 : 4 << 10
    configuration.casEnabled = !settings.contains(.withoutCAS)
    configuration.evictionsEnabled = !settings.contains(.withoutEviction)
    configuration.hashPower = 3
    configuration.workerCount = 1
    configuration.startedAtUnixSeconds = 1_700_000_000
    store = Store.make(configuration)!
    FuzzPeer.registry.reset()
    var engineConfiguration = FuzzPeer.engineConfiguration
    engineConfiguration.modes.verbosity = 0
    engineConfiguration.modes.countsPrefixes = settings.contains(.countsPrefixes)
    engineConfiguration.prefixes = PrefixCounts(delimiter: 0x3a)
    for tunable in Tunable.allCases { configuration.tunables[tunable] = nil }
    engineConfiguration.permissions.shutdown = settings.contains(.otherPermissions)
    engineConfiguration.permissions.flush = !settings.contains(.otherPermissions)
    engineConfiguration.permissions.dump = !settings.contains(.otherPermissions)
    if settings.contains(.smallReplies) {
      engineConfiguration.replyByteCount = 4096
      engineConfiguration.gatherThresholdByteCount = 256
    }
    engine = Engine(engineConfiguration, store: store, counters: FuzzPeer.counters, host: FuzzHost())
  }

  deinit {
    clients = [:]
    engine.reply.removeAll()
    store.destroy()
  }

  private func object(_ text: String) {
    if play.objection == nil { play.objection = text }
  }

  private func take(_ step: FuzzScript.Step) {
    switch step {
    case .send(let bytes): send(bytes)
    case .cut: break
    case .changeClient: current = 3 - current
    case .leave:
      if let client = clients[current], client.isOwed { play.wasSlow = true }
      clients[current] = nil
      departures += 1
    case .stopReading: clients[current]?.reads = false
    case .upkeep:
      var crawl = crawl ?? store.value.beginCrawl(now: engine.now)
      store.value.crawlStep(&crawl, chunks: 5, now: engine.now)
      if crawl.isDone { store.value.noteCrawlDone(crawl, now: engine.now) }
      self.crawl = crawl.isDone ? nil : crawl
      _ = store.value.growStep(buckets: 4)
      _ = store.value.maintainLists(now: engine.now)
      _ = store.value.movePages(now: engine.now) { FuzzPeer.registry.hits(slabClass: $0) }
    case .advance(let seconds):
      for _ in 0..<seconds { moveClock(by: 1) }
    case .jump: moveClock(by: 31 * 24 * 3600)
    }
  }

  private func moveClock(by seconds: UInt32) {
    guard engine.now < 1 << 31 else { return }
    engine.now += seconds
    store.value.tick(now: engine.now)
  }

  private func end() {
    for client in clients.keys.sorted() where play.objection == nil { drain(clients[client]!) }
    clients = [:]
    engine.reply.removeAll()
    guard play.objection == nil else { return }
    let broken = store.value.brokenInvariants(during: crawl)
    if !broken.isEmpty { object("the store is broken: \(broken.prefix(3).joined(separator: "; "))") }
    let statistics = store.value.figures().statistics
    play.wasFull = statistics.evicted + statistics.outOfMemory + statistics.directReclaims > 0
    for (client, reply) in play.replies {
      if String(decoding: reply, as: UTF8.self).contains("CLIENT_ERROR bad command line") { play.refusedFormat = true }
      if let objection = ReplyGrammar.objection(to: reply) { object("client \(client): \(objection)") }
    }
  }

  // A client's turn.

  private func send(_ bytes: [UInt8]) {
    let client =
      clients[current]
      ?? Client(current + 2 * departures, requestsPerEvent: settings.contains(.fewRequestsPerEvent) ? 3 : 0)
    clients[current] = client
    var rest = bytes[...]
    // A client with an unread reply is not listened to.
    if client.unsent != nil { drain(client) }
    while !rest.isEmpty, !client.isClosed, play.objection == nil {
      client.input.compact()
      rest = rest.dropFirst(receiveDirectly(rest, client))
      let piece = Array(rest.prefix(client.input.room))
      piece.withUnsafeBytes { client.input.append($0.bytes) }
      rest = rest.dropFirst(piece.count)
      work(client)
      if client.unsent != nil, !rest.isEmpty { drain(client) }
    }
  }

  /// What of `bytes` goes straight into the value being uploaded, as Connection does it.
  private func receiveDirectly(_ bytes: ArraySlice<UInt8>, _ client: Client) -> Int {
    guard settings.contains(.directWindows), !client.session.isIdle, client.input.count == 0,
      case let windows = client.session.directWindows().windows, !windows.isEmpty
    else { return 0 }
    var rest = bytes
    for index in 0..<windows.count {
      let part = Array(rest.prefix(windows[index].count))
      windows[index].bytes.copyBytes(from: part)
      rest = rest.dropFirst(part.count)
    }
    client.session.directlyReceived(bytes.count - rest.count)
    return bytes.count - rest.count
  }

  /// Processes until input is missing, the client does not read, or it is over.
  private func work(_ client: Client) {
    while play.objection == nil {
      let before = client.input.count
      let step = client.session.process(&engine, &client.input)
      let consumed = before - client.input.count
      let composed = engine.reply.unsentByteCount
      if consumed < 0 { object("\(-consumed) bytes came back") }
      if engine.reply.isEmpty != (composed == 0) { object("an empty reply of \(composed) bytes") }
      if engine.reply.hasGatheredValues { play.gathered = true }
      if step == .flushReply { play.wasFlushed = true }
      client.hasBacklog = step == .flushReply || step == .yield
      // A watcher sends no more requests.
      if case .watch(let request) = step {
        store.value.eventLog.removeWatcher(request.streams)
        client.isClosed = true
      }
      if step == .close { client.isClosed = true }
      if composed > 0, !client.reads, !client.isClosed {
        client.unsent = engine.reply.takeUnsent()
        if client.hasBacklog { play.wasSlow = true }
        return
      }
      takeReply(&engine.reply, client.number, most: .max)
      switch step {
      case .close, .watch: return client.input.removeAll()
      case .awaitInput: return checkWaiting(client)
      case .flushReply: if composed == 0 { object("flushReply without a reply") }
      case .yield: if consumed == 0, composed == 0 { object("yield without progress") }
      }
    }
  }

  private func checkWaiting(_ client: Client) {
    if client.input.count > 2048 { object("\(client.input.count) bytes wait for more") }
    guard client.session.isIdle, client.input.count > 0 else { return }
    if FuzzPeer.holdsLine(client.input) { object("a whole line waits for more") }
  }

  /// Whether a line of text is complete; bytes of the binary protocol are none.
  private static func holdsLine(_ input: borrowing ByteBuffer) -> Bool {
    let span = input.span
    return span.byte(at: input.start) != 0x80
      && span.firstIndex(of: 0x0a, from: input.start, to: input.end) != nil
  }

  /// The client reads again: first what it was owed, then what there is to do.
  private func drain(_ client: Client) {
    client.reads = true
    guard var unsent = client.unsent.take() else { return }
    // In two bites, the first of an odd size.
    takeReply(&unsent, client.number, most: 777)
    takeReply(&unsent, client.number, most: .max)
    if client.hasBacklog { work(client) }
  }

  private func takeReply(_ reply: inout ReplyBuffer, _ number: Int, most: Int) {
    var left = most
    while !reply.isEmpty, left > 0 {
      let unsent = reply.unsentByteCount
      var bytes: [UInt8] = []
      reply.withVectors { vectors, count in
        for index in 0..<count {
          bytes += UnsafeRawBufferPointer(start: vectors[index].iov_base, count: vectors[index].iov_len)
        }
      }
      if bytes.isEmpty || bytes.count > unsent { return object("vectors of \(bytes.count) bytes, \(unsent) unsent") }
      let taken = min(bytes.count, left)
      left -= taken
      reply.consume(taken)
      let rest = reply.unsentByteCount
      if rest != unsent - taken { object("\(unsent) bytes unsent, \(taken) taken, \(rest) left") }
      play.replies[number, default: []] += bytes.prefix(taken)
    }
  }
}
