// Looking one key up, with everything that mg and the binary protocol's gets and touches can ask for besides. The many
// keys of a text get have a loop of their own (Engine+Retrieval).

extension Engine {
  /// Looks the key up, changes the item as asked, and composes the answer in its form. `words` holds what a MetaEcho
  /// names. Returns false, having done nothing, when the reply has no room for the value. Takes the item lock.
  @inline(__always)
  mutating func fetch(
    _ request: FetchRequest, _ key: RawSpan, _ form: ReplyForm, _ words: RawSpan, isQuiet: Bool
  ) -> Bool {
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    let found = find(key, hash, held)
    guard case .hit(let item) = found else {
      if request.options.contains(.vivifies), let made = vivify(request, key, hash, held) {
        respond(made, request, isNew: true, key, form, words)
      } else {
        _ = consume held
        miss(request, key, form, words, isQuiet: isQuiet)
      }
      return true
    }
    return answer(item, request, key, form, words, isQuiet: isQuiet)
  }

  /// Composes a live item. Returns false, having done nothing, when the reply has no room for the value.
  @inline(__always)
  private mutating func answer(
    _ item: Item, _ request: FetchRequest, _ key: RawSpan, _ form: ReplyForm, _ words: RawSpan, isQuiet: Bool
  ) -> Bool {
    if hasRoom(item, request) {
      respond(item, request, isNew: false, key, form, words)
    } else if item.holds < Store.maximumHolds {
      return false
    } else {
      // Too many are reading it as it is.
      miss(request, key, form, words, isQuiet: isQuiet)
    }
    return true
  }

  /// As `fetch`, for a plain mg that nobody observes, which is plain line `index` of `input`.
  @inline(always)
  mutating func fetchPlain(
    _ lines: FixedArray<PlainLine>, _ index: Int, _ input: borrowing InputView
  ) -> Bool {
    let key = input[lines[index].key]
    let hash = lines[index].hash
    let held = store.value.locks.lock(hash)
    guard let found = store.value.findLive(key, hash, now: now, held) else {
      return fetchInVain(lines[index], key, input.span, held)
    }
    let contents = found.contents
    guard contents.flags.isDisjoint(with: [.stale, .tokenSent, .chunked]), lines[index].wantsValue,
      lines[index].flags.count == 2, contents.valueByteCount <= shortValueLimit
    else { return fetchUnusual(found.item.ref, lines[index], key, input.span, held) }
    guard MetaComposer.composeShort(contents, &reply) else { return false }
    noteRead(found.item, contents)
    return true
  }

  /// A key that is not there, or not any more.
  @inline(never)
  private mutating func fetchInVain(
    _ plain: PlainLine, _ key: RawSpan, _ words: RawSpan, _ held: borrowing ItemLockHeld
  ) -> Bool {
    guard reply.hasRoom(Session.replyRoomByteCount) else { return false }
    _ = find(key, plain.hash, held)
    noteMiss(key, touches: false, countsPrefixes: false)
    MetaComposer.composeMiss(MetaEcho(plain), words, isQuiet: plain.isQuiet, &reply)
    return true
  }

  /// Other flags than the value's, a value that is gathered, or an item that its readers are to recache: not so plain
  /// after all.
  @inline(never)
  private mutating func fetchUnusual(
    _ found: ItemRef, _ plain: PlainLine, _ key: RawSpan, _ words: RawSpan, _ held: borrowing ItemLockHeld
  ) -> Bool {
    let item = store.value.arena.item(found)
    let contents = item.contents
    let copied = plain.wantsValue ? contents.valueByteCount : 0
    if contents.flags.isDisjoint(with: [.stale, .tokenSent, .chunked]), copied <= gatherThreshold {
      // The flags tell how it was before this read.
      let isComposed = reply.composeIfRoom(Session.replyRoomByteCount &+ copied) {
        MetaComposer.composePlainHit(item, plain, words, now: now, &$0)
      }
      guard isComposed else { return false }
      noteRead(item, contents)
      return true
    }
    guard reply.hasRoom(Session.replyRoomByteCount) else { return false }
    var request = FetchRequest(key: RequestKey(range: plain.key.range))
    if plain.wantsValue { request.options.insert(.value) }
    return answer(item, request, key, .meta(MetaEcho(plain)), words, isQuiet: plain.isQuiet)
  }

