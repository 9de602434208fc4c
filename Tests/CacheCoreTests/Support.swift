// What the core's tests share: byte buffers from text, and a store with a clock that is moved by hand. Everything
// random here comes from a seed that a failing test names, so every failure can be played again. No sockets, no
// threads, no real time.
import Foundation
import TestSupport

@testable import CacheCore

typealias SeededRandom = TestSupport.SeededRandom

/// The number that an environment variable gives, for longer runs than the default ones.
func environmentNumber(_ name: String) -> UInt64? {
  ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
}

/// How much of `byteCount` bytes from the page of `address` on is in memory. (A mapping as a whole says nothing:
/// the kernel joins neighbours.)
func residentBytes(from address: UInt, byteCount: Int) -> Int {
  var pages = [UInt8](repeating: 0, count: (byteCount + 4095) / 4096)
  let start = UnsafeMutableRawPointer(bitPattern: address & ~4095)
  guard let start, mincore(start, byteCount, &pages) == 0 else { return -1 }
  return pages.reduce(0) { $0 + Int($1 & 1) } * 4096
}

/// Whether `bytes` begin with `start`: memcmp, because comparing megabytes element by element is slow without
/// optimisation.
func starts(_ bytes: ArraySlice<UInt8>, with start: [UInt8]) -> Bool {
  guard bytes.count >= start.count else { return false }
  if start.isEmpty { return true }
  return bytes.withUnsafeBytes { bytes in
    start.withUnsafeBytes { memcmp(bytes.baseAddress!, $0.baseAddress!, $0.count) == 0 }
  }
}

