// Damage under right checksums: what a hostile or foreign program might leave. The restart must refuse it or make of it
// a store whose invariants hold and that can be used; it may serve what it was told, but it may not crash. Where a
// check is missing this test traps.
import Foundation
import Testing

@testable import CacheCore

@Suite(.timeLimit(.minutes(5))) struct RestartDamageTests {
  private let folder: MemoryFolder
  private let rounds = Int(environmentNumber("RESTART_ROUNDS") ?? 150)
  init() throws { folder = try MemoryFolder() }

  /// A way to damage words of an item's header, by what they are worth to somebody hostile.
  private static func hostileWord(_ random: inout SeededRandom, _ near: UInt32) -> UInt32 {
    switch random.number(0...6) {
    case 0: 0
    case 1: .max
    case 2: near &+ UInt32(random.number(1...64))
    case 3: near &- UInt32(random.number(1...64))
    case 4: near ^ (1 << UInt32(random.number(0...31)))
    case 5: UInt32(random.number(0...4096))
    default: UInt32(truncatingIfNeeded: random.next())
    }
  }

  /// Changes a few words in headers of chunks, or anywhere in them; returns the pages that were hit.
  private func damage(_ file: Int32, _ bytes: [UInt8], _ saved: SavedStore, _ random: inout SeededRandom) -> Set<Int> {
    let used = saved.pages.indices.filter { saved.pages[$0].freshIndex > 0 }
    var hit: Set<Int> = []
    for _ in 0..<random.number(1...6) {
      let index = random.pick(used)
      let page = saved.pages[index]
      let size = saved.shapes[page.slabClass - 1].chunkByteCount
      let chunk = random.number(0...(page.freshIndex - 1))
      let inChunk = random.isOne(in: 8) ? random.number(0...(size / 4 - 1)) * 4 : random.number(0...12) * 4
      let offset = (index + 1) * Int(saved.parameters.pageByteCount) + chunk * size + min(inChunk, size - 4)
      let old = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32($1 * 8) }
      let new = RestartDamageTests.hostileWord(&random, old)
      folder.write((0..<4).map { UInt8(truncatingIfNeeded: new >> UInt32($0 * 8)) }, to: file, at: offset)
      hit.insert(index)
    }
    return hit
  }

  /// The checksums that somebody would write who knows how.
  private func resealed(_ saved: SavedStore, _ form: RestartCase, _ file: Int32, _ hit: Set<Int>) -> SavedStore {
    var saved = saved
    let owner = form.start(on: file)
    return withExtendedLifetime(owner) {
      for index in hit {
        let page = saved.pages[index]
        saved.pages[index].checksum = owner.store.value.checksum(
          ofPage: index + 1, slabClass: page.slabClass, freshIndex: page.freshIndex)
      }
      return saved
    }
  }

  /// Restarts; a store that comes of it is used for everything. Returns whether it was refused.
  private func isRefused(_ saved: SavedStore, _ form: RestartCase, _ file: Int32, now: UInt32, _ what: String) -> Bool {
    guard let store = try? form.restart(saved, on: file, now: now) else { return true }
    #expect(store.broken() == [], "\(what)")
    _ = store.picture
    store.live(9, steps: 300)
    for slabClass in 1..<store.store.value.slabs.classes.count { _ = store.releasePage(of: slabClass) }
    store.crawl()
    store.store.value.flush(now: store.now)
    store.crawl()
    #expect(store.broken() == [], "\(what)")
    return false
  }

  @Test(arguments: [RestartCase.ours, RestartCase.fewClasses])
  func itemsUnderRightChecksums(form: RestartCase) throws {
    let original = folder.file(form.arenaByteCount)
    let first = form.start(on: original)
    first.live(1, steps: 6000, largest: 300_000)
    let (saved, now) = (first.saved, first.now)
    let bytes = folder.readAll(original)
    let file = folder.file(form.arenaByteCount)
    var refused = 0
    for round in 0..<rounds {
      var random = SeededRandom(seed: UInt64(round))
      folder.write(bytes, to: file, at: 0)
      let hit = damage(file, bytes, saved, &random)
      let sealed = resealed(saved, form, file, hit)
      if isRefused(sealed, form, file, now: now, "\(form), round \(round)") { refused += 1 }
    }
    // Both must have been tried.
    #expect(refused > 0 && refused < rounds)
  }

  @Test(arguments: [RestartCase.ours, RestartCase.fewClasses])
  func metadataUnderRightChecksums(form: RestartCase) throws {
    let original = folder.file(form.arenaByteCount)
    let first = form.start(on: original)
    first.live(1, steps: 6000)
    let (saved, now) = (first.saved, first.now)
    let bytes = folder.readAll(original)
    let file = folder.file(form.arenaByteCount)
    let words = saved.bytes.count / 8
    var refused = 0
    for round in 0..<rounds {
      var random = SeededRandom(seed: UInt64(round))
      var meta = saved.bytes
      // Words 0 to 2 are the frame, the last is the checksum.
      for _ in 0..<random.number(1...2) {
        let afterTable = 11 + 2 * saved.shapes.count
        let at =
          (random.isOne(in: 3) ? random.number(afterTable...(afterTable + 9)) : random.number(3...(words - 2))) * 8
        if random.isOne(in: 2) {
          meta[at + random.number(0...7)] = UInt8(random.number(0...255))
        } else {
          meta.replaceSubrange(at..<(at + 8), with: random.pick([Array(repeating: 0xff, count: 8), random.bytes(8)]))
        }
      }
      let checksum = Checksum.of(Array(meta.dropLast(8)), seed: SavedStore.checksumSeed)
      meta.replaceSubrange((meta.count - 8)..., with: (0..<8).map { UInt8(truncatingIfNeeded: checksum >> ($0 * 8)) })
      folder.write(bytes, to: file, at: 0)
      guard let sealed = try? SavedStore(bytes: meta) else {
        refused += 1
        continue
      }
      if isRefused(sealed, form, file, now: now, "\(form), round \(round)") { refused += 1 }
    }
    #expect(refused > 0 && refused < rounds)
  }

  /// Two items whose lists form a ring of their own, apart from the list that the head names.
  @Test func aRingApartFromTheList() throws {
    let form = RestartCase.fewClasses
    let file = folder.file(form.arenaByteCount)
    let first = form.start(on: file)
    for index in 0..<4 { try first.put("key\(index)", [1]) }
    let items = (0..<4).map { index in first.withItem("key\(index)") { $0 }! }
    // The newest first: 3, 2, 1, 0. Now 3 alone is the list, and 2, 1, 0 go round.
    items[3].next = .none
    items[2].previous = items[0].ref
    items[0].next = items[2].ref
    #expect(throws: RestartRefusal.self) { try form.restart(first.saved, on: file, now: first.now) }
  }

  /// A size that no item of the class has, though it would fit its chunk.
  @Test func anItemOfAnotherClass() throws {
    let form = RestartCase.ours
    let file = folder.file(form.arenaByteCount)
    let first = form.start(on: file)
    try first.put("a", pattern(200))
    let item = first.withItem("a") { $0 }!
    let size = first.store.value.arena.byteOffset(item.ref) + ItemLayout.sizeAndSegment
    folder.write([1], to: file, at: size)
    #expect(item.valueByteCount == 1)
    #expect(throws: RestartRefusal.self) { try form.restart(first.saved, on: file, now: first.now) }
  }

  /// Two values that share their chunks.
  @Test func aChainOfTwoOwners() throws {
    let form = RestartCase.fewClasses
    let file = folder.file(form.arenaByteCount)
    let first = form.start(on: file)
    for key in ["a", "b"] { try first.put(key, pattern(900_000)) }
    let (one, other) = (first.withItem("a") { $0 }!, first.withItem("b") { $0 }!)
    // The second one's key becomes the first one's, so that the chunks have the right hash for both.
    let key = first.store.value.arena.byteOffset(other.ref) + ItemLayout.maximumHeaderByteCount - 4
    folder.write([0x61], to: file, at: key)
    other.firstChunk = one.firstChunk
    #expect(throws: RestartRefusal.self) { try form.restart(first.saved, on: file, now: first.now) }
  }
}
