// The background thread: grows the hash table, moves pages between slab classes, looks for expired items and keeps the
// segments of the segmented order, in bounded steps with rests between them. It holds no lock longer than a step; what
// a step does is in the core (Store+Upkeep, Store+Pages, Store+Expiry).
import CacheCore
import Events
import Synchronization

final class Maintenance: Sendable {
  private let store: Pinned<Store>
  private let clock: StoreClock
  private let isStopping = Atomic<Bool>(false)
  /// Buckets moved under one hold of a stripe's lock: a request waits for at most this many.
  private static let bucketsPerStep = 64
  private static let stepsPerRound = 2048
  /// Chunks the crawler looks at in one step; its pause between two is an option (lru_crawler_sleep).
  private static let chunksPerStep = 4096
  /// Between the end of a run of the crawler and the next: what has expired is gone within this and the run's own time.
  private static let restBetweenCrawlsSeconds: UInt32 = 2
  private static let idleSleepMilliseconds = 100

  init(store: Pinned<Store>, clock: StoreClock) {
    self.store = store
    self.clock = clock
  }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    store.value.maintenanceBell.ring()
  }

  func run(_ registry: CounterRegistry) {
    var crawl: Crawl?
    var nextCrawlSecond: UInt32 = 0
    while !isStopping.load(ordering: .relaxed) {
      var isBusy = grow()
      while store.value.movesPagesNow, !isStopping.load(ordering: .relaxed) {
        if !store.value.movePages(now: clock.now, hits: registry.hits) { break }
      }
      if crawl == nil { crawl = beginCrawl(isDue: clock.now >= nextCrawlSecond) }
      if crawl != nil {
        step(&crawl)
        nextCrawlSecond = clock.now + Maintenance.restBetweenCrawlsSeconds
        isBusy = isBusy || crawl != nil
      }
      if store.value.maintainLists(now: clock.now) > 0 { isBusy = true }
      if !isBusy { store.value.maintenanceBell.wait(milliseconds: Maintenance.idleSleepMilliseconds) }
    }
  }

  /// Returns whether the hash table is still growing.
  private func grow() -> Bool {
    for _ in 0..<Maintenance.stepsPerRound {
      if !store.value.growStep(buckets: Maintenance.bucketsPerStep) { return false }
    }
    return true
  }

  /// A run that a client has asked for at once; otherwise when it is time and something may be found.
  private func beginCrawl(isDue: Bool) -> Crawl? {
    guard store.value.tunables.crawlerEnabled else { return nil }
    guard store.value.isCrawlDemanded || (isDue && store.value.mayCrawl(now: clock.now)) else { return nil }
    return store.value.beginCrawl(now: clock.now)
  }

  /// One step and its pause. The crawl is nil when it is over.
  private func step(_ crawl: inout Crawl?) {
    guard var current = crawl else { return }
    store.value.crawlStep(&current, chunks: Maintenance.chunksPerStep, now: clock.now)
    let limit = store.value.tunables.crawlerToCrawl
    if current.isDone || (limit > 0 && current.examinedCount >= limit) {
      store.value.noteCrawlDone(current, now: clock.now)
      crawl = nil
      return
    }
    crawl = current
    SystemCalls.sleep(microseconds: store.value.tunables.crawlerSleepMicroseconds)
  }
}
