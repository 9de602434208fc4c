// Storage commands from the header on: the item is reserved when the size is known, the value is received in place, the
// two bytes after it are checked (text and meta), and only then is the item linked. A session that ends in between
// drops the reservation.

extension Session {
  /// After the header. Ends with the item stored, or waiting for its value, or swallowing a value nobody can keep.
  @inline(__always)
  mutating func beginUpload(
    _ engine: inout Engine, _ header: StoreRequest, _ form: ReplyForm, _ input: RawSpan, _ position: inout Int,
    _ end: Int
  ) {
    if header.key.isEncoded {
      let decoded = engine.decodedKey
      let key = decoded.bytes(header.key.decodedByteCount)
      return beginUpload(&engine, header, key, form, input, &position, end)
    }
    beginUpload(&engine, header, input.slice(header.key.range), form, input, &position, end)
  }

  @inline(__always)
  private mutating func beginUpload(
    _ engine: inout Engine, _ header: StoreRequest, _ key: RawSpan, _ form: ReplyForm, _ input: RawSpan,
    _ position: inout Int, _ end: Int
  ) {
    let store = engine.store
    do {
      let valueEnd = position &+ header.valueByteCount
      if header.terms.mode == .set, end &- position >= header.valueByteCount &+ form.trailerByteCount,
        isTerminated(form, input, at: valueEnd)
      {
        // The whole command is at hand: no state in between.
        let value = input.slice(ByteRange(start: position, end: valueEnd))
        let cas = try engine.set(
          key, hash: store.value.hash(key), clientFlags: header.clientFlags, exptime: header.exptime, value,
          newCAS: header.terms.newCAS, marks: header.terms.marks)
        position = valueEnd &+ form.trailerByteCount
        compose(
          &engine, Response(outcome: .stored, cas: cas, valueByteCount: header.valueByteCount), form, input,
          isQuiet: header.isQuiet)
        return
      }
      var upload = Upload(
        reservation: try Store.reserve(
          store, key: key, clientFlags: header.clientFlags,
          exptime: store.value.clockBase.exptime(header.exptime, now: engine.now),
          valueByteCount: header.valueByteCount, now: engine.now),
        terms: header.terms, isQuiet: header.isQuiet, form: form)
      position &+= upload.reservation.fill(input.slice(ByteRange(start: position, end: end)))
      guard upload.reservation.missingByteCount == 0, end &- position >= form.trailerByteCount else {
        suspend(upload, input)
        return
      }
      finish(&engine, upload, input, &position, words: input)
    } catch {
      refuseUpload(&engine, header, key, form, error)
    }
  }

  /// Plain line `index`, a set: stored and answered. False when it is refused: then its value is to be swallowed.
  @inline(always)
  mutating func setPlain(
    _ engine: inout Engine, _ lines: FixedArray<PlainLine>, _ index: Int, _ input: borrowing InputView,
    _ position: inout Int
  ) -> Bool {
    guard engine.reply.hasRoom(Session.replyRoomByteCount) else { return false }
    do {
      try engine.setPlain(lines, index, input)
      TextComposer.compose(.stored, &engine.reply)
      return true
    } catch {
      let line = lines[index]
      refuseUpload(&engine, StoreRequest(line), input[line.key], .text, error)
      // The value that was refused is swallowed before the next line is read.
      position = line.value.range.start
      return false
    }
  }

  /// The rest of the value is still to come. The line goes, so what the reply repeats of it is kept.
  @inline(never)
  private mutating func suspend(_ upload: consuming Upload, _ input: RawSpan) {
    guard case .meta(let echo) = upload.form else {
      begin(.uploading(upload))
      return
    }
    var words = ByteBuffer(capacity: MetaEcho.longestKeptByteCount)
    let kept = echo.keep(input, in: &words)
    begin(
      .uploading(
        Upload(
          reservation: upload.reservation, terms: upload.terms, isQuiet: upload.isQuiet, form: .meta(kept),
          words: words)))
  }

  /// More of the value has come. nil when it is stored or refused and the next request may be read.
  @inline(never)
  mutating func resumeUpload(
    _ engine: inout Engine, _ upload: consuming Upload, _ input: RawSpan, _ position: inout Int, _ end: Int
  ) -> NextStep? {
    position &+= upload.reservation.fill(input.slice(ByteRange(start: position, end: end)))
    guard upload.reservation.missingByteCount == 0, end &- position >= upload.form.trailerByteCount else {
      begin(.uploading(upload))
      return .awaitInput
    }
    guard engine.reply.hasRoom(Session.replyRoomByteCount) else {
      begin(.uploading(upload))
      return .flushReply
    }
    if upload.words == nil {
      finish(&engine, upload, input, &position, words: input)
    } else {
      finishApart(&engine, upload, input, &position)
    }
    return nil
  }

