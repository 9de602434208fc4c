// An item's fields, optional parts and sizes, in every combination of CAS, client flags and chaining; and keys compared
// at every length. The layout itself is charted in ItemLayout.
import Testing

@testable import CacheCore

struct ItemTests {
  private func with(casByteCount: Int, _ body: (Item, Arena) throws -> Void) rethrows {
    let arena = Arena(byteCount: 1 << 16, casByteCount: casByteCount, backing: .lazy)!
    defer { arena.unmap() }
    try body(arena.item(arena.ref(byteOffset: 4096)), arena)
  }

  private func initialise(
    _ item: Item, key: [UInt8], flags: UInt32 = 0, exptime: UInt32 = 0, valueByteCount: Int,
    inlineByteCount: Int? = nil,
    chunkByteCount: Int = 8192
  ) {
    withInput(key) { input, range in
      item.initialise(
        key: input.slice(range), clientFlags: flags, exptime: exptime, valueByteCount: valueByteCount,
        inlineByteCount: inlineByteCount ?? valueByteCount, chunkByteCount: chunkByteCount)
    }
  }

  @Test(arguments: [0, 8], [0, 1, UInt32.max])
  func everyFieldIsItsOwn(_ casByteCount: Int, _ flags: UInt32) {
    for isChunked in [false, true] {
      with(casByteCount: casByteCount) { item, arena in
        initialise(
          item, key: bytes("the key"), flags: flags, exptime: 12345, valueByteCount: 1000,
          inlineByteCount: isChunked ? 600 : 1000)
        item.hashNext = arena.ref(byteOffset: 8)
        item.next = arena.ref(byteOffset: 16)
        item.previous = arena.ref(byteOffset: 24)
        item.lastAccess = .max
        item.segment = .temporary
        item.holds = .max
        item.reads = 2
        item.cas = 0x0123_4567_89ab_cdef
        item.flags.insert([.linked, .fetched, .stale])
        item.inlineWindow(from: 0).fill(0xee)
        if isChunked { item.firstChunk = arena.ref(byteOffset: 32) }
        #expect(item.hashNext == arena.ref(byteOffset: 8))
        #expect(item.next == arena.ref(byteOffset: 16))
        #expect(item.previous == arena.ref(byteOffset: 24))
        #expect(item.lastAccess == .max && item.exptime == 12345)
        #expect(item.segment == .temporary && item.valueByteCount == 1000)
        #expect(item.holds == ItemLayout.holdsMask && item.reads == 2 && item.keyByteCount == 7)
        #expect(item.cas == (casByteCount == 0 ? 0 : 0x0123_4567_89ab_cdef))
        #expect(item.clientFlags == flags)
        #expect(item.key.bytes(ByteRange(start: 0, end: 7)) == bytes("the key"))
        #expect(item.flags.contains(.chunked) == isChunked)
        #expect(item.inlineValue.byteCount == (isChunked ? 600 : 1000))
        if isChunked { #expect(item.firstChunk == arena.ref(byteOffset: 32)) }
        item.clear()
        #expect(
          item.keyByteCount == 0 && item.flags == [] && item.holds == 0 && item.reads == 0 && item.valueByteCount == 0)
        #expect(item.next == arena.ref(byteOffset: 16))
      }
    }
  }

  /// The example of the chart in ItemLayout: 78 bytes.
  @Test func sizesAreThoseOfTheChart() {
    with(casByteCount: 8) { item, _ in
      initialise(item, key: bytes("0123456789"), valueByteCount: 32)
      #expect(item.totalByteCount == 78)
      #expect(ItemLayout.overhead(keyByteCount: 10, hasClientFlags: false, casByteCount: 8) + 32 == 78)
      initialise(item, key: bytes("0123456789"), flags: 5, valueByteCount: 32)
      #expect(item.totalByteCount == 82)
    }
    with(casByteCount: 0) { item, _ in
      initialise(item, key: bytes("0123456789"), valueByteCount: 32)
      #expect(item.totalByteCount == 70)
    }
  }

  @Test func keysAreComparedToTheLastByte() {
    with(casByteCount: 8) { item, _ in
      for count in [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 249, 250] {
        let key = pattern(count, salt: count)
        initialise(item, key: key, valueByteCount: 0)
        func isEqual(_ other: [UInt8]) -> Bool {
          withInput(other) { input, range in item.contents(ifKeyIs: input.slice(range)) != nil }
        }
        #expect(isEqual(key))
        #expect(!isEqual(key + [0]))
        #expect(!isEqual(Array(key.dropLast())))
        for place in 0..<count {
          var other = key
          other[place] ^= 0x80
          #expect(!isEqual(other), "length \(count), byte \(place)")
        }
      }
    }
  }

