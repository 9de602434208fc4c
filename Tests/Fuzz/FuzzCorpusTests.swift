// The fuzz targets in every test run: all kept inputs, and some thousands of changed ones from a seed, so that what the
// fuzzer found once stays found on machines that never run it. FUZZ_COUNT and FUZZ_SEED make it longer and other.
import Foundation
import Testing

@Suite(.serialized) struct FuzzCorpusTests {
  private static let names = FuzzTarget.all.map(\.name)

  private func number(_ name: String, _ standard: UInt64) -> UInt64 {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? standard
  }

  @Test(arguments: names) func keptInputs(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let corpus = try FuzzCorpus(target: target)
    #expect(corpus.inputs.count >= 20)
    for input in corpus.inputs {
      if let objection = target.objection(input) { Issue.record("\(FuzzCorpus.escaped(input))\n\(objection)") }
    }
  }

  @Test(arguments: names) func changedInputs(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let seed = number("FUZZ_SEED", 1)
    var mutator = try Mutator(
      seed: seed, inputs: FuzzCorpus(target: target).inputs, words: FuzzCorpus.dictionary(target))
    for index in 0..<number("FUZZ_COUNT", 2000) {
      let input = mutator.next()
      guard let objection = target.objection(input) else { continue }
      Issue.record("seed \(seed), input \(index): \(FuzzCorpus.escaped(input))\n\(objection)")
      return
    }
  }

  // The checkers themselves.

  @Test func escapesComeBack() throws {
    let all = (0...255).map { UInt8($0) }
    for bytes in [all, [], [0x20], [0x23, 0x20], Array("a \\x".utf8)] {
      #expect(FuzzCorpus.bytes(ofEscaped: FuzzCorpus.escaped(bytes)[...]) == bytes)
    }
    #expect(FuzzCorpus.bytes(ofEscaped: "\\q") == nil)
    #expect(FuzzCorpus.bytes(ofEscaped: "\\x4") == [4])
  }

  @Test func scriptsAreRead() throws {
    let script = try #require(FuzzScript(Array("@get \u{0}a".utf8) + [0xfe, 0x63, 0x0a, 0xfe, 0x74, 0x05, 0xfe]))
    #expect(script.settings == .directWindows)
    #expect(
      script.steps == [.send(Array("get \u{0}a".utf8)), .cut, .send([0x0a]), .advance(seconds: 5), .send([0xfe])])
    #expect(script.joinedSteps == [.send(Array("get \u{0}a\n".utf8)), .advance(seconds: 5), .send([0xfe])])
    #expect(FuzzScript([]) == nil)
  }

  @Test func aPlayAnswers() throws {
    let script = try #require(FuzzScript(Array("\u{0}set a 0 0 3\r\nabc\r\nget a\r\nbad\r\n".utf8)))
    for joined in [true, false] {
      let play = FuzzPeer.play(script, joined: joined)
      #expect(play.objection == nil)
      #expect(play.replies == [1: Array("STORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\nERROR\r\n".utf8)])
    }
  }

  @Test(arguments: [
    "VALUE a 0 3\r\nab\r\nEND\r\n", "VALUE a 0\r\n\r\n", "VALUE a 0 0 x\r\n\r\n", "END", "END\n", "STOREDX\r\n", "\r\n",
    "12x\r\n", "VALUE a 0 5\r\nabc",
  ])
  func badRepliesAreSeen(_ text: String) { #expect(ReplyGrammar.objection(to: Array(text.utf8)) != nil) }

  @Test(arguments: ["", "END\r\n", "VALUE a 0 3\r\na\r\n\r\nEND\r\n", "12\r\nVERSION x\r\n", "VALUE a 0 0 2\r\n\r\n"])
  func goodRepliesAreSeen(_ text: String) { #expect(ReplyGrammar.objection(to: Array(text.utf8)) == nil) }
}
