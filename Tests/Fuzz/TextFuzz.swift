// The text parser under the fuzzer: every line of the input is parsed, and what comes out must be what the line says by
// a second, naive reading; lie inside the line; not depend on what stands around the line; and come out again when it
// is written out and parsed once more. Executes nothing.
@testable import CacheCore

enum TextFuzz {
  /// Lines end at LF, with or without CR, as in Session; what is left at the end counts as a line too.
  static func objection(to input: [UInt8]) -> String? {
    for line in input.split(separator: 0x0a, omittingEmptySubsequences: false) {
      let hasReturn = line.last == 0x0d
      let text = Array(hasReturn ? line.dropLast() : line)
      if let objection = objection(toLine: text, terminator: hasReturn ? [0x0d, 0x0a] : [0x0a]) {
        return "line \"\(FuzzCorpus.escaped(text))\": \(objection)"
      }
    }
    return nil
  }

  private static func objection(toLine line: [UInt8], terminator: [UInt8]) -> String? {
    // At the very end of a buffer, and between others.
    let request = parse(line, terminator: terminator, before: [], after: [])
    let among = parse(line, terminator: terminator, before: Array("get x\r\n".utf8), after: Array("0 noreply 1".utf8))
    if request != among { return "\(request) alone, but \(among) among others" }
    if let objection = placesObjection(request, line.count) ?? readingObjection(request, line) { return objection }
    guard let again = written(request, line) else { return nil }
    let second = parse(again, terminator: [0x0d, 0x0a], before: [], after: [])
    if Meaning(request, line) != Meaning(second, again) {
      return "\(request), but \"\(FuzzCorpus.escaped(again))\" is \(second)"
    }
    return nil
  }

  /// The request in `line`, its ranges counted from the line's start.
  private static func parse(_ line: [UInt8], terminator: [UInt8], before: [UInt8], after: [UInt8]) -> Request {
    let all = before + line + terminator + after
    var buffer = ByteBuffer(capacity: all.count)
    all.withUnsafeBytes { buffer.append($0.bytes) }
    let request = TextParser.parse(
      buffer.span, start: before.count, end: before.count + line.count, lineByteCount: line.count + terminator.count)
    return request.withRanges { ByteRange(start: $0.start - before.count, end: $0.end - before.count) }
  }

  // What must hold for every request.

  /// Ranges and numbers within their bounds.
  private static func placesObjection(_ request: Request, _ lineByteCount: Int) -> String? {
    for range in request.ranges where range.start < 0 || range.end > lineByteCount || range.start > range.end {
      return "\(request) names bytes outside of the line"
    }
    switch request {
    case .store(let store):
      guard (0...2_147_483_645).contains(store.valueByteCount) else { return "size \(store.valueByteCount)" }
      guard Int32(exactly: store.exptime) != nil else { return "exptime \(store.exptime)" }
    case .retrieve(let retrieval, let keys):
      guard Int32(exactly: retrieval.exptime) != nil else { return "exptime \(retrieval.exptime)" }
      if keys.isEmpty { return "a retrieval without keys" }
    case .touch(_, let exptime, _), .flushAll(let exptime, _):
      guard Int32(exactly: exptime) != nil else { return "exptime \(exptime)" }
    case .refused(let refusal, _, let swallow):
      guard swallow == 0 || (2...2_147_483_647).contains(swallow) else { return "swallows \(swallow)" }
      if swallow > 0, refusal != .badFormat { return "\(refusal) swallows" }
    default: break
    }
    return nil
  }

