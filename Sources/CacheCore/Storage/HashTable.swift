// The hash table: chains of items from 4-byte buckets, doubled without ever stopping the workers.
// Each item-lock stripe owns the buckets whose low bits are its number, and moves to the next size on its own, a few
// buckets at a time under its own lock: a look-up waits for at most one such step. The state of a stripe is its table's
// power and how many of its rows have moved on already (row r of stripe s is bucket r * stripes + s). It knows no key
// and no expiry.
import Synchronization

/// Asks for memory that is needed soon: for a group of keys, the first step for all of them and then the second. It is
/// made for each group and knows what the table was then.
struct Prefetcher {
  fileprivate let locks: ItemLocks
  fileprivate let buckets: ProbableBuckets
  fileprivate let arena: Arena

  /// The first step: the bucket of `hash` and its lock.
  @inline(__always)
  func askForBucket(_ hash: UInt64) {
    locks.prefetch(hash)
    buckets[hash].prefetch()
  }

  /// The second: the first item in the bucket.
  @inline(__always)
  func askForItem(_ hash: UInt64) { arena.prefetch(buckets[hash].first) }
}

struct HashTable: ~Copyable, Sendable {
  private let arena: Arena
  private let locks: ItemLocks
  private let buckets: BucketArray
  /// 0: the power all stripes have reached; 1: 1 while growing; 2: the stripe that moves next; 3: bytes of the sizes in
  /// use.
  private let shared: AtomicCells
  static let maximumPower = 32
  private static let rowBits: UInt32 = 26

  /// A table of 2^power buckets that may grow to 2^lastPower. Returns nil when the address space cannot be reserved.
  init?(arena: Arena, locks: ItemLocks, power: Int, lastPower: Int) {
    self.arena = arena
    self.locks = locks
    // Row counts must fit the growth word.
    let limit = min(lastPower, HashTable.maximumPower, locks.power + Int(HashTable.rowBits) - 1)
    guard let buckets = BucketArray(firstPower: power, lastPower: max(power, limit)) else { return nil }
    buckets.settle(power)
    self.buckets = buckets
    shared = AtomicCells(count: 4)
    shared.store(0, UInt64(power))
    shared.store(3, 4 << UInt64(power))
    locks.setInitialGrowth(UInt32(power) << HashTable.rowBits)
  }

  var power: Int { Int(shared.load(0)) }
  var isGrowing: Bool { shared.load(1) != 0 }
  /// Bytes of the buckets in use; both sizes while growing.
  var byteCount: Int { Int(shared.load(3)) }

  /// The bucket where the chain of `hash` starts; a hint when the stripe is not locked. Under its lock the settled size
  /// is right for it: there is none before the first bucket moves, and again one when the last stripe is unlocked.
  @inline(__always)
  private func bucket(_ hash: UInt64) -> Bucket { buckets.settled(hash) ?? movingBucket(hash) }

  @inline(never)
  private func movingBucket(_ hash: UInt64) -> Bucket {
    let growth = locks.growth(locks.stripe(hash))
    let movedRows = Int(growth & ((1 &<< HashTable.rowBits) &- 1))
    var size = 1 &<< Int(growth &>> HashTable.rowBits)
    let row = (Int(truncatingIfNeeded: hash) & (size &- 1)) &>> locks.power
    if row < movedRows { size &*= 2 }
    return buckets.bucket(Int(truncatingIfNeeded: hash) & (size &- 1), size: size)
  }

  @inline(__always)
  func first(_ hash: UInt64, _ held: borrowing ItemLockHeld) -> ItemRef { bucket(hash).first }

  @inline(__always)
  func insert(_ item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld) { insert(item, bucket(hash)) }

  /// Inserts without a lock, into a table that does not grow and that nobody else uses.
  func insertAlone(_ item: Item, _ hash: UInt64, power: Int) { insert(item, bucket(hash, power: power)) }

  @inline(__always)
  private func insert(_ item: Item, _ bucket: Bucket) {
    item.hashNext = bucket.first
    bucket.first = item.ref
  }

  /// The bucket of `hash` in the table of 2^power.
  private func bucket(_ hash: UInt64, power: Int) -> Bucket {
    buckets.bucket(Int(truncatingIfNeeded: hash) & ((1 &<< power) &- 1), size: 1 &<< power)
  }

  /// Takes `item` out of its chain; traps when it is not there.
  @inline(__always)
  func remove(_ item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld) {
    substitute(item.hashNext, for: item, hash, held)
  }

  /// Puts `replacement` in the place of `item` in its chain.
  @inline(__always)
  func replace(_ item: Item, by replacement: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld) {
    replacement.hashNext = item.hashNext
    substitute(replacement.ref, for: item, hash, held)
  }

