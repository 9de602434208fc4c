// Where the fields of an item lie: the one place that knows. Not the meaning of the fields: see Item and Store.
//
//   byte  0        4        8        12           16        20                     24        26        27
//        +--------+--------+--------+------------+---------+----------------------+---------+---------+-------+
//        |hashNext| next   |previous| lastAccess | exptime | valueByteCount:30    |holds:14 |key count| flags |
//        |        |        |        |            |         | segment:2            |reads:2  |         |       |
//        +--------+--------+--------+------------+---------+----------------------+---------+---------+-------+
//   byte 28: CAS unique, 8 bytes (absent with -C)
//        then client flags, 4 bytes (absent when 0), then chain head, 8 bytes (chunked only), then key, then value.
//
// A 10-byte key with a 32-byte value and no client flags: 28 + 8 + 10 + 32 = 78 bytes, chunk 96. No NUL, no CRLF.

enum ItemLayout {
  static let hashNext = 0
  static let next = 4
  static let previous = 8
  static let lastAccess = 12
  static let exptime = 16
  static let sizeAndSegment = 20
  static let holdsAndReads = 24
  static let keyByteCount = 26
  static let flags = 27
  static let fixedByteCount = 28
  /// Fixed part, CAS, client flags, chain head.
  static let maximumHeaderByteCount = 28 + 8 + 4 + 8
  /// A continuation chunk: chain link, byte count, the hash of the key it belongs to; then key count and flags where an
  /// item has them, so that a page can be walked.
  static let chunkHeaderByteCount = 28
  static let chunkHash = 8
  /// What a chunked item has before its key: the first continuation chunk, and the value bytes beside the key.
  static let chainHeadByteCount = 8
  static let valueByteCountMask: UInt32 = (1 << 30) - 1
  /// The low bits of the half word that counts holds; the two above count reads.
  static let holdsMask: UInt16 = (1 << 14) - 1

  /// Bytes of an item apart from its value.
  static func overhead(keyByteCount: Int, hasClientFlags: Bool, casByteCount: Int) -> Int {
    fixedByteCount + casByteCount + (hasClientFlags ? 4 : 0) + keyByteCount
  }
}

/// The bits of an item's flags byte. The values 4 and 8 double as the byte counts of the optional header parts.
struct ItemFlags: OptionSet, Sendable {
  let rawValue: UInt8
  /// Reachable through the hash table and on an LRU list.
  static let linked = ItemFlags(rawValue: 1)
  /// Read at least once since stored.
  static let fetched = ItemFlags(rawValue: 2)
  static let hasClientFlags = ItemFlags(rawValue: 4)
  /// The value continues in a chain of chunks.
  static let chunked = ItemFlags(rawValue: 8)
  /// The value is known to be out of date (meta flag I); readers are told.
  static let stale = ItemFlags(rawValue: 32)
  /// One client has been told to recache the item; the others are told so.
  static let tokenSent = ItemFlags(rawValue: 64)
  /// The key came as base64, and is shown so.
  static let keyIsEncoded = ItemFlags(rawValue: 128)
  /// Every flag that an item can have.
  static let all: ItemFlags = [.linked, .fetched, .hasClientFlags, .chunked, .stale, .tokenSent, .keyIsEncoded]
}

/// What an item's header says in one word: holds, reads, key count and flags, from one look.
struct ItemHead {
  private let bits: UInt32
  /// Set in the head of an item that was read at least once since it was stored, and three times since its list last
  /// looked at it.
  private static let readOften = UInt32(ItemFlags.fetched.rawValue) << 24 | 3 << 14

  @inline(__always)
  init(bits: UInt32) { self.bits = bits }

  /// The head of the same item, not held, with other flags and another count of reads, at most 3.
  @inline(__always)
  func renewed(reads: UInt8, flags: ItemFlags) -> UInt32 {
    bits & 0xff_0000 | UInt32(min(reads, 3)) &<< 14 | UInt32(flags.rawValue) &<< 24
  }

  @inline(__always)
  var isHeld: Bool { bits & UInt32(ItemLayout.holdsMask) != 0 }
  /// 0 to 3.
  @inline(__always)
  var reads: UInt8 { UInt8(truncatingIfNeeded: bits &>> 14 & 3) }
  /// Whether one more read changes nothing in the head.
  @inline(__always)
  var isReadOften: Bool { bits & ItemHead.readOften == ItemHead.readOften }
  @inline(__always)
  var keyByteCount: Int { Int(bits &>> 16 & 0xff) }
  @inline(__always)
  var flags: ItemFlags { ItemFlags(rawValue: UInt8(truncatingIfNeeded: bits &>> 24)) }
}

/// The list an item is on; the names of memcached's segments. What they mean in another order than its own is said by
/// EvictionOrder.
enum Segment: UInt8, Sendable, CaseIterable {
  case hot = 0
  case warm = 1
  case cold = 2
  case temporary = 3
}
