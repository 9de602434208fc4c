// Access to one item in the arena: fields by name, key and value as bytes. A view, not an owner: it is valid while the
// lock of its key is held, or while it is held (holds > 0), or while it is a reservation. It decides nothing: Store
// does.
import CSystem
import Glibc

@safe
struct Item {
  private let pointer: UnsafeMutableRawPointer
  let ref: ItemRef
  private let casByteCount: Int

  /// Only Arena makes items: it has checked that the header lies inside the mapping (rule 4).
  @unsafe @inline(__always)
  init(pointer: UnsafeMutableRawPointer, ref: ItemRef, casByteCount: Int) {
    unsafe self.pointer = unsafe pointer
    self.ref = ref
    self.casByteCount = casByteCount
  }

  /// Where it lies, counted from `base`.
  @inline(__always)
  func byteOffset(from base: UnsafeMutableRawPointer) -> Int { unsafe pointer - base }

  // Header fields. Rule 4 for all of them: constant offsets within the checked header.

  /// A field that is looked at without the lock before it is looked at with it (times, size and segment).
  @unsafe @inline(__always)
  private func word(at offset: Int) -> UnsafeMutablePointer<UInt32> {
    unsafe (pointer + offset).assumingMemoryBound(to: UInt32.self)
  }

  @inline(__always)
  var hashNext: ItemRef {
    get { ItemRef(rawValue: unsafe pointer.load(fromByteOffset: ItemLayout.hashNext, as: UInt32.self)) }
    nonmutating set {
      unsafe pointer.storeBytes(of: newValue.rawValue, toByteOffset: ItemLayout.hashNext, as: UInt32.self)
    }
  }
  @inline(__always)
  var next: ItemRef {
    get { ItemRef(rawValue: unsafe pointer.load(fromByteOffset: ItemLayout.next, as: UInt32.self)) }
    nonmutating set { unsafe pointer.storeBytes(of: newValue.rawValue, toByteOffset: ItemLayout.next, as: UInt32.self) }
  }
  @inline(__always)
  var previous: ItemRef {
    get { ItemRef(rawValue: unsafe pointer.load(fromByteOffset: ItemLayout.previous, as: UInt32.self)) }
    nonmutating set {
      unsafe pointer.storeBytes(of: newValue.rawValue, toByteOffset: ItemLayout.previous, as: UInt32.self)
    }
  }
  /// Seconds of the store's clock at the last access, never before the last flush.
  @inline(__always)
  var lastAccess: UInt32 {
    get { unsafe csystem_load_relaxed(word(at: ItemLayout.lastAccess)) }
    nonmutating set { unsafe csystem_store_relaxed(word(at: ItemLayout.lastAccess), newValue) }
  }
  /// The last second of the store's clock in which the item lives; 0 = for ever.
  @inline(__always)
  var exptime: UInt32 {
    get { unsafe csystem_load_relaxed(word(at: ItemLayout.exptime)) }
    nonmutating set { unsafe csystem_store_relaxed(word(at: ItemLayout.exptime), newValue) }
  }
  @inline(__always)
  private var sizeAndSegment: UInt32 {
    get { unsafe csystem_load_relaxed(word(at: ItemLayout.sizeAndSegment)) }
    nonmutating set { unsafe csystem_store_relaxed(word(at: ItemLayout.sizeAndSegment), newValue) }
  }
  @inline(__always)
  var valueByteCount: Int { Int(sizeAndSegment & ItemLayout.valueByteCountMask) }
  /// Changed with the class lock held; read with either lock.
  @inline(__always)
  var segment: Segment {
    get { Segment(rawValue: UInt8(sizeAndSegment >> 30)) ?? .cold }
    nonmutating set {
      sizeAndSegment = sizeAndSegment & ItemLayout.valueByteCountMask | UInt32(newValue.rawValue) << 30
    }
  }
  /// The raw value of `segment`, 0 to 3, for those who index by it.
  @inline(__always)
  var segmentNumber: Int { Int(sizeAndSegment &>> 30) }
  @inline(__always)
  private var holdsAndReads: UInt16 {
    get { unsafe pointer.load(fromByteOffset: ItemLayout.holdsAndReads, as: UInt16.self) }
    nonmutating set { unsafe pointer.storeBytes(of: newValue, toByteOffset: ItemLayout.holdsAndReads, as: UInt16.self) }
  }
  /// How many readers outside the lock still need the value, at most `ItemLayout.holdsMask`.
  @inline(__always)
  var holds: UInt16 {
    get { holdsAndReads & ItemLayout.holdsMask }
    nonmutating set { holdsAndReads = holdsAndReads & ~ItemLayout.holdsMask | newValue & ItemLayout.holdsMask }
  }
  /// How often the item was read since its list last looked at it; 3 stands for more. Wants the item lock.
  @inline(__always)
  var reads: UInt8 {
    get { UInt8(truncatingIfNeeded: holdsAndReads >> 14) }
    nonmutating set { holdsAndReads = holdsAndReads & ItemLayout.holdsMask | UInt16(min(newValue, 3)) << 14 }
  }
  /// 1 to 250; 0 for a free chunk or a continuation chunk.
  @inline(__always)
  var keyByteCount: Int { Int(unsafe pointer.load(fromByteOffset: ItemLayout.keyByteCount, as: UInt8.self)) }
  @inline(__always)
  var flags: ItemFlags {
    get { ItemFlags(rawValue: unsafe csystem_load_relaxed_byte(pointer + ItemLayout.flags)) }
    nonmutating set { unsafe csystem_store_relaxed_byte(pointer + ItemLayout.flags, newValue.rawValue) }
  }
  /// The CAS unique; 0 with -C.
  @inline(__always)
  var cas: UInt64 {
    get {
      casByteCount == 0 ? 0 : unsafe pointer.loadUnaligned(fromByteOffset: ItemLayout.fixedByteCount, as: UInt64.self)
    }
    nonmutating set {
      if casByteCount != 0 {
        unsafe pointer.storeBytes(of: newValue, toByteOffset: ItemLayout.fixedByteCount, as: UInt64.self)
      }
    }
  }
  /// The number the client stored beside the value.
  @inline(__always)
  var clientFlags: UInt32 {
    guard flags.contains(.hasClientFlags) else { return 0 }
    return unsafe pointer.loadUnaligned(fromByteOffset: ItemLayout.fixedByteCount &+ casByteCount, as: UInt32.self)
  }

