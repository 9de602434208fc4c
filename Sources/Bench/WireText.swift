// The bytes of the load: keys, values, requests and the exact replies a correct server gives. Keys and values follow
// from the key's number alone, so any reply can be rebuilt and compared. Not a parser: nothing here reads.

/// How a case's gets are written. Sets, which also fill the servers, are always text: a server tells the protocol from
/// what a connection sends.
enum WireForm: Sendable {
  /// `get`, of any number of keys.
  case text
  /// `mg <key> v`, one key each.
  case meta
  /// GETKQ, one key each, and a NOOP that ends the batch: quiet gets do not answer misses.
  case binary
}

/// Writes requests and expected replies for values of one size.
struct WireText: Sendable {
  /// "key:" and ten digits.
  static let keyByteCount = 14
  static let stored = Array("STORED\r\n".utf8)

  let form: WireForm
  let valueByteCount: Int
  /// After the key of a text request or reply; before the value of a meta one.
  private let header: [UInt8]
  private let metaHeader: [UInt8]
  private let filler: [UInt8]

  init(_ form: WireForm, valueByteCount: Int) {
    self.form = form
    self.valueByteCount = valueByteCount
    header = Array(" 0 \(valueByteCount)\r\n".utf8)
    metaHeader = Array("VA \(valueByteCount)\r\n".utf8)
    filler = (0..<valueByteCount + 26).map { UInt8(ascii: "a") + UInt8($0 % 26) }
  }

  /// What a hit's reply begins with.
  var hitHead: [UInt8] {
    switch form {
    case .text: Self.valueHead
    case .meta: Self.metaHead
    case .binary: Self.binaryHead
    }
  }
  private static let valueHead = Array("VALUE ".utf8)
  private static let metaHead = Array("VA ".utf8)
  private static let binaryHead: [UInt8] = [BinaryHeader.replyMagic, BinaryHeader.getKQ]

  /// What follows the hits of one get.
  var getEnd: [UInt8] { form == .text ? Self.end : [] }
  private static let end = Array("END\r\n".utf8)

  /// What follows the last get of a batch, in the request and in the reply.
  var batchEndRequest: [UInt8] { form == .binary ? Self.noop : [] }
  var batchEnd: [UInt8] { form == .binary ? Self.noopReply : [] }
  private static let noop = BinaryHeader(BinaryHeader.requestMagic, BinaryHeader.noop).bytes
  private static let noopReply = BinaryHeader(BinaryHeader.replyMagic, BinaryHeader.noop).bytes

  /// What the reply to a batch of gets ends with, as far as it does not depend on the keys.
  var batchTail: [UInt8] {
    switch form {
    case .text: Self.end
    case .meta: Self.lineEnd
    case .binary: Self.noopReply
    }
  }
  private static let lineEnd = Array("\r\n".utf8)

  /// The bytes of one hit, without what ends the get.
  var hitByteCount: Int {
    switch form {
    case .text: Self.valueHead.count + Self.keyByteCount + header.count + valueByteCount + 2
    case .meta: metaHeader.count + valueByteCount + 2
    case .binary: BinaryHeader.byteCount + BinaryHeader.flagsByteCount + Self.keyByteCount + valueByteCount
    }
  }

  /// The bytes of a hit that nobody can know before: the CAS unique that every binary reply has.
  var unforeseenHitBytes: Range<Int> { form == .binary ? BinaryHeader.casBytes : 0..<0 }

  /// Appends a get: of all the keys as text, of one key otherwise.
  func appendGet(_ keys: ArraySlice<UInt32>, to bytes: inout [UInt8]) {
    switch form {
    case .text:
      bytes += "get".utf8
      for key in keys {
        bytes.append(UInt8(ascii: " "))
        appendKey(key, to: &bytes)
      }
      bytes += Self.lineEnd
    case .meta:
      for key in keys {
        bytes += "mg ".utf8
        appendKey(key, to: &bytes)
        bytes += " v\r\n".utf8
      }
    case .binary:
      for key in keys {
        bytes +=
          BinaryHeader(
            BinaryHeader.requestMagic, BinaryHeader.getKQ, keyByteCount: Self.keyByteCount, opaque: key
          ).bytes
        appendKey(key, to: &bytes)
      }
    }
  }

  func appendSet(_ key: UInt32, to bytes: inout [UInt8]) {
    bytes += "set ".utf8
    appendKey(key, to: &bytes)
    bytes += " 0".utf8
    bytes += header
    appendValue(key, to: &bytes)
    bytes += Self.lineEnd
  }

  /// Appends what a get of the key answers, without what ends the get.
  func appendHit(_ key: UInt32, to bytes: inout [UInt8]) {
    switch form {
    case .text:
      bytes += Self.valueHead
      appendKey(key, to: &bytes)
      bytes += header
      appendValue(key, to: &bytes)
      bytes += Self.lineEnd
    case .meta:
      bytes += metaHeader
      appendValue(key, to: &bytes)
      bytes += Self.lineEnd
    case .binary:
      let header = BinaryHeader(
        BinaryHeader.replyMagic, BinaryHeader.getKQ, extrasByteCount: BinaryHeader.flagsByteCount,
        keyByteCount: Self.keyByteCount, valueByteCount: valueByteCount, opaque: key)
      bytes += header.bytes
      bytes += [0, 0, 0, 0]
      appendKey(key, to: &bytes)
      appendValue(key, to: &bytes)
    }
  }

  private func appendKey(_ key: UInt32, to bytes: inout [UInt8]) {
    bytes += "key:".utf8
    appendDigits(key, to: &bytes)
  }

  /// The key's digits as far as they fit, then the alphabet.
  private func appendValue(_ key: UInt32, to bytes: inout [UInt8]) {
    let start = bytes.count
    if valueByteCount >= 10 { appendDigits(key, to: &bytes) }
    let offset = Int(key % 26)
    bytes += filler[offset..<offset + valueByteCount - (bytes.count - start)]
  }

  private func appendDigits(_ key: UInt32, to bytes: inout [UInt8]) {
    var power: UInt32 = 1_000_000_000
    while power > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(key / power % 10))
      power /= 10
    }
  }
}

/// The 24 bytes that begin every request and reply of the binary protocol; status, data type and CAS unique are zero.
private struct BinaryHeader {
  static let byteCount = 24
  static let casBytes = 16..<24
  static let requestMagic: UInt8 = 0x80
  static let replyMagic: UInt8 = 0x81
  static let noop: UInt8 = 0x0a
  static let getKQ: UInt8 = 0x0d
  /// A get's reply has the client flags before the key.
  static let flagsByteCount = 4

  private(set) var bytes = [UInt8](repeating: 0, count: byteCount)

  init(
    _ magic: UInt8, _ opcode: UInt8, extrasByteCount: Int = 0, keyByteCount: Int = 0, valueByteCount: Int = 0,
    opaque: UInt32 = 0
  ) {
    bytes[0] = magic
    bytes[1] = opcode
    bytes[2] = UInt8(keyByteCount >> 8)
    bytes[3] = UInt8(keyByteCount & 0xff)
    bytes[4] = UInt8(extrasByteCount)
    put(UInt32(extrasByteCount + keyByteCount + valueByteCount), at: 8)
    put(opaque, at: 12)
  }

  private mutating func put(_ value: UInt32, at offset: Int) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (24 - 8 * index)) }
  }
}
