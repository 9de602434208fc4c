// A client that uses a server as a cache: a get that misses is followed by a set. To be quick it takes requests
// together until a key repeats: one `get` of many keys, then, in one write with the next `get`, a set for each miss and
// each write. So every request sees all earlier ones of its key; within a batch, sets come after gets.
//
// Every reply is checked: values come in the order asked for, with the size last stored and its first and last byte.

struct CacheRequest {
  let key: Int
  let valueByteCount: Int
  var ttlSeconds = 0
  /// A write: it sets without asking first.
  var isWrite = false
}

/// What a load has counted.
struct CacheAsideFigures: Sendable {
  var getCount = 0
  var hitCount = 0
  var requestedByteCount = 0
  var missedByteCount = 0
  var setCount = 0
  /// Sets that were answered with anything but STORED.
  var refusedCount = 0
  var firstRefusal: String?

  var missRatio: Double { getCount == 0 ? 0 : 1 - Double(hitCount) / Double(getCount) }
  var byteMissRatio: Double {
    requestedByteCount == 0 ? 0 : Double(missedByteCount) / Double(requestedByteCount)
  }

  /// What was counted after `earlier`; the first refusal is that of the whole load.
  func since(_ earlier: CacheAsideFigures) -> CacheAsideFigures {
    var rest = self
    rest.getCount -= earlier.getCount
    rest.hitCount -= earlier.hitCount
    rest.requestedByteCount -= earlier.requestedByteCount
    rest.missedByteCount -= earlier.missedByteCount
    rest.setCount -= earlier.setCount
    rest.refusedCount -= earlier.refusedCount
    return rest
  }
}

struct CacheAside: ~Copyable {
  private(set) var figures = CacheAsideFigures()
  private var link: ServerLink
  private let keys: KeyTable
  /// By key: the size of the value last stored, or `nothing`.
  private var stored: [Int32]
  /// By key: the last batch it was in.
  private var lastBatch: [UInt32]
  private var batch: [CacheRequest] = []
  private var isHit: [Bool] = []
  private var batchNumber: UInt32 = 1
  /// The sets whose answers have not been read, in the order sent.
  private var unanswered: [CacheRequest] = []

  private static let nothing: Int32 = -1
  private static let batchLimit = 64
  private static let storedLine = Array("STORED".utf8)
  private static let endLine = Array("END".utf8)

  init(label: String, port: UInt16, keys: KeyTable) throws {
    self.keys = keys
    link = try ServerLink(label: label, port: port)
    stored = Array(repeating: Self.nothing, count: keys.count)
    lastBatch = Array(repeating: 0, count: keys.count)
  }

  /// Does the request, now or together with later ones.
  mutating func perform(_ request: CacheRequest) throws {
    if batch.count == Self.batchLimit || lastBatch[request.key] == batchNumber { try performBatch() }
    lastBatch[request.key] = batchNumber
    batch.append(request)
  }

  /// Does everything that is left; then all figures are right.
  mutating func finish() throws {
    try performBatch()
    try readSetReplies()
  }

  /// The server's own figures, which must agree with those counted here.
  mutating func checkedStats() throws -> [String: Int] {
    try finish()
    let stats = try link.stats()
    guard stats["get_hits"] == figures.hitCount, stats["cmd_get"] == figures.getCount else {
      throw link.wrong(
        "stats say \(stats["get_hits"] ?? -1) hits of \(stats["cmd_get"] ?? -1) gets, "
          + "but there were \(figures.hitCount) of \(figures.getCount)")
    }
    try link.checkClassSums()
    return stats
  }

  private mutating func performBatch() throws {
    let hasGets = batch.contains { !$0.isWrite }
    if hasGets { sendGets() }
    try readSetReplies()
    isHit.removeAll(keepingCapacity: true)
    isHit.append(contentsOf: repeatElement(false, count: batch.count))
    if hasGets { try readValues() }
    for index in batch.indices { account(batch[index], isHit: isHit[index]) }
    batch.removeAll(keepingCapacity: true)
    batchNumber += 1
  }