func isSame(_ bytes: [UInt8], _ others: [UInt8]) -> Bool {
  bytes.count == others.count && starts(bytes[...], with: others)
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Noise that all patterns are cut from; made once.
private let noise: [UInt8] = {
  var random = SeededRandom(seed: 0x6e6f_6973_65)
  return random.bytes(4 << 20)
}()

/// Bytes without a period, so that a chunk at the wrong place shows; another salt gives other bytes. At most 3 MB.
func pattern(_ count: Int, salt: Int = 0) -> [UInt8] {
  let start = salt * 251 % 65_521
  return Array(noise[start..<(start + count)])
}

/// A receive buffer that holds `bytes`, with the slack that parsers rely on. The bytes begin at `start`.
func receiveBuffer(_ bytes: [UInt8], at start: Int = 0) -> ByteBuffer {
  var buffer = ByteBuffer(capacity: bytes.count + start)
  if start > 0 {
    [UInt8](repeating: 0x2e, count: start).withUnsafeBytes { buffer.append($0.bytes) }
  }
  bytes.withUnsafeBytes { buffer.append($0.bytes) }
  if start > 0, !bytes.isEmpty { buffer.consume(start) }
  return buffer
}

/// Calls `body` with `bytes` as a span with slack, and the range that they are.
func withInput<Result>(_ bytes: [UInt8], _ body: (RawSpan, ByteRange) -> Result) -> Result {
  let buffer = receiveBuffer(bytes)
  return body(buffer.span, ByteRange(start: 0, end: bytes.count))
}

extension StoreConfiguration {
  /// The order that the store evicts in; for the copies of this configuration too.
  var order: EvictionOrder {
    get { tunables.order }
    nonmutating set { tunables.setDefault(.order, UInt64(newValue.rawValue)) }
  }
}

/// A store of its own for one test, with a clock that only the test moves.
final class TestStore {
  let store: Pinned<Store>
  var now = ClockBase.startSeconds
  private let isOwner: Bool
  static let startedAtUnixSeconds: Int64 = 1_700_000_000

  init(_ change: (inout StoreConfiguration) -> Void = { _ in }) {
    var configuration = StoreConfiguration()
    configuration.memoryLimitBytes = 8 << 20
    configuration.hashPower = 10
    configuration.workerCount = 1
    configuration.startedAtUnixSeconds = TestStore.startedAtUnixSeconds
    change(&configuration)
    store = Store.make(configuration)!
    isOwner = true
  }

  /// Another thread's way to the same store, with a clock of its own. The first outlives it.
  init(sharing store: Pinned<Store>, now: UInt32) {
    self.store = store
    self.now = now
    isOwner = false
  }

  deinit { if isOwner { store.destroy() } }

  /// Stores as a client does: `exptime` in the client's terms. Throws what the reservation throws.
  @discardableResult
  func put(
    _ key: String, _ value: [UInt8], flags: UInt32 = 0, exptime: Int64 = 0, mode: StoreMode = .set, cas: UInt64 = 0
  ) throws(ReservationFailure) -> StoreOutcome {
    var reservation = try reserve(key, value.count, flags: flags, exptime: exptime)
    let taken = value.withUnsafeBytes { reservation.fill($0.bytes) }
    precondition(taken == value.count && reservation.missingByteCount == 0)
    return Store.commit(store, reservation, StoreTerms(mode: mode, expectedCAS: cas), now: now).outcome
  }

  /// Stores a value that is all there, as a complete `set` command does.
  func set(_ key: String, _ value: [UInt8], flags: UInt32 = 0, exptime: Int64 = 0) throws(ReservationFailure) {
    let buffer = receiveBuffer(bytes(key) + value)
    let keyEnd = key.utf8.count
    _ = try Store.set(
      store, key: buffer.span.slice(ByteRange(start: 0, end: keyEnd)), clientFlags: flags,
      exptime: store.value.clockBase.exptime(exptime, now: now),
      value: buffer.span.slice(ByteRange(start: keyEnd, end: buffer.count)), now: now)
  }

  func reserve(
    _ key: String, _ valueByteCount: Int, flags: UInt32 = 0, exptime: Int64 = 0
  ) throws(ReservationFailure) -> Reservation {
    let buffer = receiveBuffer(bytes(key))
    return try Store.reserve(
      store, key: buffer.span.slice(ByteRange(start: 0, end: buffer.count)), clientFlags: flags,
      exptime: store.value.clockBase.exptime(exptime, now: now), valueByteCount: valueByteCount, now: now)
  }

  /// Calls `body` with the live item of `key`, locked; nil when there is none.
  func withItem<Result>(_ key: String, _ body: (Item) -> Result) -> Result? {
    let buffer = receiveBuffer(bytes(key))
    let span = buffer.span.slice(ByteRange(start: 0, end: buffer.count))
    let hash = store.value.hash(span)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(span, hash, now: now, held).item else { return nil }
    return body(item)
  }

  /// The item of `key`, held; nil when it is not there or nobody more may hold it.
  func hold(_ key: String) -> Item? {
    withItem(key) { store.value.hold($0) ? $0 : nil } ?? nil
  }

  /// The value of `key` without counting as a read.
  func peek(_ key: String) -> [UInt8]? { withItem(key) { value(of: $0) } }

  func has(_ key: String) -> Bool { withItem(key) { _ in true } ?? false }

  /// Reads `key` as a get does.
  @discardableResult
  func read(_ key: String) -> [UInt8]? {
    withItem(key) {
      store.value.bump($0, now: now)
      return value(of: $0)
    }
  }

  func value(of item: Item) -> [UInt8] {
    var value: [UInt8] = []
    store.value.forEachStretch(of: item) { value += $0.bytes }
    return value
  }

  @discardableResult
  func delete(_ key: String) -> Bool {
    let buffer = receiveBuffer(bytes(key))
    let span = buffer.span.slice(ByteRange(start: 0, end: buffer.count))
    let hash = store.value.hash(span)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(span, hash, now: now, held).item else { return false }
    store.value.unlink(item, hash, held)
    return true
  }

  /// Moves the clock second by second, as the server does.
  func advance(seconds: UInt32) {
    for _ in 0..<seconds {
      now += 1
      store.value.tick(now: now)
    }
  }

  func releasePage(of slabClass: Int) -> Bool { store.value.releasePage(of: slabClass, now: now) }

  /// One turn of the page mover; returns whether it has more to do.
  @discardableResult
  func movePages() -> Bool {
    _ = store.value.movePages(now: now) { _ in 0 }
    return store.value.movesPagesNow
  }

  /// Turns of the page mover until it has nothing to do.
  func settlePages() {
    for _ in 0..<20_000 where store.value.movesPagesNow { movePages() }
  }

  /// A whole run of the crawler.
  @discardableResult
  func crawl(chunksPerStep: Int = 100) -> Crawl {
    var crawl = store.value.beginCrawl(now: now)
    while !crawl.isDone { store.value.crawlStep(&crawl, chunks: chunksPerStep, now: now) }
    store.value.noteCrawlDone(crawl, now: now)
    return crawl
  }

  func growStep(buckets: Int) -> Bool { store.value.growStep(buckets: buckets) }

  var statistics: ClassStatistics { store.value.figures().statistics }
  func broken(reservedChunks: Int = 0, holds: Int = 0) -> [String] {
    store.value.brokenInvariants(reservedChunks: reservedChunks, holds: holds)
  }

  /// The class that an item of this size lies in.
  func slabClass(key: String, valueByteCount: Int) -> Int {
    store.value.slabs.classes.slabClass(
      for: ItemLayout.overhead(keyByteCount: key.utf8.count, hasClientFlags: false, casByteCount: 8) + valueByteCount)
  }
}

extension Store {
  /// How many contiguous parts the value of an item has.
  func stretchCount(of item: Item) -> Int {
    var count = 0
    forEachStretch(of: item) { _ in count += 1 }
    return count
  }
}
