// Several threads on one store, and one that does what the server's maintenance does: pages move, the limit goes down
// and up, the order changes, the crawler runs, the table grows. Each key is written by one thread, which knows what it
// must read; the others check that what they read is whole and the key's own. STRESS_SECONDS makes it longer.
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import CacheCore

private struct StressSettings: Sendable {
  var name: String
  var change: @Sendable (inout StoreConfiguration) -> Void
  var sizes: [ClosedRange<Int>]
  var keyCount = 400
  var limits: [Int]
  /// Values that are kept half stored or half sent for a while.
  var keepsInFlight = true
}

/// What the threads share besides the store.
private final class StressState: Sendable {
  let now = Atomic<UInt32>(ClockBase.startSeconds)
  let isOver = Atomic<Bool>(false)
  let faults = Mutex<[String]>([])
  let counts = AtomicCells(count: 4)
  func fail(_ text: String) { faults.withLock { if $0.count < 5 { $0.append(text) } } }
  deinit { counts.destroy() }
}

/// One client thread.
private final class StressClient {
  static let stored = 0
  static let refused = 1
  static let read = 2
  static let forgotten = 3
  private let settings: StressSettings
  private let state: StressState
  private let test: TestStore
  private let index: Int
  private let threadCount: Int
  private var random: SeededRandom
  /// What this thread's keys hold, if they still do.
  private var own: [Int: StoredValue] = [:]
  private var uploads: [(number: Int, upload: PartialUpload)] = []
  private var holds: [HeldValue] = []

  init(_ settings: StressSettings, _ state: StressState, _ store: Pinned<Store>, index: Int, of threadCount: Int) {
    self.settings = settings
    self.state = state
    self.index = index
    self.threadCount = threadCount
    test = TestStore(sharing: store, now: ClockBase.startSeconds)
    random = SeededRandom(seed: UInt64(index) * 17 + 3)
  }

  func run() {
    while !state.isOver.load(ordering: .relaxed) {
      test.now = state.now.load(ordering: .relaxed)
      step()
    }
    uploads = []
    while !holds.isEmpty { release() }
  }

  private func name(_ number: Int) -> String { "key \(number)" }
  private func anyNumber() -> Int { random.number(0...(settings.keyCount - 1)) }
  private func ownNumber() -> Int { anyNumber() / threadCount * threadCount + index }

  /// A record says whose it is and how long it is; a value is a row of them.
  private func record(_ number: Int) -> [UInt8] {
    let size = random.number(random.pick(settings.sizes))
    let salt = random.number(0...60_000)
    return bytes("\(number) \(salt) \(size)\n") + pattern(size, salt: salt)
  }

