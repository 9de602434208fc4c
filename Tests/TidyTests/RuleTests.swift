// The rules' own test: each is shown a planted violation and must complain, and something that only looks like one and
// must not. A rule that cannot fail is no rule.
import Testing

struct RuleTests {
  private static let wire = "Sources/CacheCore/Wire/Planted.swift"
  private static let storage = "Sources/CacheCore/Storage/Planted.swift"
  private static let memory = "Sources/CacheCore/Memory/Planted.swift"

  private func complaints(_ rule: Rule, _ path: String, _ text: String) -> [Complaint] {
    rule.check(SourceFile(path: path, text: text))
  }

  @Test func unsafe() {
    let rule = Rule.unsafeRooms
    #expect(complaints(rule, RuleTests.storage, "let a = 1\nlet b = unsafe c\n").map(\.line) == [2])
    #expect(complaints(rule, RuleTests.storage, "@unsafe func a() {}\n").count == 1)
    #expect(complaints(rule, "Sources/Server/Planted.swift", "let a = \"\\(unsafe b)\"\n").count == 1)
    #expect(complaints(rule, RuleTests.memory, "let b = unsafe c\n") == [])
    #expect(complaints(rule, "Sources/Events/Planted.swift", "let b = unsafe c\n") == [])
    #expect(complaints(rule, "Tests/Planted.swift", "let b = unsafe c\n") == [])
    let harmless = """
      // unsafe
      /* unsafe /* still */ unsafe */ let unsafeThing = "unsafe" + #"unsafe " unsafe"# // unsafe
      let text = "a \\" unsafe \\(b ? "unsafe" : "// unsafe") unsafe"
      """
    #expect(complaints(rule, RuleTests.storage, harmless) == [])
  }

  @Test func imports() {
    let rule = Rule.imports
    #expect(complaints(rule, RuleTests.memory, "import CSystem\nimport Glibc\nimport Synchronization\n") == [])
    #expect(complaints(rule, RuleTests.memory, "import Events\n").count == 1)
    #expect(complaints(rule, RuleTests.wire, "import Synchronization\n") == [])
    #expect(complaints(rule, RuleTests.wire, "import Glibc\n").count == 1)
    #expect(complaints(rule, RuleTests.wire, "import CSystem\n").count == 1)
    #expect(complaints(rule, "Sources/Options/A.swift", "import Glibc\n") == [])
    #expect(complaints(rule, "Sources/Options/A.swift", "import CacheCore\n").count == 1)
    #expect(complaints(rule, "Sources/Events/A.swift", "import CacheCore\nimport CLibevent\n") == [])
    #expect(complaints(rule, "Sources/Events/A.swift", "\n@testable import Server\n").map(\.line) == [2])
    #expect(complaints(rule, "Sources/Server/A.swift", "import CLibevent\n").count == 1)
    #expect(complaints(rule, "Sources/Server/A.swift", "import struct Bench.Report\n").count == 1)
    #expect(complaints(rule, "Sources/Nowhere/A.swift", "").count == 1)
    #expect(complaints(rule, "Tests/A.swift", "import Server\n") == [])
  }

  @Test func foundation() {
    let rule = Rule.noFoundation
    #expect(complaints(rule, "Sources/Server/A.swift", "import Foundation\n").count == 1)
    #expect(complaints(rule, "Sources/Server/A.swift", "import FoundationEssentials\n").count == 1)
    #expect(complaints(rule, "Sources/Server/A.swift", "import Dispatch\n").count == 1)
    #expect(complaints(rule, "Sources/Server/A.swift", "// import Foundation\n") == [])
    #expect(complaints(rule, "Tests/A.swift", "import Foundation\n") == [])
  }

