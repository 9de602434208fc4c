// What a cache must answer, by a dictionary: a cache may forget, never lie. With memory enough for everything the model
// says every byte of every answer. With little memory it lets go of what the server has forgotten, and still objects to
// a value that was never stored, was replaced, deleted, flushed or has expired.
// It knows the rules of the protocol and nothing of how the server keeps items.
@testable import CacheCore

struct Model {
  private struct Entry {
    var value: [UInt8]
    var flags: UInt32
    /// The last second in which it lives; 0 = for ever.
    var exptime: UInt32
    /// nil: not seen yet. Always known in an exact model.
    var cas: UInt64?
    /// Tells one stored value from the next under the same key.
    var version: Int
  }

  /// A storage command whose header the server has read: what was decided then.
  struct Upload {
    fileprivate let command: StoreCommand
    fileprivate let exptime: UInt32
    fileprivate let isTooLarge: Bool
    fileprivate let versionBefore: Int?
  }

  private var entries: [[UInt8]: Entry] = [:]
  private(set) var now = ClockBase.startSeconds
  private var flushDue: UInt32?
  private var lastCAS: UInt64 = 1
  private var lastVersion = 0
  /// Every answer is known to the byte.
  let isExact: Bool
  let itemSizeMaxBytes: Int
  let chunkMaxBytes: Int
  /// How often the server turned out not to have what it was given.
  private(set) var forgottenCount = 0

  init(isExact: Bool, itemSizeMaxBytes: Int, chunkMaxBytes: Int) {
    self.isExact = isExact
    self.itemSizeMaxBytes = itemSizeMaxBytes
    self.chunkMaxBytes = chunkMaxBytes
  }

  func cas(_ key: [UInt8]) -> UInt64? { entries[key]?.cas }
  func valueByteCount(_ key: [UInt8]) -> Int { entries[key]?.value.count ?? 0 }

  // The clock.

  mutating func advance(seconds: UInt32) {
    for _ in 0..<seconds {
      now += 1
      if let due = flushDue, now >= due { flush() }
    }
  }

  private mutating func flush() {
    entries = [:]
    flushDue = nil
  }

  private func exptime(_ exptime: Int64) -> UInt32 {
    switch exptime {
    case 0: 0
    case ..<0: 1
    case ...2_592_000: now + UInt32(exptime)
    case ...TestStore.startedAtUnixSeconds: 1
    default: ClockBase.startSeconds + UInt32(exptime - TestStore.startedAtUnixSeconds)
    }
  }

  private mutating func live(_ key: [UInt8]) -> Entry? {
    guard let entry = entries[key] else { return nil }
    if entry.exptime != 0, entry.exptime < now {
      entries[key] = nil
      return nil
    }
    return entry
  }

  private func itemByteCount(_ key: [UInt8], flags: UInt32, valueByteCount: Int) -> Int {
    36 + (flags == 0 ? 0 : 4) + key.count + valueByteCount
  }

  private mutating func put(_ key: [UInt8], _ value: [UInt8], flags: UInt32, exptime: UInt32, cas: UInt64) {
    lastVersion += 1
    entries[key] = Entry(value: value, flags: flags, exptime: exptime, cas: isExact ? cas : nil, version: lastVersion)
  }

  private mutating func setExptime(_ key: [UInt8], _ time: Int64) {
    let time = exptime(time)
    entries[key]?.exptime = time
  }

  private mutating func nextCAS() -> UInt64 {
    lastCAS += 1
    return lastCAS
  }

  // Answers of an exact model.

