// The table of `-o` sub-options: one row each, with its name, value, help, availability and effect. The usage text, the
// documentation and the tests walk it; nothing else names a sub-option.

/// Every name the `-o` list knows.
public enum ExtendedOptionTable {
  public static let rows: [ExtendedOptionRow] =
    connectionRows + memoryRows + listRows + logRows + processRows
    + compatibilityRows + tlsRows + externalStorageRows + proxyRows

  /// The row of a name, nil when there is none.
  public static func row(_ name: String) -> ExtendedOptionRow? { rows.first { $0.name == name } }

  private static let connectionRows: [ExtendedOptionRow] = [
    ExtendedOptionRow(
      "maxconns_fast", .network, "at -c connections, answer new ones with an error line and close them (default)",
      .set(\.maxConnectionsFast, to: true)),
    ExtendedOptionRow(
      "no_maxconns_fast", .network, "at -c connections, stop accepting instead", .set(\.maxConnectionsFast, to: false)),
    ExtendedOptionRow(
      "idle_timeout", value: "<s>", .network, "close connections idle for this long; 0 never does (default: 0)",
      missing: "Missing numeric argument for idle_timeout", .run(idleTimeout)),
    ExtendedOptionRow(
      "read_buf_mem_limit", value: "<MiB>", .network, "memory for read and reply buffers; 0 is no limit (default: 0)",
      .run(readBufferMemoryLimit), .withoutEffectYet),
    ExtendedOptionRow(
      "sock_cookie_id", value: "<num>", .network, "mark of the listening sockets", .nothing, .notInBuild),
  ]

  private static let memoryRows: [ExtendedOptionRow] = [
    ExtendedOptionRow(
      "hashpower", value: "<num>", .memory, "the hash table starts with 2^num buckets, num from 12 to 32 (default: 16)",
      missing: "Missing numeric argument for hashpower", .run(hashPower)),
    ExtendedOptionRow(
      "no_hashexpand", .memory, "never grow the hash table", .set(\.hashExpandEnabled, to: false)),
    ExtendedOptionRow(
      "slab_reassign", .memory, "allow pages to move between slab classes (default)", .set(\.slabReassign, to: true)),
    ExtendedOptionRow("no_slab_reassign", .memory, "leave pages where they are", .set(\.slabReassign, to: false)),
    ExtendedOptionRow(
      "slab_automove", value: "<num|age>", bare: "1", .memory,
      "move pages between classes: 0 no, 1 where they earn most, 2 the same eagerly, age by age (default: 1)",
      .run(slabAutomove)),
    ExtendedOptionRow(
      "no_slab_automove", .memory, "same as slab_automove=0", .run { draft, _ in draft.settings.slabAutomove = 0 }),
    ExtendedOptionRow(
      "slab_automove_goal", value: "<name>", .memory,
      "what pages are moved for: hits, bytes or balanced between the two (default: balanced)", .run(slabAutomoveGoal)),
    ExtendedOptionRow(
      "slab_automove_ratio", value: "<ratio>", .memory,
      "a class whose oldest item is younger than this part of the average gets a page (default: 0.8)",
      .run(slabAutomoveRatio)),
    ExtendedOptionRow(
      "slab_automove_window", value: "<num>", .memory, "rounds the automover looks back, from 3 to 1800 (default: 10)",
      .run(slabAutomoveWindow)),
    ExtendedOptionRow(
      "slab_automove_freeratio", value: "<ratio>", .memory, "part of memory to keep free", .nothing, .notInBuild),
    ExtendedOptionRow(
      "slab_sizes", value: "<a-b-c>", .memory, "the chunk sizes in bytes, ascending, instead of -f",
      .run { draft, value in draft.slabSizesText = value }),
    ExtendedOptionRow(
      "slab_chunk_max", value: "<KiB>", .memory, "largest chunk, from 1 to 1024 (default: 512)", .run(slabChunkMax)),
    ExtendedOptionRow(
      "no_chunked_items", .memory, "chunks as large as a page",
      .run { draft, _ in
        draft.settings.slabChunkMaxBytes = pageBytes
        draft.settings.slabTableWasGiven = true
      }),
    ExtendedOptionRow(
      "track_sizes", .memory, "accepted; \"stats sizes\" always has its histogram", .set(\.trackSizes, to: true)),
  ]

