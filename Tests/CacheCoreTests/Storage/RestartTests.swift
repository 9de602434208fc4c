// The warm restart of a store: what is saved and taken up again is the same, item by item and list by list; what is
// damaged, foreign or cut off is refused; and what only looks right (damage under a right checksum) can give wrong
// values at worst. The files of a real server are in ServerTests.
import Foundation
import Testing

@testable import CacheCore

@Suite(.timeLimit(.minutes(3))) struct RestartTests {
  private let folder: MemoryFolder
  init() throws { folder = try MemoryFolder() }

  /// A store that has lived, ended: its file, what was saved, and what it looked like.
  private func ended(
    _ form: RestartCase, seed: UInt64 = 1, steps: Int = 20_000, and further: (TestStore) throws -> Void = { _ in }
  ) throws -> (file: Int32, saved: SavedStore, picture: TestStore.Picture, now: UInt32) {
    let file = folder.file(form.arenaByteCount)
    let store = form.start(on: file)
    store.live(seed, steps: steps)
    try further(store)
    return (file, store.saved, store.picture, store.now)
  }

  @Test(arguments: RestartCase.all)
  func everythingIsThereAgain(form: RestartCase) throws {
    let (file, saved, picture, now) = try ended(form)
    #expect(picture.items.count > 1000 && picture.items.values.contains { $0.value.count > 50_000 })
    let store = try form.restart(try SavedStore(bytes: saved.bytes), on: file, now: now)
    #expect(store.picture == picture)
    #expect(store.broken() == [])
    #expect(store.store.value.itemCount == picture.items.count)
    // It is a store like any other.
    store.live(2, steps: 5000)
    #expect(store.broken() == [])
    for _ in 0..<3 where store.releasePage(of: 1) {}
    for key in Array(store.picture.items.keys) { store.delete(String(decoding: key, as: UTF8.self)) }
    #expect(store.broken() == [] && store.store.value.itemCount == 0)
  }

  @Test func threeTimesInARow() throws {
    let form = RestartCase.ours
    var (file, saved, picture, now) = try ended(form)
    for round in 0..<3 {
      let store = try form.restart(saved, on: file, now: now + 10)
      #expect(store.picture == picture)
      store.live(UInt64(round + 10), steps: 3000)
      (saved, picture, now) = (store.saved, store.picture, store.now)
      #expect(store.broken() == [])
    }
    _ = file
  }

  @Test func anEmptyStore() throws {
    let form = RestartCase.ours
    let (file, saved, picture, now) = try ended(form, steps: 0)
    let store = try form.restart(saved, on: file, now: now)
    #expect(store.picture == picture && store.broken() == [])
    try store.put("a", [1])
    #expect(store.peek("a") == [1])
  }

  @Test func casUniquesGoOn() throws {
    let form = RestartCase.ours
    let (file, saved, picture, now) = try ended(form)
    let store = try form.restart(saved, on: file, now: now)
    let last = picture.items.values.map(\.cas).max() ?? 0
    try store.put("new", [1])
    let new = store.withItem("new") { $0.cas } ?? 0
    #expect(new > last && new == saved.lastCAS + 1)
  }

  @Test func marksOfItemsStay() throws {
    let form = RestartCase.ours
    let (file, saved, _, now) = try ended(form, steps: 100) { store in
      try store.put("stale", [1])
      _ = store.withItem("stale") { $0.flags.formUnion([.stale, .tokenSent, .keyIsEncoded]) }
    }
    let store = try form.restart(saved, on: file, now: now)
    #expect(store.withItem("stale") { $0.flags.isSuperset(of: [.stale, .tokenSent, .keyIsEncoded]) } == true)
  }

  /// What was being received or sent when the server ended has no owner any more.
  @Test(arguments: RestartCase.all.prefix(2))
  func whatNobodyOwnsIsFree(form: RestartCase) throws {
    let (file, saved, _, now) = try ended(form, steps: 0) { store in
      for size in [10, 1000, 600_000] {
        _ = try store.reserve("half", size).keep()
        try store.put("held \(size)", pattern(size))
        try store.put("kept \(size)", pattern(size))
        _ = try #require(store.hold("held \(size)"))
        _ = try #require(store.hold("kept \(size)"))
        store.delete("held \(size)")
      }
    }
    let store = try form.restart(saved, on: file, now: now)
    #expect(store.broken() == [])
    #expect(store.peek("half") == nil && store.peek("held 10") == nil)
    #expect(store.peek("kept 600000") == pattern(600_000))
  }

  // Time.

  @Test func timeGoesOnWhileTheServerIsDown() throws {
    let form = RestartCase.ours
    let (file, saved, _, now) = try ended(form, steps: 0) { store in
      try store.put("short", [1], exptime: 30)
      try store.put("long", [2], exptime: 100)
      try store.put("absolute", [3], exptime: TestStore.startedAtUnixSeconds + 50)
      try store.put("ever", [4])
    }
    let copy = folder.copy(file)
    let store = try form.restart(saved, on: file, now: now + 30)
    #expect(store.has("short") && store.has("long") && store.has("absolute"))
    store.advance(seconds: 1)
    #expect(!store.has("short") && store.has("long") && store.has("absolute"))
    let late = try form.restart(saved, on: copy, now: now + 101)
    #expect(late.store.value.itemCount == 4)
    late.crawl()
    #expect(late.store.value.itemCount == 1 && late.peek("ever") == [4])
    #expect(late.broken() == [])
  }

  @Test func flushesAreRemembered() throws {
    let form = RestartCase.ours
    let (file, saved, _, now) = try ended(form, steps: 0) { store in
      try store.put("old", [1])
      store.store.value.flush(now: store.now)
      try store.put("new", [2])
      store.store.value.flushLater(due: store.now + 20)
    }
    let store = try form.restart(saved, on: file, now: now + 10)
    #expect(!store.has("old") && store.peek("new") == [2])
    store.advance(seconds: 9)
    #expect(store.has("new"))
    store.advance(seconds: 1)
    #expect(!store.has("new") && store.broken() == [])
  }

  @Test func theClockGoesOn() throws {
    let saved = SavedClock(unixMilliseconds: 5_000_400, storeMilliseconds: 100_250, startedAtUnixSeconds: 4962)
    let same = try saved.continued(atUnixMilliseconds: 5_000_400)
    #expect(same == saved)
    let later = try saved.continued(atUnixMilliseconds: 5_003_401)
    #expect(later.storeMilliseconds == 103_251 && later.startedAtUnixSeconds == 4962)
    let back = try saved.continued(atUnixMilliseconds: 4_999_000)
    #expect(back.storeMilliseconds == 100_250)
    #expect(throws: RestartRefusal.self) { try saved.continued(atUnixMilliseconds: 4_990_000) }
    // The wall clock was set while the server ran: what is absolute follows it.
    var moved = saved
    moved.startedAtUnixSeconds = 1000
    #expect(try moved.continued(atUnixMilliseconds: 5_000_400).startedAtUnixSeconds == 4962)
    for start in [Int64.min, Int64.min + 4962, .max] {
      moved.startedAtUnixSeconds = start
      #expect(try moved.continued(atUnixMilliseconds: 5_000_400).startedAtUnixSeconds == 4962)
    }
    for milliseconds in [Int64.min, -1, 0, 61_999, 4_999_000, .max, .max - 10] {
      moved = saved
      moved.storeMilliseconds = milliseconds
      #expect(throws: RestartRefusal.self) { try moved.continued(atUnixMilliseconds: 5_000_400) }
    }
    for milliseconds in [Int64.min, -1, .max, 1 << 60] {
      moved = saved
      moved.unixMilliseconds = milliseconds
      #expect(throws: RestartRefusal.self) { try moved.continued(atUnixMilliseconds: 5_000_400) }
    }
    #expect(throws: RestartRefusal.self) { try saved.continued(atUnixMilliseconds: 1 << 50) }
  }

  // The hash table.

  @Test func theTableBeginsAsLargeAsItWas() throws {
    let form = RestartCase.ours
    let (file, saved, picture, now) = try ended(form) { store in
      while store.growStep(buckets: 64) {}
    }
    #expect(saved.hashPower > 10)
    let copies = (folder.copy(file), folder.copy(file))
    let store = try form.restart(saved, on: file, now: now)
    #expect(store.store.value.table.power == Int(saved.hashPower) && store.picture == picture)
    let fixed = try form.restart(saved, on: copies.0, now: now) { $0.hashExpandEnabled = false }
    #expect(fixed.store.value.table.power == 10 && fixed.picture == picture && fixed.broken() == [])
    var greedy = saved
    greedy.hashPower = 32
    let bounded = try form.restart(greedy, on: copies.1, now: now)
    #expect(bounded.store.value.table.power <= 18 && bounded.picture == picture)
  }

  // What is refused.

  private func refusal(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return (error as? RestartRefusal)?.text ?? "\(error)"
    }
  }

  @Test func otherParametersAreNamed() throws {
    let form = RestartCase.ours
    let (file, saved, _, now) = try ended(form, steps: 100)
    let changes: [(String, (inout StoreConfiguration) -> Void)] = [
      ("maxbytes", { $0.memoryLimitBytes = 16 << 20 }), ("item_size_max", { $0.itemSizeMaxBytes = 2 << 20 }),
      ("use_cas", { $0.casEnabled = false }), ("slab_page_size", { $0.slabs.rule = .reference }),
    ]
    for (name, change) in changes {
      let copy = folder.copy(file)
      let text = refusal { _ = try form.restart(saved, on: copy, now: now, change: change) }
      #expect(text.hasPrefix("restart incompatible due to setting for [\(name)] [old value: "), "\(name): \(text)")
    }
    let few = RestartCase.fewClasses
    let other = try ended(few, steps: 100)
    let text = refusal {
      _ = try few.restart(other.saved, on: folder.copy(other.file), now: now) { $0.slabs.growthFactor = 3 }
    }
    #expect(text.hasPrefix("restart incompatible due to setting for [slab_config] [old value: "))
    var foreign = saved
    foreign.parameters.layout ^= 1
    #expect(refusal { _ = try form.restart(foreign, on: folder.copy(file), now: now) }.contains("[item_layout]"))
  }

  @Test func everyByteOfTheMetadataCounts() throws {
    let (_, saved, _, _) = try ended(.fewClasses, steps: 100)
    let bytes = saved.bytes
    #expect(try SavedStore(bytes: bytes) == saved)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= UInt8(1 << (index % 8))
      #expect(throws: RestartRefusal.self, "byte \(index)") { try SavedStore(bytes: damaged) }
      #expect(throws: RestartRefusal.self) { try SavedStore(bytes: Array(bytes.prefix(index))) }
    }
    #expect(throws: RestartRefusal.self) { try SavedStore(bytes: bytes + bytes.suffix(8)) }
    #expect(throws: RestartRefusal.self) { try SavedStore(bytes: bytes + [0]) }
    #expect(refusal { _ = try SavedStore(bytes: Array("Tmain\nKmaxbytes 1\n".utf8) + bytes) }.contains("none of ours"))
    var newer = bytes
    newer[12] = 2
    #expect(refusal { _ = try SavedStore(bytes: newer) }.contains("version 2"))
  }

  @Test(arguments: [RestartCase.ours, RestartCase.fewClasses])
  func damageOfAnyPageIsFound(form: RestartCase) throws {
    let (file, saved, _, now) = try ended(form)
    var random = SeededRandom(seed: 3)
    let pageByteCount = Int(saved.parameters.pageByteCount)
    for (index, page) in saved.pages.enumerated() where page.slabClass != 0 && page.freshIndex > 0 {
      let usedByteCount = page.freshIndex * saved.shapes[page.slabClass - 1].chunkByteCount
      let offset = (index + 1) * pageByteCount + random.number(0...(usedByteCount - 1))
      let copy = folder.copy(file)
      let bit = UInt8(1 << random.number(0...7))
      folder.write([folder.readAll(copy)[offset] ^ bit], to: copy, at: offset)
      #expect(
        refusal { _ = try form.restart(saved, on: copy, now: now) }.contains("page \(index + 1) of the memory file"))
      folder.forget(copy)
    }
  }

  @Test func aFileOfAnotherSizeIsRefused() throws {
    let form = RestartCase.ours
    let (file, saved, _, now) = try ended(form)
    for size in [0, 1, 4096, form.arenaByteCount / 2, form.arenaByteCount - 1, form.arenaByteCount + 1] {
      let copy = folder.copy(file)
      #expect(ftruncate(copy, size) == 0)
      #expect(refusal { _ = try form.restart(saved, on: copy, now: now) }.contains("the memory file has \(size) bytes"))
    }
  }
}
