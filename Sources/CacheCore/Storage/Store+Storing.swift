// Storing: a chunk is reserved when the size is known, filled in place while bytes arrive, and linked when it is
// complete. A reservation that is dropped at any moment frees its chunks, so a client that dies mid-value leaves
// nothing behind.

/// What happens to a finished value; the storage commands of the protocols.
public enum StoreMode: UInt8, Sendable {
  case set, add, replace, append, prepend, cas
}

/// On what terms a value replaces what is there.
struct StoreTerms: Equatable {
  var mode: StoreMode
  /// What the item there must have; for append and prepend, 0 = whatever it is.
  var expectedCAS: UInt64 = 0
  /// The CAS unique of the new item; 0 = the next one.
  var newCAS: UInt64 = 0
  /// With `.cas`: a value made from an older item than the one there is taken, and marked stale.
  var acceptsOlder = false
  /// With append and prepend: makes the item when there is none.
  var vivifies = false
  /// The key came as base64.
  var isKeyEncoded = false

  init(mode: StoreMode, expectedCAS: UInt64 = 0) {
    self.mode = mode
    self.expectedCAS = expectedCAS
  }

  @inline(__always)
  var marks: ItemFlags { isKeyEncoded ? .keyIsEncoded : [] }
}

/// How a commit ended.
enum StoreOutcome: Equatable {
  case stored
  case notStored
  case exists
  case notFound
}

/// How a commit ended, with the new CAS unique and size if something was stored, and the class it counts for.
struct StoreResult {
  var outcome: StoreOutcome
  var cas: UInt64 = 0
  var slabClass: Int
  var valueByteCount = 0
}

enum ReservationFailure: Error {
  /// Larger than -I.
  case tooLarge
  /// Nothing could be evicted, or must not be (-M).
  case noMemory
}

/// An item being filled: invisible, exclusive, freed when dropped without `commit`.
struct Reservation: ~Copyable {
  private let store: Pinned<Store>
  let ref: ItemRef
  private(set) var filledByteCount = 0
  /// The chunk that receives next: the item itself, or one of its chain.
  private var current: ItemRef
  private var offset = 0

  @inline(__always)
  fileprivate init(store: Pinned<Store>, ref: ItemRef) {
    self.store = store
    self.ref = ref
    current = ref
  }

  @inline(__always)
  deinit { store.value.freeUnlinked(store.value.arena.item(ref)) }

  /// The item became somebody else's: nothing is freed.
  @inline(__always)
  consuming func keep() -> ItemRef {
    let kept = ref
    discard self
    return kept
  }

  @inline(__always)
  var item: Item { store.value.arena.item(ref) }
  var missingByteCount: Int { item.valueByteCount - filledByteCount }

  /// Where the next value bytes go: contiguous, empty when the value is complete. Report them with `advance`.
  @inline(__always)
  mutating func window() -> MemoryWindow {
    let arena = store.value.arena
    while true {
      let window =
        current == ref ? item.inlineWindow(from: offset) : ValueChunk(arena.item(current)).window(from: offset)
      if window.count > 0 || !item.flags.contains(.chunked) { return window }
      let next = current == ref ? item.firstChunk : ValueChunk(arena.item(current)).next
      if next.isNone { return window }
      current = next
      offset = 0
    }
  }

  /// As `window`, for as many stretches as the list takes.
  mutating func windows() -> WindowList {
    var list = WindowList()
    let first = window()
    if first.count == 0 { return list }
    list.append(first)
    let arena = store.value.arena
    var last = current
    while item.flags.contains(.chunked), !list.isFull {
      last = last == ref ? item.firstChunk : ValueChunk(arena.item(last)).next
      if last.isNone { break }
      list.append(ValueChunk(arena.item(last)).window(from: 0))
    }
    return list
  }

