// The text protocol's command lines into Requests (protocol.txt; reference, section 2). A Request leaves here only when
// all of its line is valid, so nothing that is refused has had an effect. It executes nothing and keeps nothing.

enum TextParser {
  static let longestKeyByteCount = 250
  /// Value sizes above this are not believed (reference, section 2.4).
  private static let largestValueByteCount: Int32 = 2_147_483_645

  /// The request in the line at `start ..< end`, terminator excluded; `lineByteCount` counts it with its terminator.
  @inline(__always)
  static func parse(_ input: RawSpan, start: Int, end: Int, lineByteCount: Int) -> Request {
    if lineByteCount < 4 { return .refused(.badFormat, isQuiet: false) }
    // "get " and "set ", the most frequent beginnings by far, are told by one comparison.
    switch input.halfWord(at: start) {
    case 0x2074_6567 where end &- start > 4:
      var words = Tokenizer(start: start &+ 4, end: end)
      return retrieve(input, &words, withCAS: false)
    case 0x2074_6573 where end &- start > 4:
      var words = Tokenizer(start: start &+ 4, end: end)
      return store(input, &words, .set)
    default: return parseAny(input, start: start, end: end)
    }
  }

  @inline(never)
  private static func parseAny(_ input: RawSpan, start: Int, end: Int) -> Request {
    var words = Tokenizer(start: start, end: end)
    // A leading space makes the verb empty, and so unknown.
    let verbWord = input.byte(at: start) == 0x20 ? ByteRange(start: start, end: start) : words.next(input)
    guard let verb = TextVerb.find(input, verbWord) else {
      return unknown(input, Tokenizer(start: start, end: end))
    }
    switch verb {
    case .get, .gets: return retrieve(input, &words, withCAS: verb == .gets)
    case .gat: return getAndTouch(input, &words, withCAS: false)
    case .gats: return getAndTouch(input, &words, withCAS: true)
    case .set: return store(input, &words, .set)
    case .add: return store(input, &words, .add)
    case .replace: return store(input, &words, .replace)
    case .append: return store(input, &words, .append)
    case .prepend: return store(input, &words, .prepend)
    case .cas: return store(input, &words, .cas)
    case .delete: return delete(input, &words)
    case .incr: return arithmetic(input, &words, increments: true)
    case .decr: return arithmetic(input, &words, increments: false)
    case .touch: return touch(input, &words)
    case .flushAll: return flushAll(input, &words)
    case .verbosity: return verbosity(input, &words)
    case .cacheMemlimit: return memoryLimit(input, &words)
    case .shutdown: return shutdown(input, &words)
    case .stats: return .stats(words: words.rest)
    case .slabs, .lru, .lruCrawler, .watch, .extstore, .refreshCertificates: return .administer(verb, words: words.rest)
    case .version: return .version
    case .quit: return .quit(isQuiet: true)
    #if DEBUG_VERBS
      case .misbehave, .debugTime, .debugItem: return .administer(verb, words: words.rest)
    #endif
    }
  }

  private static func unknown(_ input: RawSpan, _ line: Tokenizer) -> Request {
    let last = line.last(input)
    if input.hasPrefix(last, "HTTP/") { return .foreignProtocol }
    return .refused(.unknownCommand, isQuiet: input.equals(last, "noreply"))
  }

  @inline(__always)
  private static func isKey(_ key: ByteRange) -> Bool { key.count > 0 && key.count <= longestKeyByteCount }

  /// Whether the key can stand in a line as it is; others come by the binary protocol or as base64.
  static func canName(_ key: RawSpan) -> Bool {
    for offset in 0..<key.byteCount {
      let byte = key.byte(at: offset)
      if byte == 0x0a || byte == 0x0d || byte == 0x20 { return false }
    }
    return true
  }

  /// Whether the last word of `line`, which begins after the verb, is `noreply`: wherever it stands, also in the place
  /// of another argument.
  @inline(__always)
  private static func noreply(_ input: RawSpan, _ line: Tokenizer) -> Bool {
    // Most lines end in a digit, and are done with here.
    guard line.position < line.end, input.byte(at: line.end &- 1) &- 0x30 >= 10 else { return false }
    return input.equals(line.last(input), "noreply")
  }

  @inline(__always)
  private static func retrieve(_ input: RawSpan, _ words: inout Tokenizer, withCAS: Bool) -> Request {
    guard words.hasNext(input) else { return .refused(.badFormat, isQuiet: false) }
    return .retrieve(Retrieval(withCAS: withCAS, touches: false), keys: words.rest)
  }

  private static func getAndTouch(_ input: RawSpan, _ words: inout Tokenizer, withCAS: Bool) -> Request {
    let exptimeWord = words.next(input)
    var keys = words
    let first = keys.next(input)
    if exptimeWord.isEmpty || first.isEmpty { return .refused(.badFormat, isQuiet: false) }
    guard let exptime = input.signed32(exptimeWord) else { return .refused(.invalidExptime, isQuiet: false) }
    // A hit changes the item, so all keys are checked before the first is touched.
    var key = first
    while !key.isEmpty {
      if !isKey(key) { return .refused(.badFormat, isQuiet: false) }
      key = keys.next(input)
    }
    return .retrieve(Retrieval(withCAS: withCAS, touches: true, exptime: Int64(exptime)), keys: words.rest)
  }