  private static let listRows: [ExtendedOptionRow] = [
    ExtendedOptionRow(
      "lru_crawler", .lists, "remove expired items as they age (default)", .set(\.lruCrawler, to: true)),
    ExtendedOptionRow(
      "no_lru_crawler", .lists, "remove expired items only when they are met", .set(\.lruCrawler, to: false)),
    ExtendedOptionRow(
      "lru_crawler_sleep", value: "<us>", .lists, "pause of the crawler between items, up to 1000000 (default: 100)",
      missing: "Missing lru_crawler_sleep value", .run(crawlerSleep)),
    ExtendedOptionRow(
      "lru_crawler_tocrawl", value: "<num>", .lists, "items per class and run; 0 is no limit (default: 0)",
      missing: "Missing lru_crawler_tocrawl value", .run(crawlerToCrawl)),
    ExtendedOptionRow(
      "lru_maintainer", .lists, "lists kept in order in the background (default)", .set(\.lruMaintainer, to: true)),
    ExtendedOptionRow("no_lru_maintainer", .lists, "one flat list per class", .set(\.lruMaintainer, to: false)),
    ExtendedOptionRow(
      "lru_policy", value: "<name>", .lists,
      "order of eviction: s3fifo, segmented (as memcached) or flat (default: s3fifo)", .run(evictionPolicy)),
    ExtendedOptionRow(
      "hot_lru_pct", value: "<percent>", .lists, "part of a class for the hot list, from 1 to 79 (default: 20)",
      .run(hotPercent)),
    ExtendedOptionRow(
      "warm_lru_pct", value: "<percent>", .lists, "part of a class for the warm list, from 1 to 79 (default: 40)",
      .run(warmPercent)),
    ExtendedOptionRow(
      "hot_max_factor", value: "<factor>", .lists,
      "items leave the hot list at this factor of the cold list's age (default: 0.2)", .run(hotMaxFactor)),
    ExtendedOptionRow(
      "warm_max_factor", value: "<factor>", .lists,
      "items leave the warm list at this factor of the cold list's age (default: 2.0)", .run(warmMaxFactor)),
    ExtendedOptionRow(
      "temporary_ttl", value: "<s>", .lists, "items living no longer than this have their own list and are not evicted",
      .run(temporaryTTL)),
    ExtendedOptionRow(
      "tail_repair_time", value: "<s>", .lists,
      "free items still referenced after this long, at least 10 (default: never)",
      missing: "Missing numeric argument for tail_repair_time", .run(tailRepairTime), .withoutEffectYet),
  ]

  private static let logRows: [ExtendedOptionRow] = [
    ExtendedOptionRow(
      "watcher_logbuf_size", value: "<KiB>", .process, "buffer of one \"watch\" connection (default: 256)",
      .run(watcherLogBuffer)),
    ExtendedOptionRow(
      "worker_logbuf_size", value: "<KiB>", .process, "log buffer of one worker thread (default: 64)",
      .run(workerLogBuffer)),
  ]

  private static let processRows: [ExtendedOptionRow] = [
    ExtendedOptionRow("drop_privileges", .process, "filter system calls", .nothing, .notInBuild),
    ExtendedOptionRow("no_drop_privileges", .process, "", .nothing),
    ExtendedOptionRow("relaxed_privileges", .process, "", .nothing),
  ]

  private static let compatibilityRows: [ExtendedOptionRow] = [
    ExtendedOptionRow(
      "hash_algorithm", value: "<name>", .compatibility,
      "jenkins, murmur3 or xxh3; one keyed hash, \(SettingsReport.hashAlgorithmName), serves them all",
      .run(hashAlgorithm)),
    ExtendedOptionRow("modern", .compatibility, "its settings are the defaults", .nothing),
    ExtendedOptionRow(
      "no_modern", .compatibility,
      "flat lists, no crawler, no page moves, chunks as large as a page, no_maxconns_fast", .run(noModern)),
    ExtendedOptionRow("inline_ascii_resp", .compatibility, "without effect", .nothing),
    ExtendedOptionRow("no_inline_ascii_resp", .compatibility, "without effect", .nothing),
    ExtendedOptionRow(
      "resp_obj_mem_limit", value: "<num>", bare: "", .compatibility, "without effect; see read_buf_mem_limit",
      .run { draft, _ in
        draft.warnings.append("DEPRECATED: resp_obj_mem_limit no longer used. See read_buf_mem_limit,")
      }),
  ]