  /// `count` bytes were written to the windows, from the first on.
  mutating func advanceOver(_ count: Int) {
    var rest = count
    while rest > 0 {
      let step = min(window().count, rest)
      precondition(step > 0)
      advance(step)
      rest -= step
    }
  }

  /// `count` bytes were written to the window.
  @inline(__always)
  mutating func advance(_ count: Int) {
    offset &+= count
    filledByteCount &+= count
  }

  /// Copies as much of `bytes` as the value still wants; returns how much that was.
  @inline(__always)
  mutating func fill(_ bytes: RawSpan) -> Int {
    var taken = 0
    while taken < bytes.byteCount {
      let window = window()
      if window.count == 0 { break }
      let step = min(window.count, bytes.byteCount &- taken)
      window.copy(from: bytes.extracting(taken..<(taken &+ step)))
      advance(step)
      taken &+= step
    }
    return taken
  }
}

extension Store {
  /// Finds room for an item, evicting if need be. `exptime` is in the store's clock (ClockBase.exptime).
  /// `heldStripe` is the stripe whose item lock the caller holds already, if any. Takes class locks.
  @inline(__always)
  static func reserve(
    _ store: Pinned<Store>, key: RawSpan, clientFlags: UInt32, exptime: UInt32, valueByteCount: Int, now: UInt32,
    heldStripe: Int = -1
  ) throws(ReservationFailure) -> Reservation {
    let overhead = ItemLayout.overhead(
      keyByteCount: key.byteCount, hasClientFlags: clientFlags != 0, casByteCount: store.value.arena.casByteCount)
    let total = overhead &+ valueByteCount
    guard total <= store.value.configuration.itemSizeMaxBytes else { throw .tooLarge }
    let classes = store.value.slabs.classes
    let slabClass = classes.slabClass(for: total)
    if total > classes.chunkByteCount(slabClass) {
      return try reserveChunked(
        store, slabClass, key: key, clientFlags: clientFlags, exptime: exptime, valueByteCount: valueByteCount,
        overhead: overhead, now: now, heldStripe: heldStripe)
    }
    guard let ref = store.value.takeChunk(slabClass, now: now, heldStripe: heldStripe) else { throw .noMemory }
    store.value.arena.item(ref).initialise(
      key: key, clientFlags: clientFlags, exptime: exptime, valueByteCount: valueByteCount,
      inlineByteCount: valueByteCount, chunkByteCount: classes.chunkByteCount(slabClass))
    return Reservation(store: store, ref: ref)
  }

  /// A large item: the head fills a chunk of its class, the rest follows in a chain of chunks; in the reference's table
  /// the last is as small as fits. Dropping the half-built reservation frees what it has so far.
  @inline(never)
  private static func reserveChunked(
    _ store: Pinned<Store>, _ slabClass: Int, key: RawSpan, clientFlags: UInt32, exptime: UInt32, valueByteCount: Int,
    overhead: Int, now: UInt32, heldStripe: Int
  ) throws(ReservationFailure) -> Reservation {
    let slabs = store.value.slabs
    let chunkByteCount = slabs.classes.chunkByteCount(slabClass)
    guard let ref = store.value.takeChunk(slabClass, now: now, heldStripe: heldStripe) else { throw .noMemory }
    let inline = chunkByteCount - overhead - ItemLayout.chainHeadByteCount
    store.value.arena.item(ref).initialise(
      key: key, clientFlags: clientFlags, exptime: exptime, valueByteCount: valueByteCount, inlineByteCount: inline,
      chunkByteCount: chunkByteCount)
    let reservation = Reservation(store: store, ref: ref)
    let keyHash = store.value.hash(key)
    var missing = valueByteCount - inline
    var previous: ValueChunk?
    while missing > 0 {
      let take = min(missing, chunkByteCount - ItemLayout.chunkHeaderByteCount)
      let fitting = slabs.classes.tailClass(for: take + ItemLayout.chunkHeaderByteCount, of: slabClass)
      guard
        let next = store.value.takeChunk(fitting, now: now, heldStripe: heldStripe)
          ?? (fitting == slabClass ? nil : store.value.takeChunk(slabClass, now: now, heldStripe: heldStripe))
      else { throw .noMemory }
      let chunk = ValueChunk(store.value.arena.item(next))
      chunk.initialise(
        byteCount: take, keyHash: keyHash, chunkByteCount: slabs.classes.chunkByteCount(slabs.slabClass(of: next)))
      if let previous { previous.next = next } else { reservation.item.firstChunk = next }
      previous = chunk
      missing -= take
    }
    return reservation
  }