  @Test func ignorance() {
    #expect(complaints(.wireKnowsNoStore, RuleTests.wire, "let a: Pinned<Store>\n").count == 1)
    #expect(complaints(.wireKnowsNoStore, RuleTests.wire, "func a(_ b: inout Engine) {}\n").count == 1)
    #expect(complaints(.wireKnowsNoStore, RuleTests.wire, "/// A Store is not known.\nlet a: StoreMode\n") == [])
    #expect(complaints(.wireKnowsNoStore, RuleTests.storage, "let a: Store\n") == [])
    #expect(complaints(.storageKnowsNoProtocol, RuleTests.storage, "let a: Session\n").count == 1)
    #expect(complaints(.storageKnowsNoProtocol, RuleTests.storage, "let a: Request\n").count == 1)
    #expect(complaints(.storageKnowsNoProtocol, RuleTests.storage, "let a: StoreRequest\n") == [])
    #expect(complaints(.memoryKnowsNobody, RuleTests.memory, "let a: Store\n").count == 1)
    #expect(complaints(.coreKnowsNoSocket, "Sources/CacheCore/Commands/A.swift", "let a: Socket\n").count == 1)
  }

  @Test func looks() {
    #expect(complaints(.openingComment, RuleTests.wire, "// One line.\nlet a = 1\n").count == 1)
    #expect(complaints(.openingComment, RuleTests.wire, "import Glibc\n// One.\n// Two.\n").count == 1)
    #expect(complaints(.openingComment, RuleTests.wire, "// One.\n// Two.\nimport Glibc\n") == [])
    let long = String(repeating: "x", count: 120)
    #expect(complaints(.lineLength, RuleTests.wire, "a\n\(long)\n") == [])
    #expect(complaints(.lineLength, RuleTests.wire, "a\n\(long)x\n").map(\.line) == [2])
    #expect(complaints(.noTabs, RuleTests.wire, "a\n\tb\n").map(\.line) == [2])
    #expect(complaints(.noTabs, "Makefile", "\tb\n") == [])
    #expect(complaints(.noTrailingBlanks, RuleTests.wire, "a \nb\n").map(\.line) == [1])
    let lines = { (count: Int) in String(repeating: "a\n", count: count) }
    #expect(complaints(.fileLength, RuleTests.wire, lines(500)) == [])
    #expect(complaints(.fileLength, RuleTests.wire, lines(501)).count == 1)
    #expect(complaints(.fileLength, "Tests/clients/php/users.php", lines(600)) == [])
  }

  @Test(arguments: [
    "// TODO later", "// TODO", "// FIXME: now", "let a = 1 // FIXME", "// TODO(#)", "// TODO #12, TODO b",
  ])
  func openTasks(_ line: String) { #expect(complaints(.openTasks, RuleTests.wire, line).count == 1) }

  @Test(arguments: ["// TODO #12: later", "// TODO: #7", "// FIXME(#3)", "// TODOLIST", "// nothing to do"])
  func numberedTasks(_ line: String) { #expect(complaints(.openTasks, RuleTests.wire, line) == []) }

  @Test func tables() {
    let text = "    case .get: \"get\"\n    case .flushAll: \"flush_all\"\n    case .none: nil\n  let a: A = \"x\"\n"
    #expect(Tables.quotedCases(text) == ["get", "flush_all"])
    let rows = "      GeneralStat(\"pid\", .host { String($0.pid) }),\n    // GeneralStat(\"no\")\n"
    #expect(Tables.rows(rows, of: "GeneralStat") == ["pid"])
  }

  @Test func blankingKeepsLinesAndColumns() {
    let text = "let a = \"x\\(y + \"z\")\" // c\n/* d\n e */ f\nlet s = \"\"\"\n  g \\(h)\n  \"\"\"\nlet i = j\n"
    let blanked = BlankedSwift(text).lines
    #expect(blanked.count == 8)
    #expect(blanked.flatMap { BlankedSwift.words($0) } == ["let", "a", "y", "f", "let", "s", "h", "let", "i", "j"])
    #expect(blanked.map(\.count) == text.split(separator: "\n", omittingEmptySubsequences: false).map(\.count))
  }
}
