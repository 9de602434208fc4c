// The meta parser under the fuzzer: every line that is a meta command is parsed, and what comes out must agree with a
// second, naive reading of its words; lie inside the line; not depend on what stands around it; and come out again when
// it is written out and parsed once more. Executes nothing.
import Foundation

@testable import CacheCore

enum MetaFuzz {
  static func objection(to input: [UInt8]) -> String? {
    for line in input.split(separator: 0x0a, omittingEmptySubsequences: false) {
      let text = Array(line.last == 0x0d ? line.dropLast() : line)
      if let objection = objection(toLine: text) { return "line \"\(FuzzCorpus.escaped(text))\": \(objection)" }
    }
    return nil
  }

  /// A parsed line, its ranges counted from the line's start, and its key.
  private struct Parsed: Equatable {
    var request: Request
    var echo: MetaEcho
    var isQuiet: Bool
    var decodedKey: [UInt8]
  }

  private static func objection(toLine line: [UInt8]) -> String? {
    guard let alone = parse(line, before: [], after: [0x0d, 0x0a]) else {
      return isCommand(line) ? "not taken for a command" : nil
    }
    guard isCommand(line) else { return "taken for a command" }
    let among = parse(line, before: Array("mg x v\r\n".utf8), after: Array("\nO b q 1 v".utf8))
    if alone != among { return "\(alone) alone, but \(String(describing: among)) among others" }
    for range in alone.request.ranges + [alone.echo.key, alone.echo.flags]
    where range.start < 0 || range.end > line.count || range.start > range.end {
      return "\(alone) names bytes outside of the line"
    }
    if let objection = readingObjection(alone, line) { return objection }
    guard let again = written(alone, line) else { return nil }
    guard let second = parse(again, before: [], after: [0x0d, 0x0a]) else { return "written out, it is no command" }
    if meaning(alone) != meaning(second) {
      return "\(alone.request), but \"\(FuzzCorpus.escaped(again))\" is \(second.request)"
    }
    return nil
  }

  /// A meta command is `m`, a letter of six, and then the line's end or a space.
  private static func isCommand(_ line: [UInt8]) -> Bool {
    line.count >= 2 && line[0] == 0x6d && Array("nemgsda".utf8).contains(line[1]) && line[1] != 0x6d
      && (line.count == 2 || line[2] == 0x20)
  }

  private static func parse(_ line: [UInt8], before: [UInt8], after: [UInt8]) -> Parsed? {
    var buffer = ByteBuffer(capacity: before.count + line.count + after.count)
    buffer.append(before + line + after)
    let decoded = FixedArray<UInt8>(repeating: 0, count: 250)
    defer { decoded.destroy() }
    let (start, end) = (before.count, before.count + line.count)
    guard let command = MetaParser.command(buffer.span, start: start, end: end) else { return nil }
    let parsed = MetaParser.parse(command, buffer.span, start: start, end: end, decodedKey: decoded)
    func moved(_ range: ByteRange) -> ByteRange { ByteRange(start: range.start - start, end: range.end - start) }
    var echo = parsed.echo
    if command != .noop {
      echo.key = moved(echo.key)
      echo.flags = echo.flags == .none ? .none : moved(echo.flags)
    }
    let count = key(parsed.request)?.decodedByteCount ?? 0
    return Parsed(
      request: parsed.request.withRanges(moved), echo: echo, isQuiet: parsed.isQuiet,
      decodedKey: (0..<count).map { decoded[$0] })
  }

  private static func key(_ request: Request) -> RequestKey? {
    switch request {
    case .fetch(let fetch): fetch.key
    case .store(let store): store.key
    case .delete(let delete): delete.key
    case .arithmetic(let arithmetic): arithmetic.key
    case .describe(let key): key
    default: nil
    }
  }

