// get, gets, gat, gats: any number of keys, each looked up, composed and unlocked before the next. Keys of a long list
// are taken in groups, so that the memory of one group's buckets and items is on its way while the CPU still tokenises.

/// How far a retrieval got.
enum RetrievalEnd {
  /// All keys up to the end of the range are answered.
  case done
  /// The reply buffer is full: send it and go on with the key at `position`.
  case replyFull(position: Int)
  /// A key is too long.
  case badKey
}

/// A key of a line: where it stands, and its hash.
struct HashedKey {
  var part = InputPart.none
  var hash: UInt64 = 0
}

extension Engine {
  /// Answers a get of one key, with its END. Returns false, having done nothing, when the reply has no room for it.
  @inline(always)
  mutating func getPlain(_ key: RawSpan, hash: UInt64) -> Bool { lookPlain(key, hash: hash, isLast: true) }

  /// Answers the keys in `range`. Takes and releases one item lock per key.
  mutating func retrieve(_ retrieval: Retrieval, _ input: RawSpan, _ range: ByteRange) -> RetrievalEnd {
    let view = InputView(input, end: range.end)
    return retrieval.isPlain && !isObserved
      ? retrievePlain(view, from: range.start) : retrieveAny(retrieval, view, from: range.start)
  }

  @inline(never)
  private mutating func retrievePlain(_ input: borrowing InputView, from start: Int) -> RetrievalEnd {
    retrieve(nil, input, from: start)
  }

  /// As above for gets, gat and gats, and for get when somebody observes.
  @inline(never)
  private mutating func retrieveAny(
    _ retrieval: Retrieval, _ input: borrowing InputView, from start: Int
  ) -> RetrievalEnd {
    retrieve(retrieval, input, from: start)
  }

  /// Both of them; nil is a plain get.
  @inline(always)
  private mutating func retrieve(
    _ retrieval: Retrieval?, _ input: borrowing InputView, from start: Int
  ) -> RetrievalEnd {
    var words = WordScanner(input, from: start)
    while true {
      let (count, isTooLong) = readGroup(input, &words)
      let keys = group.prefix(count)
      for index in 0..<count {
        let key = input[keys[index].part]
        let isDone: Bool
        if let retrieval {
          isDone = lookAny(retrieval, key, hash: keys[index].hash)
        } else {
          isDone = lookPlain(key, hash: keys[index].hash, isLast: false)
        }
        if !isDone { return .replyFull(position: keys[index].part.range.start) }
      }
      if isTooLong { return .badKey }
      if count < Engine.groupSize { return .done }
    }
  }

  /// Reads the next keys into `group` and sees to it that their buckets and items are on their way.
  @inline(never)
  private func readGroup(_ input: borrowing InputView, _ words: inout WordScanner) -> (count: Int, isTooLong: Bool) {
    let prefetcher = store.value.prefetcher
    var keys = group.prefix(Engine.groupSize)
    var count = 0
    var isTooLong = false
    for index in 0..<Engine.groupSize {
      let key = words.next(input)
      if key.count == 0 { break }
      guard key.count <= TextParser.longestKeyByteCount else {
        isTooLong = true
        break
      }
      let hash = store.value.hash(input[key])
      prefetcher.askForBucket(hash)
      keys[index].part = key
      keys[index].hash = hash
      count = index &+ 1
    }
    keys = keys.prefix(count)
    for index in 0..<count { prefetcher.askForItem(keys[index].hash) }
    return (count, isTooLong)
  }

  /// Looks the key of a plain get up, while nobody observes, and composes its value, and END behind the last. Returns
  /// false, having done nothing, when the reply has no room for it.
  @inline(always)
  private mutating func lookPlain(_ key: RawSpan, hash: UInt64, isLast: Bool) -> Bool {
    let held = store.value.locks.lock(hash)
    guard let found = store.value.findLive(key, hash, now: now, held) else {
      return lookInVain(.plain, key, hash: hash, isLast: isLast, held)
    }
    guard TextComposer.isShort(found.contents, shortValueLimit) else {
      return answer(found.item.ref, .plain, isLast: isLast, held)
    }
    guard TextComposer.composeShort(found.contents, isLast: isLast, &reply) else { return false }
    noteRead(found.item, found.contents)
    return true
  }

  /// As above for any retrieval.
  @inline(always)
  private mutating func lookAny(_ retrieval: Retrieval, _ key: RawSpan, hash: UInt64) -> Bool {
    let held = store.value.locks.lock(hash)
    guard let found = store.value.findLive(key, hash, now: now, held) else {
      return lookInVain(retrieval, key, hash: hash, isLast: false, held)
    }
    return answer(found.item.ref, retrieval, isLast: false, held)
  }