  /// What the server answers to a complete command.
  mutating func answer(_ command: Command) -> [UInt8] {
    switch command {
    case .retrieve(let keys, let withCAS, let touch):
      var answer: [UInt8] = []
      for key in keys {
        guard let entry = live(key) else { continue }
        answer += Model.valueLine(key, entry, cas: withCAS ? entry.cas ?? 0 : nil) + entry.value + bytes("\r\n")
        if let touch { setExptime(key, touch) }
      }
      return answer + bytes("END\r\n")
    case .store(let store): return finish(begin(store))
    case .delete(let key, let noreply):
      let answer = live(key) == nil ? "NOT_FOUND\r\n" : "DELETED\r\n"
      entries[key] = nil
      // The last word of the line says it, also when it is the key.
      return noreply || key == bytes("noreply") ? [] : bytes(answer)
    case .arithmetic(let key, let delta, let increments, let noreply):
      let answer = arithmetic(key, delta: delta, increments: increments)
      return noreply ? [] : bytes(answer + "\r\n")
    case .touch(let key, let time, let noreply):
      let isThere = live(key) != nil
      if isThere { setExptime(key, time) }
      return noreply ? [] : bytes(isThere ? "TOUCHED\r\n" : "NOT_FOUND\r\n")
    case .flush(let time, let noreply):
      let due = exptime(time ?? 0)
      if let time, time > 0, due > now { flushDue = due } else { flush() }
      return noreply ? [] : bytes("OK\r\n")
    case .fixed(_, let answer): return answer
    }
  }

  private static func valueLine(_ key: [UInt8], _ entry: Entry, cas: UInt64?) -> [UInt8] {
    bytes("VALUE ") + key + bytes(" \(entry.flags) \(entry.value.count)\(cas.map { " \($0)" } ?? "")\r\n")
  }

  private mutating func arithmetic(_ key: [UInt8], delta: UInt64, increments: Bool) -> String {
    guard let entry = live(key) else { return "NOT_FOUND" }
    let isChunked = itemByteCount(key, flags: entry.flags, valueByteCount: entry.value.count) > chunkMaxBytes
    guard !isChunked, let old = Model.number(entry.value) else {
      return "CLIENT_ERROR cannot increment or decrement non-numeric value"
    }
    let value = increments ? old &+ delta : old - min(old, delta)
    let digits = bytes("\(value)")
    let padding = [UInt8](repeating: 0x20, count: max(0, entry.value.count - digits.count))
    put(key, digits + padding, flags: entry.flags, exptime: entry.exptime, cas: nextCAS())
    return "\(value)"
  }

  /// A number as incr sees it: after blanks and a plus, up to the end or a blank.
  private static func number(_ value: [UInt8]) -> UInt64? {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
    var rest = value.drop(while: isBlank)
    if rest.first == 0x2b { rest = rest.dropFirst() }
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    if let next = rest.dropFirst(digits.count).first, !isBlank(next) { return nil }
    return UInt64(String(decoding: digits, as: UTF8.self))
  }

  /// The server has read the header of a storage command.
  mutating func begin(_ command: StoreCommand) -> Upload {
    let byteCount = itemByteCount(command.key, flags: command.flags, valueByteCount: command.value.count)
    let isTooLarge = byteCount > itemSizeMaxBytes
    // A set that cannot be carried out takes the old value away at once.
    if isTooLarge, command.mode == .set { entries[command.key] = nil }
    return Upload(
      command: command, exptime: exptime(command.exptime), isTooLarge: isTooLarge,
      versionBefore: entries[command.key]?.version)
  }

  /// The server has read the last byte of it.
  mutating func finish(_ upload: Upload) -> [UInt8] {
    let answer = outcome(upload)
    return upload.command.noreply ? [] : bytes(answer + "\r\n")
  }

  private mutating func outcome(_ upload: Upload) -> String {
    let command = upload.command
    if upload.isTooLarge { return "SERVER_ERROR object too large for cache" }
    if command.isBroken { return "CLIENT_ERROR bad data chunk" }
    let cas = nextCAS()
    let old = live(command.key)
    switch (command.mode, old) {
    case (.add, .some), (.replace, nil), (.append, nil), (.prepend, nil): return "NOT_STORED"
    case (.cas, nil): return "NOT_FOUND"
    case (.cas, let old?) where old.cas != command.cas: return "EXISTS"
    case (.append, let old?), (.prepend, let old?):
      let joined = command.mode == .append ? old.value + command.value : command.value + old.value
      guard itemByteCount(command.key, flags: old.flags, valueByteCount: joined.count) <= itemSizeMaxBytes else {
        return "NOT_STORED"
      }
      put(command.key, joined, flags: old.flags, exptime: old.exptime, cas: cas)
    default: put(command.key, command.value, flags: command.flags, exptime: upload.exptime, cas: cas)
    }
    return "STORED"
  }

  // Checking the answers of a server that may forget.

