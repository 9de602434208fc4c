// The one place where requests about single items happen, whatever protocol they came by: a Request goes in, checked,
// and a Response comes out. Retrievals and uploads, which move values, have files of their own (Engine+Retrieval,
// Upload).

extension Engine {
  /// Carries out a request that is complete in itself. Traps for the kinds that Session handles: retrieve, store,
  /// stats.
  @inline(never)
  mutating func execute(_ request: Request, _ input: RawSpan) -> Response {
    switch request {
    case .delete(let key, _): return delete(input.slice(key))
    case .arithmetic(let key, let delta, let increments, _):
      return arithmetic(input.slice(key), delta: delta, increments: increments)
    case .touch(let key, let exptime, _): return touch(input.slice(key), exptime: exptime)
    case .flushAll(let exptime, _): return flushAll(exptime: exptime)
    case .verbosity(let level, _):
      configuration.modes.verbosity = Int(min(level, 2))
      return .ok
    case .memoryLimit(let megabytes, _): return changeMemoryLimit(megabytes: Int(megabytes))
    case .shutdown(let mode, _): return shutDown(mode)
    case .refused(let refusal, _, _): return .refused(refusal)
    case .retrieve, .store, .stats, .version, .quit, .foreignProtocol:
      preconditionFailure("the session handles these itself")
    }
  }

  private mutating func delete(_ key: RawSpan) -> Response {
    if configuration.modes.countsPrefixes {
      configuration.prefixes.noteDelete(key.bytes(ByteRange(start: 0, end: key.byteCount)))
    }
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(key, hash, now: now, held).item else {
      counters.add(.deleteMisses)
      return .notFound
    }
    counters.add(.deleteHits, slabClass: store.value.slabs.slabClass(of: item.ref))
    store.value.unlink(item, hash, held)
    return .deleted
  }

  private mutating func touch(_ key: RawSpan, exptime: Int64) -> Response {
    counters.add(.touchCommands)
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(key, hash, now: now, held).item else {
      counters.add(.touchMisses)
      return .notFound
    }
    counters.add(.touchHits, slabClass: store.value.slabs.slabClass(of: item.ref))
    item.exptime = store.value.clockBase.exptime(exptime, now: now)
    store.value.noteMortal(exptime: item.exptime)
    store.value.bump(item, now: now)
    _ = consume held
    return .touched
  }

  private mutating func arithmetic(_ key: RawSpan, delta: UInt64, increments: Bool) -> Response {
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(key, hash, now: now, held).item else {
      counters.add(increments ? .incrMisses : .decrMisses)
      return .notFound
    }
    // A chunked value is no number (reference, section 2.7).
    guard !item.flags.contains(.chunked), let old = item.inlineValue.storedNumber() else {
      return .refused(.nonNumericValue)
    }
    let value = increments ? old &+ delta : (old > delta ? old - delta : 0)
    counters.add(increments ? .incrHits : .decrHits, slabClass: store.value.slabs.slabClass(of: item.ref))
    guard storeNumber(value, in: item, hash, held) else { return .refused(.noMemory) }
    return .number(value)
  }

  /// In place and padded with spaces when it is no longer than what stands there and nobody is sending that; otherwise
  /// in a new item of the exact length, with flags and expiration time kept. False when there is no room for one.
  private mutating func storeNumber(
    _ value: UInt64, in item: Item, _ hash: UInt64, _ held: borrowing ItemLockHeld
  ) -> Bool {
    let digits = value.decimalDigitCount
    let cas = store.value.nextCAS()
    store.value.bump(item, now: now)
    if digits <= item.valueByteCount, item.holds == 0 {
      let window = item.inlineWindow(from: 0)
      window.write(decimal: value, digits: digits)
      window.dropFirst(digits).fill(0x20)
      item.cas = cas
      return true
    }
    // The hold keeps an eviction for the new chunk from taking this item; it ends before the item is replaced and
    // freed.
    guard store.value.hold(item) else { return false }
    let room = try? Store.reserve(
      store, key: item.key, clientFlags: item.clientFlags, exptime: item.exptime, valueByteCount: digits, now: now,
      heldStripe: held.stripe)
    item.holds -= 1
    guard var reservation = room else { return false }
    reservation.window().write(decimal: value, digits: digits)
    reservation.advance(digits)
    reservation.item.cas = cas
    store.value.replace(item, by: reservation.item, hash, isDerived: true, now: now, held)
    _ = reservation.keep()
    counters.add(.totalItems)
    return true
  }

  private mutating func flushAll(exptime: Int64) -> Response {
    counters.add(.flushCommands)
    guard configuration.permissions.flush else { return .refused(.flushNotAllowed) }
    let due = store.value.clockBase.exptime(exptime, now: now)
    if exptime <= 0 || due <= now { store.value.flush(now: now) } else { store.value.flushLater(due: due) }
    return .ok
  }

  private mutating func changeMemoryLimit(megabytes: Int) -> Response {
    if megabytes < 8 { return .refused(.limitTooSmall) }
    if megabytes > 1_000_000_000 { return .refused(.limitNotMegabytes) }
    switch store.value.setMemoryLimit(bytes: megabytes << 20) {
    case .changed: return .ok
    case .outOfBounds: return .refused(.limitOutOfBounds)
    }
  }

  private mutating func shutDown(_ mode: ShutdownMode) -> Response {
    guard configuration.permissions.shutdown else { return .refused(.shutdownNotEnabled) }
    guard mode != .invalid else { return .refused(.invalidShutdownMode) }
    closesConnection = true
    host.shutdown(graceful: mode == .graceful)
    return .ok
  }
}
