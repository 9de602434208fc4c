// The event counters: one row each, with the name on the wire. What is computed when asked for (uptime, bytes, gauges)
// is not here but in GeneralStats, which is the table of the `stats` command and refers to these rows.

/// Counters that every worker keeps for itself; the sum over all workers is what clients see.
public enum Counter: Int, CaseIterable, Sendable {
  /// Not counted: hits and misses together.
  case getCommands
  case flushCommands, touchCommands, metaCommands
  case getMisses, getExpired, getFlushed
  case deleteMisses, incrMisses, decrMisses, casMisses, touchMisses
  case storeTooLarge, storeNoMemory
  case authCommands, authErrors
  case idleKicks
  case bytesRead, bytesWritten
  case connectionYields
  case totalItems
  case totalConnections, rejectedConnections
  /// TLS handshakes that failed, and connections that broke the protocol after theirs.
  case tlsHandshakeErrors, tlsProtocolErrors
  case listenDisabled, listenDisabledMicroseconds
  /// Lines for watchers that the full log had no room for. Each worker counts its own: a common cell would be fought
  /// over by all of them just when there is most to do.
  case logDropped
}

/// Hit counters that every worker keeps for each slab class.
public enum ClassCounter: Int, CaseIterable, Sendable {
  /// Not counted: the sum of the hits by list.
  case getHits
  case setCommands, deleteHits, incrHits, decrHits, casHits, casBadval, touchHits
  /// Hits of gets by the list the item is on; in the order of Segment.
  case hitsToHot, hitsToWarm, hitsToCold, hitsToTemporary

  static let slabRows: [ClassCounter] = [
    .getHits, .setCommands, .deleteHits, .incrHits, .decrHits, .casHits, .casBadval, .touchHits,
  ]
  static let hitRows: [ClassCounter] = [.hitsToHot, .hitsToWarm, .hitsToCold, .hitsToTemporary]

  /// The name in `stats slabs`; those of hits by list stand in `stats items`.
  public var wireName: StaticString {
    switch self {
    case .getHits: "get_hits"
    case .setCommands: "cmd_set"
    case .deleteHits: "delete_hits"
    case .incrHits: "incr_hits"
    case .decrHits: "decr_hits"
    case .casHits: "cas_hits"
    case .casBadval: "cas_badval"
    case .touchHits: "touch_hits"
    case .hitsToHot: "hits_to_hot"
    case .hitsToWarm: "hits_to_warm"
    case .hitsToCold: "hits_to_cold"
    case .hitsToTemporary: "hits_to_temp"
    }
  }
}