  /// Looks up the key of a plain packet of `input`, whose header stands before it, while nobody observes. Returns
  /// false, having done nothing, when the reply has no room for the answer.
  @inline(always)
  mutating func fetchPacket(_ key: HashedKey, _ input: borrowing InputView) -> Bool {
    let header = BinaryHeader(input.span, at: key.part.range.start &- BinaryHeader.byteCount)
    let held = store.value.locks.lock(key.hash)
    guard let found = store.value.findLive(input[key.part], key.hash, now: now, held) else {
      return fetchInVain(header, key, input[key.part], held)
    }
    let contents = found.contents
    guard contents.flags.isDisjoint(with: [.stale, .tokenSent, .chunked]), contents.valueByteCount <= gatherThreshold
    else { return fetchUnusual(found.item.ref, header, input[key.part], held) }
    guard BinaryComposer.composeHit(contents, cas: found.item.cas, header, &reply) else { return false }
    noteRead(found.item, contents)
    return true
  }

  @inline(never)
  private mutating func fetchInVain(
    _ header: BinaryHeader, _ key: HashedKey, _ bytes: RawSpan, _ held: borrowing ItemLockHeld
  ) -> Bool {
    guard reply.hasRoom(Session.replyRoomByteCount) else { return false }
    _ = find(bytes, key.hash, held)
    noteMiss(bytes, touches: false)
    BinaryComposer.composeMiss(bytes, header, isQuiet: header.knownOpcode?.isQuiet == true, &reply)
    return true
  }

  @inline(never)
  private mutating func fetchUnusual(
    _ found: ItemRef, _ header: BinaryHeader, _ key: RawSpan, _ held: borrowing ItemLockHeld
  ) -> Bool {
    guard reply.hasRoom(Session.replyRoomByteCount) else { return false }
    let request = FetchRequest(key: RequestKey(range: .none), options: .value)
    return answer(
      store.value.arena.item(found), request, key, .binary(header), key,
      isQuiet: header.knownOpcode?.isQuiet == true)
  }

  @inline(__always)
  private func sendsValue(_ item: Item, _ request: FetchRequest) -> Bool {
    request.options.contains(.value) && !(request.options.contains(.comparesCAS) && item.cas == request.knownCAS)
  }

  /// Whether a value is sent from where it lies instead of copied.
  @inline(__always)
  private func isGathered(_ item: Item) -> Bool {
    item.valueByteCount > gatherThreshold || item.flags.contains(.chunked)
  }

  @inline(__always)
  private func hasRoom(_ item: Item, _ request: FetchRequest) -> Bool {
    guard sendsValue(item, request) else { return true }
    return isGathered(item)
      ? reply.hasRoomToGather && item.holds < Store.maximumHolds
      : reply.hasRoom(Session.replyRoomByteCount &+ item.valueByteCount)
  }

  /// Under the item lock: counts, changes and composes a hit.
  @inline(__always)
  private mutating func respond(
    _ item: Item, _ request: FetchRequest, isNew: Bool, _ key: RawSpan, _ form: ReplyForm, _ words: RawSpan
  ) {
    let fetched = access(item, request, isNew: isNew, key, form)
    let sendsValue = sendsValue(item, request)
    let isGathered = sendsValue && isGathered(item)
    let copied = sendsValue && !isGathered ? item.valueByteCount : 0
    var endsLine = false
    reply.compose(Session.replyRoomByteCount &+ copied) { cursor in
      switch form {
      case .meta(let echo):
        MetaComposer.composeHit(item, fetched, withValue: sendsValue, echo, words, now: now, &cursor)
        if copied > 0 { cursor.append(item.inlineValue) }
        if sendsValue, !isGathered { cursor.appendLineEnd() }
        endsLine = isGathered
      case .binary(let header):
        BinaryComposer.composeHit(item, withValue: sendsValue, header, &cursor)
        if copied > 0 { cursor.append(item.inlineValue) }
      case .text: break
      }
    }
    if isGathered, store.value.hold(item) {
      reply.gather(item)
      if endsLine { reply.append("\r\n") }
    }
    if !request.options.contains(.withoutBump) { store.value.bump(item, now: now) }
  }

