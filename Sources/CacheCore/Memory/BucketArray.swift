// The buckets of the hash table, all its sizes in one reservation of address space: 4-byte item references, zero at
// start, pages appearing when first touched. Because every size has a fixed place, a growing table publishes no new
// pointer and an unlocked look (for prefetching) never meets an unmapped one. It does not grow: HashTable says which
// size is in use.
import CSystem
import Glibc
import Synchronization

/// One bucket: the first item of a chain. Valid as long as the array.
@safe
struct Bucket {
  private let word: UnsafeMutablePointer<UInt32>

  /// Only BucketArray makes buckets: it has checked that the word lies in the reservation.
  @unsafe @inline(__always)
  fileprivate init(_ word: UnsafeMutablePointer<UInt32>) { unsafe self.word = unsafe word }

  /// Changed under the lock of the bucket's stripe; a hint without.
  @inline(__always)
  var first: ItemRef {
    get { ItemRef(rawValue: unsafe csystem_load_relaxed(word)) }
    nonmutating set { unsafe csystem_store_relaxed(word, newValue.rawValue) }
  }

  /// Hints that the bucket will be read soon.
  @inline(__always)
  func prefetch() {
    // Rule 5: a hint never faults, wherever it points.
    unsafe csystem_prefetch(word)
  }
}

/// The buckets of one size, which somebody may be giving up for another meanwhile: good for hints only. Valid as long
/// as the array.
@safe
struct ProbableBuckets {
  private let start: UnsafeMutablePointer<UInt32>
  private let mask: UInt64

  /// The caller vouches for `mask` + 1 buckets at `start`.
  @unsafe @inline(__always)
  fileprivate init(_ start: UnsafeMutablePointer<UInt32>, mask: UInt64) {
    unsafe self.start = unsafe start
    self.mask = mask
  }

  @inline(__always)
  subscript(hash: UInt64) -> Bucket {
    // Rule 3: no more than the mask.
    unsafe Bucket(start + Int(truncatingIfNeeded: hash & mask))
  }
}

@safe
struct BucketArray: ~Copyable {
  /// The table of 2^p buckets begins at word 2^p, so that the place of a bucket is the sum of its number and its
  /// table's size. What lies before the first table is never touched.
  private let words: UnsafeMutablePointer<UInt32>
  let firstPower: Int
  let lastPower: Int
  private let count: Int
  /// The size that all stripes use, less one, 0 while there is none; and where the table of that size, or of the last
  /// such, begins.
  private let settledMask = Atomic<UInt64>(0)
  private let settledStart: Atomic<UInt>

  /// Reserves 2^p buckets for every power p from `firstPower` through `lastPower`. Returns nil when the kernel refuses.
  init?(firstPower: Int, lastPower: Int) {
    count = 2 << lastPower
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    // Rule 1: a fresh private mapping; nothing else names these addresses.
    guard let mapping = unsafe mmap(nil, count * 4, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe mapping != MAP_FAILED
    else { return nil }
    unsafe words = unsafe mapping.bindMemory(to: UInt32.self, capacity: count)
    settledStart = unsafe Atomic(UInt(bitPattern: words))
    self.firstPower = firstPower
    self.lastPower = lastPower
  }

  /// Says which size all stripes use; nil when they do not use the same.
  func settle(_ power: Int?) {
    guard let power else { return settledMask.store(0, ordering: .relaxed) }
    precondition(power >= firstPower && power <= lastPower)
    // Rule 3: the table of this size begins there. Who reads the new mask finds the new beginning.
    unsafe settledStart.store(UInt(bitPattern: words + (1 << power)), ordering: .relaxed)
    settledMask.store((1 << UInt64(power)) - 1, ordering: .releasing)
  }

  /// The bucket of `hash` in the size that all stripes use; nil when they do not use the same.
  @inline(__always)
  func settled(_ hash: UInt64) -> Bucket? {
    let mask = settledMask.load(ordering: .acquiring)
    guard mask != 0 else { return nil }
    // Rule 3: neither beginning nor mask is beyond the last size, and the reservation has twice as many words.
    return unsafe Bucket(start + Int(truncatingIfNeeded: hash & mask))
  }

  @unsafe @inline(__always)
  private var start: UnsafeMutablePointer<UInt32> {
    // Rule 3: it is a place in the mapping, which does not begin at zero.
    unsafe UnsafeMutablePointer(bitPattern: settledStart.load(ordering: .relaxed)).unsafelyUnwrapped
  }

  /// The buckets of the size that all stripes use, or last used, as they are now: for hints.
  @inline(__always)
  var probable: ProbableBuckets {
    unsafe ProbableBuckets(start, mask: settledMask.load(ordering: .relaxed))
  }

  /// Bucket `number` of the table of `size` buckets, a power of two; traps outside the reservation.
  @inline(__always)
  func bucket(_ number: Int, size: Int) -> Bucket {
    let index = size &+ number
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    // Rule 3: index checked above.
    return unsafe Bucket(words + index)
  }

  /// Gives the memory of one size back; its buckets read as empty.
  func release(_ power: Int) {
    // Rule 3: the whole size lies inside the reservation. Only whole pages can be given back.
    let first = ((4 << power) + 4095) & ~4095
    let last = (8 << power) & ~4095
    if last > first { unsafe madvise(UnsafeMutableRawPointer(words) + first, last - first, MADV_DONTNEED) }
  }

  func unmap() {
    // Rule 1: the store that owns the table is gone.
    unsafe munmap(UnsafeMutableRawPointer(words), count * 4)
  }
}

// Rule 2: words are accessed atomically, and changed only under the lock of their stripe.
extension BucketArray: @unchecked Sendable {}
