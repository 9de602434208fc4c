// What is doubtful or impossible about settings on a particular machine: told at start on standard error and by
// --check. It judges values only: what the machine is like is given to it, and nothing is measured or changed here.

/// What the findings need to know of the machine; nil is unknown, and then nothing is said about it.
public struct MachineFacts: Sendable {
  /// The kernel's longest queue of connections not yet accepted.
  public var longestBacklog: Int?
  /// The most descriptors the process may have, once it has raised its limit as far as it can.
  public var descriptorLimit: Int?
  public var physicalMemoryBytes: Int?
  /// The least of the memory limits of the process's control groups.
  public var groupMemoryBytes: Int?
  public init() {}
}

/// One thing that is wrong, in a line for people.
public struct Finding: Sendable, Equatable {
  public enum Severity: String, Sendable {
    case warning
    /// The server could not run like this.
    case fault
  }
  public let severity: Severity
  public let text: String
  public var line: String { "\(severity.rawValue): \(text)" }

  public init(_ severity: Severity, _ text: String) {
    self.severity = severity
    self.text = text
  }
}

extension Settings {
  /// Descriptors that serving `-c` clients takes: a bell and up to three of its loop for a worker, listeners, and what
  /// the process itself has open.
  public var neededDescriptorCount: Int { maxConnections + threads * 5 + listenAddresses.count * 2 + 64 }

  /// Memory the process will have once the cache is full: items, tables, buffers of workers and of idle clients.
  var expectedMemoryBytes: Int {
    let tables = memoryLimitBytes / 16
    let workers = threads * (256 << 10)
    let clients = min(maxConnections, 1 << 24) * 1024
    let (sum, overflow) = memoryLimitBytes.addingReportingOverflow(tables + workers + clients + (16 << 20))
    return overflow ? Int.max : sum
  }

  /// Everything worth telling about these settings on such a machine, the worst first.
  public func findings(on machine: MachineFacts) -> [Finding] {
    let found = [descriptors(machine), backlog(machine), memory(machine), exposure].compactMap { $0 }
    return found.filter { $0.severity == .fault } + found.filter { $0.severity == .warning }
  }

  private func descriptors(_ machine: MachineFacts) -> Finding? {
    guard let limit = machine.descriptorLimit, limit < neededDescriptorCount else { return nil }
    let place = "the limit of open files (ulimit -n, LimitNOFILE) is \(limit)"
    if limit < maxConnections { return Finding(.fault, "\(place), which -c \(maxConnections) does not fit into") }
    return Finding(
      .warning,
      "\(place): with -c \(maxConnections) the last clients wait until others go; \(neededDescriptorCount) would do")
  }

  private func backlog(_ machine: MachineFacts) -> Finding? {
    guard let longest = machine.longestBacklog, listenBacklog > longest, unixSocketPath != nil || port != 0 else {
      return nil
    }
    return Finding(.warning, "the kernel cuts -b \(listenBacklog) to \(longest) (sysctl net.core.somaxconn)")
  }

  private func memory(_ machine: MachineFacts) -> Finding? {
    let limits = [
      (machine.groupMemoryBytes, "the memory limit of the control group is"),
      (machine.physicalMemoryBytes, "the machine has"),
    ]
    let known = limits.compactMap { bytes, words in bytes.map { (bytes: $0, words: words) } }
    guard let least = known.min(by: { $0.bytes < $1.bytes }), expectedMemoryBytes > least.bytes else { return nil }
    return Finding(
      .warning,
      "-m \(memoryLimitBytes >> 20) fills up to about \(expectedMemoryBytes >> 20) MiB with tables and buffers; "
        + "\(least.words) \(least.bytes >> 20) MiB")
  }

  /// Listening where strangers may come, with nothing that asks who they are.
  private var exposure: Finding? {
    let listensToNetwork = unixSocketPath == nil && (port != 0 || udpPort != 0)
    guard listensToNetwork, !isAuthenticated else { return nil }
    let open = listenAddresses.filter(\.isPublic).map { $0.host ?? "all interfaces" }
    guard listenAddresses.isEmpty || !open.isEmpty else { return nil }
    let place = listenAddresses.isEmpty ? "all interfaces" : open.joined(separator: ", ")
    let udp = udpPort == 0 ? "" : ", also over UDP, whose senders can be forged"
    return Finding(
      .warning,
      "listening on \(place) without authentication\(udp): keep strangers away from it, or give -l an inner address")
  }

  /// Whether every client must say who it is: by a password, or by a certificate.
  private var isAuthenticated: Bool {
    if saslEnabled || authFilePath != nil { return true }
    let addresses = listenAddresses.isEmpty ? [ListenAddress()] : listenAddresses.filter(\.isPublic)
    return tls.isEnabled && udpPort == 0
      && addresses.allSatisfy { $0.tls == .mutual || ($0.tls == nil && tls.verifyMode >= 2) }
  }
}

extension ListenAddress {
  /// Whether others than this machine may reach it. Names other than localhost are not looked up: they count as public.
  var isPublic: Bool {
    guard unixPath == nil else { return false }
    guard let host else { return true }
    let isLoopback = host == "localhost" || host == "::1" || host.hasPrefix("127.")
    return !isLoopback
  }
}
