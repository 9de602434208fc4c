// A packet of the binary protocol in the notation of the transcripts (`>b` and `<b` lines), in bytes, and in words for
// a failure message. Says nothing about what a packet means: every field of the header can be a lie. Lengths are
// computed unless a line states them. The notation is explained in Tests/Transcripts/README.md, the protocol in section
// 4 of the feature map.
//
//     set opaque=7 cas=<cas:a> flags=5 exptime=0 key=foo value=bar
//     ^ opcode    header fields ^ extras        ^ body
//
//     80 01 0003 08 00 0000 0000000e 00000007 0000000000000002 | 00000005 00000000 | 666f6f | 626172
//     magic, opcode, key length, extras length, data type, vbucket or status, body length, opaque, CAS, then the body
import Foundation

public struct BinaryPacket: Sendable, Equatable {
  public enum CAS: Sendable, Equatable {
    case number(UInt64)
    /// `cas=<cas:x>`, shared with the text lines of the transcript.
    case name(String)
  }

  public static let headerByteCount = 24
  public static let requestMagic: UInt8 = 0x80
  public static let replyMagic: UInt8 = 0x81

  public var magic: UInt8
  public var opcode: UInt8
  public var dataType: UInt8 = 0
  /// The virtual bucket of a request, the status of a reply.
  public var status: UInt16 = 0
  public var opaque: UInt32 = 0
  public var cas = CAS.number(0)
  public var extras: [UInt8] = []
  public var key: [UInt8] = []
  /// One literal at most in a request; in a reply also `<text>` and `<number>`.
  public var value: [Transcript.Piece] = []
  /// What the header says where it does not say the truth.
  public var statedKeyLength: UInt16?
  public var statedExtrasLength: UInt8?
  public var statedBodyLength: UInt32?

  public init(magic: UInt8, opcode: UInt8) {
    self.magic = magic
    self.opcode = opcode
  }

  public var keyLength: UInt16 { statedKeyLength ?? UInt16(truncatingIfNeeded: key.count) }
  public var extrasLength: UInt8 { statedExtrasLength ?? UInt8(truncatingIfNeeded: extras.count) }

  /// Nil when the value has a placeholder, so that its length is not known.
  public var bodyLength: UInt32? {
    if let statedBodyLength { return statedBodyLength }
    var count = extras.count + key.count
    for piece in value {
      guard case .bytes(let bytes) = piece else { return nil }
      count += bytes.count
    }
    return UInt32(truncatingIfNeeded: count)
  }
}

// MARK: - Names

extension BinaryPacket {
  /// Index is the opcode; nil has no name here and is written 0x1b.
  private static let names: [String?] = [
    "get", "set", "add", "replace", "delete", "incr", "decr", "quit",
    "flush", "getq", "noop", "version", "getk", "getkq", "append", "prepend",
    "stat", "setq", "addq", "replaceq", "deleteq", "incrq", "decrq", "quitq",
    "flushq", "appendq", "prependq", nil, "touch", "gat", "gatq", nil,
    "sasl_list_mechs", "sasl_auth", "sasl_step", "gatk", "gatkq",
  ]

  public static func opcode(named name: String) -> UInt8? {
    if let index = names.firstIndex(of: name) { return UInt8(index) }
    return name.hasPrefix("0x") ? UInt8(name.dropFirst(2), radix: 16) : nil
  }

  private var opcodeName: String {
    let name = opcode < Self.names.count ? Self.names[Int(opcode)] : nil
    return name ?? Self.hex(opcode)
  }

  static func hex<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number) -> String {
    let digits = String(number, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, Number.bitWidth / 4 - digits.count)) + digits
  }
}

// MARK: - Notation

extension BinaryPacket {
  public struct NotationError: Error {
    public let text: String
  }

