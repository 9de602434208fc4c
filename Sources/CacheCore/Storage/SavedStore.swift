// What a warm restart has to know besides the items themselves, which lie in the memory file: the parameters that must
// be the same, the hash, the clock, what each page is, where each list begins. Written as one sequence of 64-bit words
// with a checksum at its end; read completely, and believed only then. It opens no file: see Docs/restart.md.
//
//   word 0      1                     2            3 ...                                      last
//        magic  version | byte order  words in all parameters, hash, clock, pages, lists      checksum of all before

/// Why nothing is taken over from before. The text is one line for the log.
public struct RestartRefusal: Error, Equatable {
  public let text: String
  public init(_ text: String) { self.text = text }

  static func invalid(_ reason: String) -> RestartRefusal {
    RestartRefusal("failed to validate metadata: \(reason); starting with a clean cache")
  }
  static func incompatible(_ name: String, old: String) -> RestartRefusal {
    RestartRefusal("restart incompatible due to setting for [\(name)] [old value: \(old)]")
  }
}

/// The time of a save, on both clocks.
public struct SavedClock: Equatable, Sendable {
  public var unixMilliseconds: Int64
  /// Milliseconds of the store's clock.
  public var storeMilliseconds: Int64
  /// Unix time at which the store's clock stood at ClockBase.startSeconds.
  public var startedAtUnixSeconds: Int64

  public init(unixMilliseconds: Int64, storeMilliseconds: Int64, startedAtUnixSeconds: Int64) {
    self.unixMilliseconds = unixMilliseconds
    self.storeMilliseconds = storeMilliseconds
    self.startedAtUnixSeconds = startedAtUnixSeconds
  }

  /// A wall clock may be set back by so much while the server is down; then no time has passed.
  private static let longestStepBackMilliseconds: Int64 = 2000
  private static let lastMilliseconds = Int64(Int32.max) * 1000

  /// The clock goes on as if the server had never been down, so that no time in any item has to be changed. It follows
  /// the wall clock where that was set meanwhile.
  public func continued(atUnixMilliseconds now: Int64) throws(RestartRefusal) -> SavedClock {
    guard storeMilliseconds >= Int64(ClockBase.startSeconds) * 1000,
      (0...SavedClock.lastMilliseconds * 1000).contains(unixMilliseconds)
    else { throw .invalid("its times cannot be") }
    let down = now - unixMilliseconds
    guard down >= -SavedClock.longestStepBackMilliseconds else { throw .invalid("it was written in the future") }
    let store = storeMilliseconds.addingReportingOverflow(max(0, down))
    // No clock began before 1970: dumps write its times as numbers without a sign.
    guard !store.overflow, store.partialValue < min(SavedClock.lastMilliseconds, now - 2000) else {
      throw .invalid("its times cannot be")
    }
    let started = (now - store.partialValue) / 1000 + Int64(ClockBase.startSeconds)
    // Reading two clocks one after the other may differ by one.
    let isSame = (started - 1...started + 1).contains(startedAtUnixSeconds)
    return SavedClock(
      unixMilliseconds: now, storeMilliseconds: store.partialValue,
      startedAtUnixSeconds: isSame ? startedAtUnixSeconds : started)
  }
}

/// One page of the arena, from page 1 on.
struct SavedPage: Equatable, Sendable {
  /// 0: in the pool.
  var slabClass: Int
  /// Chunks that were ever used.
  var freshIndex: Int
  /// Of the chunks below it; 0 in the pool.
  var checksum: UInt64
}

public struct SavedStore: Equatable, Sendable {
  /// What must be the same in the store that goes on with the items.
  struct Parameters: Equatable, Sendable {
    var layout: UInt64
    var maxBytes: UInt64
    var itemSizeMax: UInt64
    var pageByteCount: UInt64
    var arenaByteCount: UInt64
    var unitByteCount: UInt64
    var casByteCount: UInt64
  }

  var parameters: Parameters
  var shapes: [ClassShape]
  var keyHash: KeyHash
  public var clock: SavedClock
  var lastCAS: UInt64
  var flushBarrier: UInt64
  var pendingFlush: UInt64
  var lastFlushSecond: UInt64
  var hashPower: UInt64
  var pages: [SavedPage]
  /// The newest item of each list: four for each class, from class 1 on.
  var heads: [UInt64]

  static let magic: UInt64 = 0x7472_6174_7365_7277  // "wrestart"
  /// Raised when the words mean something else; the layout of items is a parameter of its own.
  static let version: UInt64 = 1
  private static let byteOrder: UInt64 = 0x0102_0304
  static let checksumSeed: UInt64 = 0x6d65_7461

  /// A number that changes when items are laid out in another way.
  static let layout: UInt64 = {
    let fields = [
      ItemLayout.hashNext, ItemLayout.next, ItemLayout.previous, ItemLayout.lastAccess, ItemLayout.exptime,
      ItemLayout.sizeAndSegment, ItemLayout.holdsAndReads, ItemLayout.keyByteCount, ItemLayout.flags,
      ItemLayout.fixedByteCount, ItemLayout.maximumHeaderByteCount, ItemLayout.chunkHeaderByteCount,
      ItemLayout.chunkHash, ItemLayout.chainHeadByteCount, Int(ItemLayout.valueByteCountMask),
      Int(ItemLayout.holdsMask),
    ]
    let flags: [ItemFlags] = [
      .linked, .fetched, .hasClientFlags, .chunked, .stale, .tokenSent, .keyIsEncoded,
    ]
    return (fields + flags.map { Int($0.rawValue) }).reduce(1) { ($0 &* 1_000_003) ^ UInt64($1) }
  }()

}

