// Settings that commands change while the server runs (`lru_crawler sleep`, `lru tune`, `slabs automove` ...): one row
// each, by its name in `stats settings`. What they do is the business of those who read them; here they are kept, for
// all threads.

enum Tunable: Int, CaseIterable {
  case crawler, crawlerSleepMicroseconds, crawlerToCrawl
  case automove, automoveRatio, automoveFreeRatio, automoveWindow
  case hotPercent, warmPercent, hotMaxFactor, warmMaxFactor
  case segmented, temporaryLRU, temporaryTTLSeconds

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
    case .segmented: "lru_segmented"
    case .temporaryLRU: "temp_lru"
    case .temporaryTTLSeconds: "temporary_ttl"
    }
  }

  /// How the value is kept and printed.
  enum Kind {
    case flag, number, ratio
  }

  var kind: Kind {
    switch self {
    case .crawler, .segmented, .temporaryLRU: .flag
    case .automoveRatio, .automoveFreeRatio, .hotMaxFactor, .warmMaxFactor: .ratio
    default: .number
    }
  }

  /// What nothing in this build acts on is kept, but not reported as if it did.
  var isReported: Bool { self != .automove && self != .segmented }
}

/// The values that commands have set, over those of the command line.
public struct Tunables: Sendable {
  /// Two cells a row: whether it was set, and to what.
  private let cells = AtomicCells(count: 2 * Tunable.allCases.count)

  public init() {}

  /// The value as bits of its kind; nil when no command has set it.
  subscript(_ tunable: Tunable) -> UInt64? {
    get { cells.load(2 * tunable.rawValue) == 0 ? nil : cells.load(2 * tunable.rawValue + 1) }
    nonmutating set {
      cells.store(2 * tunable.rawValue + 1, newValue ?? 0)
      cells.store(2 * tunable.rawValue, newValue == nil ? 0 : 1)
    }
  }

  func set(_ tunable: Tunable, ratio: Double) { self[tunable] = ratio.bitPattern }

  /// Whether the crawler may run, if a command has said so.
  public var crawlerEnabled: Bool? { self[.crawler].map { $0 != 0 } }

  /// The rows of `stats settings`, with what commands have changed. `ratioText` prints as the report does.
  public func applied(
    to rows: [(name: String, value: String)], ratioText: (Double) -> String
  ) -> [(name: String, value: String)] {
    var changed: [String: String] = [:]
    for tunable in Tunable.allCases where tunable.isReported {
      guard let bits = self[tunable] else { continue }
      changed[tunable.settingName] =
        switch tunable.kind {
        case .flag: bits != 0 ? "yes" : "no"
        case .number: String(Int64(bitPattern: bits))
        case .ratio: ratioText(Double(bitPattern: bits))
        }
    }
    return rows.map { ($0.name, changed[$0.name] ?? $0.value) }
  }
}