  /// nil when `answer` is one that an honest server may give; what is wrong with it otherwise.
  mutating func objection(to answer: [UInt8], of command: Command) -> String? {
    switch command {
    case .retrieve(let keys, let withCAS, let touch):
      return objection(to: answer, keys: keys, withCAS: withCAS, touch: touch)
    case .store(let store): return objection(to: answer, of: begin(store))
    case .delete(let key, _), .touch(let key, _, _):
      return objection(to: answer, about: key) { $0.answer(command) }
    case .arithmetic(let key, _, _, _):
      if answer == bytes("SERVER_ERROR out of memory\r\n") { return nil }
      return objection(to: answer, about: key) { $0.answer(command) }
    case .flush, .fixed:
      let expected = self.answer(command)
      return isSame(answer, expected) ? nil : Model.difference(answer, expected)
    }
  }

  mutating func objection(to answer: [UInt8], of upload: Upload) -> String? {
    let command = upload.command
    if answer == bytes("SERVER_ERROR out of memory storing object\r\n") {
      // What a failed set took away is what was there when its header came.
      if command.mode == .set, entries[command.key]?.version == upload.versionBefore { entries[command.key] = nil }
      return nil
    }
    if command.mode == .cas, let entry = live(command.key), entry.cas == nil {
      // Its unique was never seen: both answers are honest, but a match shows what it was.
      if answer == bytes("EXISTS\r\n") { return nil }
      if answer == bytes("STORED\r\n") { entries[command.key]?.cas = command.cas }
    }
    let couldNotJoin = [.append, .prepend].contains(command.mode) && answer == bytes("NOT_STORED\r\n")
    if couldNotJoin, live(command.key) != nil { return nil }
    return objection(to: answer, about: command.key) { $0.finish(upload) }
  }

  /// The answer must be that of a server that has the key as the model does, or else of one that has forgotten it.
  private mutating func objection(
    to answer: [UInt8], about key: [UInt8], _ expect: (inout Model) -> [UInt8]
  ) -> String? {
    let before = live(key)
    let expected = expect(&self)
    if isSame(answer, expected) { return nil }
    guard before != nil else { return Model.difference(answer, expected) }
    entries[key] = nil
    forgottenCount += 1
    let other = expect(&self)
    return isSame(answer, other) ? nil : Model.difference(answer, expected) + " or \(Model.text(other))"
  }

  private mutating func objection(
    to answer: [UInt8], keys: [[UInt8]], withCAS: Bool, touch: Int64?
  ) -> String? {
    var rest = answer[...]
    for key in keys {
      guard let entry = live(key) else { continue }
      let line = Array(Model.valueLine(key, entry, cas: nil).dropLast(2))
      guard starts(rest, with: line) else {
        entries[key] = nil
        forgottenCount += 1
        continue
      }
      rest = rest.dropFirst(line.count)
      if withCAS {
        let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
        guard rest.first == 0x20, let cas = UInt64(String(decoding: digits, as: UTF8.self)) else {
          return "no CAS unique after \(Model.text(line))"
        }
        if let known = entry.cas, known != cas { return "CAS unique \(cas) of an item that had \(known)" }
        entries[key]?.cas = cas
        rest = rest.dropFirst(1 + digits.count)
      }
      let value = bytes("\r\n") + entry.value + bytes("\r\n")
      guard starts(rest, with: value) else { return "a wrong value after \(Model.text(line))" }
      rest = rest.dropFirst(value.count)
      if let touch { setExptime(key, touch) }
    }
    return Array(rest) == bytes("END\r\n") ? nil : Model.difference(Array(rest), bytes("END\r\n"))
  }

  // Words for a failure.

  static func difference(_ answer: [UInt8], _ expected: [UInt8]) -> String {
    let place = zip(answer, expected).enumerated().first { $1.0 != $1.1 }?.offset ?? min(answer.count, expected.count)
    let from = max(0, place - 40)
    return "byte \(place): answered \(text(Array(answer.dropFirst(from)))) of \(answer.count),"
      + " expected \(text(Array(expected.dropFirst(from)))) of \(expected.count)"
  }

  static func text(_ bytes: [UInt8]) -> String {
    "\"" + String(decoding: bytes.prefix(160), as: UTF8.self).unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
      + (bytes.count > 160 ? "...\"" : "\"")
  }
}
