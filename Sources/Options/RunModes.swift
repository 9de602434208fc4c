// The two long options that are not memcached's: instead of serving, look at the configuration or at a running server.
// They have no letter and are never abbreviated, so that every short form of memcached's own options keeps its meaning.

/// What the process is started for.
public enum RunMode: String, Sendable, CaseIterable {
  case serve
  /// Print what the server would run with and what is wrong with it, and exit.
  case check
  /// Ask the server that listens where the other options say, and exit.
  case healthcheck
}

/// An option that chooses what the process is started for.
public struct RunModeRow: Sendable {
  public let long: String
  public let mode: RunMode
  public let help: String
}

/// Every such option.
public enum RunModeTable {
  public static let rows: [RunModeRow] = [
    RunModeRow(
      long: "check", mode: .check,
      help: "print the effective settings and what is wrong with them; exit 1 when the server could not run so"),
    RunModeRow(
      long: "healthcheck", mode: .healthcheck,
      help: "ask the server that listens where the other options say; exit 0 when it answers, 1 when not"),
  ]

  static func row(_ long: Substring) -> RunModeRow? { rows.first { $0.long == long } }
}
