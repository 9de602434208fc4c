// What a request came to, before it is put into a protocol's words. Values and reports are not among these: they are
// composed while the item is locked, or built as a whole (StatsReport).

/// Why a request was not carried out, or failed.
enum Refusal: UInt8, Equatable, CaseIterable {
  case unknownCommand
  case badFormat
  case badDataChunk
  case invalidExptime
  case invalidDelta
  case nonNumericValue
  case tooLarge
  case noMemoryForStore
  case noMemory
  case noMemoryForNewItem
  case flushNotAllowed
  case badLimit
  case limitTooSmall
  case limitNotMegabytes
  case limitOutOfBounds
  case shutdownNotEnabled
  case invalidShutdownMode
  // Meta flags.
  case flagsTooLong
  case duplicateFlag
  case invalidFlag
  case invalidOrDuplicateFlag
  case badToken
  case invalidDeltaToken
  case invalidInitialToken
  case opaqueTooLong
  case undecodableKey
  case invalidStoreMode
  case invalidArithmeticMode
  // Before the login (-Y).
  case unauthenticated
  case authenticationFailure
  case badTermination
  case badTokenFormat
  case tokenTooLong
}

/// How a request ended.
enum Outcome: Equatable {
  case stored
  case notStored
  case exists
  case notFound
  case deleted
  case touched
  case ok
  case number(UInt64)
  case refused(Refusal)
}

/// How a request ended, and what a reply may tell about the item it left.
struct Response: Equatable {
  var outcome: Outcome
  /// The item's CAS unique; 0 when nothing was stored.
  var cas: UInt64 = 0
  var valueByteCount = 0
  /// In the store's clock, before and after the request; 0 = never.
  var oldExptime: UInt32 = 0
  var exptime: UInt32 = 0

  static func refused(_ refusal: Refusal) -> Response { Response(outcome: .refused(refusal)) }
}

/// How the answer is to be put, besides what the request came to: the protocol, and what of the request the reply
/// repeats.
enum ReplyForm {
  case text
  /// The flags of the line, from which the reply takes its own.
  case meta(MetaEcho)
  case binary(BinaryHeader)
}

/// The words of a meta command that its reply repeats, as places in the line or in a copy of them.
struct MetaEcho: Equatable {
  var command: MetaCommand
  var key: ByteRange
  /// Everything after the key (for ms, after the size).
  var flags: ByteRange
  var isKeyEncoded = false
}

extension MetaEcho {
  init(_ plain: PlainLine) { self.init(command: .get, key: plain.key.range, flags: plain.flags.range) }
}
