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
public enum ArenaBacking: Sendable, Equatable {
  /// Pages appear when first touched.
  case lazy
  /// Transparent huge pages are asked for and everything is touched at start (-L).
  case hugePages
  /// An open file, shared, so that what lies there outlives the process (-e). Its file system must have room for all of
  /// it: writing to a mapped page that cannot be had would end the process.
  case file(descriptor: Int32)
}

@safe
struct Arena {
  /// MADV_HUGEPAGE, which Glibc's module does not show.
  private static let hugePageAdvice: Int32 = 14
  private let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// The last offset at which the longest header lies inside.
  private let lastHeaderOffset: Int
  /// References count units of this many bits: 8 bytes up to 32 GiB, more above.
  let unitShift: Int
  /// 8 when items carry a CAS unique, else 0.
  let casByteCount: Int
  /// Whether pages come and go as they are used.
  private let isLazy: Bool

  /// Reserves `byteCount` bytes of address space. Returns nil when the kernel refuses, or when the file is shorter.
  init?(byteCount: Int, casByteCount: Int, backing: ArenaBacking) {
    var flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    var file: Int32 = -1
    if case .file(let descriptor) = backing {
      guard lseek(descriptor, 0, SEEK_END) >= byteCount else { return nil }
      flags = MAP_SHARED
      file = descriptor
    }
    // Rule 1: a fresh mapping; nothing else in this process names these addresses. Of a file the server holds the lock,
    // so that no other server maps it.
    guard let mapping = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, file, 0),
      unsafe mapping != MAP_FAILED
    else { return nil }
    if backing == .hugePages {
      unsafe madvise(mapping, byteCount, Arena.hugePageAdvice)
      unsafe memset(mapping, 0, byteCount)
    }
    unsafe base = mapping
    self.byteCount = byteCount
    lastHeaderOffset = byteCount - ItemLayout.maximumHeaderByteCount
    self.casByteCount = casByteCount
    isLazy = backing == .lazy
    var shift = 3
    while byteCount >> shift > Int(UInt32.max) { shift += 1 }
    unitShift = shift
  }

  func unmap() {
    // Rule 1: the store that owns the arena is gone, and with it every reference.
    unsafe munmap(base, byteCount)
  }

  /// Gives the memory of `[byteOffset, byteOffset + byteCount)` back to the kernel; it reads as zero from then on.
  /// Nobody may know a place in it. Without effect on huge pages and on a file, whose room is kept.
  func discard(byteOffset: Int, byteCount count: Int) {
    precondition(byteOffset >= 0 && count >= 0 && byteOffset + count <= byteCount)
    guard isLazy else { return }
    // Rule 3: inside the mapping, checked above.
    unsafe madvise(base + byteOffset, count, MADV_DONTNEED)
  }

  /// What lies at `[byteOffset, byteOffset + count)`; traps outside. Nobody may write there meanwhile.
  @_lifetime(borrow self)
  func bytes(byteOffset: Int, count: Int) -> RawSpan {
    precondition(byteOffset >= 0 && count >= 0 && byteOffset + count <= byteCount)
    // Rule 3: inside the mapping, checked above.
    let bytes = unsafe UnsafeRawBufferPointer(start: base + byteOffset, count: count)
    return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
  }

  @inline(__always)
  func ref(byteOffset: Int) -> ItemRef { ItemRef(rawValue: UInt32(truncatingIfNeeded: byteOffset &>> unitShift)) }

  @inline(__always)
  func byteOffset(_ ref: ItemRef) -> Int { Int(ref.rawValue) &<< unitShift }

  @inline(__always)
  func byteOffset(of item: Item) -> Int { unsafe item.byteOffset(from: base) }

  /// The item at `ref`; traps when its header would lie outside.
  @inline(__always)
  func item(_ ref: ItemRef) -> Item {
    let offset = byteOffset(ref)
    precondition(!ref.isNone && offset <= lastHeaderOffset)
    // Rule 4: the header lies inside the arena, checked above.
    return unsafe Item(pointer: base + offset, ref: ref, casByteCount: casByteCount)
  }

  /// Hints that the item at `ref` will be read soon: three lines, what most items have.
  @inline(__always)
  func prefetch(_ ref: ItemRef) {
    // Rule 5: a hint never faults, wherever it points.
    unsafe csystem_prefetch(base + byteOffset(ref))
    unsafe csystem_prefetch(base + byteOffset(ref) + 64)
    unsafe csystem_prefetch(base + byteOffset(ref) + 128)
  }
}

extension Arena {
  /// Hints that the chunks that follow `next` in a chain will be read soon, where they probably are: as far from `next`
  /// as that is from the chunk `last` before it, for chunks are often taken one after the other.
  @inline(__always)
  func prefetchChain(_ last: ItemRef, _ next: ItemRef) {
    let step = next.rawValue &- last.rawValue
    for count in 1...3 as ClosedRange<UInt32> {
      let place = byteOffset(ItemRef(rawValue: next.rawValue &+ count &* step))
      // Rule 5: a hint never faults, wherever it points.
      unsafe csystem_prefetch(base + place)
    }
  }
}

// Rule 2: the fields never change; what lies in the mapping is guarded by the locks that Docs/memory.md lists.
extension Arena: @unchecked Sendable {}