  private func isWhole(_ value: [UInt8], _ number: Int) -> Bool {
    var rest = value[...]
    repeat {
      guard let end = rest.prefix(40).firstIndex(of: 10) else { return false }
      let words = String(decoding: rest[..<end], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
      guard words.count == 3, words[0] == number, rest.count >= end + 1 - rest.startIndex + words[2] else {
        return false
      }
      guard starts(rest[(end + 1)...], with: pattern(words[2], salt: words[1])) else { return false }
      rest = rest[(end + 1 + words[2])...]
    } while !rest.isEmpty
    return true
  }

  private func step() {
    switch random.number(0...19) {
    case 0...5: readAny()
    case 6...7: readOwn()
    case 8...11: set()
    case 12...13: storeInParts()
    case 14: join()
    case 15: remove()
    case 16: touch()
    case 17: holdOne()
    case 18: release()
    default: finishUpload()
    }
  }

  private func readAny() {
    let number = anyNumber()
    if let value = test.read(name(number)), !isWhole(value, number) {
      state.fail("\(number) is torn: \(value.count) bytes")
    }
    state.counts.add(StressClient.read, 1)
  }

  private func readOwn() {
    let number = ownNumber()
    check(number, test.read(name(number)))
  }

  private func check(_ number: Int, _ found: [UInt8]?) {
    guard let found else {
      if own[number] != nil { state.counts.add(StressClient.forgotten, 1) }
      own[number] = nil
      return
    }
    guard let entry = own[number] else { return state.fail("\(number) came back") }
    if entry.lastSecond != 0, entry.lastSecond < test.now { state.fail("\(number) lives on") }
    if !isSame(entry.value, found) { state.fail("\(number) is not what was stored: \(found.count) bytes") }
  }

  private func newEntry(_ number: Int) -> StoredValue {
    let exptime: Int64 = random.isOne(in: 5) ? Int64(random.number(1...20)) : 0
    return StoredValue(
      value: record(number), flags: random.isOne(in: 3) ? 9 : 0, exptime: exptime,
      lastSecond: exptime == 0 ? 0 : test.now + UInt32(exptime))
  }

  private func set() {
    let number = ownNumber()
    let entry = newEntry(number)
    do {
      try test.set(name(number), entry.value, flags: entry.flags, exptime: entry.exptime)
      own[number] = entry
      state.counts.add(StressClient.stored, 1)
    } catch {
      // Whether the old value went with it is for the next read to see.
      if test.peek(name(number)) == nil { own[number] = nil }
      state.counts.add(StressClient.refused, 1)
    }
  }

  private func storeInParts() {
    guard settings.keepsInFlight else { return set() }
    let number = ownNumber()
    guard !uploads.contains(where: { $0.number == number }), uploads.count < 2 else { return finishUpload() }
    do {
      let upload = try PartialUpload(test, name(number), newEntry(number), .set)
      _ = upload.send(random.number(0...5000))
      uploads.append((number, upload))
    } catch {
      state.counts.add(StressClient.refused, 1)
    }
  }

  private func finishUpload() {
    guard !uploads.isEmpty else { return }
    let (number, upload) = uploads.removeFirst()
    if random.isOne(in: 5) { return }
    _ = upload.send(.max / 2)
    guard upload.finish(test) == .stored else { return state.fail("a set was not stored") }
    own[number] = upload.entry
    // The clock may have passed the time it was given.
    state.counts.add(StressClient.stored, 1)
  }

  private func join() {
    let number = ownNumber()
    guard var entry = own[number], entry.value.count < 200_000 else { return }
    let added = record(number)
    let mode = random.pick([StoreMode.append, .prepend])
    guard let outcome = try? test.put(name(number), added, mode: mode), outcome == .stored else {
      return check(number, test.peek(name(number)))
    }
    entry.value = mode == .append ? entry.value + added : added + entry.value
    own[number] = entry
    state.counts.add(StressClient.stored, 1)
  }

  private func remove() {
    let number = ownNumber()
    test.delete(name(number))
    own[number] = nil
    if test.peek(name(number)) != nil { state.fail("\(number) survived its deletion") }
  }

  private func touch() {
    let number = ownNumber()
    let until = test.now + UInt32(random.number(1...10))
    let touched =
      test.withItem(name(number)) { item in
        item.exptime = until
        test.store.value.noteMortal(item)
        return true
      } ?? false
    if touched { own[number]?.lastSecond = until }
  }

  private func holdOne() {
    guard settings.keepsInFlight, holds.count < 3 else { return release() }
    let number = anyNumber()
    guard let hold = HeldValue(test, name(number)) else { return }
    if !isWhole(hold.value, number) { state.fail("\(number) is torn when it is held") }
    holds.append(hold)
  }

  private func release() {
    guard !holds.isEmpty else { return }
    if !holds.removeFirst().release(test) { state.fail("a held value has changed") }
  }
}

struct StoreThreadsTests {
  private static let seconds = Double(environmentNumber("STRESS_SECONDS") ?? 2)
  private static let threadCount = 4

  private static let all: [StressSettings] = [
    StressSettings(
      name: "fitted, 1 MB", change: { $0.slabs.rule = .fitted(memoryByteCount: 1 << 20) },
      sizes: [0...300, 0...3000, 500...20_000], limits: [1 << 20, 600 << 10, 2 << 20]),
    StressSettings(
      name: "fitted, 4 MB, large values", change: { $0.slabs.rule = .fitted(memoryByteCount: 4 << 20) },
      sizes: [0...300, 20_000...100_000, 100_000...250_000], keyCount: 120, limits: [4 << 20, 3 << 20, 5 << 20]),
    StressSettings(
      name: "reference, small chunks",
      change: {
        $0.slabs.explicitSizes = [100, 200, 500, 1000]
        $0.slabs.chunkMaxByteCount = 2048
      }, sizes: [0...300, 1000...60_000], keyCount: 300, limits: [4 << 20, 2 << 20, 6 << 20]),
    StressSettings(
      name: "fitted, nothing in flight", change: { $0.slabs.rule = .fitted(memoryByteCount: 1 << 20) },
      sizes: [0...300, 0...3000, 500...20_000], limits: [1 << 20], keepsInFlight: false),
    StressSettings(
      name: "without CAS, segmented",
      change: {
        $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
        $0.casEnabled = false
        $0.order = .segmented
      }, sizes: [900...1000, 2000...2100], keyCount: 2000, limits: [2 << 20, 1 << 20]),
  ]

