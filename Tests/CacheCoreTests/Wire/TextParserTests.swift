// The text protocol's parser as a table: a line and what it is. Every verb, every reason to refuse, the words that only
// look like a verb. Nothing is executed here. Rules: reference, section 2.
import Testing

@testable import CacheCore

struct TextParserTests {
  /// A request in words, keys written out: what the table compares.
  private static func describe(_ request: Request, _ input: RawSpan) -> String {
    func text(_ range: ByteRange) -> String { String(decoding: input.bytes(range), as: UTF8.self) }
    /// Words with one blank between them, wherever the range begins.
    func words(_ range: ByteRange) -> String { text(range).split(separator: " ").joined(separator: " ") }
    func mute(_ noreply: Bool) -> String { noreply ? " noreply" : "" }
    switch request {
    case .retrieve(let retrieval, let keys):
      let verb = (retrieval.touches ? "gat" : "get") + (retrieval.withCAS ? "s" : "")
      return "\(verb)\(retrieval.touches ? " \(retrieval.exptime)" : "") [\(words(keys))]"
    case .store(let store):
      let cas = store.terms.mode == .cas ? " unique \(store.terms.expectedCAS)" : ""
      return "\(store.terms.mode) \(text(store.key.range)) flags \(store.clientFlags) exptime \(store.exptime)"
        + " bytes \(store.valueByteCount)\(cas)\(mute(store.isQuiet))"
    case .delete(let delete): return "delete \(text(delete.key.range))\(mute(delete.isQuiet))"
    case .arithmetic(let arithmetic):
      return "\(arithmetic.increments ? "incr" : "decr") \(text(arithmetic.key.range)) \(arithmetic.delta)"
        + mute(arithmetic.isQuiet)
    case .touch(let key, let exptime, let noreply): return "touch \(text(key)) \(exptime)\(mute(noreply))"
    case .flushAll(let exptime, let noreply): return "flush \(exptime)\(mute(noreply))"
    case .verbosity(let level, let noreply): return "verbosity \(level)\(mute(noreply))"
    case .memoryLimit(let megabytes, let noreply): return "limit \(megabytes)\(mute(noreply))"
    case .shutdown(let mode, let noreply): return "shutdown \(mode)\(mute(noreply))"
    case .stats(let range): return "stats [\(words(range))]"
    case .administer(let verb, let range): return "\(verb.wireName) [\(words(range))]"
    case .fetch, .describe, .noop, .login: return "not of this protocol"
    case .version: return "version"
    case .quit: return "quit"
    case .foreignProtocol: return "foreign"
    case .refused(let refusal, let noreply, let swallow):
      return "refused \(refusal)\(swallow > 0 ? " swallow \(swallow)" : "")\(mute(noreply))"
    }
  }

  /// Parses `line` as it would lie in a buffer: other requests before and behind it, ended by CRLF.
  private func parse(_ line: String, terminatorByteCount: Int = 2) -> String {
    let before = bytes("x\r\n")
    let all = before + bytes(line) + bytes("\r\nget after\r\n")
    return withInput(all) { input, _ in
      let end = before.count + line.utf8.count
      let request = TextParser.parse(
        input, start: before.count, end: end, lineByteCount: line.utf8.count + terminatorByteCount)
      return TextParserTests.describe(request, input)
    }
  }

  private static let key250 = String(repeating: "k", count: 250)
  private static let key251 = String(repeating: "k", count: 251)

