// A random run over the store itself, checked after each step: values of all sizes stored whole and in parts, read,
// held while they are sent, replaced, joined, touched, deleted, flushed and left to die, while the order of eviction
// changes, pages move, the limit goes down and up and the crawler is under way. A cache may forget, never lie; it may
// refuse a store only when what it could give up is in use. The same seed gives the same run.
@testable import CacheCore

struct StoreSimulationSettings: Sendable {
  var name = ""
  var change: @Sendable (inout StoreConfiguration) -> Void = { _ in }
  var keyCount = 150
  /// Sizes of values, and how many of them are of the first kinds.
  var sizes: [ClosedRange<Int>] = [0...60, 0...400, 300...3000, 2000...40_000]
  var mostUploads = 3
  var mostHolds = 4
  /// The limits that the store is given in turn, in bytes; the first is the one it begins with.
  var limits = [1 << 20]
  /// Steps between two looks at everything.
  var stepsPerCheck = 1
}

final class StoreSimulation {
  let settings: StoreSimulationSettings
  let seed: UInt64
  let test: TestStore
  private(set) var step = 0
  private(set) var failure: String?
  private(set) var refusals = 0
  private(set) var stored = 0
  private(set) var hits = 0
  private var random: SeededRandom
  private var entries: [String: StoredValue] = [:]
  private var uploads: [PartialUpload] = []
  private var holds: [HeldValue] = []
  private var crawl: Crawl?
  private var flushDue: UInt32 = 0
  private var limit: Int
  private var lastSteps: [String] = []
  private let evicts: Bool

  init(_ settings: StoreSimulationSettings, seed: UInt64) {
    self.settings = settings
    self.seed = seed
    random = SeededRandom(seed: seed &* 77 &+ 5)
    limit = settings.limits[0]
    var evicts = true
    test = TestStore {
      $0.memoryLimitBytes = settings.limits[0]
      $0.reserveBytes = settings.limits.max() ?? 0
      $0.hashPower = 6
      $0.itemSizeMaxBytes = settings.limits[0] / 2
      settings.change(&$0)
      evicts = $0.evictionsEnabled
    }
    self.evicts = evicts
  }

  func run(steps: Int) {
    while step < steps, failure == nil {
      step += 1
      takeStep()
      if step % settings.stepsPerCheck == 0 { check() }
    }
    uploads = []
    while !holds.isEmpty { release(0) }
    check()
    settle()
    check()
  }

  private func fail(_ text: String) {
    guard failure == nil else { return }
    failure =
      "\(settings.name), seed \(seed), step \(step): \(text); last: \(lastSteps.suffix(6).joined(separator: ", "))"
  }

  private func note(_ text: @autoclosure () -> String) {
    lastSteps.append(text())
    if lastSteps.count > 20 { lastSteps.removeFirst(10) }
  }

  // Steps.

  private func key() -> String {
    // Some keys are met often, so that there is something to read twice.
    let number =
      random.isOne(in: 3) ? random.number(0...(settings.keyCount / 10)) : random.number(0...settings.keyCount)
    return number % 7 == 0 ? "a longer key, number \(number)" : "\(number)"
  }

  private func newEntry() -> StoredValue {
    let size = random.number(random.pick(settings.sizes))
    let exptime: Int64 = random.isOne(in: 4) ? Int64(random.number(1...8)) : 0
    let flags: UInt32 = random.isOne(in: 4) ? 7 : 0
    return StoredValue(
      value: pattern(size, salt: random.number(0...5000)), flags: flags, exptime: exptime,
      lastSecond: exptime == 0 ? 0 : test.now + UInt32(exptime))
  }

  private func takeStep() {
    switch random.number(0...99) {
    case 0...29: read()
    case 30...49: setAtOnce()
    case 50...61: storeInParts()
    case 62...64: join()
    case 65...68: remove()
    case 69...70: touch()
    case 71...75: holdOne()
    case 76...80: if !holds.isEmpty { release(random.number(0...(holds.count - 1))) }
    case 81...84: goOn()
    case 85: abandon()
    case 86...88: advance(random.number(1...3))
    case 89...91: crawlSome()
    case 92...93: movePages()
    case 94: reassign()
    case 95: changeLimit()
    case 96: changeOrder()
    case 97: maintain()
    case 98: releasePages()
    default: flushOrGrow()
    }
  }

  private func read() {
    let key = key()
    note("read \(key)")
    let isPeek = random.isOne(in: 5)
    let found = isPeek ? test.peek(key) : test.read(key)
    compare(key, found)
    if found != nil { hits += 1 }
  }

  private func live(_ key: String) -> StoredValue? {
    guard let entry = entries[key] else { return nil }
    return entry.lastSecond == 0 || entry.lastSecond >= test.now ? entry : nil
  }

