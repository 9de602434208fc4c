// The table of plain `stats`: every key in the reference's order (section 6.1) and where its figure comes from. A thing
// that does not exist in this server prints an honest zero, because tools fail on missing keys; Docs/compatibility.md
// lists them. The whole answer stays below 4096 bytes, which is all that collectd reads.

/// Sums over all slab classes, and other figures of the store, taken at once.
struct StoreFigures {
  var statistics = ClassStatistics()
  var itemCount = 0
  var byteCount = 0
  var freePages = 0
}

struct GeneralStat {
  enum Source {
    case counter(Counter)
    /// A hit counter, summed over the classes.
    case classTotal(ClassCounter)
    case host((HostFacts) -> String)
    /// Present only when the predicate holds.
    case hostWhen((HostFacts) -> Bool, Counter)
    /// Present only when there is one.
    case hostIfAny((HostFacts) -> Int?)
    case classStatistic((ClassStatistics) -> UInt64)
    case figures((StoreFigures) -> Int)
    case store((borrowing Store) -> Int)
    /// The sum of both.
    case counterAndStore(Counter, (borrowing Store) -> Int)
    /// The server has nothing of the kind: the text says what is missing.
    case zero(StaticString)
    case text(String)
  }
  let name: StaticString
  let source: Source

  private init(_ name: StaticString, _ source: Source) {
    self.name = name
    self.source = source
  }

  /// Seconds and six digits of microseconds, as the exporters expect.
  static func seconds(_ microseconds: UInt64) -> String {
    let fraction = String(microseconds % 1_000_000)
    return "\(microseconds / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
  }

  static func rows(versionText: String) -> [GeneralStat] {
    process(versionText) + connections + commands + stores + network + background + logs + tls + dispatch + items
  }

  private static func process(_ versionText: String) -> [GeneralStat] {
    [
      GeneralStat("pid", .host { String($0.pid) }),
      GeneralStat("uptime", .host { String($0.uptimeSeconds) }),
      GeneralStat("time", .host { String($0.unixSeconds) }),
      GeneralStat("version", .text(versionText)),
      GeneralStat("libevent", .host { $0.libeventVersion }),
      GeneralStat("pointer_size", .text("64")),
      GeneralStat("rusage_user", .host { seconds($0.userMicroseconds) }),
      GeneralStat("rusage_system", .host { seconds($0.systemMicroseconds) }),
    ]
  }

  private static var connections: [GeneralStat] {
    [
      GeneralStat("max_connections", .host { String($0.maxConnections) }),
      GeneralStat("curr_connections", .host { String($0.currentConnections) }),
      GeneralStat("total_connections", .counter(.totalConnections)),
      GeneralStat("rejected_connections", .hostWhen({ $0.reportsRejectedConnections }, .rejectedConnections)),
      GeneralStat("connection_structures", .host { String($0.connectionStructures) }),
      GeneralStat("response_obj_oom", .zero("replies are no objects")),
      GeneralStat("response_obj_count", .zero("replies are no objects")),
      GeneralStat("response_obj_bytes", .zero("replies are no objects")),
      GeneralStat("read_buf_count", .host { String($0.readBufferCount) }),
      GeneralStat("read_buf_bytes", .host { String($0.readBufferByteCount) }),
      GeneralStat("read_buf_bytes_free", .zero("buffers belong to workers")),
      GeneralStat("read_buf_oom", .zero("buffers belong to workers")),
      GeneralStat("reserved_fds", .host { String($0.threads * 5) }),
    ]
  }

  private static var commands: [GeneralStat] {
    [
      GeneralStat("cmd_get", .counter(.getCommands)),
      GeneralStat("cmd_set", .classTotal(.setCommands)),
      GeneralStat("cmd_flush", .counter(.flushCommands)),
      GeneralStat("cmd_touch", .counter(.touchCommands)),
      GeneralStat("cmd_meta", .counter(.metaCommands)),
      GeneralStat("get_hits", .classTotal(.getHits)),
      GeneralStat("get_misses", .counter(.getMisses)),
      GeneralStat("get_expired", .counter(.getExpired)),
      GeneralStat("get_flushed", .counter(.getFlushed)),
      GeneralStat("delete_misses", .counter(.deleteMisses)),
      GeneralStat("delete_hits", .classTotal(.deleteHits)),
      GeneralStat("incr_misses", .counter(.incrMisses)),
      GeneralStat("incr_hits", .classTotal(.incrHits)),
      GeneralStat("decr_misses", .counter(.decrMisses)),
      GeneralStat("decr_hits", .classTotal(.decrHits)),
      GeneralStat("cas_misses", .counter(.casMisses)),
      GeneralStat("cas_hits", .classTotal(.casHits)),
      GeneralStat("cas_badval", .classTotal(.casBadval)),
      GeneralStat("touch_hits", .classTotal(.touchHits)),
      GeneralStat("touch_misses", .counter(.touchMisses)),
    ]
  }

  private static var stores: [GeneralStat] {
    [
      GeneralStat("store_too_large", .counter(.storeTooLarge)),
      GeneralStat("store_no_memory", .counter(.storeNoMemory)),
      GeneralStat("auth_cmds", .counter(.authCommands)),
      GeneralStat("auth_errors", .counter(.authErrors)),
      GeneralStat("idle_kicks", .hostWhen({ $0.reportsIdleKicks }, .idleKicks)),
    ]
  }

