// Reserve, fill, commit, drop: what is stored byte for byte, what each mode answers, and that whatever is dropped at
// any moment leaves nothing behind. Values around every chunk boundary, for several chunk sizes.
import Testing

@testable import CacheCore

struct StoringTests {
  @Test func modesAnswerWhatTheyFound() throws {
    let test = TestStore()
    #expect(try test.put("a", bytes("1"), mode: .replace) == .notStored)
    #expect(try test.put("a", bytes("1"), mode: .append) == .notStored)
    #expect(try test.put("a", bytes("1"), mode: .prepend) == .notStored)
    #expect(try test.put("a", bytes("1"), mode: .cas, cas: 1) == .notFound)
    #expect(!test.has("a"))
    #expect(try test.put("a", bytes("1"), mode: .add) == .stored)
    #expect(try test.put("a", bytes("2"), mode: .add) == .notStored)
    #expect(test.peek("a") == bytes("1"))
    let unique = try #require(test.withItem("a") { $0.cas })
    #expect(try test.put("a", bytes("3"), mode: .cas, cas: unique + 1) == .exists)
    #expect(test.peek("a") == bytes("1"))
    #expect(try test.put("a", bytes("3"), mode: .cas, cas: unique) == .stored)
    #expect(try test.put("a", bytes("4"), mode: .cas, cas: unique) == .exists)
    #expect(try test.put("a", bytes("5"), mode: .replace) == .stored)
    #expect(try test.put("a", bytes("6"), mode: .append) == .stored)
    #expect(try test.put("a", bytes("4"), mode: .prepend) == .stored)
    #expect(test.peek("a") == bytes("456"))
    #expect(try test.put("a", bytes("7")) == .stored)
    #expect(test.peek("a") == bytes("7"))
    #expect(test.broken() == [])
  }

  @Test func everyCommitTakesANewUniqueFromTwoOn() throws {
    let test = TestStore()
    try test.put("a", [])
    #expect(test.withItem("a") { $0.cas } == 2)
    try test.put("a", [], mode: .add)
    try test.put("b", [], mode: .append)
    try test.put("b", [])
    #expect(test.withItem("b") { $0.cas } == 5)
    #expect(test.withItem("a") { $0.cas } == 2)
  }

  @Test func joiningKeepsFlagsAndExpirationTimeOfTheOld() throws {
    let test = TestStore()
    try test.put("a", bytes("old"), flags: 7, exptime: 100)
    try test.put("a", bytes("+new"), flags: 9, exptime: 5, mode: .append)
    try test.put("a", bytes("new+"), flags: 0, exptime: 0, mode: .prepend)
    let kept = try #require(test.withItem("a") { ($0.clientFlags, $0.exptime) })
    #expect(kept == (7, test.now + 100))
    #expect(test.peek("a") == bytes("new+old+new"))
  }

  @Test func withoutCASNothingIsKept() throws {
    let test = TestStore { $0.casEnabled = false }
    try test.put("a", bytes("1"), flags: 3)
    #expect(test.withItem("a") { $0.cas } == 0)
    #expect(try test.put("a", bytes("2"), mode: .cas, cas: 0) == .exists)
    #expect(test.peek("a") == bytes("1"))
    #expect(test.withItem("a") { $0.totalByteCount } == 28 + 4 + 1 + 1)
  }

