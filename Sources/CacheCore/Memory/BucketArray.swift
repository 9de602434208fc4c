// The buckets of the hash table, all its sizes in one reservation of address space: 4-byte item references, zero at
// start, pages appearing when first touched. Because every size has a fixed place, a growing table publishes no new
// pointer and an unlocked look (for prefetching) never meets an unmapped one. It does not grow: HashTable says which
// size is in use.
import CSystem
import Glibc

@safe
struct BucketArray {
  private let words: UnsafeMutablePointer<UInt32>
  let firstPower: Int
  let lastPower: Int
  private let count: Int
  /// Buckets of all sizes that are smaller than the first, which are not there.
  private let leftOut: Int

  /// Reserves 2^p buckets for every power p from `firstPower` through `lastPower`. Returns nil when the kernel refuses.
  init?(firstPower: Int, lastPower: Int) {
    leftOut = 1 << firstPower
    count = (2 << lastPower) - leftOut
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    // Rule 1: a fresh private mapping; nothing else names these addresses.
    guard let mapping = unsafe mmap(nil, count * 4, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe mapping != MAP_FAILED
    else { return nil }
    unsafe words = unsafe mapping.bindMemory(to: UInt32.self, capacity: count)
    self.firstPower = firstPower
    self.lastPower = lastPower
  }

  /// Where the buckets of the table of `size` buckets begin, a power of two.
  @inline(__always)
  func firstIndex(size: Int) -> Int { size &- leftOut }

  /// The bucket at `index`, counted over all sizes; traps outside the reservation.
  @inline(__always)
  subscript(index: Int) -> ItemRef {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked above.
      return ItemRef(rawValue: unsafe csystem_load_relaxed(words + index))
    }
    nonmutating set {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked above.
      unsafe csystem_store_relaxed(words + index, newValue.rawValue)
    }
  }

  /// Bucket `bucket` of the table of 2^power; traps outside the reservation.
  @inline(__always)
  subscript(power: Int, bucket: Int) -> ItemRef {
    get { self[firstIndex(size: 1 &<< power) &+ bucket] }
    nonmutating set { self[firstIndex(size: 1 &<< power) &+ bucket] = newValue }
  }

  /// Hints that the bucket at `index` will be read soon.
  @inline(__always)
  func prefetch(_ index: Int) {
    // Rule 5: a hint never faults, wherever it points.
    unsafe csystem_prefetch(words + index)
  }

  /// Gives the memory of one size back; its buckets read as empty.
  func release(_ power: Int) {
    let start = firstIndex(size: 1 << power)
    // Rule 3: the whole size lies inside the reservation. Only whole pages can be given back.
    let first = (start * 4 + 4095) & ~4095
    let last = ((start + (1 << power)) * 4) & ~4095
    if last > first { unsafe madvise(UnsafeMutableRawPointer(words) + first, last - first, MADV_DONTNEED) }
  }

  func unmap() {
    // Rule 1: the store that owns the table is gone.
    unsafe munmap(UnsafeMutableRawPointer(words), count * 4)
  }
}

// Rule 2: words are accessed atomically, and changed only under the lock of their stripe.
extension BucketArray: @unchecked Sendable {}
