// The requests of a run, written out before it starts: a batch is what one connection sends in one write, with the size
// and the exact bytes of its reply. Not the loop that sends them: see LoadGenerator.

/// Batches of ready-made requests; batch numbers wrap around.
struct RequestPool: Sendable {
  /// The requests of all batches, one after the other.
  private(set) var bytes: [UInt8] = []
  private var starts: [Int] = [0]
  private var keys: [UInt32] = []
  private var isSet: [Bool] = []
  private let text: WireText
  private let keysPerGet: Int
  private let depth: Int

  private static let byteLimit = 16 << 20

  var count: Int { isSet.count }

  /// The random requests of a case, at most `batches` of them and about 16 MiB.
  init(_ row: LoadCase, keyCount: Int, batches: Int, seed: UInt64 = 0x5eed) {
    text = WireText(row.form, valueByteCount: row.valueByteCount)
    keysPerGet = row.keysPerGet
    depth = row.depth
    var random = RandomNumbers(seed: seed)
    while count < batches && bytes.count < Self.byteLimit {
      let drawn = (0..<row.requestsPerBatch).map { _ in UInt32(random.next(below: keyCount)) }
      appendBatch(drawn, isSet: row.operation == .set || row.operation == .mixed && random.next(below: 10) == 0)
    }
  }

  /// Sets of the keys from `firstKey` on, as many as fit in about 16 MiB; used to fill a server.
  init(filling row: LoadCase, firstKey: Int, keyCount: Int) {
    text = WireText(.text, valueByteCount: row.valueByteCount)
    keysPerGet = 1
    depth = max(1, min(50, 65_536 / row.valueByteCount))
    var key = firstKey
    while key < keyCount && bytes.count < Self.byteLimit {
      let next = min(key + depth, keyCount)
      appendBatch((key..<next).map { UInt32($0) }, isSet: true)
      key = next
    }
  }

  /// The number of keys in all batches.
  var keyCount: Int { keys.count }

  func requestRange(_ batch: Int) -> Range<Int> {
    let index = batch % count
    return starts[index]..<starts[index + 1]
  }

  func replyByteCount(_ batch: Int) -> Int {
    let batchKeys = keyRange(batch).count
    if isSet[batch % count] { return batchKeys * WireText.stored.count }
    return batchKeys * text.hitByteCount + batchKeys / keysPerGet * text.getEnd.count + text.batchEnd.count
  }

  /// What the batch's replies start with.
  func replyHead(_ batch: Int) -> [UInt8] { isSet[batch % count] ? WireText.stored : text.hitHead }

  /// What the batch's replies end with.
  func replyTail(_ batch: Int) -> [UInt8] { isSet[batch % count] ? WireText.stored : text.batchTail }

  /// Whether `bytes` are the reply to the whole batch, whatever CAS uniques it has.
  func isReply(_ bytes: [UInt8], to batch: Int) -> Bool {
    var bytes = bytes
    if !isSet[batch % count] {
      for hit in 0..<keyRange(batch).count {
        for offset in text.unforeseenHitBytes { bytes[hit * text.hitByteCount + offset] = 0 }
      }
    }
    return bytes == reply(batch)
  }

  /// The exact bytes of the reply to the whole batch; CAS uniques are zero.
  func reply(_ batch: Int) -> [UInt8] {
    var reply: [UInt8] = []
    reply.reserveCapacity(replyByteCount(batch))
    for (position, key) in keys[keyRange(batch)].enumerated() {
      if isSet[batch % count] {
        reply += WireText.stored
      } else {
        text.appendHit(key, to: &reply)
        if position % keysPerGet == keysPerGet - 1 { reply += text.getEnd }
      }
    }
    if !isSet[batch % count] { reply += text.batchEnd }
    return reply
  }

  private func keyRange(_ batch: Int) -> Range<Int> {
    let start = batch % count * keysPerGet * depth
    return start..<min(start + keysPerGet * depth, keys.count)
  }

  private mutating func appendBatch(_ batchKeys: [UInt32], isSet batchIsSet: Bool) {
    if batchIsSet {
      for key in batchKeys { text.appendSet(key, to: &bytes) }
    } else {
      for start in stride(from: 0, to: batchKeys.count, by: keysPerGet) {
        text.appendGet(batchKeys[start..<start + keysPerGet], to: &bytes)
      }
      bytes += text.batchEndRequest
    }
    keys += batchKeys
    isSet.append(batchIsSet)
    starts.append(bytes.count)
  }
}
