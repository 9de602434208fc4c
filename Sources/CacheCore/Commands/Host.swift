// What the command layer needs from the process around it, for commands that are not about items. The server implements
// it with sockets and threads, tests with constants. Nothing here is on the request path of an item.

/// Figures of the process for `stats`; gauges are of the moment of the call.
public struct HostFacts: Sendable {
  public var pid: Int32 = 0
  public var uptimeSeconds: UInt32 = 0
  public var unixSeconds: Int64 = 0
  public var libeventVersion = ""
  public var userMicroseconds: UInt64 = 0
  public var systemMicroseconds: UInt64 = 0
  public var maxConnections = 0
  public var currentConnections = 0
  public var connectionStructures = 0
  public var readBufferCount = 0
  public var readBufferByteCount = 0
  public var acceptingConnections = true
  public var threads = 0
  public var reportsRejectedConnections = true
  public var reportsIdleKicks = false
  /// nil without TLS.
  public var tls: TLSFacts?
  public init() {}
}

/// What `stats` tells about TLS.
public struct TLSFacts: Sendable {
  /// nil without a session cache.
  public var newSessionCount: Int?
  public var secondsSinceRefresh: Int
  public var certificateEndUnixSeconds: Int
  public init(newSessionCount: Int?, secondsSinceRefresh: Int, certificateEndUnixSeconds: Int) {
    self.newSessionCount = newSessionCount
    self.secondsSinceRefresh = secondsSinceRefresh
    self.certificateEndUnixSeconds = certificateEndUnixSeconds
  }
}

/// What came of reading the certificates again.
public enum CertificateRefresh: Sendable {
  case done
  case notEnabled
  /// The old ones stay.
  case failed(String)
}

/// One connection of `stats conns`.
public struct ConnectionFacts: Sendable {
  public var descriptor: Int32
  public var address: String
  /// nil for listeners themselves.
  public var listenAddress: String?
  public var state: String
  public var secondsSinceLastCommand: UInt32
  public var isDatagram: Bool
  public init(
    descriptor: Int32, address: String, listenAddress: String?, state: String, secondsSinceLastCommand: UInt32,
    isDatagram: Bool = false
  ) {
    self.isDatagram = isDatagram
    self.descriptor = descriptor
    self.address = address
    self.listenAddress = listenAddress
    self.state = state
    self.secondsSinceLastCommand = secondsSinceLastCommand
  }
}

/// The process around the engines. Called from any worker thread.
public protocol Host: AnyObject, Sendable {
  func facts() -> HostFacts
  func settings() -> [(name: String, value: String)]
  func connections() -> [ConnectionFacts]
  /// Ends the process as SIGINT would, or as SIGUSR1 when graceful.
  func shutdown(graceful: Bool)
  /// `refresh_certs`: reads the certificates again, for new connections.
  func refreshCertificates() -> CertificateRefresh
  /// One line of the log, without a newline.
  func log(_ line: String)
  #if DEBUG_VERBS
    /// Returns what `now` is afterwards, for all workers.
    func changeClock(_ change: ClockChange) -> UInt32
    /// Whether the system lets the process do what a confined one must not.
    var canMisbehave: Bool { get }
  #endif
}

extension Host {
  /// Of a process without TLS.
  public func refreshCertificates() -> CertificateRefresh { .notEnabled }
}

/// What the operator allows, fixed at start.
public struct Permissions: Sendable {
  public var flush = true
  public var dump = true
  public var shutdown = false
  /// Not with -W.
  public var watch = true
  public init() {}
}

/// Switches that commands may turn at run time, for all workers.
public struct Modes: Sendable {
  /// One word, so that a single look tells whether there is anything to tell: the verbosity, and a bit.
  private let word = AtomicCells(count: 1)
  private static let prefixBit: UInt64 = 1 << 63

  public init(verbosity: Int, countsPrefixes: Bool) {
    self.verbosity = verbosity
    self.countsPrefixes = countsPrefixes
  }
  public var verbosity: Int {
    get { Int(word.load(0) & ~Modes.prefixBit) }
    nonmutating set { word.replace(0, ~Modes.prefixBit, by: UInt64(newValue)) }
  }
  /// `stats detail on`.
  public var countsPrefixes: Bool {
    get { word.load(0) & Modes.prefixBit != 0 }
    nonmutating set { word.replace(0, Modes.prefixBit, by: newValue ? Modes.prefixBit : 0) }
  }
  /// Whether requests are logged, or their prefixes counted.
  @inline(__always)
  var asksForRequests: Bool { word.load(0) > 1 }
}