  /// Reads what stands behind `>b ` or `<b `; `pieces` reads the notation of bytes that text lines use.
  init(notation: String, magic: UInt8, pieces: (String) throws -> [Transcript.Piece]) throws {
    var head = notation[...]
    var value: [Transcript.Piece] = []
    if let mark = notation.range(of: " value=") {
      head = notation[..<mark.lowerBound]
      value = try pieces(String(notation[mark.upperBound...]))
    }
    var words = head.split(separator: " ", omittingEmptySubsequences: false)[...]
    let name = words.popFirst().map(String.init) ?? ""
    guard let opcode = Self.opcode(named: name) else { throw NotationError(text: "no opcode \(name)") }
    self.init(magic: magic, opcode: opcode)
    self.value = value
    for word in words {
      guard let equals = word.firstIndex(of: "=") else { throw NotationError(text: "not a field: \(word)") }
      let text = String(word[word.index(after: equals)...])
      try set(String(word[..<equals]), text, pieces)
    }
    if magic == Self.requestMagic, !value.allSatisfy({ if case .bytes = $0 { true } else { false } }) {
      throw NotationError(text: "a value with a placeholder cannot be sent")
    }
  }

  private mutating func set(_ field: String, _ text: String, _ pieces: (String) throws -> [Transcript.Piece]) throws {
    let isReply = magic == Self.replyMagic
    switch field {
    case "magic": magic = try Self.number(text)
    case "keylen": statedKeyLength = try Self.number(text)
    case "extlen": statedExtrasLength = try Self.number(text)
    case "datatype": dataType = try Self.number(text)
    case "status" where isReply, "vbucket" where !isReply: status = try Self.number(text)
    case "bodylen": statedBodyLength = try Self.number(text)
    case "opaque": opaque = try Self.number(text)
    case "cas":
      if case .cas(let name)? = try pieces(text).first {
        cas = .name(name)
      } else {
        cas = .number(try Self.number(text))
      }
    case "extras": extras += try Self.hexBytes(text)
    case "flags", "exptime": extras += Self.bytes(try Self.number(text) as UInt32)
    case "delta", "initial": extras += Self.bytes(try Self.number(text) as UInt64)
    case "key":
      guard key.isEmpty, case .bytes(let bytes)? = try pieces(text).first, try pieces(text).count == 1 else {
        throw NotationError(text: "key= takes bytes")
      }
      key = bytes
    case "number":
      guard value.isEmpty else { throw NotationError(text: "number= and value= exclude each other") }
      value = [.bytes(Self.bytes(try Self.number(text) as UInt64))]
    default: throw NotationError(text: "no field \(field)")
    }
  }

  /// Decimal, or hexadecimal after 0x.
  private static func number<Number: FixedWidthInteger>(_ text: String) throws -> Number {
    let number = text.hasPrefix("0x") ? Number(text.dropFirst(2), radix: 16) : Number(text)
    guard let number, text.first != "+" else {
      throw NotationError(text: "\(text) is no number of \(Number.bitWidth) bits")
    }
    return number
  }

  /// Pairs of hexadecimal digits, blanks between bytes as one likes.
  static func hexBytes(_ text: String) throws -> [UInt8] {
    try text.split(separator: " ").flatMap { word in
      let digits = Array(word)
      guard digits.count.isMultiple(of: 2) else { throw NotationError(text: "odd number of hex digits: \(word)") }
      return try stride(from: 0, to: digits.count, by: 2).map { index in
        guard digits[index].isHexDigit, let byte = UInt8(String(digits[index...(index + 1)]), radix: 16) else {
          throw NotationError(text: "not hexadecimal: \(word)")
        }
        return byte
      }
    }
  }

  private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }
}

// MARK: - Bytes

