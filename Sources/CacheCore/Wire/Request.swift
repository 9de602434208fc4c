// What a client asked for, after parsing and checking and before anything happened: plain values, keys and words named
// by their place in the receive buffer. All protocols parse into these; the executor knows no other input. How the
// answer has to look is not here: see ReplyForm.

/// A key: where it stands in the input, and whether that is base64 of it.
struct RequestKey: Equatable {
  /// As the client wrote it.
  var range: ByteRange
  /// 0: `range` is the key itself. Otherwise the key's bytes are the first ones of the engine's `decodedKey`.
  var decodedByteCount = 0

  var isEncoded: Bool { decodedByteCount > 0 }
}

/// Which kind of look-up of a list of keys (text protocol).
struct Retrieval: Equatable {
  /// gets, gats: the reply carries the CAS unique.
  var withCAS: Bool
  /// gat, gats: a hit gets a new expiration time.
  var touches: Bool
  var exptime: Int64 = 0

  /// A get.
  static let plain = Retrieval(withCAS: false, touches: false)
  @inline(__always)
  var isPlain: Bool { !withCAS && !touches }
}

/// What a look-up of one key does besides looking (meta and binary protocol).
struct FetchOptions: OptionSet {
  let rawValue: UInt16
  /// The reply carries the value.
  static let value = FetchOptions(rawValue: 1)
  /// A hit gets a new expiration time (mg T, gat, touch).
  static let touches = FetchOptions(rawValue: 2)
  /// A miss makes an empty item and is a hit (mg N).
  static let vivifies = FetchOptions(rawValue: 4)
  /// Somebody is told to recache when little time is left (mg R).
  static let recaches = FetchOptions(rawValue: 8)
  /// The time left is that after the touch: T stands before R.
  static let recachesAfterTouch = FetchOptions(rawValue: 16)
  /// The value is not sent to whom has it already (mg C).
  static let comparesCAS = FetchOptions(rawValue: 32)
  /// The look-up leaves no trace in the LRU (mg u).
  static let withoutBump = FetchOptions(rawValue: 64)
}

/// A look-up of one key.
struct FetchRequest: Equatable {
  var key: RequestKey
  var options: FetchOptions = []
  var exptime: Int64 = 0
  var vivifyExptime: Int64 = 0
  var recacheExptime: Int64 = 0
  var knownCAS: UInt64 = 0
  /// The CAS unique of a vivified item; 0 = the next one.
  var newCAS: UInt64 = 0
}

/// The header of a storage command; the value is still to come.
struct StoreRequest: Equatable {
  var terms: StoreTerms
  var key: RequestKey
  var clientFlags: UInt32 = 0
  var exptime: Int64 = 0
  var valueByteCount: Int
  var isQuiet = false
}

extension StoreRequest {
  init(_ plain: PlainLine) {
    self.init(
      terms: StoreTerms(mode: .set), key: RequestKey(range: plain.key.range), clientFlags: plain.clientFlags,
      exptime: Int64(plain.exptime), valueByteCount: Int(plain.value.count))
  }
}

/// delete, and what md makes of it.
struct DeleteRequest: Equatable {
  var key: RequestKey
  var isQuiet = false
  /// Nothing happens to an item with another CAS unique.
  var expectedCAS: UInt64?
  /// The item stays, but is marked stale (md I).
  var marksStale = false
  /// The item stays, but loses its value (md x).
  var dropsValue = false
  /// For an item that stays: its new expiration time, CAS unique (0 = as the command has it) and client flags.
  var exptime: Int64?
  var newCAS: UInt64 = 0
  var clientFlags: UInt32 = 0
  /// md is logged by its name, and counts a mismatch as a miss.
  var isMeta = false
}

/// incr and decr, ma.
struct ArithmeticRequest: Equatable {
  var key: RequestKey
  var delta: UInt64 = 1
  var increments = true
  var isQuiet = false
  /// A hit gets this expiration time.
  var exptime: Int64?
  /// A miss makes an item with the initial value and this expiration time.
  var vivifyExptime: Int64?
  var initial: UInt64 = 0
  /// Nothing happens to an item with another CAS unique; 0 = whatever it is.
  var expectedCAS: UInt64 = 0
  /// 0 = the next one.
  var newCAS: UInt64 = 0
}

enum ShutdownMode {
  case normal
  case graceful
  /// Refused, but only after it is known whether the command is allowed at all.
  case invalid
}

/// What a client of SASL wants.
enum SASLRequest: Equatable {
  /// The list of mechanisms.
  case mechanisms
  case start(mechanism: ByteRange)
  case step
}

enum Request: Equatable {
  /// `keys` runs from the first key to the end of the line.
  case retrieve(Retrieval, keys: ByteRange)
  case fetch(FetchRequest)
  case store(StoreRequest)
  case delete(DeleteRequest)
  case arithmetic(ArithmeticRequest)
  case touch(key: ByteRange, exptime: Int64, isQuiet: Bool)
  case flushAll(exptime: Int64, isQuiet: Bool)
  case verbosity(level: UInt32, isQuiet: Bool)
  case memoryLimit(megabytes: UInt32, isQuiet: Bool)
  case shutdown(ShutdownMode, isQuiet: Bool)
  /// Everything that can be said about an item (me).
  case describe(RequestKey)
  /// The words after `stats`.
  case stats(words: ByteRange)
  /// `slabs`, `lru`, `lru_crawler`, `watch` and the like, with the words after them.
  case administer(TextVerb, words: ByteRange)
  /// Answers and nothing else (mn, binary noop).
  case noop
  case version
  /// The value is still to come.
  case login(SASLRequest)
  case quit(isQuiet: Bool)
  /// A line that looks like HTTP: the connection ends without a word.
  case foreignProtocol
  /// Not a valid request. `swallow` is how many bytes of a value, trailer included, come before the next request.
  case refused(Refusal, isQuiet: Bool, swallow: Int = 0)
}