  /// Counts the request, and sends its set where it needs one.
  private mutating func account(_ request: CacheRequest, isHit: Bool) {
    if !request.isWrite {
      figures.getCount += 1
      figures.requestedByteCount += request.valueByteCount
      if isHit {
        figures.hitCount += 1
        return
      }
      figures.missedByteCount += request.valueByteCount
    }
    figures.setCount += 1
    sendSet(request)
    unanswered.append(request)
  }

  private mutating func sendGets() {
    link.send("get".utf8)
    for request in batch where !request.isWrite {
      link.sendByte(UInt8(ascii: " "))
      link.send(keys.bytes[keys.range(request.key)])
    }
    link.send("\r\n".utf8)
  }

  private mutating func sendSet(_ request: CacheRequest) {
    link.send("set ".utf8)
    link.send(keys.bytes[keys.range(request.key)])
    link.send(" 0 ".utf8)
    link.send(number: request.ttlSeconds)
    link.sendByte(UInt8(ascii: " "))
    link.send(number: request.valueByteCount)
    link.send("\r\n".utf8)
    link.send(Filler.value(request.key, byteCount: request.valueByteCount))
    link.send("\r\n".utf8)
  }

  private mutating func readSetReplies() throws {
    for request in unanswered {
      let line = try link.line()
      let isStored = link.isLine(line, Self.storedLine)
      stored[request.key] = isStored ? Int32(request.valueByteCount) : Self.nothing
      if !isStored {
        figures.refusedCount += 1
        figures.firstRefusal = figures.firstRefusal ?? link.text(line)
      }
    }
    unanswered.removeAll(keepingCapacity: true)
  }

  /// Reads the reply to the batch's get, and marks what it found.
  private mutating func readValues() throws {
    var index = 0
    while true {
      let line = try link.line()
      if link.isLine(line, Self.endLine) { return }
      while index < batch.count && (batch[index].isWrite || !isValueLine(line, of: batch[index].key)) { index += 1 }
      guard index < batch.count else { throw link.wrong("not the value of a key asked for: \(link.text(line))") }
      let key = batch[index].key
      let digits = link.buffer[line].reversed().prefix { $0 != UInt8(ascii: " ") }.reversed()
      let byteCount = digits.reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
      guard byteCount == Int(stored[key]) else {
        throw link.wrong("\(stored[key]) bytes were stored last: \(link.text(line))")
      }
      guard try Filler.isValue(key, byteCount: byteCount, link.value(byteCount: byteCount)) else {
        throw link.wrong("the bytes of another value")
      }
      isHit[index] = true
      index += 1
    }
  }

  /// Whether the line is `VALUE key 0 ...`.
  private func isValueLine(_ line: Range<Int>, of key: Int) -> Bool {
    let head = 6
    let text = keys.range(key)
    guard line.count > head + text.count + 3 else { return false }
    let after = line.lowerBound + head + text.count
    return link.buffer[after] == UInt8(ascii: " ") && link.buffer[line.lowerBound] == UInt8(ascii: "V")
      && link.buffer[line.lowerBound + head..<after] == keys.bytes[text]
  }
}

/// The bytes of values: a part of the repeated alphabet that begins at a place of the key's own.
enum Filler {
  private static let bytes = (0..<SizeModel.longestByteCount + 26).map { UInt8(ascii: "a") + UInt8($0 % 26) }

  static func value(_ key: Int, byteCount: Int) -> ArraySlice<UInt8> { bytes[key % 26..<key % 26 + byteCount] }

  static func isValue(_ key: Int, byteCount: Int, _ ends: (first: UInt8, last: UInt8)) -> Bool {
    byteCount == 0 || bytes[key % 26] == ends.first && bytes[key % 26 + byteCount - 1] == ends.last
  }
}
