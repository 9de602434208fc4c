// Responses and items as packets of the binary protocol (reference, sections 4.1 to 4.3). An error carries its text as
// the value. It only appends: whoever calls has made sure of the room.

/// The status of a reply.
enum BinaryStatus: UInt16 {
  case success = 0x00
  case notFound = 0x01
  case exists = 0x02
  case tooLarge = 0x03
  case invalidArguments = 0x04
  case notStored = 0x05
  case nonNumeric = 0x06
  case authenticationFailed = 0x20
  /// The client is to answer the value with a step.
  case authenticationContinues = 0x21
  case unknownCommand = 0x81
  case outOfMemory = 0x82

  var text: StaticString {
    switch self {
    case .success, .authenticationContinues: ""
    case .notFound: "Not found"
    case .exists: "Data exists for key."
    case .tooLarge: "Too large."
    case .invalidArguments: "Invalid arguments"
    case .notStored: "Not stored."
    case .nonNumeric: "Non-numeric server-side value for incr or decr"
    case .authenticationFailed: "Auth failure."
    case .unknownCommand: "Unknown command"
    case .outOfMemory: "Out of memory"
    }
  }
}

enum BinaryComposer {
  /// Room that any reply needs besides a value: header, extras, the longest key or text.
  static let longestPacketByteCount = 24 + 4 + 256

  @inline(__always)
  static func composeHeader(
    _ request: BinaryHeader, status: BinaryStatus = .success, keyByteCount: Int = 0, extrasByteCount: Int = 0,
    bodyByteCount: Int, cas: UInt64 = 0, _ cursor: inout ReplyCursor
  ) {
    let lengths = UInt64(UInt16(truncatingIfNeeded: keyByteCount).byteSwapped) &<< 16 | UInt64(extrasByteCount) &<< 32
    let statusBits = UInt64(status.rawValue.byteSwapped) &<< 48
    cursor.append(
      word: UInt64(BinaryHeader.responseMagic) | UInt64(request.opcode) &<< 8 | lengths | statusBits, size: 8)
    cursor.append(
      word: UInt64(UInt32(truncatingIfNeeded: bodyByteCount).byteSwapped) | UInt64(request.opaque) &<< 32, size: 8)
    cursor.append(word: cas.byteSwapped, size: 8)
  }

  /// A reply without a body, or with the text of its status.
  @inline(__always)
  static func compose(
    _ request: BinaryHeader, _ status: BinaryStatus, cas: UInt64 = 0, _ reply: inout ReplyBuffer
  ) {
    reply.compose(longestPacketByteCount) { cursor in
      composeHeader(
        request, status: status, bodyByteCount: status.text.utf8CodeUnitCount, cas: cas, &cursor)
      if status != .success { cursor.append(status.text) }
    }
  }

  static func compose(_ response: Response, _ request: BinaryHeader, isQuiet: Bool, _ reply: inout ReplyBuffer) {
    switch response.outcome {
    case .stored, .deleted, .touched, .ok:
      if !isQuiet { compose(request, .success, cas: response.cas, &reply) }
    case .number(let value):
      if isQuiet { return }
      reply.compose(longestPacketByteCount) { cursor in
        composeHeader(request, bodyByteCount: 8, cas: response.cas, &cursor)
        cursor.append(word: value.byteSwapped, size: 8)
      }
    case .notStored: compose(request, notStoredStatus(request), &reply)
    case .exists: compose(request, .exists, &reply)
    case .notFound: compose(request, .notFound, &reply)
    case .refused(let refusal): compose(refusal, request, &reply)
    }
  }

  /// Why nothing was stored, which is told apart here and not in the other protocols.
  private static func notStoredStatus(_ request: BinaryHeader) -> BinaryStatus {
    switch request.knownOpcode {
    case .add, .addQ: .exists
    case .replace, .replaceQ: .notFound
    default: .notStored
    }
  }

