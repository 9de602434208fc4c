// What a client asked for, after parsing and checking and before anything happened: plain values, keys and words named
// by their place in the receive buffer. All protocols parse into these; the executor knows no other input.

/// Which kind of look-up.
struct Retrieval: Equatable {
  /// gets, gats: the reply carries the CAS unique.
  var withCAS: Bool
  /// gat, gats: a hit gets a new expiration time.
  var touches: Bool
  var exptime: Int64 = 0
}

/// The header of a storage command; the value is still to come.
struct StoreRequest: Equatable {
  var mode: StoreMode
  var key: ByteRange
  var clientFlags: UInt32
  var exptime: Int64
  var valueByteCount: Int
  var expectedCAS: UInt64 = 0
  var noreply: Bool
}

enum ShutdownMode {
  case normal
  case graceful
  /// Refused, but only after it is known whether the command is allowed at all.
  case invalid
}

enum Request: Equatable {
  /// `keys` runs from the first key to the end of the line.
  case retrieve(Retrieval, keys: ByteRange)
  case store(StoreRequest)
  case delete(key: ByteRange, noreply: Bool)
  case arithmetic(key: ByteRange, delta: UInt64, increments: Bool, noreply: Bool)
  case touch(key: ByteRange, exptime: Int64, noreply: Bool)
  case flushAll(exptime: Int64, noreply: Bool)
  case verbosity(level: UInt32, noreply: Bool)
  case memoryLimit(megabytes: UInt32, noreply: Bool)
  case shutdown(ShutdownMode, noreply: Bool)
  /// The words after `stats`.
  case stats(words: ByteRange)
  case version
  case quit
  /// A line that looks like HTTP: the connection ends without a word.
  case foreignProtocol
  /// Not a valid request. `swallow` is how many bytes of a value, trailer included, come before the next request.
  case refused(Refusal, noreply: Bool, swallow: Int = 0)
}