  /// As below, for who has not hashed the key.
  static func set(
    _ store: Pinned<Store>, key: RawSpan, clientFlags: UInt32, exptime: UInt32, value: RawSpan, newCAS: UInt64 = 0,
    marks: ItemFlags = [], now: UInt32
  ) throws(ReservationFailure) -> (slabClass: Int, cas: UInt64) {
    try set(
      store, key: key, hash: store.value.hash(key), clientFlags: clientFlags, exptime: exptime, value: value,
      newCAS: newCAS, marks: marks, now: now)
  }

  /// `set` of a value that is all there: found once, locked once, and overwritten in place where it fits. Takes the
  /// item lock. Returns the class it counts for and the CAS unique, which is the next one when `newCAS` is 0.
  @inline(always)
  static func set(
    _ store: Pinned<Store>, key: RawSpan, hash: UInt64, clientFlags: UInt32, exptime: UInt32, value: RawSpan,
    newCAS: UInt64 = 0, marks: ItemFlags = [], now: UInt32
  ) throws(ReservationFailure) -> (slabClass: Int, cas: UInt64) {
    let held = store.value.locks.lock(hash)
    let cas = store.value.newCAS(newCAS)
    let found = store.value.findLive(key, hash, now: now, held)
    if let found, let slabClass = store.value.overwrite(found, clientFlags, exptime, value, cas, marks, now: now) {
      return (slabClass, cas)
    }
    let slabClass = try setAnew(
      store, found?.item, hash, key: key, clientFlags: clientFlags, exptime: exptime, value: value, cas, marks,
      now: now, held)
    return (slabClass, cas)
  }

  /// Puts the value where the old one is, when that is of the same class, has the same header and is not being sent.
  /// The item keeps its place on the list and earns a second chance there. Wants the item lock. nil when it does not
  /// fit.
  @inline(always)
  private func overwrite(
    _ found: FoundItem, _ clientFlags: UInt32, _ exptime: UInt32, _ value: RawSpan, _ cas: UInt64, _ marks: ItemFlags,
    now: UInt32
  ) -> Int? {
    let (item, contents) = (found.item, found.contents)
    let layout: ItemFlags = clientFlags != 0 ? .hasClientFlags : []
    guard !contents.head.isHeld, contents.flags.intersection([.chunked, .hasClientFlags]) == layout else { return nil }
    let slabClass = slabs.slabClass(of: item)
    if value.byteCount == contents.valueByteCount {
      contents.overwrite(clientFlags: clientFlags, value: value)
    } else {
      guard resize(item, to: value.byteCount, slabClass) else { return nil }
      item.contents.overwrite(clientFlags: clientFlags, value: value)
    }
    item.exptime = exptime
    if exptime != 0 { slabs.noteExpiry(item.ref, exptime: exptime) }
    item.cas = cas
    item.lastAccess = birthTime(now)
    // It keeps its place on the list, where memcached would put it at the head of HOT: as if it had been read.
    let reads = tunables.order == .segmented ? 2 : contents.head.reads &+ 1
    item.renew(contents.head, reads: reads, flags: marks.union([.linked, layout]))
    return slabClass
  }