  /// The request against the words of the line, read without the parser's means.
  private static func readingObjection(_ request: Request, _ line: [UInt8]) -> String? {
    let words = split(line, ByteRange(start: 0, end: line.count))
    func word(_ index: Int) -> [UInt8] { index < words.count ? words[index] : [] }
    func text(_ index: Int) -> String { String(decoding: word(index), as: UTF8.self) }
    /// A lone minus counts as 0.
    func number(_ index: Int) -> Int64? { text(index) == "-" ? 0 : Int64(text(index)) }
    func isKey(_ range: ByteRange, _ index: Int) -> Bool {
      Array(line[range.start..<range.end]) == word(index) && (1...250).contains(range.count)
    }
    if case .refused = request { return nil }
    if case .foreignProtocol = request { return text(words.count - 1).hasPrefix("HTTP/") ? nil : "not HTTP" }
    guard line.first != 0x20, TextVerb.allCases.contains(where: { "\($0.wireName)" == text(0) }) else {
      return "\(request) from a line without a verb"
    }
    if request.mayBeMuted, request.isQuiet != (words.count > 1 && words.last == Array("noreply".utf8)) {
      return "\(request): noreply is wrong"
    }
    let isRight: Bool
    switch request {
    case .retrieve(let retrieval, let keys):
      let first = retrieval.touches ? 2 : 1
      let read = split(line, keys)
      isRight =
        read == Array(words.dropFirst(first)) && retrieval.withCAS == text(0).hasSuffix("s")
        && (!retrieval.touches || number(1) == retrieval.exptime && read.allSatisfy { $0.count <= 250 })
    case .store(let store):
      isRight =
        isKey(store.key.range, 1) && text(0) == "\(store.terms.mode)"
        && UInt64(text(2)).map { UInt32(truncatingIfNeeded: $0) } == store.clientFlags
        && Int64(text(3)).map { Int64(Int32(truncatingIfNeeded: $0)) } == store.exptime
        && number(4) == Int64(store.valueByteCount) && store.terms == terms(store.terms.mode, text(5))
    case .delete(let request): isRight = isKey(request.key.range, 1) && words.count <= 5
    case .arithmetic(let request):
      isRight =
        isKey(request.key.range, 1) && UInt64(text(2)) == request.delta && request.increments == (text(0) == "incr")
    case .touch(let key, let exptime, _): isRight = isKey(key, 1) && number(2) == exptime
    case .flushAll(let exptime, _): isRight = exptime == (words.count == 1 ? 0 : number(1) ?? 0)
    case .verbosity(let level, _): isRight = number(1) == Int64(level)
    case .memoryLimit(let megabytes, _): isRight = number(1) == Int64(megabytes)
    case .stats(let range): isRight = split(line, range) == Array(words.dropFirst())
    case .administer(let verb, let range):
      isRight = text(0) == "\(verb.wireName)" && split(line, range) == Array(words.dropFirst())
    case .shutdown, .version, .quit: isRight = text(0) == "\(request.verb)"
    case .refused, .foreignProtocol: isRight = true
    case .fetch, .describe, .noop, .login: isRight = false
    }
    return isRight ? nil : "\(request) is not what the words say"
  }

  /// What the text protocol can say about a store.
  private static func terms(_ mode: StoreMode, _ unique: String) -> StoreTerms {
    StoreTerms(mode: mode, expectedCAS: mode == .cas ? UInt64(unique) ?? 0 : 0)
  }

  /// The words in a part of the line.
  static func split(_ line: [UInt8], _ range: ByteRange) -> [[UInt8]] {
    line[range.start..<range.end].split(separator: 0x20).map { Array($0) }
  }

  // Writing a request out again.

