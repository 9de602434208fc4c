// The meta protocol's parser: every flag on every command, with every kind of argument it may and may not have; what
// the flags come to in requests; and what is refused, with which words. Nothing is executed here. Rules: reference,
// section 3.
import Testing

@testable import CacheCore

struct MetaParserTests {
  /// Parses the line as it would lie in a buffer; what the test wants to see of it.
  private static func parse<Result>(_ line: String, _ body: (MetaParser.Line, RawSpan, [UInt8]) -> Result) -> Result? {
    let decoded = FixedArray<UInt8>(repeating: 0, count: 250)
    defer { decoded.destroy() }
    let before = bytes("x\r\n")
    return withInput(before + bytes(line) + bytes("\r\nget after\r\n")) { input, _ in
      let (start, end) = (before.count, before.count + line.utf8.count)
      guard let command = MetaParser.command(input, start: start, end: end) else { return nil }
      let parsed = MetaParser.parse(command, input, start: start, end: end, decodedKey: decoded)
      return body(parsed, input, (0..<250).map { decoded[$0] })
    }
  }

  /// A request in words: what the tables compare. Only what is not as usual is written.
  private static func describe(_ line: String) -> String {
    parse(line) { parsed, input, decoded in
      func text(_ key: RequestKey) -> String {
        key.isEncoded
          ? "b:" + String(decoding: decoded.prefix(key.decodedByteCount), as: UTF8.self)
          : String(decoding: input.bytes(key.range), as: UTF8.self)
      }
      func word(
        _ name: String, _ value: some Equatable & CustomStringConvertible, _ usual: some CustomStringConvertible
      )
        -> String
      { value.description == usual.description ? "" : " \(name) \(value)" }
      func flag(_ name: String, _ value: Bool) -> String { value ? " \(name)" : "" }
      switch parsed.request {
      case .fetch(let request):
        let options: [(String, FetchOptions)] = [
          ("value", .value), ("touch", .touches), ("vivify", .vivifies), ("recache", .recaches),
          ("after", .recachesAfterTouch), ("compare", .comparesCAS), ("nobump", .withoutBump),
        ]
        return "fetch \(text(request.key))" + options.map { flag($0.0, request.options.contains($0.1)) }.joined()
          + word("T", request.exptime, 0) + word("N", request.vivifyExptime, 0) + word("R", request.recacheExptime, 0)
          + word("C", request.knownCAS, 0) + word("E", request.newCAS, 0) + flag("quiet", parsed.isQuiet)
      case .store(let request):
        return "\(request.terms.mode) \(text(request.key)) \(request.valueByteCount)"
          + word("F", request.clientFlags, 0) + word("T", request.exptime, 0)
          + word("C", request.terms.expectedCAS, 0) + word("E", request.terms.newCAS, 0)
          + flag("older", request.terms.acceptsOlder) + flag("vivify", request.terms.vivifies)
          + flag("encoded", request.terms.isKeyEncoded) + flag("quiet", request.isQuiet)
      case .delete(let request):
        return "delete \(text(request.key))" + (request.expectedCAS.map { " C \($0)" } ?? "")
          + flag("stale", request.marksStale) + flag("drop", request.dropsValue)
          + (request.exptime.map { " T \($0)" } ?? "") + word("E", request.newCAS, 0)
          + word("F", request.clientFlags, 0) + flag("quiet", request.isQuiet) + flag("nometa", !request.isMeta)
      case .arithmetic(let request):
        return "\(request.increments ? "incr" : "decr") \(text(request.key)) \(request.delta)"
          + (request.exptime.map { " T \($0)" } ?? "")
          + (request.vivifyExptime.map { " N \($0) J \(request.initial)" } ?? "")
          + word("C", request.expectedCAS, 0) + word("E", request.newCAS, 0) + flag("quiet", request.isQuiet)
      case .describe(let key): return "describe \(text(key))"
      case .noop: return "noop"
      case .refused(let refusal, _, let swallow): return "refused \(refusal)\(swallow > 0 ? " swallow \(swallow)" : "")"
      default: return "something else"
      }
    } ?? "no meta command"
  }

  private func describe(_ line: String) -> String { MetaParserTests.describe(line) }

  // Every flag on every command.

  private static let commands: [MetaCommand] = [.get, .set, .delete, .arithmetic]

  /// A line with flags; the key is base64 all the same.
  private static func line(_ command: MetaCommand, _ flags: String) -> String {
    "m\(Unicode.Scalar(command.rawValue)) Zm9v\(command == .set ? " 3" : "")\(flags.isEmpty ? "" : " " + flags)"
  }