  private static var network: [GeneralStat] {
    [
      GeneralStat("bytes_read", .counter(.bytesRead)),
      GeneralStat("bytes_written", .counter(.bytesWritten)),
      GeneralStat("limit_maxbytes", .store { $0.memoryLimitBytes }),
      GeneralStat("accepting_conns", .host { $0.acceptingConnections ? "1" : "0" }),
      GeneralStat("listen_disabled_num", .counter(.listenDisabled)),
      GeneralStat("time_in_listen_disabled_us", .counter(.listenDisabledMicroseconds)),
      GeneralStat("threads", .host { String($0.threads) }),
      GeneralStat("conn_yields", .counter(.connectionYields)),
    ]
  }

  private static var background: [GeneralStat] {
    [
      GeneralStat("hash_power_level", .store { $0.table.power }),
      GeneralStat("hash_bytes", .store { $0.table.byteCount }),
      GeneralStat("hash_is_expanding", .store { $0.table.isGrowing ? 1 : 0 }),
      GeneralStat("slab_reassign_rescues", .store { $0.moveCounts[.rescues] }),
      GeneralStat("slab_reassign_chunk_rescues", .store { $0.moveCounts[.chunkRescues] }),
      GeneralStat("slab_reassign_inline_reclaim", .store { $0.moveCounts[.inlineReclaims] }),
      GeneralStat("slab_reassign_busy_items", .store { $0.moveCounts[.busyItems] }),
      GeneralStat("slab_reassign_busy_deletes", .zero("what is busy is left where it is")),
      GeneralStat("slab_reassign_busy_nomem", .zero("what finds no chunk is evicted")),
      GeneralStat("slab_reassign_last_busy_status", .text("none")),
      GeneralStat("slab_reassign_running", .store { $0.isMovingPage.load(ordering: .relaxed) ? 1 : 0 }),
      GeneralStat("slabs_moved", .store { $0.moveCounts[.moved] }),
      GeneralStat("lru_crawler_running", .store { $0.isCrawling.load(ordering: .relaxed) ? 1 : 0 }),
      GeneralStat("lru_crawler_starts", .store { Int($0.crawlCount.load(ordering: .relaxed)) }),
      GeneralStat("lru_maintainer_juggles", .store { Int($0.juggleCount.load(ordering: .relaxed)) }),
    ]
  }

  private static var logs: [GeneralStat] {
    [
      GeneralStat("malloc_fails", .zero("items are never malloced")),
      GeneralStat("log_worker_dropped", .counterAndStore(.logDropped) { Int($0.eventLog.droppedLineCount) }),
      GeneralStat("log_worker_written", .store { Int($0.eventLog.writtenLineCount) }),
      GeneralStat("log_watcher_skipped", .store { Int($0.eventLog.skippedLineCount) }),
      GeneralStat("log_watcher_sent", .store { Int($0.eventLog.sentLineCount) }),
      GeneralStat("log_watchers", .store { $0.eventLog.watcherCount }),
    ]
  }

  private static var tls: [GeneralStat] {
    [
      GeneralStat("ssl_new_sessions", .hostIfAny { $0.tls?.newSessionCount }),
      GeneralStat("ssl_handshake_errors", .hostWhen({ $0.tls != nil }, .tlsHandshakeErrors)),
      GeneralStat("ssl_proto_errors", .hostWhen({ $0.tls != nil }, .tlsProtocolErrors)),
      GeneralStat("time_since_server_cert_refresh", .hostIfAny { $0.tls?.secondsSinceRefresh }),
      // Ours alone: when the certificate ends, in seconds since 1970.
      GeneralStat("ssl_server_cert_not_after", .hostIfAny { $0.tls?.certificateEndUnixSeconds }),
    ]
  }

  private static var dispatch: [GeneralStat] {
    [
      GeneralStat("unexpected_napi_ids", .zero("connections go round robin")),
      GeneralStat("round_robin_fallback", .zero("connections go round robin")),
    ]
  }

  private static var items: [GeneralStat] {
    [
      GeneralStat("bytes", .figures { $0.byteCount }),
      GeneralStat("curr_items", .figures { $0.itemCount }),
      GeneralStat("total_items", .counter(.totalItems)),
      GeneralStat("slab_global_page_pool", .figures { $0.freePages }),
      GeneralStat("expired_unfetched", .classStatistic { $0.expiredUnfetched }),
      GeneralStat("evicted_unfetched", .classStatistic { $0.evictedUnfetched }),
      GeneralStat("evicted_active", .classStatistic { $0.evictedActive }),
      GeneralStat("evictions", .classStatistic { $0.evicted }),
      GeneralStat("reclaimed", .classStatistic { $0.reclaimed }),
      GeneralStat("crawler_reclaimed", .classStatistic { $0.crawlerReclaimed }),
      GeneralStat("crawler_items_checked", .classStatistic { $0.crawlerItemsChecked }),
      GeneralStat("lrutail_reflocked", .classStatistic { $0.lruTailReflocked }),
      GeneralStat("moves_to_cold", .classStatistic { $0.movesToCold }),
      GeneralStat("moves_to_warm", .classStatistic { $0.movesToWarm }),
      GeneralStat("moves_within_lru", .classStatistic { $0.movesWithinLRU }),
      GeneralStat("direct_reclaims", .classStatistic { $0.directReclaims }),
      GeneralStat("lru_bumps_dropped", .zero("hits set bits and queue nothing")),
    ]
  }
}