  // Optional parts.

  @inline(__always)
  private var chainOffset: Int {
    ItemLayout.fixedByteCount &+ casByteCount &+ Int(flags.rawValue & ItemFlags.hasClientFlags.rawValue)
  }
  /// The first continuation chunk of a chunked item.
  var firstChunk: ItemRef {
    get { ItemRef(rawValue: unsafe pointer.loadUnaligned(fromByteOffset: chainOffset, as: UInt32.self)) }
    nonmutating set { unsafe pointer.storeBytes(of: newValue.rawValue, toByteOffset: chainOffset, as: UInt32.self) }
  }
  /// How much of a chunked item's value lies beside its key.
  private(set) var inlineByteCount: Int {
    get { Int(unsafe pointer.loadUnaligned(fromByteOffset: chainOffset + 4, as: UInt32.self)) }
    nonmutating set { unsafe pointer.storeBytes(of: UInt32(newValue), toByteOffset: chainOffset + 4, as: UInt32.self) }
  }
  @inline(__always)
  private var keyOffset: Int { keyOffset(flags) }
  /// The key lies behind the parts that the flags tell of.
  @inline(__always)
  private func keyOffset(_ flags: ItemFlags) -> Int {
    ItemLayout.fixedByteCount &+ casByteCount
      &+ Int(flags.rawValue & (ItemFlags.hasClientFlags.rawValue | ItemFlags.chunked.rawValue))
  }

