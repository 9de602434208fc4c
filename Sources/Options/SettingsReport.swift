// `stats settings`: every setting as a name and a value text, in the order tools know, for a build without external
// storage and proxy. It reads Settings and what changed since the start; it measures nothing.

/// What commands can change while the server runs.
public struct RuntimeSettings: Sendable {
  public var memoryLimitBytes: Int
  public var verbosity: Int
  /// Age of the last flush's cut-off, in seconds since the start; 0 without a flush.
  public var oldestSeconds: Int
  public var detailEnabled: Bool
  /// Of the slab table in use, which the server may have chosen itself.
  public var growthFactor: Double
  public var largestChunkBytes: Int

  public init(
    memoryLimitBytes: Int, verbosity: Int, oldestSeconds: Int, detailEnabled: Bool, growthFactor: Double,
    largestChunkBytes: Int
  ) {
    self.growthFactor = growthFactor
    self.largestChunkBytes = largestChunkBytes
    self.memoryLimitBytes = memoryLimitBytes
    self.verbosity = verbosity
    self.oldestSeconds = oldestSeconds
    self.detailEnabled = detailEnabled
  }
}

/// The rows of `stats settings`: name and value without the word STAT.
public func settingsReport(_ settings: Settings, runtime: RuntimeSettings) -> [(name: String, value: String)] {
  SettingsReport.network(settings, runtime) + SettingsReport.process(settings, runtime)
    + SettingsReport.memory(settings, runtime) + SettingsReport.lists(settings) + SettingsReport.rest(settings)
}

/// The parts of the report and the texts in it that are not settings.
public enum SettingsReport {
  /// The one keyed hash of this server, whatever `-o hash_algorithm` says.
  public static let hashAlgorithmName = "wyhash"
  private static let clientFlagsBytes = 4

  typealias Rows = [(name: String, value: String)]

  static func network(_ settings: Settings, _ runtime: RuntimeSettings) -> Rows {
    [
      ("maxbytes", "\(runtime.memoryLimitBytes)"),
      ("maxconns", "\(settings.maxConnections)"),
      ("tcpport", "\(settings.port)"),
      ("udpport", "\(settings.udpPort)"),
      ("inter", settings.listenText ?? "NULL"),
      ("verbosity", "\(runtime.verbosity)"),
      ("oldest", "\(runtime.oldestSeconds)"),
      ("evictions", settings.evictionsEnabled ? "on" : "off"),
      ("domain_socket", settings.unixSocketPath ?? "NULL"),
      ("umask", String(settings.unixSocketMask, radix: 8)),
      ("shutdown_command", yesNo(settings.shutdownCommandEnabled)),
    ]
  }

  static func process(_ settings: Settings, _ runtime: RuntimeSettings) -> Rows {
    let severalInterfaces = settings.listenText?.contains(",") ?? false
    return [
      ("growth_factor", fixed(runtime.growthFactor)),
      ("chunk_size", "\(settings.slabMinimumBytes)"),
      ("num_threads", "\(settings.threads)"),
      ("num_threads_per_udp", severalInterfaces ? "1" : "\(settings.threads)"),
      ("stat_key_prefix", String(decoding: [settings.prefixDelimiter], as: UTF8.self)),
      ("detail_enabled", yesNo(runtime.detailEnabled)),
      ("reqs_per_event", "\(settings.requestsPerEvent)"),
      ("cas_enabled", yesNo(settings.casEnabled)),
      ("tcp_backlog", "\(settings.listenBacklog)"),
      ("binding_protocol", settings.bindingProtocol.rawValue),
      ("auth_enabled_sasl", yesNo(settings.saslEnabled)),
      ("auth_enabled_ascii", settings.authFilePath ?? "no"),
    ]
  }

  static func memory(_ settings: Settings, _ runtime: RuntimeSettings) -> Rows {
    [
      ("item_size_max", "\(settings.itemSizeMaxBytes)"),
      ("maxconns_fast", yesNo(settings.maxConnectionsFast)),
      ("hashpower_init", "\(settings.hashPower)"),
      ("slab_reassign", yesNo(settings.slabReassign)),
      ("slab_automove", "\(settings.slabAutomove)"),
      ("slab_automove_ratio", fixed(settings.slabAutomoveRatio)),
      ("slab_automove_window", "\(settings.slabAutomoveWindow)"),
      ("slab_chunk_max", "\(runtime.largestChunkBytes)"),
    ]
  }