  private static let tlsRows: [ExtendedOptionRow] = [
    ExtendedOptionRow("ssl_chain_cert", value: "<path>", .network, "certificate chain, PEM", .run(tlsChain)),
    ExtendedOptionRow("ssl_key", value: "<path>", .network, "private key", .run(tlsKey)),
    ExtendedOptionRow(
      "ssl_keyformat", value: "<num>", .network, "format of the key (default: 1, PEM)", .run(tlsKeyFormat)),
    ExtendedOptionRow(
      "ssl_verify_mode", value: "<num>", .network,
      "clients' certificates: 0 not asked, 1 requested, 2 required, 3 required once (default: 0)", .run(tlsVerifyMode)),
    ExtendedOptionRow(
      "ssl_ciphers", value: "<list>", .network, "ciphers of TLS 1.2, as OpenSSL names them", .run(tlsCiphers)),
    ExtendedOptionRow("ssl_ca_cert", value: "<path>", .network, "authorities of clients, PEM", .run(tlsAuthority)),
    ExtendedOptionRow(
      "ssl_wbuf_size", value: "<KiB>", .network, "write buffer of a worker (default: 16)", .run(tlsWriteBuffer)),
    ExtendedOptionRow("ssl_session_cache", .network, "resume sessions", .set(\.tls.sessionCache, to: true)),
    ExtendedOptionRow("ssl_kernel_tls", .network, "leave encryption to the kernel", .set(\.tls.kernelTLS, to: true)),
    ExtendedOptionRow(
      "ssl_min_version", value: "<num>", .network, "lowest version, 0 to 3 for TLS 1.0 to 1.3 (default: 2)",
      .run(tlsMinimumVersion)),
  ]

  private static let externalStorageRows: [ExtendedOptionRow] = [
    ExtendedOptionRow("ext_path", value: "<path:size>", .memory, "file for large items", .nothing, .notInBuild),
    ExtendedOptionRow("ext_page_size", value: "<MiB>", .memory, "size of a file page", .nothing, .notInBuild),
    ExtendedOptionRow("ext_wbuf_size", value: "<MiB>", .memory, "write buffer of a page", .nothing, .notInBuild),
    ExtendedOptionRow("ext_threads", value: "<num>", .memory, "file threads", .nothing, .notInBuild),
    ExtendedOptionRow("ext_io_depth", value: "<num>", .memory, "requests per file thread", .nothing, .notInBuild),
    ExtendedOptionRow("ext_item_size", value: "<bytes>", .memory, "smallest item to move", .nothing, .notInBuild),
    ExtendedOptionRow(
      "ext_item_age", value: "<s>", .memory, "least idle time of an item to move", .nothing, .notInBuild),
    ExtendedOptionRow("ext_low_ttl", value: "<s>", .memory, "short lives kept apart", .nothing, .notInBuild),
    ExtendedOptionRow(
      "ext_recache_rate", value: "<num>", .memory, "reads before an item returns", .nothing, .notInBuild),
    ExtendedOptionRow("ext_compact_under", value: "<num>", .memory, "free pages to compact at", .nothing, .notInBuild),
    ExtendedOptionRow("ext_drop_under", value: "<num>", .memory, "free pages to drop items at", .nothing, .notInBuild),
    ExtendedOptionRow("ext_max_sleep", value: "<us>", .memory, "longest pause of its threads", .nothing, .notInBuild),
    ExtendedOptionRow("ext_max_frag", value: "<ratio>", .memory, "fragmentation of a page", .nothing, .notInBuild),
    ExtendedOptionRow("ext_drop_unread", .memory, "drop unread items", .nothing, .notInBuild),
  ]

  private static let proxyRows: [ExtendedOptionRow] = [
    ExtendedOptionRow("proxy_config", value: "<path>", .network, "proxy script", .nothing, .notInBuild),
    ExtendedOptionRow("proxy_arg", value: "<text>", .network, "argument of the script", .nothing, .notInBuild),
    ExtendedOptionRow("proxy_uring", .network, "proxy with io_uring", .nothing, .notInBuild),
    ExtendedOptionRow("proxy_memprofile", .network, "memory of the script", .nothing, .notInBuild),
  ]
}