  /// Counts the hit, touches the item, and decides who recaches it.
  @inline(__always)
  private mutating func access(
    _ item: Item, _ request: FetchRequest, isNew: Bool, _ key: RawSpan, _ form: ReplyForm
  ) -> Fetched {
    var fetched = Fetched(
      flags: item.flags, lastAccess: item.lastAccess, exptime: item.exptime, newExptime: item.exptime)
    noteHit(
      item,
      touchedUntil: request.options.contains(.touches) ? (isNew ? request.vivifyExptime : request.exptime) : nil)
    if isObserved {
      // The reference counts no prefixes of meta commands.
      if case .meta = form {} else { countPrefix(key, isHit: true) }
    }
    if !request.options.isDisjoint(with: [.touches, .recaches, .vivifies])
      || !fetched.flags.isDisjoint(with: [.stale, .tokenSent])
    {
      decideRecaching(item, request, isNew: isNew, &fetched)
    }
    return fetched
  }

  /// One client is told to recache an item: the one that made it, the first to see it stale, or the first to see that
  /// it has little time left. The others are told that somebody does.
  @inline(never)
  private func decideRecaching(_ item: Item, _ request: FetchRequest, isNew: Bool, _ fetched: inout Fetched) {
    fetched.newExptime = item.exptime
    // What the time left was before the item was made: there was none.
    if isNew { fetched.exptime = 0 }
    guard !fetched.flags.contains(.tokenSent) else { return }
    fetched.hasWon = isNew || fetched.flags.contains(.stale)
    if request.options.contains(.recaches), !isNew {
      let exptime = request.options.contains(.recachesAfterTouch) ? fetched.newExptime : fetched.exptime
      let bound = store.value.clockBase.exptime(request.recacheExptime, now: now)
      if exptime != 0, exptime < bound { fetched.hasWon = true }
    }
    if fetched.hasWon { item.flags.insert(.tokenSent) }
  }

  /// An empty item under the key. nil when there is no room for it. Wants the item lock.
  private mutating func vivify(
    _ request: FetchRequest, _ key: RawSpan, _ hash: UInt64, _ held: borrowing ItemLockHeld
  ) -> Item? {
    let exptime = store.value.clockBase.exptime(request.vivifyExptime, now: now)
    guard
      let reservation = try? Store.reserve(
        store, key: key, clientFlags: 0, exptime: exptime, valueByteCount: 0, now: now, heldStripe: held.stripe)
    else { return nil }
    let item = reservation.item
    item.cas = store.value.newCAS(request.newCAS)
    if request.key.isEncoded { item.flags.insert(.keyIsEncoded) }
    _ = store.value.place(reservation, nil, hash, now: now, held)
    counters.add(.totalItems)
    return item
  }

  @inline(never)
  private mutating func miss(
    _ request: FetchRequest, _ key: RawSpan, _ form: ReplyForm, _ words: RawSpan, isQuiet: Bool
  ) {
    switch form {
    case .meta(let echo):
      // Also with T: only a hit counts as a touch (reference, section 6.1).
      noteMiss(key, touches: false, countsPrefixes: false)
      MetaComposer.composeMiss(echo, words, isQuiet: isQuiet, &reply)
    case .binary(let header):
      noteMiss(key, touches: request.options.contains(.touches))
      BinaryComposer.composeMiss(key, header, isQuiet: isQuiet, &reply)
    case .text: break
    }
  }

  /// me: everything about the item, which is not touched. Takes the item lock.
  mutating func describe(_ key: RawSpan) {
    counters.add(.metaCommands)
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    guard let item = store.value.find(key, hash, now: now, held).item else {
      reply.append("EN\r\n")
      return
    }
    MetaComposer.composeDescription(item, slabClass: store.value.slabs.slabClass(of: item.ref), now: now, &reply)
    _ = consume held
  }
}
