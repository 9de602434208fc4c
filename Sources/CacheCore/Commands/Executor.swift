// The one place where requests about single items happen, whatever protocol they came by: a Request goes in, checked,
// and a Response comes out. Look-ups and uploads, which move values, have files of their own (Engine+Retrieval,
// Engine+Fetch, Session+Upload).

extension Engine {
  /// Carries out a request that is complete in itself. Traps for the kinds that Session handles: look-ups, stores,
  /// reports and the end of the conversation.
  @inline(never)
  mutating func execute(_ request: Request, _ input: RawSpan) -> Response {
    switch request {
    case .delete(let request):
      let decoded = decodedKey
      if request.key.isEncoded { return delete(request, decoded.bytes(request.key.decodedByteCount)) }
      return delete(request, input.slice(request.key.range))
    case .arithmetic(let request):
      let decoded = decodedKey
      if request.key.isEncoded { return arithmetic(request, decoded.bytes(request.key.decodedByteCount)) }
      return arithmetic(request, input.slice(request.key.range))
    case .touch(let key, let exptime, _): return touch(input.slice(key), exptime: exptime)
    case .flushAll(let exptime, _): return flushAll(exptime: exptime)
    case .verbosity(let level, _):
      configuration.modes.verbosity = Int(min(level, 2))
      lookForObservers()
      return Response(outcome: .ok)
    case .memoryLimit(let megabytes, _): return changeMemoryLimit(megabytes: Int(megabytes))
    case .shutdown(let mode, _): return shutDown(mode)
    case .refused(let refusal, _, _): return .refused(refusal)
    case .retrieve, .fetch, .store, .describe, .stats, .administer, .noop, .version, .login, .quit,
      .foreignProtocol:
      preconditionFailure("the session handles these itself")
    }
  }

  private mutating func delete(_ request: DeleteRequest, _ key: RawSpan) -> Response {
    if configuration.modes.countsPrefixes {
      configuration.prefixes.noteDelete(key.bytes(ByteRange(start: 0, end: key.byteCount)))
    }
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = find(key, hash, held).item else {
      counters.add(.deleteMisses)
      return Response(outcome: .notFound)
    }
    if let expectedCAS = request.expectedCAS, item.cas != expectedCAS {
      if request.isMeta { counters.add(.deleteMisses) }
      return Response(outcome: .exists)
    }
    let slabClass = store.value.slabs.slabClass(of: item.ref)
    if request.dropsValue || request.marksStale {
      guard demote(item, request, hash, held) else { return .refused(.noMemory) }
    } else {
      store.value.eventLog.noteDeletion(item, slabClass: slabClass, isMeta: request.isMeta)
      store.value.unlink(item, hash, held)
    }
    // An item that only becomes stale is not deleted.
    if !request.marksStale { counters.add(.deleteHits, slabClass: slabClass) }
    return Response(outcome: .deleted)
  }

  /// Leaves the item there, stale or without its value. False when there is no room for the empty one.
  private mutating func demote(
    _ item: Item, _ request: DeleteRequest, _ hash: UInt64, _ held: borrowing ItemLockHeld
  ) -> Bool {
    var item = item
    let exptime = request.exptime.map { store.value.clockBase.exptime($0, now: now) }
    if request.dropsValue {
      let (oldCAS, marks) = (item.cas, item.flags.intersection([.stale, .tokenSent, .keyIsEncoded]))
      guard
        let emptied = replace(
          item, hash, clientFlags: request.clientFlags, exptime: exptime ?? 0, valueByteCount: 0, held, fill: { _ in })
      else { return false }
      item = emptied
      item.cas = request.newCAS != 0 ? request.newCAS : oldCAS
      item.flags.formUnion(marks)
    }
    if request.marksStale {
      item.flags = item.flags.union(.stale).subtracting(.tokenSent)
      item.cas = store.value.newCAS(request.newCAS)
      if let exptime {
        item.exptime = exptime
        store.value.noteMortal(item)
      }
    }
    return true
  }

  /// Puts a new item made from the old one in its place; nil when there is no room. The caller gives it its CAS unique
  /// and marks. Wants the item lock.
  private mutating func replace(
    _ old: Item, _ hash: UInt64, clientFlags: UInt32, exptime: UInt32, valueByteCount: Int,
    _ held: borrowing ItemLockHeld, fill: (inout Reservation) -> Void
  ) -> Item? {
    // The hold keeps an eviction for the new chunk from taking this item; it ends before the item is replaced and
    // freed.
    guard store.value.hold(old) else { return nil }
    let room = try? Store.reserve(
      store, key: old.key, clientFlags: clientFlags, exptime: exptime, valueByteCount: valueByteCount, now: now,
      heldStripe: held.stripe)
    old.holds -= 1
    guard var reservation = room else { return nil }
    fill(&reservation)
    let item = reservation.item
    _ = store.value.place(reservation, old, hash, isDerived: true, now: now, held)
    counters.add(.totalItems)
    return item
  }

  private mutating func touch(_ key: RawSpan, exptime: Int64) -> Response {
    counters.add(.touchCommands)
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = find(key, hash, held).item else {
      counters.add(.touchMisses)
      return Response(outcome: .notFound)
    }
    counters.add(.touchHits, slabClass: store.value.slabs.slabClass(of: item.ref))
    item.exptime = store.value.clockBase.exptime(exptime, now: now)
    store.value.noteMortal(item)
    store.value.bump(item, now: now)
    _ = consume held
    return Response(outcome: .touched)
  }

