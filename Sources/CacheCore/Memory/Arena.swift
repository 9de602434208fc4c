// The one mapping that holds every item: reserved at start, touched page by page as it fills (or up front on request).
// Places in it are named by 32-bit references, never by pointers, so a link costs 4 bytes and could survive a remap.
// It hands out no memory by itself: SlabAllocator cuts it into pages and chunks. Chart: Docs/memory.md.
import CSystem
import Glibc

/// A place in the arena, in units of `1 << Arena.unitShift` bytes. Zero is "none".
@frozen
public struct ItemRef: Equatable, Hashable, Sendable {
  var rawValue: UInt32
  @inline(__always)
  init(rawValue: UInt32) { self.rawValue = rawValue }
  static let none = ItemRef(rawValue: 0)
  @inline(__always)
  var isNone: Bool { rawValue == 0 }
}

/// How the mapping is backed.
public enum ArenaBacking: Sendable {
  /// Pages appear when first touched.
  case lazy
  /// Transparent huge pages are asked for and everything is touched at start (-L).
  case hugePages
}

@safe
struct Arena {
  /// MADV_HUGEPAGE, which Glibc's module does not show.
  private static let hugePageAdvice: Int32 = 14
  private let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// References count units of this many bits: 8 bytes up to 32 GiB, more above.
  let unitShift: Int
  /// 8 when items carry a CAS unique, else 0.
  let casByteCount: Int
  private let isHuge: Bool

  /// Reserves `byteCount` bytes of address space. Returns nil when the kernel refuses.
  init?(byteCount: Int, casByteCount: Int, backing: ArenaBacking) {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    // Rule 1: a fresh private mapping; nothing else names these addresses.
    guard let mapping = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe mapping != MAP_FAILED
    else { return nil }
    if backing == .hugePages {
      unsafe madvise(mapping, byteCount, Arena.hugePageAdvice)
      unsafe memset(mapping, 0, byteCount)
    }
    unsafe base = mapping
    self.byteCount = byteCount
    self.casByteCount = casByteCount
    isHuge = backing == .hugePages
    var shift = 3
    while byteCount >> shift > Int(UInt32.max) { shift += 1 }
    unitShift = shift
  }

  func unmap() {
    // Rule 1: the store that owns the arena is gone, and with it every reference.
    unsafe munmap(base, byteCount)
  }

  /// Gives the memory of `[byteOffset, byteOffset + byteCount)` back to the kernel; it reads as zero from then on.
  /// Nobody may know a place in it. Without effect on huge pages.
  func discard(byteOffset: Int, byteCount count: Int) {
    precondition(byteOffset >= 0 && count >= 0 && byteOffset + count <= byteCount)
    guard !isHuge else { return }
    // Rule 3: inside the mapping, checked above.
    unsafe madvise(base + byteOffset, count, MADV_DONTNEED)
  }

  @inline(__always)
  func ref(byteOffset: Int) -> ItemRef { ItemRef(rawValue: UInt32(truncatingIfNeeded: byteOffset &>> unitShift)) }

  @inline(__always)
  func byteOffset(_ ref: ItemRef) -> Int { Int(ref.rawValue) &<< unitShift }

  /// The item at `ref`; traps when its header would lie outside.
  @inline(__always)
  func item(_ ref: ItemRef) -> Item {
    let offset = byteOffset(ref)
    precondition(!ref.isNone && offset &+ ItemLayout.maximumHeaderByteCount <= byteCount)
    // Rule 4: the header lies inside the arena, checked above.
    return unsafe Item(pointer: base + offset, ref: ref, casByteCount: casByteCount)
  }

  /// Hints that the item at `ref` will be read soon.
  @inline(__always)
  func prefetch(_ ref: ItemRef) {
    // Rule 5: a hint never faults, wherever it points.
    unsafe csystem_prefetch(base + byteOffset(ref))
    unsafe csystem_prefetch(base + byteOffset(ref) + 64)
  }
}

// Rule 2: the fields never change; what lies in the mapping is guarded by the locks that Docs/memory.md lists.
extension Arena: @unchecked Sendable {}