extension BinaryPacket {
  /// As it travels; the CAS is a piece of its own when it is a placeholder.
  public var pieces: [Transcript.Piece] {
    var head = [magic, opcode] + Self.bytes(keyLength) + [extrasLength, dataType] + Self.bytes(status)
    head += Self.bytes(bodyLength ?? 0) + Self.bytes(opaque)
    let body = [Transcript.Piece.bytes(extras + key)] + value
    switch cas {
    case .number(let number): return [.bytes(head + Self.bytes(number))] + body
    case .name(let name): return [.bytes(head), .binaryCAS(name)] + body
    }
  }

  /// What was received: a header, and the body as far as it came. Nil without a whole header.
  public init?(received: [UInt8]) {
    guard received.count >= Self.headerByteCount else { return nil }
    func number<Number: FixedWidthInteger>(at offset: Int) -> Number {
      received[offset..<(offset + Number.bitWidth / 8)].reduce(0) { $0 << 8 | Number($1) }
    }
    self.init(magic: received[0], opcode: received[1])
    (statedKeyLength, statedExtrasLength, statedBodyLength) = (number(at: 2), received[4], number(at: 8))
    (dataType, status, opaque, cas) = (received[5], number(at: 6), number(at: 12), .number(number(at: 16)))
    var body = received[Self.headerByteCount...]
    extras = Array(body.prefix(Int(received[4])))
    body = body.dropFirst(extras.count)
    key = Array(body.prefix(Int(keyLength)))
    let rest = Array(body.dropFirst(key.count))
    value = rest.isEmpty ? [] : [.bytes(rest)]
  }

  /// The names of the header fields and body parts that differ, CAS and value apart: those may have placeholders.
  public func differences(from other: BinaryPacket) -> [String] {
    var names: [String] = []
    if magic != other.magic { names.append("magic") }
    if opcode != other.opcode { names.append("opcode") }
    if status != other.status { names.append("status") }
    if dataType != other.dataType { names.append("datatype") }
    if opaque != other.opaque { names.append("opaque") }
    if keyLength != other.keyLength { names.append("keylen") }
    if extrasLength != other.extrasLength { names.append("extlen") }
    if let mine = bodyLength, let theirs = other.bodyLength, mine != theirs { names.append("bodylen") }
    if extras != other.extras { names.append("extras") }
    if key != other.key { names.append("key") }
    return names
  }

  /// In the notation of a reply, with fields that are zero or follow from others left out.
  public func described(_ shown: ([Transcript.Piece]) -> String) -> String {
    var words = [opcodeName]
    if magic != Self.replyMagic { words.append("magic=" + Self.hex(magic)) }
    if status > 0xff { words.append("status=" + Self.hex(status)) }
    if 1...0xff ~= status { words.append("status=" + Self.hex(UInt8(status))) }
    if dataType != 0 { words.append("datatype=" + Self.hex(dataType)) }
    if opaque != 0 { words.append("opaque=" + Self.hex(opaque)) }
    switch cas {
    case .number(0): break
    case .number(let number): words.append("cas=\(number)")
    case .name(let name): words.append("cas=" + shown([.cas(name)]))
    }
    if Int(keyLength) != key.count { words.append("keylen=\(keyLength)") }
    if Int(extrasLength) != extras.count { words.append("extlen=\(extrasLength)") }
    var honest = self
    honest.statedBodyLength = nil
    if let stated = statedBodyLength, let count = honest.bodyLength, stated != count {
      words.append("bodylen=\(stated)")
    }
    if !extras.isEmpty { words.append("extras=" + Self.hexText(extras)) }
    if !key.isEmpty { words.append("key=" + shown([.bytes(key)])) }
    if !value.isEmpty { words.append("value=" + shown(value)) }
    return words.joined(separator: " ")
  }

  /// At most the header and 40 bytes more.
  static func hexText(_ bytes: [UInt8]) -> String {
    let text = bytes.prefix(headerByteCount + 40).map { hex($0).dropFirst(2) }.joined(
      separator: bytes.count > 8 ? " " : "")
    return bytes.count > headerByteCount + 40 ? text + " ... (\(bytes.count) bytes)" : text
  }
}
