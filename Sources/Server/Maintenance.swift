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
  /// Between two walks through all classes.
  private static let restBetweenCrawlsSeconds: UInt32 = 10
  /// Buckets moved under one hold of a stripe's lock: a request waits for at most this many.
  private static let bucketsPerStep = 64
  private static let stepsPerRound = 2048
  private static let itemsPerStep = 256
  /// A walk is spread over about a minute, in steps that a request on the same processor does not notice; a small cache
  /// is done sooner.
  private static let roundsPerWalk = 3000
  private static let crawlingSleepMilliseconds = 20
  private static let idleSleepMilliseconds = 100

  init(store: Pinned<Store>, clock: StoreClock, crawls: Bool) {
    self.store = store
    self.clock = clock
    self.crawls = crawls
  }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  func run() {
    var slabClass = 1
    var isWalking = false
    var nextWalkSecond: UInt32 = 0
    while !isStopping.load(ordering: .relaxed) {
      var steps = 0
      while steps < Maintenance.stepsPerRound, store.value.growStep(buckets: Maintenance.bucketsPerStep) { steps += 1 }
      if crawls, !isWalking, clock.now >= nextWalkSecond {
        isWalking = store.value.takeCrawlDemand()
        nextWalkSecond = clock.now + Maintenance.restBetweenCrawlsSeconds
      }
      if isWalking { isWalking = !crawl(&slabClass) }
      guard steps == 0 else { continue }
      SystemCalls.sleep(
        milliseconds: isWalking ? Maintenance.crawlingSleepMilliseconds : Maintenance.idleSleepMilliseconds)
    }
  }

  /// A few steps from `slabClass` on. Returns true when the last class is done, and begins with the first again.
  private func crawl(_ slabClass: inout Int) -> Bool {
    let steps = max(2, store.value.itemCount / (Maintenance.itemsPerStep * Maintenance.roundsPerWalk))
    for _ in 0..<steps {
      while !store.value.crawlStep(slabClass: slabClass, items: Maintenance.itemsPerStep, now: clock.now) {
        slabClass += 1
        if slabClass == store.value.slabClassCount {
          slabClass = 1
          return true
        }
      }
    }
    return false
  }
}
