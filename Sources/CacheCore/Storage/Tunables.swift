// Settings that commands change while the server runs (`lru_crawler sleep`, `lru tune`, `slabs automove` ...): one row
// each, by its name in `stats settings`. What they do is the business of those who read them; here they are kept, for
// all threads: what the command line said, and what a command has said since.

public enum Tunable: Int, CaseIterable, Sendable {
  case crawler, crawlerSleepMicroseconds, crawlerToCrawl
  case automove, automoveRatio, automoveFreeRatio, automoveWindow
  case hotPercent, warmPercent, hotMaxFactor, warmMaxFactor
  case order, temporaryLRU, temporaryTTLSeconds

  var settingName: String {
    switch self {
    case .crawler: "lru_crawler"
    case .crawlerSleepMicroseconds: "lru_crawler_sleep"
    case .crawlerToCrawl: "lru_crawler_tocrawl"
    case .automove: "slab_automove"
    case .automoveRatio: "slab_automove_ratio"
    case .automoveFreeRatio: "slab_automove_freeratio"
    case .automoveWindow: "slab_automove_window"
    case .hotPercent: "hot_lru_pct"
    case .warmPercent: "warm_lru_pct"
    case .hotMaxFactor: "hot_max_factor"
    case .warmMaxFactor: "warm_max_factor"
    case .order: "lru_segmented"
    case .temporaryLRU: "temp_lru"
    case .temporaryTTLSeconds: "temporary_ttl"
    }
  }

  /// How the value is kept and printed.
  enum Kind {
    case flag, number, ratio
    /// The raw value of an EvictionOrder, printed as whether there are segments.
    case order
  }

  var kind: Kind {
    switch self {
    case .crawler, .temporaryLRU: .flag
    case .automoveRatio, .automoveFreeRatio, .hotMaxFactor, .warmMaxFactor: .ratio
    case .order: .order
    default: .number
    }
  }

  /// As bits of its kind, what holds without a word from anybody.
  fileprivate var defaultBits: UInt64 {
    switch self {
    case .crawler, .automove: 1
    case .crawlerSleepMicroseconds: 100
    case .crawlerToCrawl, .temporaryLRU: 0
    case .automoveRatio: (0.8).bitPattern
    case .automoveFreeRatio: (0.01).bitPattern
    case .automoveWindow: 10
    case .hotPercent: 20
    case .warmPercent: 40
    case .hotMaxFactor: (0.2).bitPattern
    case .warmMaxFactor: (2.0).bitPattern
    case .order: UInt64(EvictionOrder.s3fifo.rawValue)
    case .temporaryTTLSeconds: 61
    }
  }
}

/// The values that commands have set, over those of the command line.
public struct Tunables: Sendable {
  /// Three cells a row: whether a command has set it, to what, and what holds otherwise.
  private let cells = AtomicCells(count: 3 * Tunable.allCases.count)

  public init() {
    for tunable in Tunable.allCases { setDefault(tunable, tunable.defaultBits) }
  }

  /// The value as bits of its kind; nil when no command has set it.
  subscript(_ tunable: Tunable) -> UInt64? {
    get { cells.load(3 * tunable.rawValue) == 0 ? nil : cells.load(3 * tunable.rawValue + 1) }
    nonmutating set {
      cells.store(3 * tunable.rawValue + 1, newValue ?? cells.load(3 * tunable.rawValue + 2))
      cells.store(3 * tunable.rawValue, newValue == nil ? 0 : 1)
    }
  }

  /// What holds, as bits of its kind.
  @inline(__always)
  func current(_ tunable: Tunable) -> UInt64 { cells.load(3 &* tunable.rawValue &+ 1) }
  func ratio(_ tunable: Tunable) -> Double { Double(bitPattern: current(tunable)) }

  /// What the command line said. Before any command.
  public func setDefault(_ tunable: Tunable, _ bits: UInt64) {
    cells.store(3 * tunable.rawValue + 1, bits)
    cells.store(3 * tunable.rawValue + 2, bits)
  }
  public func setDefault(_ tunable: Tunable, ratio: Double) { setDefault(tunable, ratio.bitPattern) }

  func set(_ tunable: Tunable, ratio: Double) { self[tunable] = ratio.bitPattern }

  /// Whether the crawler may run.
  public var crawlerEnabled: Bool { current(.crawler) != 0 }
  /// Microseconds between two steps of the crawler, and how many items it looks at in one run; 0 = all.
  public var crawlerSleepMicroseconds: Int { Int(current(.crawlerSleepMicroseconds)) }
  public var crawlerToCrawl: Int { Int(current(.crawlerToCrawl)) }

  @inline(__always)
  var order: EvictionOrder { EvictionOrder(rawValue: UInt8(truncatingIfNeeded: current(.order))) ?? .s3fifo }

  /// The rows of `stats settings`, with what commands have changed. `ratioText` prints as the report does.
  public func applied(
    to rows: [(name: String, value: String)], ratioText: (Double) -> String
  ) -> [(name: String, value: String)] {
    var changed: [String: String] = [:]
    for tunable in Tunable.allCases {
      guard let bits = self[tunable] else { continue }
      changed[tunable.settingName] =
        switch tunable.kind {
        case .flag: bits != 0 ? "yes" : "no"
        case .number: String(Int64(bitPattern: bits))
        case .ratio: ratioText(Double(bitPattern: bits))
        case .order: order == .flat ? "no" : "yes"
        }
    }
    if self[.order] != nil { changed[EvictionOrder.settingName] = order.name }
    return rows.map { ($0.name, changed[$0.name] ?? $0.value) }
  }
}
