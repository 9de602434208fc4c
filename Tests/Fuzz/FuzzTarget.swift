// What is fuzzed: one row a target. A target is a function from bytes to an objection, or to nil when all is as it must
// be; a trap or a sanitizer's report is an objection too. libFuzzer calls it (LibFuzzer.swift, `make fuzz`), and so
// does the replay of the corpus in every test run (FuzzCorpusTests). To add a target: one file like TextFuzz.swift, a
// row here, seeds in Corpus/<name>.txt, words in Dictionaries/<name>.dict.

struct FuzzTarget: Sendable {
  let name: String
  /// What is wrong with what the code under test made of these bytes, in a sentence; nil when nothing is.
  let objection: @Sendable (_ input: [UInt8]) -> String?

  static let all = [
    FuzzTarget(name: "text", objection: TextFuzz.objection),
    FuzzTarget(name: "meta", objection: MetaFuzz.objection),
    FuzzTarget(name: "binary", objection: BinaryFuzz.objection),
    FuzzTarget(name: "session", objection: SessionFuzz.objection),
    FuzzTarget(name: "login", objection: LoginFuzz.objection),
  ]

  static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}
