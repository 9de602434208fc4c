// From the operator's settings to what CacheCore wants to know: the one place where the two vocabularies meet, used by
// the server and by the tests that run the core in process with an operator's options.
import CacheCore
import Options

extension StoreConfiguration {
  /// `reserveBytes` is address space for `cache_memlimit` to grow into; it costs nothing until used.
  public init(_ settings: Settings, startedAtUnixSeconds: Int64, reserveBytes: Int = 0) {
    self.init()
    memoryLimitBytes = settings.memoryLimitBytes
    self.reserveBytes = settings.largePages ? 0 : reserveBytes
    slabs.growthFactor = settings.growthFactor
    slabs.minimumByteCount = settings.slabMinimumBytes
    slabs.chunkMaxByteCount = settings.slabChunkMaxBytes
    slabs.explicitSizes = settings.slabSizes
    itemSizeMaxBytes = settings.itemSizeMaxBytes
    casEnabled = settings.casEnabled
    evictionsEnabled = settings.evictionsEnabled
    hashPower = settings.hashPower
    hashExpandEnabled = settings.hashExpandEnabled
    workerCount = settings.threads
    backing = settings.largePages ? .hugePages : .lazy
    self.startedAtUnixSeconds = startedAtUnixSeconds
  }
}

extension Permissions {
  public init(_ settings: Settings) {
    self.init()
    flush = settings.flushEnabled
    dump = settings.dumpEnabled
    shutdown = settings.shutdownCommandEnabled
    sizes = settings.trackSizes
    watch = settings.watchEnabled
    crawler = settings.lruCrawler
  }
}

extension WireProtocol {
  init(_ binding: BindingProtocol) {
    self =
      switch binding {
      case .automatic: .undecided
      case .ascii: .text
      case .binary: .binary
      }
  }

  /// As -vv names what a listener serves.
  var listenerName: String {
    switch self {
    case .undecided: "auto-negotiate"
    case .text: "ascii"
    case .binary: "binary"
    }
  }
}
