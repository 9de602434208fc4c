// What the tests of the warm restart share: a folder with memory files, stores on them, and a picture of everything in
// a store that must be the same afterwards. Damage is done to the file itself, behind the store's back.
import Foundation

@testable import CacheCore

/// A folder of memory files, gone with this object.
final class MemoryFolder {
  /// In memory where that can be: the tests write a few gigabytes.
  let path =
    (FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory())
    + "/restart-tests-\(UUID().uuidString.prefix(8))"
  private var descriptors: [Int32] = []
  private var count = 0

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit {
    for descriptor in descriptors { close(descriptor) }
    try? FileManager.default.removeItem(atPath: path)
  }

  /// A file of that size, of zeros.
  func file(_ byteCount: Int) -> Int32 {
    let descriptor = open("\(path)/\(count)", O_RDWR | O_CREAT | O_EXCL, 0o600)
    precondition(descriptor >= 0 && ftruncate(descriptor, byteCount) == 0)
    descriptors.append(descriptor)
    count += 1
    return descriptor
  }

  /// Another file with the same bytes.
  func copy(_ descriptor: Int32) -> Int32 {
    let bytes = readAll(descriptor)
    let copy = file(bytes.count)
    write(bytes, to: copy, at: 0)
    return copy
  }

  /// Closes a file before the end.
  func forget(_ descriptor: Int32) {
    descriptors.removeAll { $0 == descriptor }
    close(descriptor)
  }

  func readAll(_ descriptor: Int32) -> [UInt8] {
    let count = Int(lseek(descriptor, 0, SEEK_END))
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(pread(descriptor, &bytes, count, 0) == count)
    return bytes
  }

  func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int) {
    precondition(bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, offset) } == bytes.count)
  }
}

/// A store on a memory file that can be ended and begun again.
struct RestartCase: Sendable, CustomStringConvertible {
  var description: String
  var change: @Sendable (inout StoreConfiguration) -> Void

  static let all = [
    RestartCase(description: "our table") { $0.slabs.rule = .fitted(memoryByteCount: $0.memoryLimitBytes) },
    RestartCase(description: "the reference's table") { _ in },
    RestartCase(description: "without CAS") {
      $0.slabs.rule = .fitted(memoryByteCount: $0.memoryLimitBytes)
      $0.casEnabled = false
    },
    RestartCase(description: "segmented") { $0.order = .segmented },
    RestartCase(description: "few classes") {
      $0.slabs.growthFactor = 4
      $0.memoryLimitBytes = 4 << 20
    },
  ]
  static let ours = all[0]
  static let fewClasses = all[4]

  var configuration: StoreConfiguration {
    var configuration = StoreConfiguration()
    configuration.memoryLimitBytes = 8 << 20
    change(&configuration)
    configuration.backing = .file(descriptor: -1)
    return configuration
  }

  var arenaByteCount: Int { Store.arenaByteCount(configuration) }

  func start(on descriptor: Int32) -> TestStore {
    TestStore {
      change(&$0)
      $0.backing = .file(descriptor: descriptor)
    }
  }

  /// Goes on with what was saved, or throws as the store does.
  func restart(
    _ saved: SavedStore, on descriptor: Int32, now: UInt32,
    change further: (inout StoreConfiguration) -> Void = { _ in }
  ) throws -> TestStore {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    let store = TestStore {
      change(&$0)
      $0.backing = .file(descriptor: descriptor)
      further(&$0)
      let needed = Store.arenaByteCount($0)
      if size < needed { precondition(ftruncate(descriptor, needed) == 0) }
      $0.prepare(for: saved)
    }
    try store.store.value.restore(saved, fileByteCount: size, now: now)
    store.now = now
    return store
  }
}

extension TestStore {
  /// What the server would write at this moment.
  var saved: SavedStore {
    store.value.saved(
      at: SavedClock(
        unixMilliseconds: (TestStore.startedAtUnixSeconds + Int64(now - ClockBase.startSeconds)) * 1000,
        storeMilliseconds: Int64(now) * 1000, startedAtUnixSeconds: TestStore.startedAtUnixSeconds))
  }

  /// Everything about an item that a client or the order of eviction can tell.
  struct Record: Equatable {
    var value: [UInt8]
    var clientFlags: UInt32
    var cas: UInt64
    var exptime: UInt32
    var lastAccess: UInt32
    var flags: UInt8
    var reads: UInt8
    var place: UInt32
  }

  /// All items, and the order of each list.
  struct Picture: Equatable {
    var items: [[UInt8]: Record] = [:]
    var lists: [[UInt32]] = []
  }

  var picture: Picture {
    var picture = Picture()
    store.value.table.forEachItem { item in
      let key = item.key.bytes(ByteRange(start: 0, end: item.keyByteCount))
      picture.items[key] = Record(
        value: value(of: item), clientFlags: item.clientFlags, cas: item.cas, exptime: item.exptime,
        lastAccess: item.lastAccess, flags: item.flags.rawValue, reads: item.reads, place: item.ref.rawValue)
    }
    let slabs = store.value.slabs
    for slabClass in 1..<slabs.classes.count {
      let held = slabs.lock(slabClass)
      for segment in Segment.allCases {
        var list: [UInt32] = []
        var ref = slabs.withClass(held) { $0[segment].head }
        while !ref.isNone {
          list.append(ref.rawValue)
          ref = store.value.arena.item(ref).next
        }
        picture.lists.append(list)
      }
    }
    return picture
  }

  /// Stores, reads and deletes this and that, more than fits: every list and the page mover have had work.
  func live(_ seed: UInt64, steps: Int, largest: Int = 60_000) {
    var random = SeededRandom(seed: seed)
    for step in 0..<steps {
      let key = "key:\(random.number(0...(steps / 2)))"
      switch random.number(0...9) {
      case 0: delete(key)
      case 1, 2: read(key)
      default:
        let size = random.isOne(in: 20) ? random.number(0...largest) : random.number(0...300)
        let flags = random.isOne(in: 3) ? UInt32(random.number(1...9999)) : 0
        try? set(key, pattern(size, salt: step), flags: flags, exptime: random.isOne(in: 3) ? 1000 : 0)
      }
      if random.isOne(in: 200) { advance(seconds: 1) }
    }
    settlePages()
  }
}