  @Test(arguments: [
    ("get a", "get [a]"), ("get a b", "get [a b]"), ("gets a", "gets [a]"), ("get  a ", "get [a]"),
    ("get \(key250)", "get [\(key250)]"), ("get", "refused badFormat"), ("get ", "refused badFormat"),
    ("gets", "refused badFormat"), ("gets   ", "refused badFormat"), ("get a noreply", "get [a noreply]"),
    ("get / HTTP/1.1", "get [/ HTTP/1.1]"),
    ("gat 10 a", "gat 10 [a]"), ("gats -1 a b", "gats -1 [a b]"), ("gat 2147483647 a", "gat 2147483647 [a]"),
    ("gat", "refused badFormat"), ("gat 10", "refused badFormat"), ("gats", "refused badFormat"),
    ("gat x a", "refused invalidExptime"), ("gat 2147483648 a", "refused invalidExptime"),
    ("gat 1 \(key251)", "refused badFormat"), ("gat 1 a \(key251) b", "refused badFormat"),
    ("gat 1 \(key250)", "gat 1 [\(key250)]"), ("gats 00000000001 a", "gats 1 [a]"),
    ("gat 000000000001 a", "refused invalidExptime"),
  ])
  func retrievals(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test(arguments: [
    ("set a 1 2 3", "set a flags 1 exptime 2 bytes 3"),
    ("add a 0 0 0", "add a flags 0 exptime 0 bytes 0"),
    ("replace a 0 0 0", "replace a flags 0 exptime 0 bytes 0"),
    ("append a 0 0 0", "append a flags 0 exptime 0 bytes 0"),
    ("prepend a 0 0 0", "prepend a flags 0 exptime 0 bytes 0"),
    ("cas a 0 0 0 7", "cas a flags 0 exptime 0 bytes 0 unique 7"),
    ("cas a 0 0 0 18446744073709551615", "cas a flags 0 exptime 0 bytes 0 unique 18446744073709551615"),
    ("set  a  1  2  3  ", "set a flags 1 exptime 2 bytes 3"),
    ("set a 1 2 3 noreply", "set a flags 1 exptime 2 bytes 3 noreply"),
    ("set a 1 2 3 noreply ", "set a flags 1 exptime 2 bytes 3 noreply"),
    ("set a 1 2 3 Noreply", "set a flags 1 exptime 2 bytes 3"),
    ("set a 1 2 3 noreply x", "set a flags 1 exptime 2 bytes 3"),
    ("set a 1 2 3 x noreply", "set a flags 1 exptime 2 bytes 3 noreply"),
    ("cas a 1 2 3 4 noreply", "cas a flags 1 exptime 2 bytes 3 unique 4 noreply"),
    // Flags and exptime as strtoul and strtol read them, cut to 32 bits.
    ("set a +1 +2 3", "set a flags 1 exptime 2 bytes 3"), ("set a 007 008 3", "set a flags 7 exptime 8 bytes 3"),
    ("set a 4294967295 0 3", "set a flags 4294967295 exptime 0 bytes 3"),
    ("set a 4294967296 0 3", "set a flags 0 exptime 0 bytes 3"),
    ("set a 4294967297 0 3", "set a flags 1 exptime 0 bytes 3"),
    ("set a 0 2147483647 3", "set a flags 0 exptime 2147483647 bytes 3"),
    ("set a 0 2147483648 3", "set a flags 0 exptime -2147483648 bytes 3"),
    ("set a 0 -1 3", "set a flags 0 exptime -1 bytes 3"),
    ("set a 0 0 2147483645", "set a flags 0 exptime 0 bytes 2147483645"),
    ("set a 0 0 -", "set a flags 0 exptime 0 bytes 0"),
    ("set \(key250) 0 0 1", "set \(key250) flags 0 exptime 0 bytes 1"),
    ("set a\tb 0 0 1", "set a\tb flags 0 exptime 0 bytes 1"),
  ])
  func storage(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test(arguments: [
    // Without a size nobody knows what follows: nothing is swallowed, noreply is not believed.
    ("set", "refused badFormat"), ("set a", "refused badFormat"), ("set a 1", "refused badFormat"),
    ("set a 1 2", "refused badFormat"), ("set a 1 2 noreply", "refused badFormat"),
    ("set a 1 2 x noreply", "refused badFormat"), ("set a 1 2 -1", "refused badFormat"),
    ("set a 1 2 +1", "refused badFormat"), ("set a 1 2 2147483646", "refused badFormat"),
    ("set a 1 2 4294967296", "refused badFormat"), ("set a 1 2 000000000001", "refused badFormat"),
    ("cas a 1 2", "refused badFormat"),
    // With a size the value is swallowed.
    ("set \(key251) 0 0 5", "refused badFormat swallow 7"),
    ("set \(key251) 0 0 5 noreply", "refused badFormat swallow 7 noreply"),
    ("set a x 0 5", "refused badFormat swallow 7"), ("set a -1 0 5", "refused badFormat swallow 7"),
    ("set a -0 0 5", "refused badFormat swallow 7"), ("set a 1x 0 5", "refused badFormat swallow 7"),
    ("set a 0 x 5", "refused badFormat swallow 7"), ("set a 0 1x 5 noreply", "refused badFormat swallow 7 noreply"),
    ("add a x 0 0", "refused badFormat swallow 2"),
    ("cas a 0 0 5", "refused badFormat swallow 7"), ("cas a 0 0 5 x", "refused badFormat swallow 7"),
    ("cas a 0 0 5 -1", "refused badFormat swallow 7"), ("cas a 0 0 5 noreply", "refused badFormat swallow 7 noreply"),
    ("cas a 0 0 5 x noreply", "refused badFormat swallow 7 noreply"),
    ("cas a 0 0 5 18446744073709551616", "refused badFormat swallow 7"),
  ])
  func refusedStorage(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test(arguments: [
    ("delete a", "delete a"), ("delete a noreply", "delete a noreply"), ("delete a 0", "delete a"),
    ("delete a 0 noreply", "delete a noreply"), ("delete noreply", "delete noreply noreply"),
    ("delete a noreply 0", "delete a"), ("delete a 0 0 0", "delete a"),
    ("delete a 0 0 0 0", "refused unknownCommand"), ("delete", "refused badFormat"),
    ("delete \(key251)", "refused badFormat"), ("delete \(key251) noreply", "refused badFormat noreply"),
    ("incr a 1", "incr a 1"), ("decr a 18446744073709551615", "decr a 18446744073709551615"),
    ("incr a 1 noreply", "incr a 1 noreply"), ("decr a 1 x noreply", "decr a 1 noreply"), ("incr", "refused badFormat"),
    ("incr a", "refused badFormat"), ("incr a noreply", "refused invalidDelta noreply"),
    ("decr a x", "refused invalidDelta"), ("incr a -1", "refused invalidDelta"),
    ("incr a +1 noreply", "refused invalidDelta noreply"), ("incr a 18446744073709551616", "refused invalidDelta"),
    ("incr \(key251) 1", "refused badFormat"), ("incr \(key251) x noreply", "refused badFormat noreply"),
    ("touch a 5", "touch a 5"), ("touch a -5 noreply", "touch a -5 noreply"), ("touch", "refused badFormat"),
    ("touch a", "refused badFormat"), ("touch a x", "refused invalidExptime"),
    ("touch a 2147483648 noreply", "refused invalidExptime noreply"), ("touch \(key251) 1", "refused badFormat"),
    ("touch a -", "touch a 0"), ("touch a noreply", "refused invalidExptime noreply"),
  ])
  func singleKeys(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test(arguments: [
    ("flush_all", "flush 0"), ("flush_all 0", "flush 0"), ("flush_all 10", "flush 10"), ("flush_all -10", "flush -10"),
    ("flush_all noreply", "flush 0 noreply"), ("flush_all 10 noreply", "flush 10 noreply"),
    ("flush_all x", "refused invalidExptime"), ("flush_all x noreply", "refused invalidExptime noreply"),
    ("verbosity 1", "verbosity 1"), ("verbosity 1 noreply", "verbosity 1 noreply"), ("verbosity", "refused badFormat"),
    ("verbosity noreply", "refused badFormat noreply"), ("verbosity -1", "refused badFormat"),
    ("verbosity 4294967295 x y", "verbosity 4294967295"),
    ("cache_memlimit 64", "limit 64"), ("cache_memlimit 64 noreply", "limit 64 noreply"),
    ("cache_memlimit", "refused badLimit"), ("cache_memlimit x", "refused badLimit"),
    ("shutdown", "shutdown normal"), ("shutdown graceful", "shutdown graceful"), ("shutdown g", "shutdown graceful"),
    ("shutdown noreply", "shutdown normal noreply"), ("shutdown x", "shutdown invalid"),
    ("shutdown gracefull", "shutdown invalid"), ("shutdown grace noreply", "shutdown graceful noreply"),
    ("stats", "stats []"), ("stats items", "stats [items]"), ("stats detail on", "stats [detail on]"),
    ("version", "version"), ("version x", "version"), ("quit", "quit"), ("quit now", "quit"),
  ])
  func administration(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test(arguments: [
    ("bogus", "refused unknownCommand"), ("bogus noreply", "refused unknownCommand noreply"),
    (" get a", "refused unknownCommand"), (" get a noreply", "refused unknownCommand noreply"),
    ("GET a", "refused unknownCommand"), ("get\ta", "refused unknownCommand"), ("geta b", "refused unknownCommand"),
    ("ge a", "refused unknownCommand"), ("sett a 0 0 1", "refused unknownCommand"), ("setb", "refused unknownCommand"),
    ("flush", "refused unknownCommand"), ("flush_all_", "refused unknownCommand"), ("    ", "refused unknownCommand"),
    ("noreply", "refused unknownCommand noreply"), ("GET / HTTP/1.1", "foreign"), ("HTTP/1.1", "foreign"),
    ("POST / HTTP/", "foreign"), ("GET / HTTP/1.1 x", "refused unknownCommand"),
    ("a\0b c", "refused unknownCommand"),
  ])
  func unknown(_ line: String, _ expected: String) { #expect(parse(line) == expected) }

  @Test func linesBelowFourBytesAreRefused() {
    #expect(parse("") == "refused badFormat")
    #expect(parse("a") == "refused badFormat")
    #expect(parse("ab", terminatorByteCount: 1) == "refused badFormat")
    #expect(parse("ab") == "refused unknownCommand")
    #expect(parse("abc", terminatorByteCount: 1) == "refused unknownCommand")
    #expect(parse("get", terminatorByteCount: 1) == "refused badFormat")
  }

  /// Every verb is found by its own name and by nothing one byte away from it.
  @Test func everyVerbIsExactlyItsName() {
    func find(_ word: [UInt8]) -> TextVerb? { withInput(word) { TextVerb.find($0, $1) } }
    let names = TextVerb.allCases.map { Array("\($0.wireName)".utf8) }
    #expect(Set(names).count == TextVerb.allCases.count)
    for (verb, name) in zip(TextVerb.allCases, names) {
      #expect(find(name) == verb)
      for place in name.indices {
        var other = name
        other[place] ^= 0x20
        #expect(find(other) == nil)
      }
      let shorter = Array(name.dropLast())
      if !names.contains(shorter) { #expect(find(shorter) == nil) }
      #expect(find(name + [0x5f]) == nil)
    }
    #expect(find([]) == nil)
  }

  /// Random lines from the protocol's own words: the parser neither traps nor names bytes outside the line.
  @Test func randomLinesStayInsideTheLine() {
    let vocabulary =
      TextVerb.allCases.map { "\($0.wireName)" } + [
        "", " ", "a", "0", "1", "-1", "99999999999", "noreply", "x\t", "HTTP/1.1", TextParserTests.key250,
        TextParserTests.key251,
      ]
    var random = SeededRandom(seed: 31)
    for round in 0..<3000 {
      let line = (0..<random.number(1...8)).map { _ in random.pick(vocabulary) }.joined(separator: " ")
      let before = 5
      withInput([UInt8](repeating: 0x20, count: before) + bytes(line) + bytes("\r\n")) { input, _ in
        let end = before + line.utf8.count
        let request = TextParser.parse(input, start: before, end: end, lineByteCount: line.utf8.count + 2)
        for range in TextParserTests.ranges(request) {
          #expect(range.start >= before && range.end <= end && range.start <= range.end, "round \(round): \(line)")
        }
      }
    }
  }

  private static func ranges(_ request: Request) -> [ByteRange] {
    switch request {
    case .retrieve(_, let keys): [keys]
    case .store(let store): [store.key.range]
    case .delete(let delete): [delete.key.range]
    case .arithmetic(let arithmetic): [arithmetic.key.range]
    case .touch(let key, _, _): [key]
    case .stats(let words), .administer(_, let words): [words]
    default: []
    }
  }
}