  /// Bytes of the chunk that the item occupies, its continuation chunks with their headers included.
  @inline(__always)
  var totalByteCount: Int {
    let total = keyOffset &+ keyByteCount &+ valueByteCount
    return flags.contains(.chunked) ? total + chainHeaderByteCount : total
  }
  private var chainHeaderByteCount: Int {
    let perChunk = max(chunkCapacityHint, 1)
    return (valueByteCount - inlineByteCount + perChunk - 1) / perChunk * ItemLayout.chunkHeaderByteCount
  }
  /// The value bytes of a full continuation chunk: what lies inline plus this item's own header, less the chunk's.
  private var chunkCapacityHint: Int {
    inlineByteCount + keyOffset + keyByteCount - ItemLayout.chunkHeaderByteCount
  }

  /// The key. Valid as long as the item is.
  @inline(__always)
  var key: RawSpan {
    @_lifetime(borrow self)
    get {
      // Rule 6: initialise() found the key inside the chunk.
      let bytes = unsafe UnsafeRawBufferPointer(start: pointer + keyOffset, count: keyByteCount)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }

  /// The part of the value beside the key: all of it unless the item is chunked.
  @inline(__always)
  var inlineValue: RawSpan {
    @_lifetime(borrow self)
    get {
      let count = flags.contains(.chunked) ? inlineByteCount : valueByteCount
      // Rule 6: initialise() found key and inline value inside the chunk.
      let bytes = unsafe UnsafeRawBufferPointer(start: pointer + (keyOffset &+ keyByteCount), count: count)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }

  /// Holds, reads, key count and flags. Wants the item lock.
  @inline(__always)
  var head: ItemHead { ItemHead(bits: unsafe csystem_load_relaxed(word(at: ItemLayout.holdsAndReads))) }

  /// Changes reads and flags of an item that is not held, whose head is `head`. Wants the item lock.
  @inline(__always)
  func renew(_ head: ItemHead, reads: UInt8, flags: ItemFlags) {
    unsafe csystem_store_relaxed(word(at: ItemLayout.holdsAndReads), head.renewed(reads: reads, flags: flags))
  }

  /// Where key and value lie, and what the header says besides. Wants the item lock.
  @inline(__always)
  var contents: ItemContents {
    let head = head
    // Rule 6: initialise() found client flags, key and inline value inside the chunk.
    return unsafe ItemContents(key: pointer + keyOffset(head.flags), head: head, sizeAndSegment: sizeAndSegment)
  }

  /// The same if the key is `key`, else nil.
  @inline(__always)
  func contents(ifKeyIs key: RawSpan) -> ItemContents? {
    let head = head
    guard head.keyByteCount == key.byteCount else { return nil }
    let start = unsafe pointer + keyOffset(head.flags)
    let isSame = unsafe key.withUnsafeBytes { bytes in
      // Rule 6: as above, and the span's own bounds.
      unsafe bytes.baseAddress.map { unsafe hasSameBytes(start, $0, count: bytes.count) } ?? false
    }
    return isSame ? unsafe ItemContents(key: start, head: head, sizeAndSegment: sizeAndSegment) : nil
  }

  /// The bytes at `offset` of the inline value, for writing; used while the item is private or locked and not held.
  @inline(__always)
  func inlineWindow(from offset: Int) -> MemoryWindow {
    let count = flags.contains(.chunked) ? inlineByteCount : valueByteCount
    precondition(offset >= 0 && offset <= count)
    // Rule 6: inside the chunk, as checked in initialise() and above.
    return unsafe MemoryWindow(pointer: pointer + (keyOffset &+ keyByteCount &+ offset), count: count &- offset)
  }

  // Making and unmaking.

  /// Writes a new item's header and key into a chunk of `chunkByteCount` bytes; the value is still to be filled.
  /// Traps when key and inline value do not fit. `inlineByteCount` is smaller than the value only for chunked items.
  @inline(__always)
  func initialise(
    key: RawSpan, clientFlags: UInt32, exptime: UInt32, valueByteCount: Int, inlineByteCount: Int, chunkByteCount: Int
  ) {
    precondition(key.byteCount > 0 && key.byteCount <= 250 && valueByteCount >= 0)
    precondition(valueByteCount <= Int(ItemLayout.valueByteCountMask))
    var bits: ItemFlags = []
    if clientFlags != 0 { bits.insert(.hasClientFlags) }
    if inlineByteCount < valueByteCount { bits.insert(.chunked) }
    flags = bits
    hashNext = .none
    next = .none
    previous = .none
    lastAccess = 0
    self.exptime = exptime
    sizeAndSegment = UInt32(valueByteCount)
    holdsAndReads = 0
    unsafe pointer.storeBytes(of: UInt8(key.byteCount), toByteOffset: ItemLayout.keyByteCount, as: UInt8.self)
    cas = 0
    if clientFlags != 0 {
      unsafe pointer.storeBytes(
        of: clientFlags, toByteOffset: ItemLayout.fixedByteCount &+ casByteCount, as: UInt32.self)
    }
    if bits.contains(.chunked) {
      firstChunk = .none
      self.inlineByteCount = inlineByteCount
    }
    precondition(keyOffset &+ key.byteCount &+ inlineByteCount <= chunkByteCount)
    // Rule 6: key and inline value lie inside the chunk, checked on the line above.
    let window = unsafe MemoryWindow(pointer: pointer + keyOffset, count: key.byteCount)
    window.copy(from: key)
  }

  /// Changes the size of an unchunked item's value, whose bytes are to be overwritten next. Traps when it does not fit
  /// its chunk of `chunkByteCount` bytes. Wants the item lock and the class lock.
  @inline(__always)
  func resize(valueByteCount: Int, chunkByteCount: Int) {
    precondition(!flags.contains(.chunked) && keyOffset &+ keyByteCount &+ valueByteCount <= chunkByteCount)
    sizeAndSegment = sizeAndSegment & ~ItemLayout.valueByteCountMask | UInt32(truncatingIfNeeded: valueByteCount)
  }

  /// Makes this chunk what `other` is, header, key, value and all; both are chunks of `chunkByteCount` bytes. Wants the
  /// locks that guard the other.
  func copyChunk(from other: Item, chunkByteCount: Int) {
    // Rule 6: both are chunks of one class, which is what `chunkByteCount` says.
    unsafe memcpy(pointer, other.pointer, chunkByteCount)
  }

  /// Marks the chunk as free: no key, no flags. Keeps `next` for the free list.
  @inline(__always)
  func clear() {
    flags = []
    sizeAndSegment = 0
    holdsAndReads = 0
    unsafe pointer.storeBytes(of: 0, toByteOffset: ItemLayout.keyByteCount, as: UInt8.self)
  }
}

/// Key and value of an item, for those who compare and send them, and what its header said when they were found. Valid
/// as long as the item is, while its lock is held.
@safe
struct ItemContents {
  private let start: UnsafeMutableRawPointer
  let head: ItemHead
  private let sizeAndSegment: UInt32

  /// `start` is where the key lies; an unchunked item has its client flags before it and its value behind it.
  @unsafe @inline(__always)
  fileprivate init(key start: UnsafeMutableRawPointer, head: ItemHead, sizeAndSegment: UInt32) {
    unsafe self.start = unsafe start
    self.head = head
    self.sizeAndSegment = sizeAndSegment
  }

  @inline(__always)
  var flags: ItemFlags { head.flags }
  @inline(__always)
  var keyByteCount: Int { head.keyByteCount }
  @inline(__always)
  var valueByteCount: Int { Int(sizeAndSegment & ItemLayout.valueByteCountMask) }
  /// As `Item.segmentNumber`.
  @inline(__always)
  var segmentNumber: Int { Int(sizeAndSegment &>> 30) }

  /// The number the client stored beside the value. Traps for a chunked item.
  @inline(__always)
  var clientFlags: UInt32 {
    precondition(!flags.contains(.chunked))
    guard flags.contains(.hasClientFlags) else { return 0 }
    // Rule 6: as in `Item.contents`; nothing lies between client flags and key.
    return unsafe start.loadUnaligned(fromByteOffset: -4, as: UInt32.self)
  }

  @inline(__always)
  var key: RawSpan {
    @_lifetime(borrow self)
    get {
      // Rule 6: as in `Item.contents`.
      let bytes = unsafe UnsafeRawBufferPointer(start: start, count: keyByteCount)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }

  /// Gives an unchunked item that nobody holds a new value of its own size, and new client flags of the same presence;
  /// traps otherwise.
  @inline(__always)
  func overwrite(clientFlags: UInt32, value: RawSpan) {
    precondition(flags.isDisjoint(with: .chunked) && (clientFlags != 0) == flags.contains(.hasClientFlags))
    precondition(value.byteCount == valueByteCount)
    // Rule 6: as in `Item.contents`.
    if clientFlags != 0 { unsafe start.storeBytes(of: clientFlags, toByteOffset: -4, as: UInt32.self) }
    unsafe MemoryWindow(pointer: start + keyByteCount, count: valueByteCount).copy(from: value)
  }

  /// The whole value. Traps for a chunked item.
  @inline(__always)
  var value: RawSpan {
    @_lifetime(borrow self)
    get {
      precondition(!flags.contains(.chunked))
      // Rule 6: as in `Item.contents`.
      let bytes = unsafe UnsafeRawBufferPointer(start: start + keyByteCount, count: valueByteCount)
      return unsafe _overrideLifetime(bytes.bytes, borrowing: self)
    }
  }
}

/// A continuation chunk of a chunked value. Owned by exactly one item.
@safe
struct ValueChunk {
  private let pointer: UnsafeMutableRawPointer
  let ref: ItemRef

  /// `item` is the arena's view of the same place, which has checked the header (rule 4).
  init(_ item: Item) {
    unsafe pointer = item.rawPointer
    ref = item.ref
  }

  var next: ItemRef {
    get { ItemRef(rawValue: unsafe pointer.load(fromByteOffset: 0, as: UInt32.self)) }
    nonmutating set { unsafe pointer.storeBytes(of: newValue.rawValue, toByteOffset: 0, as: UInt32.self) }
  }
  var byteCount: Int { Int(unsafe pointer.load(fromByteOffset: 4, as: UInt32.self)) }

  /// The hash of the key of the item that the chunk belongs to.
  var keyHash: UInt64 { unsafe pointer.load(fromByteOffset: ItemLayout.chunkHash, as: UInt64.self) }

  /// Makes the chunk a member of a chain holding `byteCount` value bytes; traps when they do not fit.
  func initialise(byteCount: Int, keyHash: UInt64, chunkByteCount: Int) {
    precondition(ItemLayout.chunkHeaderByteCount + byteCount <= chunkByteCount)
    // Rule 4: constant offsets within the checked header; key count 0 and the chunked flag say what this is.
    unsafe memset(pointer, 0, ItemLayout.chunkHeaderByteCount)
    unsafe pointer.storeBytes(of: UInt32(byteCount), toByteOffset: 4, as: UInt32.self)
    unsafe pointer.storeBytes(of: keyHash, toByteOffset: ItemLayout.chunkHash, as: UInt64.self)
    unsafe csystem_store_relaxed_byte(pointer + ItemLayout.flags, ItemFlags.chunked.rawValue)
  }

  /// The bytes at `offset`, for reading or, while the item is private, writing.
  func window(from offset: Int) -> MemoryWindow {
    precondition(offset >= 0 && offset <= byteCount)
    // Rule 6: initialise() found the bytes inside the chunk.
    return unsafe MemoryWindow(
      pointer: pointer + ItemLayout.chunkHeaderByteCount + offset, count: byteCount - offset)
  }
}

extension Item {
  /// For ValueChunk, which reads the same header by other names.
  @unsafe fileprivate var rawPointer: UnsafeMutableRawPointer { unsafe pointer }
}