  static func lists(_ settings: Settings) -> Rows {
    [
      ("lru_crawler", yesNo(settings.lruCrawler)),
      ("lru_crawler_sleep", "\(settings.lruCrawlerSleepMicroseconds)"),
      ("lru_crawler_tocrawl", "\(settings.lruCrawlerToCrawl)"),
      ("tail_repair_time", "\(settings.tailRepairTimeSeconds)"),
      ("flush_enabled", yesNo(settings.flushEnabled)),
      ("dump_enabled", yesNo(settings.dumpEnabled)),
      ("hash_algorithm", hashAlgorithmName),
      ("lru_maintainer_thread", yesNo(settings.lruMaintainer)),
      ("lru_segmented", yesNo(settings.evictionPolicy != .flat)),
      ("hot_lru_pct", "\(settings.hotLRUPercent)"),
      ("warm_lru_pct", "\(settings.warmLRUPercent)"),
      ("hot_max_factor", fixed(settings.hotMaxFactor)),
      ("warm_max_factor", fixed(settings.warmMaxFactor)),
      ("temp_lru", yesNo(settings.temporaryLRU)),
      ("temporary_ttl", "\(settings.temporaryTTLSeconds)"),
    ]
  }

  static func rest(_ settings: Settings) -> Rows {
    [
      ("idle_timeout", "\(settings.idleTimeoutSeconds)"),
      ("watcher_logbuf_size", "\(settings.watcherLogBufferKilobytes << 10)"),
      ("worker_logbuf_size", "\(settings.workerLogBufferKilobytes << 10)"),
      ("read_buf_mem_limit", "\(settings.readBufferMemoryLimitMegabytes << 20)"),
      ("track_sizes", yesNo(settings.trackSizes)),
      ("inline_ascii_response", "no"),
      ("drop_privileges", yesNo(settings.dropPrivileges)),
    ] + tls(settings.tls) + [
      ("num_napi_ids", "0"),
      ("memory_file", settings.memoryFilePath ?? "(null)"),
      ("client_flags_size", "\(clientFlagsBytes)"),
      ("lru_policy", settings.evictionPolicy.rawValue),
    ]
  }

  private static func tls(_ tls: TLSOptions) -> Rows {
    [
      ("ssl_enabled", yesNo(tls.isEnabled)),
      ("ssl_chain_cert", tls.chainPath ?? "(null)"),
      ("ssl_key", tls.keyPath ?? "(null)"),
      ("ssl_verify_mode", "\(tls.verifyMode)"),
      ("ssl_keyformat", "\(tls.keyFormat)"),
      ("ssl_ciphers", tls.ciphers ?? "NULL"),
      ("ssl_ca_cert", tls.authorityPath ?? "NULL"),
      ("ssl_wbuf_size", "\(tls.writeBufferKilobytes << 10)"),
      ("ssl_session_cache", yesNo(tls.sessionCache)),
      ("ssl_kernel_tls", yesNo(tls.kernelTLS)),
      ("ssl_min_version", ["tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"][min(max(tls.minimumVersion, 0), 3)]),
    ]
  }

  private static func yesNo(_ state: Bool) -> String { state ? "yes" : "no" }

  /// `%.2f`. A number too large to have two exact decimals is printed in its own way.
  public static func fixed(_ value: Double) -> String {
    guard abs(value) < 1e13 else { return "\(value)" }
    let hundredths = roundedHundredths(abs(value))
    let decimals = hundredths % 100
    return "\(value < 0 ? "-" : "")\(hundredths / 100).\(decimals < 10 ? "0" : "")\(decimals)"
  }

  /// Half a hundredth is told from a little less or more by what the multiplication lost.
  private static func roundedHundredths(_ value: Double) -> Int {
    let scaled = value * 100
    let lost = (-scaled).addingProduct(value, 100)
    guard lost != 0, scaled - scaled.rounded(.down) == 0.5 else { return Int(scaled.rounded(.toNearestOrEven)) }
    return Int(scaled.rounded(lost > 0 ? .up : .down))
  }
}