  @Test(arguments: all.indices) func nobodySeesWhatIsNotHis(_ index: Int) {
    let settings = StoreThreadsTests.all[index]
    let test = TestStore {
      $0.memoryLimitBytes = settings.limits[0]
      $0.reserveBytes = settings.limits.max() ?? 0
      $0.hashPower = 6
      $0.workerCount = 1
      settings.change(&$0)
    }
    let state = StressState()
    let store = test.store
    let threads = StoreThreadsTests.threadCount
    _ = onThreads(threads + 1) { thread in
      if thread < threads {
        StressClient(settings, state, store, index: thread, of: threads).run()
      } else {
        StoreThreadsTests.maintain(settings, state, store)
      }
    }
    #expect(state.faults.withLock { $0 } == [], "\(settings.name)")
    #expect(test.broken() == [], "\(settings.name)")
    let counts = (0..<4).map { Int(state.counts.load($0)) }
    let moves = PageMoveCount.allCases.map { "\($0) \(store.value.moveCounts[$0])" }.joined(separator: ", ")
    print(
      "threads, \(settings.name): \(counts[0]) stored, \(counts[1]) refused, \(counts[2]) read,"
        + " \(counts[3]) forgotten; \(moves); \(test.statistics.evicted) evicted")
    #expect(counts[0] > 100)
    // Only what is in flight can be in the way of a store.
    #expect(counts[1] <= (settings.keepsInFlight ? counts[0] / 100 : 0), "\(settings.name)")
    // When everything is deleted, every chunk is free.
    test.now = state.now.load(ordering: .relaxed)
    for number in 0..<(settings.keyCount + threads) { test.delete("key \(number)") }
    #expect(store.value.itemCount == 0)
    #expect(test.broken() == [])
  }

  /// What the maintenance thread does, faster and with an operator who cannot make up his mind.
  private static func maintain(_ settings: StressSettings, _ state: StressState, _ store: Pinned<Store>) {
    var random = SeededRandom(seed: 99)
    let end = Date().addingTimeInterval(seconds)
    var crawl: Crawl?
    var now = ClockBase.startSeconds
    while Date() < end, state.faults.withLock({ $0.isEmpty }) {
      switch random.number(0...30) {
      case 0:
        now += 1
        store.value.tick(now: now)
        state.now.store(now, ordering: .relaxed)
      case 1: _ = store.value.setMemoryLimit(bytes: random.pick(settings.limits))
      case 2: store.value.tunables[.order] = UInt64(random.pick(EvictionOrder.allCases).rawValue)
      case 3...5:
        let last = store.value.slabClassCount - 1
        _ = store.value.requestMove(from: random.number(-1...last), to: random.number(0...last))
      case 6...9: _ = store.value.releasePage(of: random.number(1...(store.value.slabClassCount - 1)), now: now)
      case 10...12: _ = store.value.maintainLists(now: now)
      case 13...16: _ = store.value.growStep(buckets: 4)
      case 17...24: _ = store.value.movePages(now: now) { UInt64($0 % 7) * UInt64(now) }
      case 25: usleep(200)
      default:
        var current = crawl ?? store.value.beginCrawl(now: now)
        store.value.crawlStep(&current, chunks: 100, now: now)
        if current.isDone { store.value.noteCrawlDone(current, now: now) }
        crawl = current.isDone ? nil : current
      }
    }
    if let crawl { store.value.noteCrawlDone(crawl, now: now) }
    state.isOver.store(true, ordering: .relaxed)
  }
}