  @inline(__always)
  private static func store(_ input: RawSpan, _ words: inout Tokenizer, _ mode: StoreMode) -> Request {
    let line = words
    let key = words.next(input)
    let flagsWord = words.next(input)
    let exptimeWord = words.next(input)
    let sizeWord = words.next(input)
    // Without a size nobody knows what follows: nothing is swallowed and noreply is not believed.
    guard !sizeWord.isEmpty, let size = input.signed32(sizeWord), size >= 0, size <= largestValueByteCount else {
      return .refused(.badFormat, isQuiet: false)
    }
    var request = StoreRequest(
      terms: StoreTerms(mode: mode), key: RequestKey(range: key), valueByteCount: Int(size))
    var isValid = isKey(key)
    if let flags = clientFlags(input, flagsWord) { request.clientFlags = flags } else { isValid = false }
    if let exptime = storeExptime(input, exptimeWord) { request.exptime = exptime } else { isValid = false }
    if mode == .cas {
      if let cas = input.unsigned64(words.next(input)) { request.terms.expectedCAS = cas } else { isValid = false }
    }
    request.isQuiet = noreply(input, line)
    guard isValid else { return .refused(.badFormat, isQuiet: request.isQuiet, swallow: Int(size) + 2) }
    return .store(request)
  }

  /// As strtoul reads it: a plus is allowed, a minus is not, and only the low 32 bits count.
  @inline(__always)
  private static func clientFlags(_ input: RawSpan, _ word: ByteRange) -> UInt32? {
    if word.count == 1 {
      let digit = input.byte(at: word.start) &- 0x30
      if digit < 10 { return UInt32(digit) }
    }
    guard let value = input.unsignedLongNumber(word) else { return nil }
    return UInt32(truncatingIfNeeded: value)
  }

  /// As strtol reads it, then cut to 32 signed bits: 2147483648 becomes negative, which is "expired".
  @inline(__always)
  private static func storeExptime(_ input: RawSpan, _ word: ByteRange) -> Int64? {
    if word.count == 1 {
      let digit = input.byte(at: word.start) &- 0x30
      if digit < 10 { return Int64(digit) }
    }
    guard let value = input.longNumber(word) else { return nil }
    return Int64(Int32(truncatingIfNeeded: value))
  }

  private static func delete(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let line = words
    let key = words.next(input)
    if key.isEmpty { return .refused(.badFormat, isQuiet: false) }
    // `delete noreply` deletes that key, silently.
    let noreply = noreply(input, line)
    guard isKey(key) else { return .refused(.badFormat, isQuiet: noreply) }
    // An old delay and noreply may follow; libmemcached's own conformance test wants four more words refused.
    for _ in 0..<3 { _ = words.next(input) }
    if !words.next(input).isEmpty { return .refused(.unknownCommand, isQuiet: false) }
    return .delete(DeleteRequest(key: RequestKey(range: key), isQuiet: noreply))
  }

  private static func arithmetic(_ input: RawSpan, _ words: inout Tokenizer, increments: Bool) -> Request {
    let line = words
    let key = words.next(input)
    let deltaWord = words.next(input)
    if deltaWord.isEmpty { return .refused(.badFormat, isQuiet: false) }
    let noreply = noreply(input, line)
    guard isKey(key) else { return .refused(.badFormat, isQuiet: noreply) }
    guard let delta = input.unsigned64(deltaWord) else { return .refused(.invalidDelta, isQuiet: noreply) }
    return .arithmetic(
      ArithmeticRequest(key: RequestKey(range: key), delta: delta, increments: increments, isQuiet: noreply))
  }

  private static func touch(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let line = words
    let key = words.next(input)
    let exptimeWord = words.next(input)
    if exptimeWord.isEmpty { return .refused(.badFormat, isQuiet: false) }
    let noreply = noreply(input, line)
    guard isKey(key) else { return .refused(.badFormat, isQuiet: noreply) }
    guard let exptime = input.signed32(exptimeWord) else { return .refused(.invalidExptime, isQuiet: noreply) }
    return .touch(key: key, exptime: Int64(exptime), isQuiet: noreply)
  }

  private static func flushAll(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let noreply = noreply(input, words)
    let word = words.next(input)
    if word.isEmpty || input.equals(word, "noreply") { return .flushAll(exptime: 0, isQuiet: noreply) }
    guard let exptime = input.signed32(word) else { return .refused(.invalidExptime, isQuiet: noreply) }
    return .flushAll(exptime: Int64(exptime), isQuiet: noreply)
  }

  private static func verbosity(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let noreply = noreply(input, words)
    guard let level = input.unsigned32(words.next(input)) else { return .refused(.badFormat, isQuiet: noreply) }
    return .verbosity(level: level, isQuiet: noreply)
  }

  private static func memoryLimit(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let noreply = noreply(input, words)
    guard let megabytes = input.unsigned32(words.next(input)) else { return .refused(.badLimit, isQuiet: noreply) }
    return .memoryLimit(megabytes: megabytes, isQuiet: noreply)
  }

  /// Any prefix of `graceful` counts as it (reference, section 2.8).
  private static func shutdown(_ input: RawSpan, _ words: inout Tokenizer) -> Request {
    let noreply = noreply(input, words)
    let mode = words.next(input)
    if mode.isEmpty || input.equals(mode, "noreply") { return .shutdown(.normal, isQuiet: noreply) }
    return .shutdown(isPrefix(input, mode, of: "graceful") ? .graceful : .invalid, isQuiet: noreply)
  }

  /// Whether the word is the beginning of `text`, or all of it.
  static func isPrefix(_ input: RawSpan, _ word: ByteRange, of text: StaticString) -> Bool {
    guard !word.isEmpty, word.count <= text.utf8CodeUnitCount else { return false }
    let full = text.description.utf8
    return full.starts(with: input.bytes(word))
  }
}