  /// Makes room for a value of another size in the item's chunk; false when its size belongs to another class.
  @inline(never)
  private func resize(_ item: Item, to valueByteCount: Int, _ slabClass: Int) -> Bool {
    let growth = valueByteCount - item.valueByteCount
    let total = item.totalByteCount + growth
    guard total <= configuration.itemSizeMaxBytes, total <= slabs.classes.chunkByteCount(slabClass),
      slabs.classes.slabClass(for: total) == slabClass
    else { return false }
    // Sizes change only with both locks held, so that whoever adds them up sees list and item agree.
    let classHeld = slabs.lock(slabClass)
    item.resize(valueByteCount: valueByteCount, chunkByteCount: slabs.classes.chunkByteCount(slabClass))
    slabs.withClass(classHeld) { $0[item.segment].noteGrowth(growth) }
    return true
  }

  /// A set whose value does not fit where the old one is. `live` is the item of the key if it is alive.
  @inline(never)
  private static func setAnew(
    _ store: Pinned<Store>, _ live: Item?, _ hash: UInt64, key: RawSpan, clientFlags: UInt32, exptime: UInt32,
    value: RawSpan, _ cas: UInt64, _ marks: ItemFlags, now: UInt32, _ held: borrowing ItemLockHeld
  ) throws(ReservationFailure) -> Int {
    // A dead one is unlinked when it is looked for again.
    var old = live ?? store.value.find(key, hash, now: now, held).item
    // The hold keeps an eviction for the new chunk from taking the old item, whose lock is ours already. It is over
    // before the item is replaced and freed.
    if let old { old.holds += 1 }
    var reservation: Reservation
    do {
      reservation = try reserve(
        store, key: key, clientFlags: clientFlags, exptime: exptime, valueByteCount: value.byteCount, now: now,
        heldStripe: held.stripe)
      if let old { old.holds -= 1 }
    } catch {
      if let old { old.holds -= 1 }
      guard error == .noMemory, let last = old else { throw error }
      // It may be the only one that could make room; a set that fails would remove it anyway.
      store.value.unlink(last, hash, held)
      old = nil
      reservation = try reserve(
        store, key: key, clientFlags: clientFlags, exptime: exptime, valueByteCount: value.byteCount, now: now,
        heldStripe: held.stripe)
    }
    _ = reservation.fill(value)
    reservation.item.cas = cas
    reservation.item.flags.formUnion(marks)
    if let old {
      store.value.replace(old, by: reservation.item, hash, isDerived: false, now: now, held)
    } else {
      store.value.link(reservation.item, hash, now: now, held)
    }
    return store.value.slabs.slabClass(of: reservation.keep())
  }

  /// Makes a filled reservation visible, or not, as the terms say. Takes the item lock of the key.
  @inline(__always)
  static func commit(
    _ store: Pinned<Store>, _ reservation: consuming Reservation, _ terms: StoreTerms, now: UInt32
  ) -> StoreResult {
    let item = reservation.item
    let hash = store.value.hash(item.key)
    let held = store.value.locks.lock(hash)
    item.cas = store.value.newCAS(terms.newCAS)
    item.flags.formUnion(terms.marks)
    let old = store.value.find(item.key, hash, now: now, held).item
    if terms.mode == .set { return store.value.place(reservation, old, hash, now: now, held) }
    return commitConditionally(store, reservation, old, hash, terms, now: now, held)
  }

  /// Links the reservation, in the place of the old item if there is one. Wants the item lock.
  @inline(__always)
  func place(
    _ reservation: consuming Reservation, _ old: Item?, _ hash: UInt64, isDerived: Bool = false, now: UInt32,
    _ held: borrowing ItemLockHeld
  ) -> StoreResult {
    let item = reservation.item
    if let old {
      replace(old, by: item, hash, isDerived: isDerived, now: now, held)
    } else {
      link(item, hash, now: now, held)
    }
    let ref = reservation.keep()
    return StoreResult(
      outcome: .stored, cas: item.cas, slabClass: slabs.slabClass(of: ref), valueByteCount: item.valueByteCount)
  }