  @Test func chunksOfAChainKeepLengthAndLink() {
    with(casByteCount: 8) { item, arena in
      let chunk = ValueChunk(item)
      item.cas = .max
      chunk.initialise(byteCount: 100, keyHash: 0xfedc_ba98_7654_3210, chunkByteCount: 128)
      #expect(chunk.next.isNone && chunk.byteCount == 100 && chunk.keyHash == 0xfedc_ba98_7654_3210)
      #expect(item.keyByteCount == 0 && item.flags == [.chunked])
      chunk.next = arena.ref(byteOffset: 64)
      chunk.window(from: 0).fill(0x61)
      #expect(chunk.next == arena.ref(byteOffset: 64) && chunk.byteCount == 100)
      #expect(chunk.window(from: 99).count == 1 && chunk.window(from: 100).count == 0)
    }
  }

  /// Two counts share a half word: each at its limits beside the other at its own.
  @Test func holdsAndReadsDoNotTouchEachOther() {
    with(casByteCount: 8) { item, _ in
      initialise(item, key: bytes("k"), valueByteCount: 0)
      for holds in [0, 1, Store.maximumHolds, ItemLayout.holdsMask] {
        for reads: UInt8 in 0...3 {
          (item.holds, item.reads) = (holds, reads)
          #expect(item.holds == holds && item.reads == reads)
          (item.reads, item.holds) = (reads, holds)
          #expect(item.holds == holds && item.reads == reads)
        }
      }
      // Three stands for more.
      item.reads = 200
      #expect(item.reads == 3 && item.holds == ItemLayout.holdsMask)
    }
  }

  /// A moved item is the old one to the last byte, whatever lies behind it.
  @Test(arguments: [0, 8]) func copiesAreWhole(_ casByteCount: Int) {
    with(casByteCount: casByteCount) { item, arena in
      let copy = arena.item(arena.ref(byteOffset: 20_480))
      initialise(item, key: bytes("the key"), flags: 77, exptime: 9, valueByteCount: 8000 - 100)
      item.inlineWindow(from: 0).copy(from: receiveBuffer(pattern(7900)).span.extracting(0..<7900))
      (item.next, item.previous, item.lastAccess) = (arena.ref(byteOffset: 8), arena.ref(byteOffset: 16), 1234)
      (item.segment, item.holds, item.reads, item.cas) = (.warm, 3, 2, 99)
      item.flags.insert([.linked, .fetched])
      copy.copyChunk(from: item, chunkByteCount: 8192)
      #expect(copy.next == item.next && copy.previous == item.previous && copy.lastAccess == 1234 && copy.exptime == 9)
      #expect(copy.segment == .warm && copy.holds == 3 && copy.reads == 2 && copy.cas == item.cas)
      #expect(copy.flags == item.flags && copy.clientFlags == 77 && copy.totalByteCount == item.totalByteCount)
      #expect(copy.key.bytes(ByteRange(start: 0, end: 7)) == bytes("the key"))
      let value = copy.inlineValue.bytes(ByteRange(start: 0, end: 7900))
      #expect(isSame(value, pattern(7900)))
    }
  }

  @Test func listsKeepOrderCountAndBytes() throws {
    let arena = try #require(Arena(byteCount: 1 << 20, casByteCount: 8, backing: .lazy))
    defer { arena.unmap() }
    var random = SeededRandom(seed: 41)
    let items = (1...60).map { arena.item(arena.ref(byteOffset: $0 * 4096)) }
    for (index, item) in items.enumerated() { initialise(item, key: [1], valueByteCount: index) }
    var list = ItemList()
    var model: [Int] = []
    for step in 0..<2000 {
      let index = random.number(0...59)
      if let place = model.firstIndex(of: index) {
        list.remove(items[index], arena: arena)
        model.remove(at: place)
      } else {
        list.pushHead(items[index], arena: arena)
        model.insert(index, at: 0)
      }
      var walked: [Int] = []
      var ref = list.head
      while !ref.isNone, walked.count <= 60 {
        walked.append(arena.byteOffset(ref) / 4096 - 1)
        ref = arena.item(ref).next
      }
      var back: [Int] = []
      ref = list.tail
      while !ref.isNone, back.count <= 60 {
        back.append(arena.byteOffset(ref) / 4096 - 1)
        ref = arena.item(ref).previous
      }
      try #require(walked == model && back == model.reversed(), "seed 41, step \(step)")
      #expect(list.count == model.count)
      #expect(list.byteCount == model.reduce(0) { $0 + items[$1].totalByteCount })
    }
  }
}