  /// Composes any value that was found.
  @inline(never)
  private mutating func answer(
    _ found: ItemRef, _ retrieval: Retrieval, isLast: Bool, _ held: borrowing ItemLockHeld
  ) -> Bool {
    let item = store.value.arena.item(found)
    let contents = item.contents
    if contents.flags.contains(.chunked) || contents.valueByteCount > gatherThreshold {
      guard gather(item, retrieval, held) else { return false }
    } else {
      guard TextComposer.compose(contents, cas: retrieval.withCAS ? item.cas : nil, &reply) else { return false }
      noteHit(item, retrieval)
      store.value.bump(item, contents.head, now: now)
    }
    if isLast { TextComposer.composeEnd(&reply) }
    return true
  }

  /// A key that is not there, or not any more. Returns true, unless END is to be composed and there is no room for it.
  @inline(never)
  private mutating func lookInVain(
    _ retrieval: Retrieval, _ key: RawSpan, hash: UInt64, isLast: Bool, _ held: borrowing ItemLockHeld
  ) -> Bool {
    guard !isLast || reply.hasRoom(TextComposer.longestLineByteCount) else { return false }
    _ = find(key, hash, held)
    noteMiss(key, touches: retrieval.touches)
    if isLast { TextComposer.composeEnd(&reply) }
    return true
  }

  /// A large or chunked value: the line is composed, the value itself is sent from where it lies.
  @inline(never)
  private mutating func gather(_ item: Item, _ retrieval: Retrieval, _ held: borrowing ItemLockHeld) -> Bool {
    guard reply.hasRoom(TextComposer.valueOverheadByteCount), reply.hasRoomToGather else { return false }
    guard store.value.hold(item) else {
      noteMiss(item.key, touches: retrieval.touches)
      return true
    }
    noteHit(item, retrieval)
    reply.compose(TextComposer.valueOverheadByteCount) {
      TextComposer.composeValueLine(
        item.key, clientFlags: item.clientFlags, valueByteCount: item.valueByteCount,
        cas: retrieval.withCAS ? item.cas : nil, &$0)
    }
    reply.gather(item)
    reply.append("\r\n")
    store.value.bump(item, now: now)
    return true
  }

  /// Counts the hit of a get that nobody observes, and notes that the item was read. Under the item lock.
  @inline(__always)
  mutating func noteRead(_ item: Item, _ contents: ItemContents) {
    counters.addGetHit(segmentNumber: contents.segmentNumber, slabClass: store.value.slabs.slabClass(of: item))
    store.value.bump(item, contents.head, now: now)
  }

  /// Counts a hit, and tells those who observe.
  @inline(__always)
  private mutating func noteHit(_ item: Item, _ retrieval: Retrieval) {
    if isObserved { observeHit(item) }
    noteHit(item, touchedUntil: retrieval.touches ? retrieval.exptime : nil)
  }

  /// Tells watchers of a get's hit, and counts it for its prefix.
  @inline(never)
  private mutating func observeHit(_ item: Item) {
    if logs(.fetchers) { logFetch(item.key, .hit(item)) }
    countPrefix(item.key, isHit: true)
  }

  /// Counts a hit; one that touches gets the client's expiration time and counts as a touch only. Under the item lock.
  @inline(__always)
  mutating func noteHit(_ item: Item, touchedUntil exptime: Int64?) {
    let slabClass = store.value.slabs.slabClass(of: item)
    if let exptime {
      counters.add(.touchCommands)
      counters.add(.touchHits, slabClass: slabClass)
      item.exptime = store.value.clockBase.exptime(exptime, now: now)
      store.value.noteMortal(item)
    } else {
      counters.addGetHit(segmentNumber: item.segmentNumber, slabClass: slabClass)
    }
  }

  /// gat counts as a touch only, as in the reference; a miss counts likewise.
  @inline(never)
  mutating func noteMiss(_ key: RawSpan, touches: Bool, countsPrefixes: Bool = true) {
    if touches {
      counters.add(.touchCommands)
      counters.add(.touchMisses)
    } else {
      counters.add(.getMisses)
    }
    if isObserved, countsPrefixes { countPrefix(key, isHit: false) }
  }

  @inline(never)
  mutating func countPrefix(_ key: RawSpan, isHit: Bool) {
    guard configuration.modes.countsPrefixes else { return }
    configuration.prefixes.noteGet(key.bytes(ByteRange(start: 0, end: key.byteCount)), isHit: isHit)
  }
}