  /// What the reply repeats lies in the upload and no longer in the input.
  @inline(never)
  private mutating func finishApart(
    _ engine: inout Engine, _ upload: consuming Upload, _ input: RawSpan, _ position: inout Int
  ) {
    let rest = Upload(
      reservation: upload.reservation, terms: upload.terms, isQuiet: upload.isQuiet, form: upload.form)
    let words = upload.words ?? ByteBuffer(capacity: 0)
    finish(&engine, rest, input, &position, words: words.span)
  }

  @inline(__always)
  private func isTerminated(_ form: ReplyForm, _ input: RawSpan, at offset: Int) -> Bool {
    form.trailerByteCount == 0 || input.byte(at: offset) == 0x0d && input.byte(at: offset &+ 1) == 0x0a
  }

  /// The value and what ends it are there.
  @inline(__always)
  private mutating func finish(
    _ engine: inout Engine, _ upload: consuming Upload, _ input: RawSpan, _ position: inout Int, words: RawSpan
  ) {
    let form = upload.form
    let isTerminated = isTerminated(form, input, at: position)
    position &+= form.trailerByteCount
    let isQuiet = upload.isQuiet
    guard isTerminated else {
      // It had its memory: that is what cmd_set counts.
      engine.counters.add(.setCommands, slabClass: engine.store.value.slabs.slabClass(of: upload.reservation.ref))
      compose(&engine, .refused(.badDataChunk), form, words, isQuiet: isQuiet)
      return
    }
    compose(&engine, engine.commit(upload), form, words, isQuiet: isQuiet)
  }

  /// The value cannot be kept: its bytes are swallowed and then answered. A set that fails removes what it would have
  /// replaced, so that nobody reads a value older than the one he wrote (reference, sections 2.4, 3.4 and 4.2).
  @inline(never)
  private mutating func refuseUpload(
    _ engine: inout Engine, _ header: StoreRequest, _ key: RawSpan, _ form: ReplyForm, _ failure: ReservationFailure
  ) {
    engine.counters.add(failure == .tooLarge ? .storeTooLarge : .storeNoMemory)
    engine.logStore(
      key, StoreEvent(status: failure == .tooLarge ? "too_large" : "no_memory", mode: header.terms.mode))
    if header.terms.mode == .set || form.removesWhatItCannotReplace { engine.remove(key) }
    let refusal: Refusal = failure == .tooLarge ? .tooLarge : .noMemoryForStore
    begin(
      .swallowing(
        Swallowing(
          left: header.valueByteCount + form.trailerByteCount, refusal: refusal, isQuiet: header.isQuiet, form: form)))
  }

  /// Where the rest of a large value can be received without a copy; empty when no value is on its way. Whether more
  /// than the value may be received is said by `isWhole`.
  public mutating func directWindows() -> (windows: WindowList, isWhole: Bool) {
    switch takeState() {
    case .uploading(var upload):
      let windows = upload.reservation.windows()
      let isWhole = windows.byteCount == upload.reservation.missingByteCount
      begin(.uploading(upload))
      return (windows, isWhole)
    case let other:
      begin(other)
      return (WindowList(), false)
    }
  }

  /// `count` bytes were received into the direct windows.
  public mutating func directlyReceived(_ count: Int) {
    switch takeState() {
    case .uploading(var upload):
      upload.reservation.advanceOver(count)
      begin(.uploading(upload))
    case let other:
      begin(other)
    }
  }
}

extension ReplyForm {
  /// How many bytes end a value.
  @inline(__always)
  var trailerByteCount: Int {
    if case .binary = self { return 0 }
    return 2
  }

  /// Whether a store that fails for its size takes the old item along, other than the plain set: every ms, and the
  /// binary set with a CAS unique.
  fileprivate var removesWhatItCannotReplace: Bool {
    switch self {
    case .text: false
    case .meta: true
    case .binary(let header): header.knownOpcode == .set || header.knownOpcode == .setQ
    }
  }
}

extension MetaEcho {
  /// A key, an opaque of 32 bytes with its letter, three more letters, and blanks.
  fileprivate static let longestKeptByteCount = TextParser.longestKeyByteCount + 1 + 32 + 3 * 2

