// The background thread: grows the hash table and looks for expired items, in bounded steps with rests between them. It
// holds no lock longer than a step; what a step does is in Store+Upkeep.
import CacheCore
import Events
import Synchronization

final class Maintenance: Sendable {
  private let store: Pinned<Store>
  private let clock: StoreClock
  private let isStopping = Atomic<Bool>(false)
  private let crawlsFromStart: Bool
  private let tunables: Tunables
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

  init(store: Pinned<Store>, clock: StoreClock, crawls: Bool, tunables: Tunables) {
    self.store = store
    self.clock = clock
    crawlsFromStart = crawls
    self.tunables = tunables
  }

  /// One walk of the crawler: which classes are left, and where it stands.
  private struct Walk {
    /// A bit for each class still to be walked.
    var classes: UInt64
    var startedSecond: UInt32
    var examined: UInt64 = 0
    var reclaimed: UInt64 = 0

    var slabClass: Int { classes.trailingZeroBitCount }
  }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  func run() {
    var walk: Walk?
    var nextWalkSecond: UInt32 = 0
    while !isStopping.load(ordering: .relaxed) {
      var steps = 0
      while steps < Maintenance.stepsPerRound, store.value.growStep(buckets: Maintenance.bucketsPerStep) { steps += 1 }
      if walk == nil, tunables.crawlerEnabled ?? crawlsFromStart {
        walk = nextWalk(isDue: clock.now >= nextWalkSecond)
        if walk != nil {
          nextWalkSecond = clock.now + Maintenance.restBetweenCrawlsSeconds
          store.value.noteCrawling(true)
        }
      }
      if walk != nil {
        crawl(&walk)
        if walk == nil { store.value.noteCrawling(false) }
      }
      guard steps == 0 else { continue }
      SystemCalls.sleep(
        milliseconds: walk != nil ? Maintenance.crawlingSleepMilliseconds : Maintenance.idleSleepMilliseconds)
    }
  }

  /// What clients have asked for at once; otherwise everything, when it is time and something may be found.
  private func nextWalk(isDue: Bool) -> Walk? {
    let demand = isDue ? store.value.takeCrawlDemand() : store.value.takeExplicitCrawlDemand()
    let existing = (UInt64(1) << UInt64(store.value.slabClassCount)) &- 2
    guard demand & existing != 0 else { return nil }
    return Walk(classes: demand & existing, startedSecond: clock.now)
  }

  /// A few steps. The walk is nil when it is over.
  private func crawl(_ walk: inout Walk?) {
    guard var current = walk else { return }
    let steps = max(2, store.value.itemCount / (Maintenance.itemsPerStep * Maintenance.roundsPerWalk))
    for _ in 0..<steps {
      while true {
        let step = store.value.crawlStep(
          slabClass: current.slabClass, items: Maintenance.itemsPerStep, now: clock.now)
        current.examined += UInt64(step.examined)
        current.reclaimed += UInt64(step.reclaimed)
        if !step.isAtHead { break }
        if current.examined > 0 {
          store.value.eventLog.noteCrawl(
            slabClass: current.slabClass, elapsedSeconds: Int(clock.now) - Int(current.startedSecond),
            examined: current.examined, reclaimed: current.reclaimed)
        }
        current.classes &= current.classes - 1
        current.examined = 0
        current.reclaimed = 0
        if current.classes == 0 {
          walk = nil
          return
        }
      }
    }
    walk = current
  }
}
