// The text protocol's verbs: one row each. A verb is what stands before the first space, exactly and in lower case.
// How its words are read is in TextParser, what it does in Executor; adding a command is a row here and a case there.

enum TextVerb: UInt8, CaseIterable {
  case get, gets, gat, gats
  case set, add, replace, append, prepend, cas
  case delete, incr, decr, touch
  case flushAll, verbosity, cacheMemlimit, shutdown, stats, version, quit
  case slabs, lru, lruCrawler, watch, extstore, refreshCertificates
  #if DEBUG_VERBS
    case misbehave, debugTime, debugItem
  #endif

  var wireName: StaticString {
    switch self {
    case .get: "get"
    case .gets: "gets"
    case .gat: "gat"
    case .gats: "gats"
    case .set: "set"
    case .add: "add"
    case .replace: "replace"
    case .append: "append"
    case .prepend: "prepend"
    case .cas: "cas"
    case .delete: "delete"
    case .incr: "incr"
    case .decr: "decr"
    case .touch: "touch"
    case .flushAll: "flush_all"
    case .verbosity: "verbosity"
    case .cacheMemlimit: "cache_memlimit"
    case .shutdown: "shutdown"
    case .stats: "stats"
    case .version: "version"
    case .quit: "quit"
    case .slabs: "slabs"
    case .lru: "lru"
    case .lruCrawler: "lru_crawler"
    case .watch: "watch"
    case .extstore: "extstore"
    case .refreshCertificates: "refresh_certs"
    #if DEBUG_VERBS
      case .misbehave: "misbehave"
      case .debugTime: "debugtime"
      case .debugItem: "debugitem"
    #endif
    }
  }

  /// The verb that is exactly the bytes of `word`. TextParser tells the most frequent ones before it asks here.
  static func find(_ input: RawSpan, _ word: ByteRange) -> TextVerb? {
    allCases.first { input.equals(word, $0.wireName) }
  }
}