  private static func letter(_ flag: MetaFlag) -> String { String(Unicode.Scalar(flag.rawValue)) }

  private static func goodArguments(_ flag: MetaFlag, _ command: MetaCommand) -> [String] {
    switch flag.argument {
    case .none: ["", "x", "12", "\u{1}anything=!"]
    case .exptime: ["0", "1", "30", "-1", "2592001", "2147483647", "-2147483648"]
    case .number: ["0", "1", "18446744073709551615", "00000000000000000000"]
    case .clientFlags: ["0", "4294967295"]
    case .letter: command == .arithmetic ? ["I", "+", "D", "-", "Incr"] : ["S", "E", "A", "P", "R", "Set"]
    case .opaque: ["", "1", String(repeating: "o", count: 31)]
    }
  }

  private static func badArguments(_ flag: MetaFlag) -> [String] {
    switch flag.argument {
    case .none, .letter: []
    case .exptime: ["", "x", "1x", "+1", "2147483648", "-2147483649", "4294967296", "1.5", "0x1"]
    case .number: ["", "x", "1x", "-1", "+1", "18446744073709551616"]
    case .clientFlags: ["", "x", "1x", "-1", "4294967296", "18446744073709551616"]
    case .opaque: [String(repeating: "o", count: 32), String(repeating: "o", count: 300)]
    }
  }

  private static func expectRefused(_ line: String, _ command: MetaCommand, _ refusal: Refusal) {
    // ma has one word for nearly everything.
    let told =
      command == .arithmetic && ![.flagsTooLong, .opaqueTooLong].contains(refusal) ? .invalidOrDuplicateFlag : refusal
    let expected = "refused \(told)\(command == .set ? " swallow 5" : "")"
    let found = describe(line)
    #expect(found == expected, "\(line)")
  }

  /// The words of the reference for a bad argument, flag by flag (section 3.1).
  private static func refusal(_ flag: MetaFlag) -> Refusal {
    switch letter(flag) {
    case "D": .invalidDeltaToken
    case "J": .invalidInitialToken
    case "F": .badFormat
    case "O": .opaqueTooLong
    default: .badToken
    }
  }

  @Test(arguments: MetaFlag.allCases)
  func everyFlagOnEveryCommand(flag: MetaFlag) {
    let letter = MetaParserTests.letter(flag)
    for command in MetaParserTests.commands {
      let good = MetaParserTests.goodArguments(flag, command)
      for argument in good {
        let line = MetaParserTests.line(command, letter + argument)
        #expect(!describe(line).hasPrefix("refused"), "\(line): \(describe(line))")
        // Among others, before and behind.
        for flags in ["\(letter)\(argument) k", "k \(letter)\(argument)"] where letter != "k" {
          #expect(!describe(MetaParserTests.line(command, flags)).hasPrefix("refused"), "\(flags)")
        }
        // Twice, with blanks between, with another argument.
        for second in [argument, good.first ?? ""] {
          MetaParserTests.expectRefused(
            MetaParserTests.line(command, "\(letter)\(argument)   \(letter)\(second)"), command, .duplicateFlag)
        }
      }
      for argument in MetaParserTests.badArguments(flag) {
        MetaParserTests.expectRefused(
          MetaParserTests.line(command, letter + argument), command, MetaParserTests.refusal(flag))
      }
    }
  }

  /// 25 letters are flags; all other letters, digits and characters are refused, and never taken for one.
  @Test func everyOtherCharacter() {
    let letters = Set(MetaFlag.allCases.map(\.rawValue))
    #expect(letters == Set("bcfhklqstuvxCDEFIJLMNOPRT".utf8))
    for byte in UInt8(0x21)...0x7e where !letters.contains(byte) {
      let isLetterOrDigit = (0x30...0x39).contains(byte) || (0x41...0x7a).contains(byte)
      for command in MetaParserTests.commands {
        for argument in ["", "1"] {
          MetaParserTests.expectRefused(
            MetaParserTests.line(command, "\(Unicode.Scalar(byte))\(argument)"), command,
            isLetterOrDigit ? .invalidFlag : .badFormat)
        }
      }
    }
  }

  @Test func howManyFlags() {
    let flags = "b c f h k l q s t u v x I L P O F1 E1 C1 T1".split(separator: " ").map(String.init)
    for command in MetaParserTests.commands {
      let limit = command == .set ? 17 : 18
      let most = MetaParserTests.line(command, flags.prefix(limit).joined(separator: "  "))
      #expect(!describe(most).hasPrefix("refused"), "\(most): \(describe(most))")
      MetaParserTests.expectRefused(
        MetaParserTests.line(command, flags.prefix(limit + 1).joined(separator: " ")), command, .flagsTooLong)
    }
  }

