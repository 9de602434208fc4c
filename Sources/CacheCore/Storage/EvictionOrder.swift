// In which order a class gives up its items. Three orders over the same four lists; a hit in any of them counts reads
// in the item and touches no list. How they are carried out: Store+Eviction. What was measured: Docs/storage.md.
//
//   order       HOT              WARM                    COLD               TEMP
//   s3fifo      small queue      last page of the main   main queue         -
//   segmented   new items        read again in HOT or    the others:        short-lived items
//                                COLD                    evicted from here  (temporary_ttl)
//   flat        -                -                       everything         -

public enum EvictionOrder: UInt8, Sendable, CaseIterable {
  /// Yang et al., "FIFO queues are all you need for cache eviction", SOSP '23: a small queue that new items must leave
  /// by being read twice, a main queue that those who were read go round again, and ghosts that go to the main queue at
  /// once.
  case s3fifo = 0
  /// The reference's segmented LRU (section 7.5).
  case segmented
  /// One list; what was read since it was last looked at goes round again.
  case flat

  /// The row of `stats settings` that tells it, and its sub-option.
  public static let settingName = "lru_policy"

  public var name: String {
    switch self {
    case .s3fifo: "s3fifo"
    case .segmented: "segmented"
    case .flat: "flat"
    }
  }

  public static func named(_ name: String) -> EvictionOrder? { allCases.first { $0.name == name } }
}
