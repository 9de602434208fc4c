// What the cache has lost lately: fingerprints of evicted keys, 4 bytes each, in lines of sixteen that are read with
// one look at memory. A fingerprint is of key and slab class together, so one table serves all classes, and beside it
// stands the class's eviction time, so an entry's age is known in pages. Guesses, not facts: a false hit is one in a
// hundred thousand, and nothing is corrupted by one. Not a queue: each line forgets its own oldest. Used as the ghost
// queue of S3-FIFO (Yang et al., SOSP '23) and as the shadow queues of Cliffhanger (Cidon et al., NSDI '16);
// Docs/storage.md.
import CSystem
import Glibc

/// One word an entry: fingerprint of key and class 21 bits, time 11 bits; 0 = none.
@safe
struct GhostTable {
  private let words: UnsafeMutablePointer<UInt32>
  private let capacity: Int
  static let lineLength = 16
  /// Times count up to this and begin again.
  static let timeMask: UInt32 = (1 << 11) - 1

  /// Room for `entries` fingerprints; memory appears when it is used. nil when the kernel refuses the address space.
  init?(entries: Int) {
    capacity = max(1, entries / GhostTable.lineLength) * GhostTable.lineLength
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    // Rule 1: a fresh private mapping; nothing else names these addresses.
    guard let mapping = unsafe mmap(nil, capacity * 4, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe mapping != MAP_FAILED
    else { return nil }
    unsafe words = unsafe mapping.bindMemory(to: UInt32.self, capacity: capacity)
  }

  /// The line of a hash among the first `lines`.
  @inline(__always)
  private func line(_ hash: UInt64, of lines: Int) -> UnsafeMutablePointer<UInt32> {
    let count = min(max(lines, 1), capacity / GhostTable.lineLength)
    let index = Int(truncatingIfNeeded: ((hash >> 32) &* UInt64(truncatingIfNeeded: count)) >> 32)
    // Rule 3: the product of a fraction below one and `count` lines lies below `count`.
    return unsafe words + index &* GhostTable.lineLength
  }

  @inline(__always)
  private func mark(_ hash: UInt64, _ slabClass: Int) -> UInt32 {
    // The class changes the fingerprint instead of standing in it: with its own eight bits, what was evicted from the
    // busiest class seemed to return so often that pages went there for nothing.
    (UInt32(truncatingIfNeeded: hash) ^ UInt32(truncatingIfNeeded: slabClass) &* 0x9e37_79b1) << 11
  }

  /// Notes that the key was evicted from the class at `time`. The oldest of the line is forgotten. Needs no lock: two
  /// writers of one line may lose an entry.
  func insert(_ hash: UInt64, slabClass: Int, time: UInt32, lines: Int) {
    let line = unsafe line(hash, of: lines)
    // Rule 3: sixteen words from the start of a line.
    for place in stride(from: GhostTable.lineLength - 1, to: 0, by: -1) {
      unsafe csystem_store_relaxed(line + place, csystem_load_relaxed(line + (place - 1)))
    }
    unsafe csystem_store_relaxed(line, mark(hash, slabClass) | time & GhostTable.timeMask)
  }

  /// Forgets the key; returns the time of its eviction from the class, nil when it is not known.
  func take(_ hash: UInt64, slabClass: Int, lines: Int) -> UInt32? {
    let line = unsafe line(hash, of: lines)
    let mark = mark(hash, slabClass)
    for place in 0..<GhostTable.lineLength {
      // Rule 3: sixteen words from the start of a line.
      let word = unsafe csystem_load_relaxed(line + place)
      guard word & ~GhostTable.timeMask == mark, word != 0 else { continue }
      unsafe csystem_store_relaxed(line + place, 0)
      return word & GhostTable.timeMask
    }
    return nil
  }

  func unmap() {
    // Rule 1: the store that owns the table is gone.
    unsafe munmap(UnsafeMutableRawPointer(words), capacity * 4)
  }
}

// Rule 2: words are accessed atomically, and mean nothing together.
extension GhostTable: @unchecked Sendable {}
