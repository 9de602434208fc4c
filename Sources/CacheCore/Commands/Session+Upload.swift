// Storage commands from the header on: the item is reserved when the size is known, the value is received in place, the
// two bytes after it are checked, and only then is the item linked. A session that ends in between drops the
// reservation.

extension Session {
  /// After the header line. Ends with the item stored, or waiting for its value, or swallowing a value nobody can keep.
  @inline(__always)
  mutating func beginUpload(
    _ engine: inout Engine, _ header: StoreRequest, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) {
    let store = engine.store
    let key = input.slice(header.key)
    do {
      let valueEnd = position &+ header.valueByteCount
      if header.mode == .set, end &- position >= header.valueByteCount &+ 2, isLineEnd(input, at: valueEnd) {
        // The whole command is at hand: no state in between.
        let value = input.slice(ByteRange(start: position, end: valueEnd))
        try engine.set(header, key, value)
        position = valueEnd &+ 2
        compose(&engine, .stored, noreply: header.noreply)
        return
      }
      var upload = Upload(
        reservation: try Store.reserve(
          store, key: key, clientFlags: header.clientFlags,
          exptime: store.value.clockBase.exptime(header.exptime, now: engine.now),
          valueByteCount: header.valueByteCount, now: engine.now),
        mode: header.mode, expectedCAS: header.expectedCAS, noreply: header.noreply)
      position &+= upload.reservation.fill(input.slice(ByteRange(start: position, end: end)))
      guard upload.reservation.missingByteCount == 0, end &- position >= 2 else {
        state = .uploading(upload)
        return
      }
      finish(&engine, upload, input, &position)
    } catch {
      refuseUpload(&engine, header, key, error)
    }
  }

  /// More of the value has come. nil when it is stored or refused and the next request may be read.
  @inline(never)
  mutating func resumeUpload(
    _ engine: inout Engine, _ upload: consuming Upload, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    position &+= upload.reservation.fill(input.slice(ByteRange(start: position, end: end)))
    guard upload.reservation.missingByteCount == 0, end &- position >= 2 else {
      state = .uploading(upload)
      return .awaitInput
    }
    guard engine.reply.hasRoom(TextComposer.longestLineByteCount) else {
      state = .uploading(upload)
      return .flushReply
    }
    finish(&engine, upload, input, &position)
    return nil
  }

  @inline(__always)
  private func isLineEnd(_ input: RawSpan, at offset: Int) -> Bool {
    input.byte(at: offset) == 0x0d && input.byte(at: offset &+ 1) == 0x0a
  }

  /// The value and the two bytes after it are there.
  @inline(__always)
  private mutating func finish(
    _ engine: inout Engine, _ upload: consuming Upload, _ input: RawSpan, _ position: inout Int
  ) {
    let isTerminated = isLineEnd(input, at: position)
    position &+= 2
    let noreply = upload.noreply
    guard isTerminated else {
      // It had its memory: that is what cmd_set counts.
      engine.counters.add(.setCommands, slabClass: engine.store.value.slabs.slabClass(of: upload.reservation.ref))
      compose(&engine, .refused(.badDataChunk), noreply: noreply)
      return
    }
    compose(&engine, engine.commit(upload), noreply: noreply)
  }

  /// The value cannot be kept: its bytes are swallowed and then answered. A set that fails removes what it would have
  /// replaced, so that nobody reads a value older than the one he wrote (reference, section 2.4).
  @inline(never)
  private mutating func refuseUpload(
    _ engine: inout Engine, _ header: StoreRequest, _ key: RawSpan, _ failure: ReservationFailure
  ) {
    engine.counters.add(failure == .tooLarge ? .storeTooLarge : .storeNoMemory)
    if header.mode == .set { engine.remove(key) }
    let refusal: Refusal = failure == .tooLarge ? .tooLarge : .noMemoryForStore
    state = .swallowing(Swallowing(left: header.valueByteCount + 2, refusal: refusal, noreply: header.noreply))
  }

  /// Where the rest of a large value can be received without a copy; nil when there is nothing to gain.
  public mutating func directWindow(largerThan byteCount: Int) -> MemoryWindow? {
    switch takeState() {
    case .uploading(var upload):
      let window = upload.reservation.window()
      state = .uploading(upload)
      return window.count > byteCount ? window : nil
    case let other:
      state = other
      return nil
    }
  }

  /// `count` bytes were received into the direct window.
  public mutating func directlyReceived(_ count: Int) {
    switch takeState() {
    case .uploading(var upload):
      upload.reservation.advance(count)
      state = .uploading(upload)
    case let other:
      state = other
    }
  }
}

extension Engine {
  /// Stores a value that is all there, and counts.
  @inline(__always)
  mutating func set(_ header: StoreRequest, _ key: RawSpan, _ value: RawSpan) throws(ReservationFailure) {
    let exptime = store.value.clockBase.exptime(header.exptime, now: now)
    let slabClass = try Store.set(
      store, key: key, clientFlags: header.clientFlags, exptime: exptime, value: value, now: now)
    counters.add(.setCommands, slabClass: slabClass)
    counters.add(.totalItems)
    if configuration.modes.countsPrefixes { notePrefix(ofSet: key) }
  }

  /// Links the value under its key, or not, as its mode says, and counts.
  @inline(__always)
  mutating func commit(_ upload: consuming Upload) -> Response {
    let mode = upload.mode
    if configuration.modes.countsPrefixes { notePrefix(ofSet: upload.reservation.item.key) }
    let expectedCAS = upload.expectedCAS
    let result = Store.commit(store, upload.reservation, mode: mode, expectedCAS: expectedCAS, now: now)
    counters.add(.setCommands, slabClass: result.slabClass)
    if result.outcome == .stored { counters.add(.totalItems) }
    if mode == .cas { noteCAS(result.outcome, result.slabClass) }
    switch result.outcome {
    case .stored: return .stored
    case .notStored: return .notStored
    case .exists: return .exists
    case .notFound: return .notFound
    }
  }

  private mutating func noteCAS(_ outcome: StoreOutcome, _ slabClass: Int) {
    switch outcome {
    case .stored: counters.add(.casHits, slabClass: slabClass)
    case .exists: counters.add(.casBadval, slabClass: slabClass)
    case .notFound, .notStored: counters.add(.casMisses)
    }
  }

  @inline(never)
  private mutating func notePrefix(ofSet key: RawSpan) {
    configuration.prefixes.noteSet(key.bytes(ByteRange(start: 0, end: key.byteCount)))
  }

  /// Takes the key out of the cache without counting a delete.
  mutating func remove(_ key: RawSpan) {
    let hash = store.value.hash(key)
    let held = store.value.locks.lock(hash)
    if let item = store.value.find(key, hash, now: now, held).item { store.value.unlink(item, hash, held) }
  }
}
