// The short way for the binary protocol: gets of one key each, quiet or not, with or without the key in the reply; a
// group of packets at a time, read ahead as plain lines are (Session+Plain). What is no such packet, or not all there,
// is left where it stands, untouched, for the general way (Session+Binary).

extension Session {
  /// Answers a group of plain packets from `position` on. False when there was none, or no room for the first reply.
  @inline(never)
  func answersPlainPackets(_ engine: inout Engine, _ input: RawSpan, _ position: inout Int, _ end: Int) -> Bool {
    let view = InputView(input, end: end)
    let start = position
    let keys = engine.group.prefix(engine.readPlainPackets(view, from: start))
    for index in 0..<keys.count {
      guard engine.fetchPacket(keys[index], view) else { break }
      position = keys[index].part.range.end
    }
    return position > start
  }
}

extension Engine {
  /// Reads the next packets' keys into `group`, up to the first that is not plain or not all there, and sees to it that
  /// their buckets and items are on their way.
  @inline(never)
  fileprivate func readPlainPackets(_ input: borrowing InputView, from start: Int) -> Int {
    let prefetcher = store.value.prefetcher
    var keys = group.prefix(Engine.groupSize)
    var position = start
    var count = 0
    for index in 0..<Engine.groupSize {
      guard position < input.end else { break }
      let keyByteCount = BinaryHeader.plainKeyByteCount(input.block(at: position))
      let key = InputPart(position &+ BinaryHeader.byteCount, count: keyByteCount)
      guard keyByteCount > 0, key.range.end <= input.end else { break }
      let hash = store.value.hash(input[key])
      prefetcher.askForBucket(hash)
      keys[index].part = key
      keys[index].hash = hash
      position = key.range.end
      count = index &+ 1
    }
    keys = keys.prefix(count)
    if count > 1 {
      for index in 0..<count { prefetcher.askForItem(keys[index].hash) }
    }
    return count
  }
}