  private mutating func arithmetic(_ request: ArithmeticRequest, _ key: RawSpan) -> Response {
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = find(key, hash, held).item else {
      if request.vivifyExptime != nil { return vivify(request, key, hash, held) }
      counters.add(request.increments ? .incrMisses : .decrMisses)
      return Response(outcome: .notFound)
    }
    if request.expectedCAS != 0, item.cas != request.expectedCAS { return Response(outcome: .exists) }
    // A chunked value is no number (reference, section 2.7).
    guard !item.flags.contains(.chunked), let old = item.inlineValue.storedNumber() else {
      return .refused(.nonNumericValue)
    }
    let oldExptime = item.exptime
    let value = request.increments ? old &+ request.delta : (old > request.delta ? old - request.delta : 0)
    let slabClass = store.value.slabs.slabClass(of: item.ref)
    guard let result = storeNumber(value, in: item, hash, newCAS: request.newCAS, held) else {
      return .refused(.noMemory)
    }
    counters.add(request.increments ? .incrHits : .decrHits, slabClass: slabClass)
    if let exptime = request.exptime {
      result.exptime = store.value.clockBase.exptime(exptime, now: now)
      store.value.noteMortal(result)
    }
    return Response(
      outcome: .number(value), cas: result.cas, valueByteCount: result.valueByteCount, oldExptime: oldExptime,
      exptime: result.exptime)
  }

  /// A miss of incr or decr that is asked to makes an item; it is neither hit nor miss. Wants the item lock.
  private mutating func vivify(
    _ request: ArithmeticRequest, _ key: RawSpan, _ hash: UInt64, _ held: borrowing ItemLockHeld
  ) -> Response {
    let exptime = store.value.clockBase.exptime(request.vivifyExptime ?? 0, now: now)
    let digits = request.initial.decimalDigitCount
    guard
      var reservation = try? Store.reserve(
        store, key: key, clientFlags: 0, exptime: exptime, valueByteCount: digits, now: now, heldStripe: held.stripe)
    else { return .refused(.noMemoryForNewItem) }
    reservation.window().write(decimal: request.initial, digits: digits)
    reservation.advance(digits)
    let item = reservation.item
    item.cas = store.value.newCAS(request.newCAS)
    if request.key.isEncoded { item.flags.insert(.keyIsEncoded) }
    let result = store.value.place(reservation, nil, hash, now: now, held)
    counters.add(.totalItems)
    return Response(outcome: .number(request.initial), cas: result.cas, valueByteCount: digits, exptime: exptime)
  }

  /// In place and padded with spaces when it is no longer than what stands there and nobody is sending that; otherwise
  /// in a new item of the exact length, with flags and expiration time kept. nil when there is no room for one.
  private mutating func storeNumber(
    _ value: UInt64, in item: Item, _ hash: UInt64, newCAS: UInt64, _ held: borrowing ItemLockHeld
  ) -> Item? {
    let digits = value.decimalDigitCount
    store.value.bump(item, now: now)
    if digits <= item.valueByteCount, item.holds == 0 {
      let window = item.inlineWindow(from: 0)
      window.write(decimal: value, digits: digits)
      window.dropFirst(digits).fill(0x20)
      item.cas = store.value.newCAS(newCAS)
      return item
    }
    let marks = item.flags.intersection(.keyIsEncoded)
    let grown = replace(
      item, hash, clientFlags: item.clientFlags, exptime: item.exptime, valueByteCount: digits, held
    ) { reservation in
      reservation.window().write(decimal: value, digits: digits)
      reservation.advance(digits)
    }
    guard let grown else { return nil }
    grown.cas = store.value.newCAS(newCAS)
    grown.flags.formUnion(marks)
    return grown
  }

  private mutating func flushAll(exptime: Int64) -> Response {
    counters.add(.flushCommands)
    guard configuration.permissions.flush else { return .refused(.flushNotAllowed) }
    let due = store.value.clockBase.exptime(exptime, now: now)
    if exptime <= 0 {
      store.value.flush(now: now)
    } else {
      // A moment that is over flushes nothing, but takes the place of a flush to come.
      store.value.flushLater(due: due > now ? due : 0)
    }
    return Response(outcome: .ok)
  }

  private mutating func changeMemoryLimit(megabytes: Int) -> Response {
    if megabytes < 8 { return .refused(.limitTooSmall) }
    if megabytes > 1_000_000_000 { return .refused(.limitNotMegabytes) }
    switch store.value.setMemoryLimit(bytes: megabytes << 20) {
    case .changed: return Response(outcome: .ok)
    case .outOfBounds: return .refused(.limitOutOfBounds)
    }
  }

  private mutating func shutDown(_ mode: ShutdownMode) -> Response {
    guard configuration.permissions.shutdown else { return .refused(.shutdownNotEnabled) }
    guard mode != .invalid else { return .refused(.invalidShutdownMode) }
    closesConnection = true
    host.shutdown(graceful: mode == .graceful)
    return Response(outcome: .ok)
  }
}