  @inline(__always)
  private func substitute(_ ref: ItemRef, for item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld) {
    let bucket = bucket(hash)
    var current = bucket.first
    if current == item.ref {
      bucket.first = ref
    } else {
      while true {
        let link = arena.item(current)
        current = link.hashNext
        if current == item.ref {
          link.hashNext = ref
          break
        }
      }
    }
    item.hashNext = .none
  }

  /// For hints on what is needed soon, without the lock.
  @inline(__always)
  var prefetcher: Prefetcher { Prefetcher(locks: locks, buckets: buckets.probable, arena: arena) }

  // Growth, by one maintenance thread.

  /// Starts doubling when the table holds more than 1.5 items a bucket. Returns whether it is growing.
  func growIfCrowded(itemCount: Int) -> Bool {
    if isGrowing { return true }
    let power = self.power
    guard power < buckets.lastPower, itemCount / 3 > (1 << power) / 2 else { return false }
    shared.store(3, (4 << UInt64(power)) + (8 << UInt64(power)))
    shared.store(2, 0)
    shared.store(1, 1)
    buckets.settle(nil)
    return true
  }

  /// Moves up to `rows` buckets of one stripe. Returns whether the table is still growing.
  func growStep(rows: Int, hash: KeyHash) -> Bool {
    guard isGrowing else { return false }
    let power = self.power
    let stripe = Int(shared.load(2))
    let held = locks.lock(stripe: stripe)
    let stripeRows = 1 << (power - locks.power)
    let start = Int(locks.growth(stripe) & ((1 << HashTable.rowBits) - 1))
    let end = min(start + rows, stripeRows)
    for row in start..<end { moveBucket(row << locks.power | stripe, power: power, hash: hash) }
    if end < stripeRows {
      locks.setGrowth(UInt32(power) << HashTable.rowBits | UInt32(end), held)
      return true
    }
    locks.setGrowth(UInt32(power + 1) << HashTable.rowBits, held)
    if stripe + 1 < locks.count {
      shared.store(2, UInt64(stripe + 1))
      return true
    }
    // The last stripe's workers need not wait while the kernel takes the old buckets.
    _ = consume held
    buckets.release(power)
    shared.store(0, UInt64(power + 1))
    shared.store(3, 8 << UInt64(power))
    shared.store(1, 0)
    buckets.settle(power + 1)
    return false
  }

  private func moveBucket(_ number: Int, power: Int, hash: KeyHash) {
    let bucket = buckets.bucket(number, size: 1 << power)
    var ref = bucket.first
    bucket.first = .none
    while !ref.isNone {
      let item = arena.item(ref)
      ref = item.hashNext
      insert(item, self.bucket(hash(item.key), power: power + 1))
    }
  }

  // Walking, under a stripe's lock.

  /// How many rows the stripe has, in the smaller size while it grows.
  func rowCount(_ held: borrowing ItemLockHeld) -> Int {
    1 << (Int(locks.growth(held.stripe) >> HashTable.rowBits) - locks.power)
  }

  /// Every item of the stripe that lies in `row`, or in what has become of it since the stripe had `rowCount` rows.
  func forEachItem(row: Int, of rowCount: Int, _ held: borrowing ItemLockHeld, _ body: (Item) -> Void) {
    let growth = locks.growth(held.stripe)
    let power = Int(growth >> HashTable.rowBits)
    let movedRows = Int(growth & ((1 << HashTable.rowBits) - 1))
    let rows = 1 << (power - locks.power)
    for current in stride(from: row, to: rows, by: rowCount) {
      if current < movedRows {
        forEachItem(power + 1, current << locks.power | held.stripe, body)
        forEachItem(power + 1, (current + rows) << locks.power | held.stripe, body)
      } else {
        forEachItem(power, current << locks.power | held.stripe, body)
      }
    }
  }

  private func forEachItem(_ power: Int, _ number: Int, _ body: (Item) -> Void) {
    var ref = buckets.bucket(number, size: 1 << power).first
    while !ref.isNone {
      let item = arena.item(ref)
      ref = item.hashNext
      body(item)
    }
  }

  /// Every item of the table, for invariant checks on a quiet store.
  func forEachItem(_ body: (Item) -> Void) {
    for power in buckets.firstPower...buckets.lastPower
    where power == self.power || (isGrowing && power == self.power + 1) {
      for bucket in 0..<(1 << power) { forEachItem(power, bucket, body) }
    }
  }

  func destroy() {
    buckets.unmap()
    shared.destroy()
  }
}