  private static func compose(_ refusal: Refusal, _ request: BinaryHeader, _ reply: inout ReplyBuffer) {
    switch refusal {
    case .unknownCommand: compose(request, .unknownCommand, &reply)
    case .tooLarge: compose(request, .tooLarge, &reply)
    case .nonNumericValue: compose(request, .nonNumeric, &reply)
    case .flushNotAllowed, .unauthenticated: compose(request, .authenticationFailed, &reply)
    case .noMemoryForStore: composeNoMemory("Out of memory allocating item", request, &reply)
    case .noMemoryForNewItem: composeNoMemory("Out of memory allocating new item", request, &reply)
    case .noMemory: composeNoMemory("Out of memory incrementing value", request, &reply)
    default: compose(request, .invalidArguments, &reply)
    }
  }

  static func composeNoMemory(_ text: StaticString, _ request: BinaryHeader, _ reply: inout ReplyBuffer) {
    reply.compose(longestPacketByteCount) { cursor in
      composeHeader(request, status: .outOfMemory, bodyByteCount: text.utf8CodeUnitCount, &cursor)
      cursor.append(text)
    }
  }

  /// The part of a hit before the value: header, client flags, and the key when the opcode repeats it.
  @inline(__always)
  static func composeHit(_ item: Item, withValue: Bool, _ request: BinaryHeader, _ cursor: inout ReplyCursor) {
    composeHit(
      item.key, clientFlags: item.clientFlags, cas: item.cas, valueByteCount: withValue ? item.valueByteCount : 0,
      request, &cursor)
  }

  /// A hit with its value, which lies in one piece. False when there is no room for it.
  @inline(__always)
  static func composeHit(
    _ contents: ItemContents, cas: UInt64, _ request: BinaryHeader, _ reply: inout ReplyBuffer
  ) -> Bool {
    reply.composeIfRoom(longestPacketByteCount, contents.value, end: 0, endByteCount: 0) { cursor in
      composeHit(
        contents.key, clientFlags: contents.clientFlags, cas: cas, valueByteCount: contents.valueByteCount, request,
        &cursor)
    }
  }

  @inline(__always)
  private static func composeHit(
    _ key: RawSpan, clientFlags: UInt32, cas: UInt64, valueByteCount: Int, _ request: BinaryHeader,
    _ cursor: inout ReplyCursor
  ) {
    let repeatsKey = request.knownOpcode?.repeatsKey == true
    let keyByteCount = repeatsKey ? key.byteCount : 0
    composeHeader(
      request, keyByteCount: keyByteCount, extrasByteCount: 4, bodyByteCount: 4 &+ keyByteCount &+ valueByteCount,
      cas: cas, &cursor)
    cursor.append(halfWord: clientFlags.byteSwapped)
    if repeatsKey { cursor.append(key: key) }
  }

  /// A miss: the opcodes that repeat the key do so instead of the text.
  static func composeMiss(_ key: RawSpan, _ request: BinaryHeader, isQuiet: Bool, _ reply: inout ReplyBuffer) {
    if isQuiet { return }
    guard request.knownOpcode?.repeatsKey == true else { return compose(request, .notFound, &reply) }
    reply.compose(longestPacketByteCount) { cursor in
      composeHeader(
        request, status: .notFound, keyByteCount: key.byteCount, bodyByteCount: key.byteCount, &cursor)
      cursor.append(key)
    }
  }

  static func composeVersion(_ text: [UInt8], _ request: BinaryHeader, _ reply: inout ReplyBuffer) {
    reply.compose(BinaryHeader.byteCount) { composeHeader(request, bodyByteCount: text.count, &$0) }
    reply.append(text)
  }

  /// A whole packet as an array, for reports.
  static func packet(
    _ request: BinaryHeader, _ status: BinaryStatus = .success, key: [UInt8], value: [UInt8]
  ) -> [UInt8] {
    func bigEndian(_ number: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - 1 - $0))) }
    }
    let opaque = bigEndian(UInt64(request.opaque.byteSwapped), 4)
    return [BinaryHeader.responseMagic, request.opcode] + bigEndian(UInt64(key.count), 2) + [0, 0]
      + bigEndian(UInt64(status.rawValue), 2) + bigEndian(UInt64(key.count + value.count), 4) + opaque
      + bigEndian(0, 8) + key + value
  }

  static func packet(_ request: BinaryHeader, _ status: BinaryStatus) -> [UInt8] {
    packet(request, status, key: [], value: Array("\(status.text)".utf8))
  }
}