// Writing.

extension SavedStore {
  /// The whole as bytes, checksum and all.
  public var bytes: [UInt8] {
    var words = [SavedStore.magic, SavedStore.version << 32 | SavedStore.byteOrder, 0]
    words += [
      parameters.layout, parameters.maxBytes, parameters.itemSizeMax, parameters.pageByteCount,
      parameters.arenaByteCount, parameters.unitByteCount, parameters.casByteCount,
    ]
    words.append(UInt64(shapes.count))
    for shape in shapes { words += [UInt64(shape.chunkByteCount), UInt64(shape.itemLimit)] }
    words += [keyHash.seed, keyHash.secret]
    words += [clock.unixMilliseconds, clock.storeMilliseconds, clock.startedAtUnixSeconds].map(UInt64.init(bitPattern:))
    words += [lastCAS, flushBarrier, pendingFlush, lastFlushSecond, hashPower]
    words.append(UInt64(pages.count))
    for page in pages { words += [UInt64(page.slabClass) << 32 | UInt64(page.freshIndex), page.checksum] }
    words.append(UInt64(heads.count))
    words += heads
    words[2] = UInt64(words.count + 1)
    var bytes = words.flatMap { SavedStore.bytes(of: $0) }
    bytes += SavedStore.bytes(of: Checksum.of(bytes, seed: SavedStore.checksumSeed))
    return bytes
  }

  private static func bytes(of word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }

}

// Reading.

extension SavedStore {
  /// Reads what `bytes` wrote. Nothing of it is compared with anything yet: that is the store's business.
  public init(bytes: [UInt8]) throws(RestartRefusal) {
    var reader = try WordReader(bytes)
    let layout = try reader.next()
    parameters = Parameters(
      layout: layout, maxBytes: try reader.next(), itemSizeMax: try reader.next(), pageByteCount: try reader.next(),
      arenaByteCount: try reader.next(), unitByteCount: try reader.next(), casByteCount: try reader.next())
    shapes = []
    for _ in 0..<(try reader.nextCount(wordsEach: 2)) {
      shapes.append(ClassShape(chunkByteCount: try reader.nextInt(), itemLimit: try reader.nextInt()))
    }
    keyHash = KeyHash(seed: try reader.next(), secret: try reader.next())
    clock = SavedClock(
      unixMilliseconds: Int64(try reader.nextInt()), storeMilliseconds: Int64(try reader.nextInt()),
      startedAtUnixSeconds: Int64(try reader.nextInt()))
    (lastCAS, flushBarrier) = (try reader.next(), try reader.next())
    (pendingFlush, lastFlushSecond, hashPower) = (try reader.next(), try reader.next(), try reader.next())
    pages = []
    for _ in 0..<(try reader.nextCount(wordsEach: 2)) {
      let word = try reader.next()
      pages.append(
        SavedPage(
          slabClass: Int(word >> 32), freshIndex: Int(word & 0xffff_ffff), checksum: try reader.next()))
    }
    heads = []
    for _ in 0..<(try reader.nextCount(wordsEach: 1)) { heads.append(try reader.next()) }
    try reader.finish()
  }

  /// Words one after the other, after the checksum was found right.
  private struct WordReader {
    private let bytes: [UInt8]
    private var index = 3

    init(_ bytes: [UInt8]) throws(RestartRefusal) {
      self.bytes = bytes
      guard bytes.count >= 4 * 8, word(0) == SavedStore.magic else { throw .invalid("it is none of ours") }
      guard word(1) & 0xffff_ffff == SavedStore.byteOrder else { throw .invalid("it has another byte order") }
      guard word(1) >> 32 == SavedStore.version else { throw .invalid("it has version \(word(1) >> 32)") }
      guard bytes.count % 8 == 0, word(2) == UInt64(bytes.count / 8) else { throw .invalid("it is cut off") }
      let checksum = Checksum.of(Array(bytes.dropLast(8)), seed: SavedStore.checksumSeed)
      guard checksum == word(bytes.count / 8 - 1) else {
        throw .invalid("its checksum is wrong")
      }
    }

    private func word(_ index: Int) -> UInt64 {
      bytes[(index * 8)..<(index * 8 + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Words left before the checksum.
    private var left: Int { bytes.count / 8 - 1 - index }

    mutating func next() throws(RestartRefusal) -> UInt64 {
      guard left > 0 else { throw .invalid("it is cut off") }
      index += 1
      return word(index - 1)
    }

    mutating func nextInt() throws(RestartRefusal) -> Int { Int(bitPattern: UInt(try next())) }

    /// How many entries follow, which must all be there.
    mutating func nextCount(wordsEach: Int) throws(RestartRefusal) -> Int {
      let count = try next()
      guard count <= UInt64(left / wordsEach) else { throw .invalid("it is cut off") }
      return Int(count)
    }

    func finish() throws(RestartRefusal) {
      guard left == 0 else { throw .invalid("it is longer than it says") }
    }
  }
}

extension StoreConfiguration {
  /// A store made of this will be able to go on with what was saved: it hashes alike, and its table begins as large as
  /// the old one was, as far as that makes sense.
  public mutating func prepare(for saved: SavedStore) {
    keyHash = saved.keyHash
    guard hashExpandEnabled, saved.hashPower <= UInt64(HashTable.maximumPower) else { return }
    let mostBuckets = UInt64(max(memoryLimitBytes, 1) / ItemLayout.fixedByteCount)
    let mostPower = UInt64.bitWidth - 1 - max(mostBuckets, 1).leadingZeroBitCount
    hashPower = max(hashPower, min(Int(saved.hashPower), mostPower))
  }
}