  @Test func droppedReservationsLeaveNothingBehind() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 4096 }
    try test.put("kept", bytes("value"))
    for size in [0, 1, 100, 4000, 4096, 10_000, 300_000] {
      for filled in [0, 1, size / 2, size - 1, size] where filled >= 0 && filled <= size {
        do {
          var reservation = try test.reserve("kept", size)
          let taken = pattern(filled).withUnsafeBytes { reservation.fill($0.bytes) }
          let missing = reservation.missingByteCount
          #expect(taken == filled && missing == size - filled)
        }
        #expect(test.broken() == [], "\(filled) of \(size)")
      }
    }
    #expect(test.peek("kept") == bytes("value"))
    #expect(test.store.value.itemCount == 1)
  }

  @Test func refusedCommitsLeaveNothingBehind() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 4096 }
    try test.put("a", bytes("1"))
    for size in [10, 5000, 50_000] {
      #expect(try test.put("a", pattern(size), mode: .add) == .notStored)
      #expect(try test.put("a", pattern(size), mode: .cas, cas: 999) == .exists)
      for mode in [StoreMode.replace, .append, .prepend] {
        #expect(try test.put("b", pattern(size), mode: mode) == .notStored)
      }
      #expect(try test.put("b", pattern(size), mode: .cas) == .notFound)
      #expect(test.broken() == [])
    }
    #expect(test.store.value.itemCount == 1)
  }

  @Test func theLimitIsOfTheWholeItem() throws {
    let test = TestStore { $0.itemSizeMaxBytes = 2000 }
    let largest = 2000 - 28 - 8 - 3
    #expect(try test.put("abc", pattern(largest)) == .stored)
    #expect(throws: ReservationFailure.tooLarge) { try test.put("abc", pattern(largest + 1)) }
    #expect(try test.put("abc", pattern(largest - 4), flags: 1) == .stored)
    #expect(throws: ReservationFailure.tooLarge) { try test.put("abc", pattern(largest - 3), flags: 1) }
    // A join over the limit changes nothing.
    #expect(try test.put("abc", pattern(5), mode: .append) == .notStored)
    #expect(test.peek("abc") == pattern(largest - 4))
    #expect(test.broken() == [])
  }

  // Chunked items.

  private static func boundarySizes(_ chunkMax: Int, key: Int, chunks: Int) -> [Int] {
    let whole = chunkMax - 36 - key
    let inline = whole - 8
    var sizes: Set<Int> = []
    for delta in -2...2 {
      sizes.insert(whole + delta)
      for chunk in 1...chunks { sizes.insert(inline + chunk * (chunkMax - 28) + delta) }
      for tail in [1, 68, 92, 500] { sizes.insert(inline + (chunkMax - 28) + tail + delta) }
    }
    return sizes.filter { $0 > 0 }.sorted()
  }

  @Test(arguments: [1 << 10, 2 << 10, 16 << 10, 64 << 10, 512 << 10])
  func valuesAroundChunkBoundaries(_ chunkMax: Int) throws {
    let test = TestStore {
      $0.slabs.chunkMaxByteCount = chunkMax
      $0.itemSizeMaxBytes = 4 << 20
      $0.memoryLimitBytes = 16 << 20
    }
    for (index, size) in StoringTests.boundarySizes(chunkMax, key: 3, chunks: chunkMax > 64 << 10 ? 1 : 4).enumerated()
    {
      let value = pattern(size, salt: index)
      #expect(try test.put("key", value, flags: index % 2 == 0 ? 0 : 77) == .stored)
      let isSame = test.peek("key") == value
      #expect(isSame, "size \(size)")
      let isChunked = test.withItem("key") { $0.flags.contains(.chunked) }
      #expect(isChunked == (size + 36 + 3 + (index % 2) * 4 > chunkMax), "size \(size)")
      if index % 8 == 0 { #expect(test.broken() == [], "size \(size)") }
    }
    #expect(test.delete("key"))
    #expect(test.broken() == [])
    #expect(test.store.value.itemCount == 0)
  }

  /// What `totalByteCount` says of a chunked item is what it occupies: value, headers of the item and of its chunks.
  @Test func chunkedSizesAreCountedWithTheirHeaders() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 1024 }
    for size in StoringTests.boundarySizes(1024, key: 3, chunks: 5) {
      try test.put("key", pattern(size))
      let item = try #require(test.withItem("key") { $0 })
      let chunks = test.store.value.stretchCount(of: item) - 1
      let overhead = 36 + 3 + (chunks > 0 ? 8 + 28 * chunks : 0)
      #expect(item.totalByteCount == size + overhead, "size \(size)")
      #expect(test.store.value.figures().byteCount == size + overhead)
    }
  }

  @Test func joinsAcrossChunks() throws {
    let test = TestStore {
      $0.slabs.chunkMaxByteCount = 1024
      $0.hashPower = 6
    }
    for size in [1, 500, 977, 978, 979, 985, 986, 1973, 1974, 1975, 5000] {
      for added in [0, 1, 7, 996, 997, 2500] {
        for mode in [StoreMode.append, .prepend] {
          let old = pattern(size, salt: 1)
          let new = pattern(added, salt: 2)
          try test.put("key", old)
          #expect(try test.put("key", new, mode: mode) == .stored)
          let isSame = test.peek("key") == (mode == .append ? old + new : new + old)
          #expect(isSame, "\(mode) \(added) to \(size)")
        }
      }
      #expect(test.broken() == [], "size \(size)")
    }
  }

  @Test func chunkedValuesArriveInPieces() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 1024 }
    let value = pattern(7000)
    for piece in [1, 3, 996, 1023, 1024, 6999] {
      var reservation = try test.reserve("key", value.count)
      var offset = 0
      while offset < value.count {
        let end = min(offset + piece, value.count)
        offset += Array(value[offset..<end]).withUnsafeBytes { reservation.fill($0.bytes) }
      }
      let extra = [UInt8](repeating: 1, count: 5).withUnsafeBytes { reservation.fill($0.bytes) }
      #expect(extra == 0)
      _ = Store.commit(test.store, reservation, StoreTerms(mode: .set), now: test.now)
      let isSame = test.peek("key") == value
      #expect(isSame, "pieces of \(piece)")
    }
    #expect(test.broken() == [])
  }

  /// The way of direct receiving: bytes written to the reservation's windows, one after the other.
  @Test func windowsCoverTheValueExactly() throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 2048 }
    for size in [0, 1, 2000, 2012, 2013, 9000] {
      var reservation = try test.reserve("k", size)
      var covered = 0
      while true {
        let window = reservation.window()
        if window.count == 0 { break }
        let step = min(window.count, 700)
        pattern(size)[covered..<(covered + step)].withUnsafeBytes { window.copy(from: $0.bytes) }
        reservation.advance(step)
        covered += step
      }
      let missing = reservation.missingByteCount
      #expect(covered == size && missing == 0)
      _ = Store.commit(test.store, reservation, StoreTerms(mode: .set), now: test.now)
      let isSame = test.peek("k") == pattern(size)
      #expect(isSame, "size \(size)")
    }
  }

  // Holds.

  @Test(arguments: [100, 5000])
  func aHeldItemOutlivesItsDeletion(_ size: Int) throws {
    let test = TestStore { $0.slabs.chunkMaxByteCount = 1024 }
    let value = pattern(size, salt: 9)
    try test.put("key", value)
    let item = try #require(test.hold("key"))
    let chunks = test.store.value.stretchCount(of: item)
    #expect(test.delete("key"))
    #expect(!test.has("key"))
    for number in 0..<200 { try test.put("other:\(number)", pattern(size, salt: number)) }
    #expect(test.value(of: item) == value)
    #expect(test.broken(reservedChunks: chunks) == [])
    test.store.value.release(item.ref)
    #expect(test.broken() == [])
    #expect(test.store.value.itemCount == 200)
  }

  @Test func aHeldItemOutlivesItsReplacement() throws {
    let test = TestStore()
    try test.put("key", bytes("old"))
    let first = try #require(test.hold("key"))
    let second = try #require(test.hold("key"))
    try test.put("key", bytes("new"))
    #expect(test.value(of: first) == bytes("old"))
    test.store.value.release(first.ref)
    #expect(test.value(of: second) == bytes("old"))
    #expect(test.broken(reservedChunks: 1) == [])
    test.store.value.release(second.ref)
    #expect(test.broken() == [])
    #expect(test.peek("key") == bytes("new"))
  }

  @Test func aHeldItemThatStaysIsNotFreed() throws {
    let test = TestStore()
    try test.put("key", bytes("value"))
    let item = try #require(test.hold("key"))
    test.store.value.release(item.ref)
    #expect(test.peek("key") == bytes("value"))
    #expect(test.broken() == [])
  }

  @Test func thereAreOnlySoManyHolds() throws {
    let test = TestStore()
    try test.put("key", bytes("value"))
    var items: [Item] = []
    while let item = test.hold("key"), items.count < 70_000 { items.append(item) }
    #expect(items.count == Int(Store.maximumHolds))
    // An append cannot take its own hold any more, and says so instead of overflowing.
    #expect(try test.put("key", bytes("x"), mode: .append) == .notStored)
    for item in items { test.store.value.release(item.ref) }
    #expect(test.broken() == [])
  }
}
