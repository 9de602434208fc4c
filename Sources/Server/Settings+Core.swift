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
    slabs.rule = settings.slabTableWasGiven ? .reference : .fitted(memoryByteCount: settings.memoryLimitBytes)
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
    movesPages = settings.slabReassign
    movesByAge = settings.slabAutomoveByAge
    moveGoal = MoveGoal(rawValue: settings.slabAutomoveGoal.rawValue) ?? .balanced
    setTunables(settings)
    backing = settings.largePages ? .hugePages : .lazy
    self.startedAtUnixSeconds = startedAtUnixSeconds
  }

  private func setTunables(_ settings: Settings) {
    tunables.setDefault(.crawler, settings.lruCrawler ? 1 : 0)
    tunables.setDefault(.crawlerSleepMicroseconds, UInt64(clamping: settings.lruCrawlerSleepMicroseconds))
    tunables.setDefault(.crawlerToCrawl, UInt64(clamping: settings.lruCrawlerToCrawl))
    tunables.setDefault(.automove, UInt64(clamping: settings.slabAutomove))
    tunables.setDefault(.automoveRatio, ratio: settings.slabAutomoveRatio)
    tunables.setDefault(.automoveWindow, UInt64(clamping: settings.slabAutomoveWindow))
    tunables.setDefault(.hotPercent, UInt64(clamping: settings.hotLRUPercent))
    tunables.setDefault(.warmPercent, UInt64(clamping: settings.warmLRUPercent))
    tunables.setDefault(.hotMaxFactor, ratio: settings.hotMaxFactor)
    tunables.setDefault(.warmMaxFactor, ratio: settings.warmMaxFactor)
    tunables.setDefault(.temporaryLRU, settings.temporaryLRU ? 1 : 0)
    tunables.setDefault(.temporaryTTLSeconds, UInt64(clamping: settings.temporaryTTLSeconds))
    let order = EvictionOrder.named(settings.evictionPolicy.rawValue) ?? .s3fifo
    tunables.setDefault(.order, UInt64(order.rawValue))
  }
}

extension Permissions {
  public init(_ settings: Settings) {
    self.init()
    flush = settings.flushEnabled
    dump = settings.dumpEnabled
    shutdown = settings.shutdownCommandEnabled
    watch = settings.watchEnabled
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