  // What they come to.

  @Test(arguments: [
    ("mg a", "fetch a"), ("mg a ", "fetch a"), ("mg  a  v", "fetch a value"), ("mg a q", "fetch a quiet"),
    ("mg a s v t f c k O1 h l", "fetch a value"), ("mg a u v", "fetch a value nobump"),
    ("mg a T30", "fetch a touch T 30"), ("mg a T-1", "fetch a touch T -1"), ("mg a N60", "fetch a vivify N 60"),
    ("mg a N60 E9 v q", "fetch a value vivify N 60 E 9 quiet"), ("mg a E9", "fetch a"),
    ("mg a R30", "fetch a recache R 30"), ("mg a T60 R30", "fetch a touch recache after T 60 R 30"),
    ("mg a R30 T60", "fetch a touch recache T 60 R 30"), ("mg a C7", "fetch a compare C 7"),
    // What is made gets the later of T and N.
    ("mg a N60 T30", "fetch a touch vivify T 30 N 30"), ("mg a T30 N60", "fetch a touch vivify T 30 N 60"),
    ("mg Zm9v b", "fetch b:foo"), ("mg Zm9v", "fetch Zm9v"), ("mg Zm9v k b v", "fetch b:foo value"),
    ("mg a F1 I J5 D5 M x L P", "fetch a"), ("mg a\tb v", "fetch a\tb value"),
    ("mg", "refused badFormat"), ("mg ", "refused badFormat"), ("mg    ", "refused badFormat"),
    ("mg Zm9 b", "refused undecodableKey"), ("mg a b", "refused undecodableKey"),
    ("mg Zm9v= b", "refused undecodableKey"), ("mg Zm9! b v", "refused undecodableKey"),
    ("mx a", "no meta command"), ("m", "no meta command"), ("mgx a", "no meta command"), ("Mg a", "no meta command"),
    ("mg\ta", "no meta command"), (" mg a", "no meta command"),
  ])
  func get(_ line: String, _ expected: String) { #expect(describe(line) == expected) }

  @Test(arguments: [
    ("ms a 3", "set a 3"), ("ms a 0", "set a 0"), ("ms a 2147483645 q", "set a 2147483645 quiet"),
    ("ms a 3 T60 F7", "set a 3 F 7 T 60"), ("ms a 3 T-1", "set a 3 T -1"), ("ms Zm9v 3 b", "set b:foo 3 encoded"),
    ("ms a 3 MS", "set a 3"), ("ms a 3 ME", "add a 3"), ("ms a 3 MR", "replace a 3"), ("ms a 3 MA", "append a 3"),
    ("ms a 3 MP", "prepend a 3"), ("ms a 3 Mset", "refused invalidStoreMode swallow 5"),
    ("ms a 3 MSet", "set a 3"), ("ms a 3 M", "refused invalidStoreMode swallow 5"),
    ("ms a 3 C5", "cas a 3 C 5"), ("ms a 3 C0", "cas a 3"), ("ms a 3 C5 MR", "cas a 3 C 5"),
    ("ms a 3 C5 I", "cas a 3 C 5 older"), ("ms a 3 I", "set a 3"), ("ms a 3 C5 ME", "add a 3"),
    ("ms a 3 C5 MA", "append a 3 C 5"), ("ms a 3 MA N60", "append a 3 T 60 vivify"),
    ("ms a 3 MA T60", "append a 3"),
    ("ms a 3 N60", "set a 3"), ("ms a 3 E9 c k O1 s", "set a 3 E 9"),
    ("ms", "refused badFormat"), ("ms a", "refused badFormat"), ("ms a x", "refused badFormat"),
    ("ms a S2", "refused badFormat"), ("ms a -1", "refused badFormat"), ("ms a -", "refused badFormat"),
    ("ms a +1", "refused badFormat"), ("ms a 2147483646", "refused badFormat"), ("ms a 3x", "refused badFormat"),
    ("ms a T5 3", "refused badFormat"), ("ms Zm9 3 b", "refused undecodableKey swallow 5"),
  ])
  func set(_ line: String, _ expected: String) { #expect(describe(line) == expected) }

  @Test(arguments: [
    ("md a", "delete a"), ("md a q", "delete a quiet"), ("md a C5", "delete a C 5"), ("md a C0", "delete a C 0"),
    ("md a I", "delete a stale"), ("md a I T30", "delete a stale T 30"), ("md a T30", "delete a T 30"),
    ("md a x", "delete a drop"), ("md a x F7 T30 E9", "delete a drop T 30 E 9 F 7"),
    ("md a x I q", "delete a stale drop quiet"),
    ("md Zm9v b I", "delete b:foo stale"), ("md a k O1 v M", "delete a"), ("md", "refused badFormat"),
    ("md a I I", "refused duplicateFlag"), ("md a T", "refused badToken"),
  ])
  func delete(_ line: String, _ expected: String) { #expect(describe(line) == expected) }

  @Test(arguments: [
    ("ma a", "incr a 1"), ("ma a D5", "incr a 5"), ("ma a D0", "incr a 0"), ("ma a MI", "incr a 1"),
    ("ma a M+", "incr a 1"), ("ma a MD D9", "decr a 9"), ("ma a M-", "decr a 1"), ("ma a MDecr", "decr a 1"),
    ("ma a M", "refused invalidArithmeticMode"), ("ma a Mi", "refused invalidArithmeticMode"),
    ("ma a MS", "refused invalidArithmeticMode"), ("ma a N60", "incr a 1 N 60 J 0"),
    ("ma a N60 J13 D30", "incr a 30 N 60 J 13"), ("ma a J13", "incr a 1"), ("ma a T30", "incr a 1 T 30"),
    ("ma a C5 E9 q", "incr a 1 C 5 E 9 quiet"), ("ma Zm9v b v t c k O1", "incr b:foo 1"),
    ("ma a Dx", "refused invalidOrDuplicateFlag"), ("ma Zm9 b", "refused invalidOrDuplicateFlag"),
    ("ma", "refused badFormat"),
  ])
  func arithmetic(_ line: String, _ expected: String) { #expect(describe(line) == expected) }

  @Test(arguments: [
    ("mn", "noop"), ("mn anything at all", "noop"), ("me a", "describe a"), ("me a v x", "describe a"),
    ("me Zm9v b", "describe b:foo"), ("me Zm9v b x", "describe b:foo"), ("me Zm9v x b", "describe Zm9v"),
    ("me Zm9 b", "refused badFormat"), ("me", "refused badFormat"),
  ])
  func debugAndNoop(_ line: String, _ expected: String) { #expect(describe(line) == expected) }

  /// The limit is of the key as it is written, encoded or not.
  @Test func longKeys() {
    let (key250, key251) = (String(repeating: "k", count: 250), String(repeating: "k", count: 251))
    for (command, tail) in [("mg", ""), ("ms", " 3"), ("md", ""), ("ma", ""), ("me", "")] {
      #expect(!describe("\(command) \(key250)\(tail)").hasPrefix("refused"))
      let expected = "refused badFormat\(command == "ms" ? " swallow 5" : "")"
      #expect(describe("\(command) \(key251)\(tail)") == expected)
    }
    #expect(describe("ms \(key251) x") == "refused badFormat")
    // 186 bytes are 248 characters, 187 are 252.
    let encoded = String(repeating: "YWFh", count: 62)
    #expect(describe("mg \(encoded) b") == "fetch b:" + String(repeating: "a", count: 186))
    #expect(describe("mg \(encoded)YQ== b") == "refused badFormat")
  }

  /// What the reply repeats is named in the line.
  @Test func echoes() throws {
    for command in MetaParserTests.commands {
      let line = MetaParserTests.line(command, "k O123 b q")
      let found = MetaParserTests.parse(line) { parsed, input, _ in
        (
          String(decoding: input.bytes(parsed.echo.key), as: UTF8.self),
          String(decoding: input.bytes(parsed.echo.flags), as: UTF8.self).split(separator: " ").joined(separator: " "),
          parsed.echo.isKeyEncoded, parsed.echo.command
        )
      }
      let echo = try #require(found)
      #expect(echo == ("Zm9v", "k O123 b q", true, command))
    }
  }

  /// Random words of the protocol: no trap, and nothing named outside of the line.
  @Test func randomLines() {
    var random = SeededRandom(seed: 33)
    let words = [
      "a", "Zm9v", "3", "b", "k", "v", "q", "T30", "N", "C1", "O\u{7f}", "MS", "", "-", "!", "Z", "99999999999",
    ]
    for _ in 0..<3000 {
      let line =
        random.pick(["mg", "ms", "md", "ma", "me", "mn"]) + " "
        + (0..<random.number(0...24)).map { _ in random.pick(words) }.joined(separator: " ")
      let isInside = MetaParserTests.parse(line) { parsed, _, _ in
        let end = 3 + line.utf8.count
        return [parsed.echo.key, parsed.echo.flags].allSatisfy {
          $0 == .none || ($0.start >= 3 && $0.end <= end && $0.start <= $0.end)
        }
      }
      #expect(isInside == true, "\(line)")
    }
  }
}
