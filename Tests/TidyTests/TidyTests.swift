// Whether the repository keeps its own rules, one test a rule; and whether the tables that users meet (verbs,
// statistics) are shown in a transcript or told in the documents. The rules are in Rules.swift.
import Testing

struct TidyTests {
  @Test(arguments: 0..<Rule.all.count) func theRepositoryKeeps(_ index: Int) {
    let rule = Rule.all[index]
    let complaints = Repository.files.flatMap { rule.check($0) }
    let list = complaints.prefix(20).map(\.description).joined(separator: "\n")
    #expect(complaints.count == 0, "\(rule.name):\n\(list)")
  }

  /// Otherwise a walk that finds nothing would find everything tidy.
  @Test func filesAreFound() {
    let paths = Set(Repository.files.map(\.path))
    let expected = [
      "Package.swift", "Makefile", "Sources/CacheCore/Storage/Store.swift", "Sources/CSystem/shim.h",
      "Tests/TidyTests/TidyTests.swift", "Tests/Transcripts/set-and-get.txt",
    ]
    #expect(expected.filter { !paths.contains($0) } == [])
    #expect(Repository.files.filter { $0.isSwift && $0.isIn("Sources") }.count > 50)
    #expect(!paths.contains { $0.contains(".build/") })
  }

  @Test func excusesAreStillNeeded() {
    for path in Rule.excusedLongFiles {
      guard let file = Repository.file(path) else { continue }
      #expect(file.lines.count > 500, "\(path) is no longer long: take its excuse away")
    }
  }

  @Test func everyVerbIsInATranscript() throws {
    let table = try #require(Repository.file("Sources/CacheCore/Wire/CommandTable.swift"))
    let verbs = Tables.quotedCases(table.text)
    #expect(verbs.count >= 21)
    let sent = Repository.files.filter { $0.isIn("Tests/Transcripts") && $0.path.hasSuffix(".txt") }.flatMap(\.lines)
    let words = Set(sent.flatMap { $0.split { !($0.isLetter || $0 == "_") }.map(String.init) })
    let missing = verbs.filter { !words.contains($0) }
    #expect(missing == [], "no transcript sends these")
  }

  @Test func everyStatisticIsInATranscriptOrDocument() throws {
    let table = try #require(Repository.file("Sources/CacheCore/Stats/GeneralStats.swift"))
    let names = Tables.rows(table.text, of: "GeneralStat")
    #expect(names.count >= 70)
    let shown = Repository.files.filter { $0.isIn("Tests/Transcripts") || $0.isIn("Docs") }
    let words = Set(shown.flatMap { BlankedSwift.words($0.text) })
    let missing = names.filter { !words.contains($0) }
    #expect(missing == [], "neither a transcript nor a document mentions these")
  }
}

/// Names in the sources' tables.
enum Tables {
  /// The texts of rows like `case .flushAll: "flush_all"`.
  static func quotedCases(_ text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
      let isRow = line.drop { $0 == " " }.hasPrefix("case .") && parts.count == 3 && parts[0].hasSuffix(": ")
      return isRow ? String(parts[1]) : nil
    }
  }

  /// The first texts of calls like `GeneralStat("cmd_get", ...)`.
  static func rows(_ text: String, of type: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
      return parts.count >= 3 && parts[0].drop { $0 == " " } == "\(type)(" ? String(parts[1]) : nil
    }
  }
}
