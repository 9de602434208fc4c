// The background thread: grows the hash table and looks for expired items, in bounded steps with rests between them. It
// holds no lock longer than a step; what a step does is in Store+Upkeep.
import CacheCore
import Events
import Synchronization

final class Maintenance: Sendable {
  private let store: Pinned<Store>
  private let clock: StoreClock
  private let isStopping = Atomic<Bool>(false)
  private let crawls: Bool
  private let sleepMilliseconds = 50
  /// Buckets moved under one hold of a stripe's lock: a request waits for at most this many.
  private static let bucketsPerStep = 64
  private static let stepsPerRound = 2048
  private static let itemsPerStep = 256
  private static let crawlStepsPerRound = 4

  init(store: Pinned<Store>, clock: StoreClock, crawls: Bool) {
    self.store = store
    self.clock = clock
    self.crawls = crawls
  }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  func run() {
    var slabClass = 1
    while !isStopping.load(ordering: .relaxed) {
      var steps = 0
      while steps < Maintenance.stepsPerRound, store.value.growStep(buckets: Maintenance.bucketsPerStep) { steps += 1 }
      if crawls { crawl(&slabClass) }
      if steps == 0 { SystemCalls.sleep(milliseconds: sleepMilliseconds) }
    }
  }

  /// A few steps through the classes in turn; the whole cache is seen once in a while, without haste.
  private func crawl(_ slabClass: inout Int) {
    var steps = 0
    var classes = 0
    while steps < Maintenance.crawlStepsPerRound, classes < store.value.slabClassCount {
      if store.value.crawlStep(slabClass: slabClass, items: Maintenance.itemsPerStep, now: clock.now) {
        steps += 1
      } else {
        slabClass = slabClass + 1 < store.value.slabClassCount ? slabClass + 1 : 1
        classes += 1
      }
    }
  }
}
