// The lines of `watch`, one function a type, in the reference's words and order (section 6.11). Each asks first whether
// somebody watches its stream, so callers just call. Keys are URI-encoded: a line is a line whatever a key contains.

/// What a look-up came to, for the log.
enum FetchStatus {
  case found(slabClass: Int, valueByteCount: Int)
  case notFound, expired, flushed

  init(_ found: Lookup, _ slabs: SlabAllocator) {
    switch found {
    case .hit(let item): self = .found(slabClass: slabs.slabClass(of: item.ref), valueByteCount: item.valueByteCount)
    case .miss: self = .notFound
    case .expired: self = .expired
    case .flushed: self = .flushed
    }
  }
}

/// What the log says about a store.
struct StoreEvent {
  var status: StaticString
  var mode: StoreMode
  var exptime: UInt32 = 0
  var slabClass = 0
  var valueByteCount = 0
}

/// How a connection ended, for the log.
public enum CloseReason: String, Sendable {
  case error, normal, shutdown
  case idleTimeout = "idle_timeout"
}

/// A connection's two ends, for the log.
public struct ConnectionName: Sendable {
  public var address: String
  public var port: UInt16
  public var transport: String
  public var descriptor: Int32
  public init(address: String, port: UInt16, transport: String, descriptor: Int32) {
    self.address = address
    self.port = port
    self.transport = transport
    self.descriptor = descriptor
  }
}

extension EventLog {
  func noteFetch(_ key: RawSpan, _ status: FetchStatus, descriptor: Int32) {
    guard isWatched(.fetchers) else { return }
    var (slabClass, valueByteCount) = (0, 0)
    var word: StaticString
    switch status {
    case .found(let foundClass, let byteCount): (word, slabClass, valueByteCount) = ("found", foundClass, byteCount)
    case .notFound: word = "not_found"
    case .expired: word = "expired"
    case .flushed: word = "flushed"
    }
    append(.fetchers) { line in
      line.append("item_get key=")
      line.append(uriEncoded: key)
      line.append(" status=")
      line.append(word)
      line.append(" clsid=", slabClass)
      line.append(" cfd=", Int(descriptor))
      line.append(" size=", valueByteCount)
    }
  }

  func noteStore(_ key: RawSpan, _ event: StoreEvent, now: UInt32, descriptor: Int32) {
    guard isWatched(.mutations) else { return }
    append(.mutations) { line in
      line.append("item_store key=")
      line.append(uriEncoded: key)
      line.append(" status=")
      line.append(event.status)
      line.append(" cmd=")
      line.append(event.mode.wireName)
      line.append(" ttl=", event.exptime > now ? Int(event.exptime - now) : 0)
      line.append(" clsid=", event.slabClass)
      line.append(" cfd=", Int(descriptor))
      line.append(" size=", event.valueByteCount)
    }
  }

  func noteDeletion(_ item: Item, slabClass: Int, isMeta: Bool) {
    guard isWatched(.deletions) else { return }
    append(.deletions) { line in
      line.append("deleted key=")
      line.append(uriEncoded: item.key)
      line.append(isMeta ? " cmd=md" : " cmd=delete")
      line.append(" clsid=", slabClass)
      line.append(" size=", item.valueByteCount)
    }
  }

  /// The time to live of an item that would never have expired prints as -1.
  func noteEviction(_ item: Item, slabClass: Int, now: UInt32) {
    guard isWatched(.evictions) else { return }
    append(.evictions) { line in
      line.append("eviction key=")
      line.append(uriEncoded: item.key)
      line.append(item.flags.contains(.fetched) ? " fetch=yes" : " fetch=no")
      if item.exptime == 0 {
        line.append(" ttl=-1")
      } else {
        line.append(" ttl=", item.exptime > now ? Int(item.exptime - now) : 0)
      }
      line.append(" la=", now > item.lastAccess ? Int(now - item.lastAccess) : 0)
      line.append(" clsid=", slabClass)
      line.append(" size=", item.valueByteCount)
    }
  }

  public func noteOpened(_ connection: ConnectionName) {
    guard isWatched(.connevents) else { return }
    append(.connevents) { line in
      line.append("conn_new ")
      line.append(connection)
      line.append(" cfd=", Int(connection.descriptor))
    }
  }

  /// A TLS handshake failed.
  public func noteHandshakeError(descriptor: Int32, _ reason: String) {
    guard isWatched(.connevents) else { return }
    append(.connevents) { line in
      line.append("conntlserr fd=", Int(descriptor))
      line.append(" msg=")
      line.append(text: reason)
    }
  }

  public func noteClosed(_ connection: ConnectionName, _ reason: CloseReason) {
    guard isWatched(.connevents) else { return }
    append(.connevents) { line in
      line.append("conn_close ")
      line.append(connection)
      line.append(" reason=")
      line.append(text: reason.rawValue)
      line.append(" cfd=", Int(connection.descriptor))
    }
  }

  /// A page has gone from one class to another (0: the pool), or could not.
  func noteSlabMove(source: Int, destination: Int, isDone: Bool) {
    guard isWatched(.sysevents) else { return }
    append(.sysevents) { line in
      line.append("slab_move src=", source)
      line.append(" dst=", destination)
      line.append(isDone ? " state=ok" : " state=fail")
    }
  }

  /// The crawler has been through a class.
  public func noteCrawl(slabClass: Int, elapsedSeconds: Int, examined: UInt64, reclaimed: UInt64) {
    guard isWatched(.sysevents) else { return }
    append(.sysevents) { line in
      line.append("lru_crawler crawler=", slabClass)
      line.append(" lru=cold low_mark=0 next_reclaims=0 since_run=0 next_run=0")
      line.append(" elapsed=", elapsedSeconds)
      line.append(" examined=", Int(examined))
      line.append(" reclaimed=", Int(reclaimed))
    }
  }
}

extension StoreMode {
  /// The text protocol's word.
  var wireName: StaticString {
    switch self {
    case .set: "set"
    case .add: "add"
    case .replace: "replace"
    case .append: "append"
    case .prepend: "prepend"
    case .cas: "cas"
    }
  }
}

extension ReplyCursor {
  fileprivate mutating func append(_ name: StaticString, _ number: Int) {
    append(name)
    append(decimal: UInt64(number))
  }

  /// At most 64 bytes: addresses and reasons.
  fileprivate mutating func append(text: String) {
    for byte in text.utf8.prefix(64) { append(byte) }
  }

  fileprivate mutating func append(_ connection: ConnectionName) {
    append("rip=")
    append(text: connection.address)
    append(" rport=", Int(connection.port))
    append(" transport=")
    append(text: connection.transport)
  }

  /// Letters, digits and `-._~` as they are, all other bytes as `%XX`: up to three bytes for each.
  mutating func append(uriEncoded key: RawSpan) {
    for offset in 0..<key.byteCount {
      let byte = key.byte(at: offset)
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: append(byte)
      default:
        append(UInt8(ascii: "%"))
        append(ReplyCursor.hexDigit(byte >> 4))
        append(ReplyCursor.hexDigit(byte & 15))
      }
    }
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? value + 0x30 : value + 0x37 }
}