  private func compare(_ key: String, _ found: [UInt8]?) {
    guard let found else {
      entries[key] = nil
      return
    }
    guard let entry = live(key) else { return fail("\(key) is there, but should not be") }
    if !isSame(entry.value, found) {
      let place = zip(entry.value, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? -1
      fail("\(key) has \(found.count) bytes instead of \(entry.value.count), wrong from \(place) on")
    }
    if test.withItem(key, { $0.clientFlags }) != entry.flags { fail("\(key) has other flags") }
  }

  private func setAtOnce() {
    let (key, entry) = (key(), newEntry())
    note("set \(key) \(entry.value.count) exptime \(entry.exptime)")
    do {
      try test.set(key, entry.value, flags: entry.flags, exptime: entry.exptime)
      entries[key] = entry
      stored += 1
    } catch {
      if error == .noMemory { entries[key] = nil }
      noteRefusal(error, key, entry)
    }
  }

  private func storeInParts() {
    let (key, entry) = (key(), newEntry())
    let mode = random.pick([StoreMode.set, .set, .add, .replace])
    note("\(mode) \(key) \(entry.value.count) in parts")
    guard let upload = begin(key, entry, mode) else { return }
    uploads.append(upload)
    if random.isOne(in: 2) || uploads.count > settings.mostUploads {
      goOn(random.number(0...(uploads.count - 1)), all: true)
    }
  }

  private func begin(_ key: String, _ entry: StoredValue, _ mode: StoreMode) -> PartialUpload? {
    do {
      return try PartialUpload(test, key, entry, mode)
    } catch {
      noteRefusal(error, key, entry)
      return nil
    }
  }

  private func goOn() {
    guard !uploads.isEmpty else { return }
    goOn(random.number(0...(uploads.count - 1)), all: random.isOne(in: 2))
  }

  private func goOn(_ index: Int, all: Bool) {
    let upload = uploads[index]
    note("go on with \(upload.key)")
    guard upload.send(all ? .max / 2 : random.number(1...5000)) else { return }
    uploads.remove(at: index)
    let wasThere = test.has(upload.key)
    guard let outcome = upload.finish(test) else { return fail("an upload without a reservation") }
    finish(upload.key, upload.entry, upload.mode, outcome, wasThere)
  }

  private func finish(_ key: String, _ entry: StoredValue, _ mode: StoreMode, _ outcome: StoreOutcome, _ wasThere: Bool)
  {
    let expected: StoreOutcome =
      switch mode {
      case .add: wasThere ? .notStored : .stored
      case .replace: wasThere ? .stored : .notStored
      default: .stored
      }
    if outcome != expected { fail("\(mode) of \(key) answered \(outcome)") }
    if !wasThere { entries[key] = nil }
    guard outcome == .stored else { return }
    entries[key] = entry
    stored += 1
    // It was mortal from when its header came.
    if entry.lastSecond != 0, entry.lastSecond < test.now { entries[key] = nil }
  }

  private func join() {
    let key = key()
    let mode = random.pick([StoreMode.append, .prepend])
    let added = pattern(random.number(0...2000), salt: random.number(0...5000))
    note("\(mode) \(key) \(added.count)")
    let wasThere = test.has(key)
    if !wasThere { entries[key] = nil }
    guard let outcome = try? test.put(key, added, mode: mode) else { return }
    // The room for the added value alone may have cost the old one.
    guard outcome == .stored else { return }
    guard var entry = live(key) else { return fail("\(mode) to \(key), which should not be there") }
    entry.value = mode == .append ? entry.value + added : added + entry.value
    entries[key] = entry
    stored += 1
  }

  private func remove() {
    let key = key()
    note("delete \(key)")
    if test.delete(key), live(key) == nil { fail("\(key) was deleted, but should not have been there") }
    entries[key] = nil
  }

  private func touch() {
    let key = key()
    let seconds = random.number(0...6)
    note("touch \(key) \(seconds)")
    let now = test.now
    let touched =
      test.withItem(key) { item in
        item.exptime = seconds == 0 ? 0 : now + UInt32(seconds)
        test.store.value.noteMortal(item)
        test.store.value.bump(item, now: now)
        return true
      } ?? false
    guard touched else { return }
    if live(key) == nil { fail("\(key) was touched, but should not have been there") }
    entries[key]?.lastSecond = seconds == 0 ? 0 : now + UInt32(seconds)
  }

  private func holdOne() {
    guard holds.count < settings.mostHolds else { return release(0) }
    let key = key()
    note("hold \(key)")
    guard let hold = HeldValue(test, key) else { return }
    holds.append(hold)
    compare(key, hold.value)
  }

  private func release(_ index: Int) {
    let hold = holds.remove(at: index)
    note("release \(hold.value.count)")
    if !hold.release(test) { fail("a held value has changed") }
  }

  private func abandon() {
    guard !uploads.isEmpty else { return }
    note("abandon an upload")
    uploads.remove(at: random.number(0...(uploads.count - 1)))
  }

  private func advance(_ seconds: Int) {
    note("wait \(seconds)")
    for _ in 0..<seconds {
      test.advance(seconds: 1)
      if flushDue != 0, test.now >= flushDue {
        entries = [:]
        flushDue = 0
      }
    }
  }

  private func crawlSome() {
    if random.isOne(in: 10) {
      var classes = ClassSet()
      for _ in 0..<5 { classes.insert(random.number(1...(test.store.value.slabClassCount - 1))) }
      test.store.value.demandCrawl(classes)
    }
    var crawl = crawl ?? test.store.value.beginCrawl(now: test.now)
    note("crawl at page \(crawl.page), chunk \(crawl.chunk)")
    test.store.value.crawlStep(&crawl, chunks: random.pick([1, 7, 50, 5000]), now: test.now)
    if crawl.isDone || random.isOne(in: 20) {
      test.store.value.noteCrawlDone(crawl, now: test.now)
      self.crawl = nil
    } else {
      self.crawl = crawl
    }
  }

  private func movePages() {
    note("move pages")
    for _ in 0..<random.number(1...4) {
      _ = test.store.value.movePages(now: test.now) { [random] slabClass in random.hits(of: slabClass) }
    }
  }

  private func reassign() {
    let count = test.store.value.slabClassCount
    let source = random.number(-1...(count - 1))
    let destination = random.number(0...(count - 1))
    note("reassign \(source) \(destination)")
    let answer = test.store.value.requestMove(from: source, to: destination)
    if answer == .accepted, random.isOne(in: 2) { movePages() }
  }

  private func changeLimit() {
    limit = random.pick(settings.limits)
    note("limit \(limit)")
    _ = test.store.value.setMemoryLimit(bytes: limit)
  }

  private func changeOrder() {
    let order = random.pick(EvictionOrder.allCases)
    note("order \(order)")
    test.store.value.tunables[.order] = UInt64(order.rawValue)
    test.store.value.tunables[.temporaryLRU] = random.isOne(in: 2) ? 1 : 0
    test.store.value.tunables[.temporaryTTLSeconds] = 4
  }

  private func maintain() {
    note("maintain")
    _ = test.store.value.maintainLists(now: test.now)
  }

  /// Straight to the point: some classes lose a page, whether that is wise or not.
  private func releasePages() {
    for _ in 0..<random.number(1...5) {
      let slabClass = random.number(1...(test.store.value.slabClassCount - 1))
      note("release a page of \(slabClass)")
      _ = test.store.value.releasePage(of: slabClass, now: test.now)
    }
  }

  private func flushOrGrow() {
    switch random.number(0...9) {
    case 0:
      note("flush")
      test.store.value.flush(now: test.now)
      entries = [:]
      flushDue = 0
    case 1:
      note("flush later")
      flushDue = test.now + UInt32(random.number(1...4))
      test.store.value.flushLater(due: flushDue)
    default:
      note("grow")
      _ = test.store.value.growStep(buckets: random.number(1...30))
    }
  }

  // Checks.

  private func noteRefusal(_ error: ReservationFailure, _ key: String, _ entry: StoredValue) {
    guard error == .noMemory else { return }
    refusals += 1
    let isOverLimit = test.store.value.slabs.pagesInUse > test.store.value.slabs.pageLimit
    guard evicts, holds.isEmpty, uploads.isEmpty, !isOverLimit, entry.value.count < limit / 4 else { return }
    fail("no memory for \(entry.value.count) bytes, though nothing is in use")
  }

  private func check() {
    guard failure == nil else { return }
    var reserved = uploads.reduce(0) { $0 + $1.chunkCount }
    var linkedHolds = 0
    var seen: Set<UInt32> = []
    for hold in holds {
      if hold.item.flags.contains(.linked) {
        linkedHolds += 1
      } else if seen.insert(hold.item.ref.rawValue).inserted {
        reserved += test.store.value.stretchCount(of: hold.item)
      }
    }
    let broken = test.store.value.brokenInvariants(reservedChunks: reserved, holds: linkedHolds, during: crawl)
    if !broken.isEmpty { fail(broken.prefix(3).joined(separator: "; ")) }
  }

  /// Nothing is in use any more: the limit is reached, everything can be stored, what the crawler finds is gone, and
  /// all the memory comes back when everything is deleted.
  private func settle() {
    let store = test.store
    guard failure == nil else { return }
    for _ in 0..<2000 where store.value.movesPagesNow { _ = store.value.movePages(now: test.now) { _ in 0 } }
    if evicts, store.value.slabs.pagesToGiveBack > 0 {
      return fail("\(store.value.slabs.pagesInUse) pages in use, the limit is \(store.value.slabs.pageLimit)")
    }
    for _ in 0..<200 { setAtOnce() }
    for key in entries.keys.sorted() { compare(key, test.peek(key)) }
    advance(10)
    if let crawl { store.value.noteCrawlDone(crawl, now: test.now) }
    crawl = nil
    test.crawl()
    test.crawl()
    let living = entries.values.filter { $0.lastSecond == 0 || $0.lastSecond >= test.now }.count
    if store.value.itemCount > living { fail("\(store.value.itemCount) items, \(living) can be alive") }
    check()
    for key in entries.keys { test.delete(key) }
    if store.value.itemCount != 0 { fail("items are left that nobody knows") }
  }
}

extension SeededRandom {
  /// Something for the page mover that differs from class to class.
  fileprivate func hits(of slabClass: Int) -> UInt64 {
    var copy = self
    return copy.next() % 50 * UInt64(slabClass % 3)
  }
}
