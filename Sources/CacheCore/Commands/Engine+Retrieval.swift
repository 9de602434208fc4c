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

/// A key of a line: where it stands, its hash, and the bucket it was in when it was read.
struct HashedKey {
  var range: ByteRange
  var hash: UInt64
  var bucket: Int
}

extension Engine {
  /// Answers a get of one key, with its END. Returns false, having done nothing, when the reply has no room for it.
  @inline(always)
  mutating func getPlain(_ key: RawSpan, hash: UInt64) -> Bool {
    guard lookPlain(key, hash: hash) else { return false }
    TextComposer.composeEnd(&reply)
    return true
  }

  /// Answers the keys in `range`. Takes and releases one item lock per key.
  @inline(never)
  mutating func retrieve(_ retrieval: Retrieval, _ input: RawSpan, _ range: ByteRange) -> RetrievalEnd {
    var words = Tokenizer(start: range.start, end: range.end)
    while true {
      let (count, isTooLong) = readGroup(input, &words)
      for index in 0..<count {
        let key = group[index]
        let bytes = input.slice(key.range)
        let isDone =
          retrieval.isPlain ? lookPlain(bytes, hash: key.hash) : lookAny(retrieval, bytes, hash: key.hash)
        if !isDone { return .replyFull(position: key.range.start) }
      }
      if isTooLong { return .badKey }
      if count < Engine.groupSize { return .done }
    }
  }

  /// Reads the next keys into `group` and sees to it that their buckets and items are on their way.
  @inline(__always)
  private func readGroup(_ input: RawSpan, _ words: inout Tokenizer) -> (count: Int, isTooLong: Bool) {
    var count = 0
    var isTooLong = false
    while count < Engine.groupSize {
      let range = words.next(input)
      if range.isEmpty { break }
      guard range.count <= TextParser.longestKeyByteCount else {
        isTooLong = true
        break
      }
      let hash = store.value.hash(input.slice(range))
      group[count] = HashedKey(range: range, hash: hash, bucket: store.value.prefetchBucket(hash))
      count &+= 1
    }
    for index in 0..<count { store.value.prefetchItem(bucket: group[index].bucket) }
    return (count, isTooLong)
  }

  /// A plain get's look-up: a copy of `look` in which the compiler knows what is asked for.
  @inline(always)
  private mutating func lookPlain(_ key: RawSpan, hash: UInt64) -> Bool { look(.plain, key, hash: hash) }

  /// That of gets, gat and gats.
  @inline(never)
  private mutating func lookAny(_ retrieval: Retrieval, _ key: RawSpan, hash: UInt64) -> Bool {
    look(retrieval, key, hash: hash)
  }

  /// Looks one key up and composes its value. Returns false, having done nothing, when the reply has no room for it.
  @inline(always)
  private mutating func look(_ retrieval: Retrieval, _ key: RawSpan, hash: UInt64) -> Bool {
    let held = store.value.locks.lock(hash)
    guard let found = store.value.findLive(key, hash, now: now, held) else {
      lookInVain(retrieval, key, hash: hash, held)
      return true
    }
    let (item, contents) = (found.item, found.contents)
    guard !contents.flags.contains(.chunked), contents.valueByteCount <= gatherThreshold else {
      return gather(item, retrieval, held)
    }
    guard reply.hasRoom(TextComposer.valueOverheadByteCount &+ contents.valueByteCount) else { return false }
    if isObserved { observeHit(item) }
    noteHit(item, touchedUntil: retrieval.touches ? retrieval.exptime : nil)
    store.value.bump(item, now: now)
    TextComposer.composeValue(contents, cas: retrieval.withCAS ? item.cas : nil, &reply)
    return true
  }

  /// A key that is not there, or not any more.
  @inline(never)
  private mutating func lookInVain(
    _ retrieval: Retrieval, _ key: RawSpan, hash: UInt64, _ held: borrowing ItemLockHeld
  ) {
    _ = find(key, hash, held)
    noteMiss(key, touches: retrieval.touches)
  }

  /// A large or chunked value: the line is composed, the value itself is sent from where it lies.
  @inline(never)
  private mutating func gather(_ item: Item, _ retrieval: Retrieval, _ held: borrowing ItemLockHeld) -> Bool {
    guard reply.hasRoom(TextComposer.valueOverheadByteCount), reply.hasRoomToGather else { return false }
    guard store.value.hold(item) else {
      noteMiss(item.key, touches: retrieval.touches)
      return true
    }
    if isObserved { observeHit(item) }
    noteHit(item, touchedUntil: retrieval.touches ? retrieval.exptime : nil)
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