  @inline(never)
  private static func commitConditionally(
    _ store: Pinned<Store>, _ reservation: consuming Reservation, _ old: Item?, _ hash: UInt64, _ terms: StoreTerms,
    now: UInt32, _ held: borrowing ItemLockHeld
  ) -> StoreResult {
    let item = reservation.item
    let slabs = store.value.slabs
    let newClass = slabs.slabClass(of: item.ref)
    guard let old else {
      switch terms.mode {
      case .set, .add: break
      case .append, .prepend:
        if !terms.vivifies { return StoreResult(outcome: .notStored, slabClass: newClass) }
      case .replace: return StoreResult(outcome: .notStored, slabClass: newClass)
      case .cas: return StoreResult(outcome: .notFound, slabClass: newClass)
      }
      return store.value.place(reservation, nil, hash, now: now, held)
    }
    switch terms.mode {
    case .set, .replace: break
    case .add:
      // An add that finds something counts as a use of it.
      store.value.bump(old, now: now)
      return StoreResult(outcome: .notStored, slabClass: newClass)
    case .cas:
      if store.value.arena.casByteCount == 0 || old.cas != terms.expectedCAS {
        guard terms.acceptsOlder, terms.expectedCAS != 0, terms.expectedCAS < old.cas else {
          return StoreResult(outcome: .exists, slabClass: slabs.slabClass(of: old.ref))
        }
        // Better than the value marked stale that it replaces, but no newer: it stays as mortal and as stale.
        item.exptime = old.exptime
        item.flags.formUnion(old.flags.intersection(.tokenSent).union(.stale))
      }
    case .append, .prepend:
      if terms.expectedCAS != 0, old.cas != terms.expectedCAS {
        return StoreResult(outcome: .exists, slabClass: slabs.slabClass(of: old.ref))
      }
      guard let joined = join(store, old, item, oldFirst: terms.mode == .append, now: now, held) else {
        return StoreResult(outcome: .notStored, slabClass: newClass)
      }
      joined.item.cas = item.cas
      joined.item.flags.formUnion(old.flags.intersection(.keyIsEncoded))
      return store.value.place(joined, old, hash, isDerived: true, now: now, held)
    }
    return store.value.place(reservation, old, hash, now: now, held)
  }

  /// Both values in a new item with the flags and expiration time of the old one. nil when it is too large or no room
  /// is.
  private static func join(
    _ store: Pinned<Store>, _ old: Item, _ added: Item, oldFirst: Bool, now: UInt32, _ held: borrowing ItemLockHeld
  ) -> Reservation? {
    // The hold keeps an eviction for the new chunk from taking the old item: its lock is ours already.
    guard store.value.hold(old) else { return nil }
    defer { old.holds -= 1 }
    let size = old.valueByteCount + added.valueByteCount
    guard size <= Int(ItemLayout.valueByteCountMask),
      var joined = try? reserve(
        store, key: old.key, clientFlags: old.clientFlags, exptime: old.exptime, valueByteCount: size, now: now,
        heldStripe: held.stripe)
    else { return nil }
    store.value.forEachStretch(of: oldFirst ? old : added) { _ = joined.fill($0.span) }
    store.value.forEachStretch(of: oldFirst ? added : old) { _ = joined.fill($0.span) }
    return joined
  }

  /// Calls `body` with each contiguous part of the value, in order. The item must be locked, held or private.
  @inline(__always)
  func forEachStretch(of item: Item, _ body: (MemoryWindow) -> Void) {
    body(item.inlineWindow(from: 0))
    guard item.flags.contains(.chunked) else { return }
    var ref = item.firstChunk
    while !ref.isNone {
      let chunk = ValueChunk(arena.item(ref))
      body(chunk.window(from: 0))
      ref = chunk.next
    }
  }
}
