// The server's settings after the command line was read and checked. Values only: no parsing (CommandLine), no names on
// the command line (OptionTable). What each one does is said once, in the row of OptionTable that sets it.

/// How a listener tells which protocol a client speaks.
public enum BindingProtocol: String, Sendable {
  case automatic = "auto-negotiate"
  case ascii
  case binary
}

/// One `-l` element, or the wildcard when there is none.
public struct ListenAddress: Sendable, Equatable {
  /// A name or a numeric address as written; nil means every address.
  public var host: String?
  /// The port of this element, 1...65535, or -1 for one the kernel chooses; nil means `-p`.
  public var port: Int?
  /// The protocol of this listener alone; nil means `-B`.
  public var bindingProtocol: BindingProtocol?
  /// Whether TLS is spoken there, other than -Z and ssl_verify_mode say; nil means as they say.
  public var tls: ListenTLS?
  /// `unix:<path>`: a unix socket beside the network; host and port mean nothing then.
  public var unixPath: String?
  public init(
    host: String? = nil, port: Int? = nil, bindingProtocol: BindingProtocol? = nil, tls: ListenTLS? = nil,
    unixPath: String? = nil
  ) {
    self.tls = tls
    self.host = host
    self.port = port
    self.bindingProtocol = bindingProtocol
    self.unixPath = unixPath
  }
}

/// The prefixes of a `-l` element that say how TLS is spoken there.
public enum ListenTLS: String, Sendable, CaseIterable {
  /// Not at all.
  case none = "notls"
  /// Without asking clients for certificates.
  case basic = "btls"
  /// Clients must have a certificate.
  case mutual = "mtls"
}

/// The settings of TLS.
public struct TLSOptions: Sendable, Equatable {
  public var isEnabled = false
  public var chainPath: String?
  public var keyPath: String?
  public var keyFormat = 1
  public var verifyMode = 0
  public var ciphers: String?
  public var authorityPath: String?
  public var writeBufferKilobytes = 16
  public var sessionCache = false
  public var kernelTLS = false
  public var minimumVersion = 2
}

/// In which order items are evicted; `-o lru_policy`.
public enum EvictionPolicy: String, Sendable, CaseIterable {
  case s3fifo, segmented, flat
}

/// What the page mover wants more of; `-o slab_automove_goal`.
public enum AutomoveGoal: String, Sendable, CaseIterable {
  case hits, balanced, bytes
}

/// Everything an operator can set, with the reference's defaults.
public struct Settings: Sendable {
  public init() {}

  // Network
  /// 1...65535; 0 means no TCP listener, -1 one the kernel chooses.
  public var port = 11211
  public var portWasGiven = false
  public var udpPort = 0
  public var unixSocketPath: String?
  public var unixSocketMask = 0o700
  /// Empty means one wildcard listener per address family.
  public var listenAddresses: [ListenAddress] = []
  /// The `-l` words as given, joined by commas; nil when absent (`inter` of `stats settings`).
  public var listenText: String?
  public var bindingProtocol = BindingProtocol.automatic
  public var listenBacklog = 1024
  public var maxConnections = 1024
  public var maxConnectionsFast = true
  public var idleTimeoutSeconds = 0
  public var requestsPerEvent = 20
  /// Without -R an event is bounded by bytes alone; with it by requests too.
  public var requestsPerEventWasGiven = false
  public var threads = 4

  // Memory
  /// A negative `-m` is the largest whole number of MiB an Int holds.
  public var memoryLimitBytes = 64 << 20
  public var itemSizeMaxBytes = 1 << 20
  /// Above 1, at most 4294967295.
  public var growthFactor = 1.25
  /// -f, -n, slab_sizes or slab_chunk_max was given: the slab table follows them, and is not chosen by the server.
  public var slabTableWasGiven = false
  public var slabMinimumBytes = 48
  public var slabChunkMaxBytes = 512 << 10
  /// `-o slab_sizes` as written (not rounded to 8), ascending, at most 62; empty means the growth factor decides.
  public var slabSizes: [Int] = []
  public var evictionsEnabled = true
  public var lockMemory = false
  public var largePages = false
  /// The memory is this file, and outlives the process.
  public var memoryFilePath: String?
  public var casEnabled = true
  public var hashPower = 16
  public var hashExpandEnabled = true
  /// As written by the operator; nil means ours. Accepted for compatibility: one keyed hash serves every name.
  public var hashAlgorithm: String?
  public var slabReassign = true
  public var slabAutomove = 1
  /// `slab_automove=age`: pages go by the age of items, as in the reference, instead of by what they are worth.
  public var slabAutomoveByAge = false
  public var slabAutomoveGoal = AutomoveGoal.balanced
  public var slabAutomoveRatio = 0.8
  public var slabAutomoveWindow = 10
  public var lruCrawler = true
  public var lruCrawlerSleepMicroseconds = 100
  public var lruCrawlerToCrawl = 0
  public var lruMaintainer = true
  public var evictionPolicy = EvictionPolicy.s3fifo
  public var hotLRUPercent = 20
  public var warmLRUPercent = 40
  public var hotMaxFactor = 0.2
  public var warmMaxFactor = 2.0
  public var temporaryLRU = false
  public var temporaryTTLSeconds = 61
  public var tailRepairTimeSeconds = 0
  public var trackSizes = false
  public var readBufferMemoryLimitMegabytes = 0
  public var watcherLogBufferKilobytes = 256
  public var workerLogBufferKilobytes = 64

  // Process
  public var mode = RunMode.serve
  public var user: String?
  public var daemonize = false
  public var pidFile: String?
  public var coreDumps = false
  /// `-o drop_privileges`: a filter of system calls once everything is open.
  public var dropPrivileges = false
  public var verbosity = 0

  public var tls = TLSOptions()

  // Gates
  public var shutdownCommandEnabled = false
  /// -S.
  public var saslEnabled = false
  /// -Y: the file with the users of the text protocol; nil means that nobody logs in.
  public var authFilePath: String?
  public var flushEnabled = true
  public var dumpEnabled = true
  public var watchEnabled = true
  public var detailEnabled = false
  public var prefixDelimiter: UInt8 = 0x3a
}