  private static func written(_ request: Request, _ line: [UInt8]) -> [UInt8]? {
    func bytes(_ range: ByteRange) -> [UInt8] { Array(line[range.start..<range.end]) }
    func join(_ parts: [UInt8]...) -> [UInt8] { Array(parts.joined(separator: [0x20])) }
    func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
    let mute = request.isQuiet ? utf8(" noreply") : []
    switch request {
    case .retrieve(let retrieval, let keys):
      let verb = (retrieval.touches ? "gat" : "get") + (retrieval.withCAS ? "s" : "")
      return join(utf8(verb + (retrieval.touches ? " \(retrieval.exptime)" : "")), bytes(keys))
    case .store(let store):
      let numbers = "\(store.clientFlags) \(store.exptime) \(store.valueByteCount)"
      let unique = store.terms.mode == .cas ? " \(store.terms.expectedCAS)" : ""
      return join(utf8("\(store.terms.mode)"), bytes(store.key.range), utf8(numbers + unique)) + mute
    // Without a last word a key may look like one.
    case .delete(let delete):
      return join(utf8("delete"), bytes(delete.key.range), utf8(delete.isQuiet ? "noreply" : "0"))
    case .arithmetic(let sum):
      return join(utf8(sum.increments ? "incr" : "decr"), bytes(sum.key.range), utf8("\(sum.delta)")) + mute
    case .touch(let key, let exptime, _): return join(utf8("touch"), bytes(key), utf8("\(exptime)")) + mute
    case .flushAll(let exptime, _): return utf8("flush_all \(exptime)") + mute
    case .verbosity(let level, _): return utf8("verbosity \(level)") + mute
    case .memoryLimit(let megabytes, _): return utf8("cache_memlimit \(megabytes)") + mute
    case .shutdown(.normal, _): return utf8("shutdown") + mute
    case .shutdown(.graceful, _): return utf8("shutdown graceful") + mute
    case .shutdown(.invalid, _): return utf8("shutdown now") + mute
    case .stats(let words): return join(utf8("stats"), bytes(words))
    case .version: return utf8("version")
    case .quit: return utf8("quit")
    case .foreignProtocol: return utf8("GET / HTTP/1.1")
    case .administer(let verb, let words): return join(utf8("\(verb.wireName)"), bytes(words))
    case .refused, .fetch, .describe, .noop, .login: return nil
    }
  }
}

/// A request apart from where in its line things stand.
private struct Meaning: Equatable {
  let request: Request
  /// The words that its ranges hold.
  let words: [[UInt8]]

  init(_ request: Request, _ line: [UInt8]) {
    self.request = request.withRanges { _ in .none }
    words = request.ranges.flatMap { TextFuzz.split(line, $0) }
  }
}

extension Request {
  /// Every range it names.
  var ranges: [ByteRange] {
    var ranges: [ByteRange] = []
    _ = withRanges {
      ranges.append($0)
      return $0
    }
    return ranges
  }

  /// The same request with its ranges put elsewhere.
  func withRanges(_ change: (ByteRange) -> ByteRange) -> Request {
    switch self {
    case .retrieve(let retrieval, let keys): return .retrieve(retrieval, keys: change(keys))
    case .store(var store):
      store.key.range = change(store.key.range)
      return .store(store)
    case .delete(var delete):
      delete.key.range = change(delete.key.range)
      return .delete(delete)
    case .arithmetic(var sum):
      sum.key.range = change(sum.key.range)
      return .arithmetic(sum)
    case .fetch(var fetch):
      fetch.key.range = change(fetch.key.range)
      return .fetch(fetch)
    case .describe(var key):
      key.range = change(key.range)
      return .describe(key)
    case .touch(let key, let exptime, let isQuiet):
      return .touch(key: change(key), exptime: exptime, isQuiet: isQuiet)
    case .stats(let words): return .stats(words: change(words))
    case .administer(let verb, let words): return .administer(verb, words: change(words))
    case .login(.start(let mechanism)): return .login(.start(mechanism: change(mechanism)))
    case .flushAll, .verbosity, .memoryLimit, .shutdown, .version, .quit, .foreignProtocol, .refused, .noop, .login:
      return self
    }
  }

  fileprivate var mayBeMuted: Bool {
    switch self {
    case .delete, .store, .arithmetic, .touch, .flushAll, .verbosity, .memoryLimit, .shutdown: true
    default: false
    }
  }

  /// The word of the requests that are one.
  fileprivate var verb: TextVerb {
    switch self {
    case .version: .version
    case .quit: .quit
    default: .shutdown
    }
  }
}