  /// Copies the key and those flags that an ms repeats into `words`; returns an echo that names them there. A line has
  /// each flag once, so there is room.
  fileprivate func keep(_ input: RawSpan, in words: inout ByteBuffer) -> MetaEcho {
    var kept = self
    words.append(input.slice(key))
    kept.key = ByteRange(start: 0, end: words.end)
    var rest = Tokenizer(start: flags.start, end: flags.end)
    while true {
      let word = rest.next(input)
      if word.isEmpty { break }
      switch input.byte(at: word.start) {
      case UInt8(ascii: "O"): words.append(input.slice(ByteRange(start: word.start - 1, end: word.end)))
      case UInt8(ascii: "k"), UInt8(ascii: "c"), UInt8(ascii: "s"):
        words.append(input.slice(ByteRange(start: word.start - 1, end: word.start + 1)))
      default: break
      }
    }
    kept.flags = ByteRange(start: kept.key.end, end: words.end)
    return kept
  }
}

extension Engine {
  /// Stores the value of plain line `index` of `input`.
  @inline(always)
  fileprivate mutating func setPlain(
    _ lines: FixedArray<PlainLine>, _ index: Int, _ input: borrowing InputView
  ) throws(ReservationFailure) {
    let exptime = store.value.clockBase.exptime(Int64(lines[index].exptime), now: now)
    let stored = try Store.set(
      store, key: input[lines[index].key], hash: lines[index].hash, clientFlags: lines[index].clientFlags,
      exptime: exptime, value: input[lines[index].value], now: now)
    countSet(slabClass: stored.slabClass)
  }

  @inline(__always)
  private mutating func countSet(slabClass: Int) {
    counters.add(.setCommands, slabClass: slabClass)
    counters.add(.totalItems)
  }

  /// Stores a value that is all there, and counts. Returns its CAS unique.
  @inline(always)
  mutating func set(
    _ key: RawSpan, hash: UInt64, clientFlags: UInt32, exptime: Int64, _ value: RawSpan, newCAS: UInt64 = 0,
    marks: ItemFlags = []
  ) throws(ReservationFailure) -> UInt64 {
    let exptime = store.value.clockBase.exptime(exptime, now: now)
    if logs(.fetchers) { logLookup(key) }
    let (slabClass, cas) = try Store.set(
      store, key: key, hash: hash, clientFlags: clientFlags, exptime: exptime, value: value, newCAS: newCAS,
      marks: marks, now: now)
    countSet(slabClass: slabClass)
    if isObserved {
      noteSet(
        key,
        StoreEvent(
          status: "stored", mode: .set, exptime: exptime, slabClass: slabClass, valueByteCount: value.byteCount))
    }
    return cas
  }

  @inline(never)
  private mutating func noteSet(_ key: RawSpan, _ event: StoreEvent) {
    if configuration.modes.countsPrefixes { notePrefix(ofSet: key) }
    if logs(.mutations) { logStore(key, event) }
  }

  /// Links the value under its key, or not, as its mode says, and counts.
  @inline(__always)
  mutating func commit(_ upload: consuming Upload) -> Response {
    let mode = upload.terms.mode
    if isObserved, configuration.modes.countsPrefixes { notePrefix(ofSet: upload.reservation.item.key) }
    let terms = upload.terms
    let logged = logs(.mutations) ? KeptKey(upload.reservation.item) : nil
    if logs(.fetchers) { logLookup(upload.reservation.item.key) }
    let result = Store.commit(store, upload.reservation, terms, now: now)
    if let logged { log(result, mode: mode, logged) }
    counters.add(.setCommands, slabClass: result.slabClass)
    if result.outcome == .stored { counters.add(.totalItems) }
    if mode == .cas { noteCAS(result.outcome, result.slabClass) }
    let outcome: Outcome =
      switch result.outcome {
      case .stored: .stored
      case .notStored: .notStored
      case .exists: .exists
      case .notFound: .notFound
      }
    return Response(outcome: outcome, cas: result.cas, valueByteCount: result.valueByteCount)
  }

  /// What the log needs of an item that may be gone when it is written.
  private struct KeptKey {
    let key: [UInt8]
    let exptime: UInt32
    let valueByteCount: Int

    init(_ item: Item) {
      key = item.key.bytes(ByteRange(start: 0, end: item.keyByteCount))
      exptime = item.exptime
      valueByteCount = item.valueByteCount
    }
  }

  @inline(never)
  private func log(_ result: StoreResult, mode: StoreMode, _ kept: KeptKey) {
    let status: StaticString =
      switch result.outcome {
      case .stored: "stored"
      case .notStored: "not_stored"
      case .exists: "exists"
      case .notFound: "not_found"
      }
    var key = ByteBuffer(capacity: kept.key.count)
    key.append(kept.key)
    logStore(
      key.span.slice(ByteRange(start: 0, end: key.end)),
      StoreEvent(
        status: status, mode: mode, exptime: kept.exptime, slabClass: result.slabClass,
        valueByteCount: max(result.valueByteCount, kept.valueByteCount)))
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