  /// The request against the words of the line.
  private static func readingObjection(_ parsed: Parsed, _ line: [UInt8]) -> String? {
    if case .refused(_, let isQuiet, let swallow) = parsed.request {
      if isQuiet { return "a quiet refusal" }
      return swallow == 0 || line[1] == UInt8(ascii: "s") && (2...2_147_483_647).contains(swallow) ? nil : "swallows"
    }
    if line[1] == UInt8(ascii: "n") { return parsed.request == .noop ? nil : "mn is \(parsed.request)" }
    let words = TextFuzz.split(line, ByteRange(start: 2, end: line.count))
    guard let key = key(parsed.request), let first = words.first, (1...250).contains(first.count),
      Array(line[key.range.start..<key.range.end]) == first
    else { return "\(parsed.request) has another key" }
    let flags = words.dropFirst(line[1] == UInt8(ascii: "s") ? 2 : 1)
    if line[1] != UInt8(ascii: "e") {
      guard flags.count <= 18, Set(flags.map { $0[0] }).count == flags.count,
        flags.allSatisfy({ MetaFlag(rawValue: $0[0]) != nil && ($0[0] != UInt8(ascii: "O") || $0.count <= 32) })
      else { return "\(parsed.request) in spite of its flags" }
    }
    let isEncoded = line[1] == UInt8(ascii: "e") ? flags.first == [0x62] : flags.contains { $0[0] == 0x62 }
    // The reply to me repeats nothing of the line.
    guard key.isEncoded == isEncoded, parsed.echo.isKeyEncoded == isEncoded || line[1] == UInt8(ascii: "e") else {
      return "b is misread"
    }
    if isEncoded, let data = Data(base64Encoded: Data(first)), Array(data) != parsed.decodedKey {
      return "the key is decoded as \(parsed.decodedKey)"
    }
    func has(_ letter: Unicode.Scalar) -> Bool { flags.contains { $0[0] == UInt8(ascii: letter) } }
    func number(_ letter: Unicode.Scalar) -> Int64? {
      flags.first { $0[0] == UInt8(ascii: letter) }.flatMap { text in
        let digits = String(decoding: text.dropFirst(), as: UTF8.self)
        return digits == "-" ? 0 : Int64(digits)
      }
    }
    switch parsed.request {
    case .fetch(let fetch):
      let isRight =
        fetch.options.contains(.value) == has("v") && fetch.options.contains(.touches) == has("T")
        && fetch.options.contains(.vivifies) == has("N") && fetch.options.contains(.recaches) == has("R")
        && fetch.options.contains(.withoutBump) == has("u") && fetch.options.contains(.comparesCAS) == has("C")
        && parsed.isQuiet == has("q") && fetch.exptime == (number("T") ?? 0)
        && fetch.recacheExptime == (number("R") ?? 0)
      return isRight ? nil : "\(fetch) is not what the words say"
    case .store(let store):
      let isRight =
        store.isQuiet == has("q") && Int(String(decoding: words[1], as: UTF8.self)) == store.valueByteCount
        && Int64(store.clientFlags) == (number("F") ?? 0)
      return isRight ? nil : "\(store) is not what the words say"
    case .delete(let delete):
      let isRight =
        delete.isQuiet == has("q") && delete.marksStale == has("I") && delete.dropsValue == has("x")
        && delete.exptime == number("T") && (delete.expectedCAS != nil) == has("C")
      return isRight ? nil : "\(delete) is not what the words say"
    case .arithmetic(let arithmetic):
      let isRight =
        arithmetic.isQuiet == has("q") && arithmetic.exptime == number("T")
        && (arithmetic.vivifyExptime != nil) == has("N")
      return isRight ? nil : "\(arithmetic) is not what the words say"
    default: return nil
    }
  }

  /// What two parsed lines must have in common to mean the same.
  private static func meaning(_ parsed: Parsed) -> Parsed {
    var meaning = parsed
    meaning.request = parsed.request.withRanges { _ in .none }
    meaning.echo.key = .none
    meaning.echo.flags = .none
    return meaning
  }

  /// The command written out from what was understood of it.
  private static func written(_ parsed: Parsed, _ line: [UInt8]) -> [UInt8]? {
    guard let key = key(parsed.request) else { return nil }
    var words: [String] = []
    func add(_ flag: String, _ isWanted: Bool) { if isWanted { words.append(flag) } }
    add("b", key.isEncoded)
    switch parsed.request {
    case .fetch(let fetch):
      add("q", parsed.isQuiet)
      add("v", fetch.options.contains(.value))
      add("u", fetch.options.contains(.withoutBump))
      add("C\(fetch.knownCAS)", fetch.options.contains(.comparesCAS))
      add("E\(fetch.newCAS)", fetch.options.contains(.vivifies))
      let touch = ["T\(fetch.exptime)"].filter { _ in fetch.options.contains(.touches) }
      let recache = ["R\(fetch.recacheExptime)"].filter { _ in fetch.options.contains(.recaches) }
      let vivify = ["N\(fetch.vivifyExptime)"].filter { _ in fetch.options.contains(.vivifies) }
      words += fetch.options.contains(.recachesAfterTouch) ? touch + recache : recache + touch
      words += vivify
    case .store(let store):
      words.insert("\(store.valueByteCount)", at: 0)
      add("q", store.isQuiet)
      add("F\(store.clientFlags)", true)
      add("E\(store.terms.newCAS)", true)
      let mode: [StoreMode: String] = [.set: "S", .cas: "S", .add: "E", .replace: "R", .append: "A", .prepend: "P"]
      add("M\(mode[store.terms.mode] ?? "")", true)
      let joins = store.terms.mode == .append || store.terms.mode == .prepend
      add("C\(store.terms.expectedCAS)", store.terms.mode == .cas || joins)
      add("I", store.terms.acceptsOlder)
      add("T\(store.exptime)", !joins)
      add("N\(store.exptime)", joins && store.terms.vivifies)
      // The expiration time of an append that makes nothing means nothing.
      if joins, !store.terms.vivifies { return nil }
    case .delete(let delete):
      add("q", delete.isQuiet)
      add("I", delete.marksStale)
      add("x", delete.dropsValue)
      add("C\(delete.expectedCAS ?? 0)", delete.expectedCAS != nil)
      add("T\(delete.exptime ?? 0)", delete.exptime != nil)
      add("E\(delete.newCAS)", true)
      add("F\(delete.clientFlags)", true)
    case .arithmetic(let arithmetic):
      add("q", arithmetic.isQuiet)
      add(arithmetic.increments ? "MI" : "MD", true)
      add("D\(arithmetic.delta)", true)
      add("J\(arithmetic.initial)", true)
      add("C\(arithmetic.expectedCAS)", true)
      add("E\(arithmetic.newCAS)", true)
      add("T\(arithmetic.exptime ?? 0)", arithmetic.exptime != nil)
      add("N\(arithmetic.vivifyExptime ?? 0)", arithmetic.vivifyExptime != nil)
    default: break
    }
    let name = [UInt8](line.prefix(2)) + [0x20] + Array(line[key.range.start..<key.range.end])
    return name + words.flatMap { [0x20] + Array($0.utf8) }
  }
}
