// One worker's way to the cache: the shared store, the worker's own counters, reply buffer and key scratch. Everything
// a request needs is reached from here by pointer; nothing on the request path is allocated or reference counted.
// It is not a connection (Session) and does no I/O: the server sends what is in `reply`.

/// What all engines of a process share, settled at start.
public struct EngineConfiguration: Sendable {
  public var permissions = Permissions()
  /// nil: whoever connects may do everything.
  public var authentication: Authentication?
  public var modes: Modes
  public var prefixes: PrefixCounts
  public var registry: CounterRegistry
  /// After `VERSION `.
  public var versionText: String
  /// Values above this are held and sent from the item's memory instead of copied into the reply.
  public var gatherThresholdByteCount = 32 << 10
  public var replyByteCount = 128 << 10

  public init(modes: Modes, prefixes: PrefixCounts, registry: CounterRegistry, versionText: String) {
    self.modes = modes
    self.prefixes = prefixes
    self.registry = registry
    self.versionText = versionText
  }
}

/// Its methods are `mutating` even where they change nothing: then it is passed by address and not copied.
public struct Engine: ~Copyable {
  public let store: Pinned<Store>
  public let counters: CounterSet
  public var reply: ReplyBuffer
  let configuration: EngineConfiguration
  let host: any Host
  let versionLine: [UInt8]
  let versionText: [UInt8]
  let gatherThreshold: Int
  /// Values up to this have a short way of their own: copied, and their size told in four digits.
  let shortValueLimit: Int
  /// `now` of the requests being processed; the server sets it before it hands bytes over.
  public var now: UInt32 = ClockBase.startSeconds
  /// Names the connection being served in the event log.
  var descriptor: Int32 = -1
  /// Whether there may be somebody who wants to know more than the counters tell: watchers, a count of prefixes, a log
  /// of requests. Found out once an event, and after each command that may change it; who is told what is asked behind
  /// it.
  private(set) var isObserved = false
  /// Set by the commands that end the connection.
  var closesConnection = false
  /// Scratch for a group of a multiget's keys.
  let group: FixedArray<HashedKey>
  static let groupSize = 32
  /// Scratch for a group of plain lines.
  let plainLines: FixedArray<PlainLine>
  /// Bytes of reports that this worker's clients have not taken yet.
  let heldReportByteCount = AtomicCells(count: 1)
  /// Where a parser leaves a key that came as base64; it is the current request's.
  let decodedKey: FixedArray<UInt8>

  public init(_ configuration: EngineConfiguration, store: Pinned<Store>, counters: CounterSet, host: any Host) {
    self.store = store
    self.counters = counters
    self.configuration = configuration
    self.host = host
    versionLine = Array("VERSION \(configuration.versionText)\r\n".utf8)
    versionText = Array(configuration.versionText.utf8)
    // A reply must have room for one line and one copied value.
    gatherThreshold = min(configuration.gatherThresholdByteCount, configuration.replyByteCount / 4)
    shortValueLimit = min(gatherThreshold, 9_999)
    reply = ReplyBuffer(capacity: configuration.replyByteCount, valueCapacity: 32, arena: store.value.arena) { ref in
      store.value.release(ref)
    }
    group = FixedArray(repeating: HashedKey(), count: Engine.groupSize)
    plainLines = FixedArray(repeating: PlainLine(), count: Engine.plainGroupSize)
    decodedKey = FixedArray(repeating: 0, count: TextParser.longestKeyByteCount)
  }

  deinit {
    group.destroy()
    plainLines.destroy()
    decodedKey.destroy()
    heldReportByteCount.destroy()
  }
}

extension Engine {
  /// The live item of the key, for every command but those that store. What it finds dead counts as an expired or
  /// flushed get, whatever the command is (as in the reference). Wants the item lock.
  @inline(__always)
  mutating func find(_ key: RawSpan, _ hash: UInt64, _ held: borrowing ItemLockHeld) -> Lookup {
    let found = store.value.find(key, hash, now: now, held)
    switch found {
    case .hit, .miss: break
    case .expired: counters.add(.getExpired)
    case .flushed: counters.add(.getFlushed)
    }
    if logs(.fetchers) { logFetch(key, found) }
    return found
  }

  /// Finds out whether anybody wants to know more than the counters tell.
  @inline(__always)
  mutating func lookForObservers() {
    isObserved = configuration.modes.asksForRequests || store.value.eventLog.isWatched
  }

  /// Whether a line of the stream is to be composed: somebody watches it, and the log has room.
  @inline(__always)
  mutating func logs(_ stream: LogStream) -> Bool {
    isObserved && store.value.eventLog.isWatched(stream) && logHasRoom()
  }

  @inline(never)
  private mutating func logHasRoom() -> Bool {
    if !store.value.eventLog.isFull { return true }
    counters.add(.logDropped)
    return false
  }

  @inline(never)
  func logFetch(_ key: RawSpan, _ found: Lookup) {
    store.value.eventLog.noteFetch(key, FetchStatus(found, store.value.slabs), descriptor: descriptor)
  }

  /// The look-up inside a store, for the watchers only.
  @inline(never)
  func logLookup(_ key: RawSpan) {
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    logFetch(key, store.value.find(key, hash, now: now, held))
    _ = consume held
  }

  /// A line for the watchers of stores.
  @inline(never)
  func logStore(_ key: RawSpan, _ event: StoreEvent) {
    store.value.eventLog.noteStore(key, event, now: now, descriptor: descriptor)
  }
}
