// The repository's own files, found from this one's place, and their code without comments and strings. For the rules
// in this folder; it judges nothing itself.
import Foundation

struct SourceFile: Sendable {
  /// From the root of the repository, `Sources/CacheCore/Wire/Decimal.swift`.
  let path: String
  let text: String

  var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
  var name: String { String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]) }
  var isSwift: Bool { path.hasSuffix(".swift") }
  var isCode: Bool { isSwift || path.hasSuffix(".h") || path.hasSuffix(".c") }
  func isIn(_ folder: String) -> Bool { path.hasPrefix(folder + "/") }

  /// The module or room: `CacheCore` for a file anywhere under `Sources/CacheCore`.
  var module: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }
}

enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Every text file that belongs to the project.
  static let files: [SourceFile] = {
    let suffixes = ["swift", "h", "c", "md", "txt", "modulemap", "php", "sh", "yml", "yaml", "service"]
    let skipped = [".build", ".git", ".swiftpm"]
    var files: [SourceFile] = []
    for folder in ["Sources", "Tests", "Docs"] {
      let start = root.appendingPathComponent(folder)
      guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil) else { continue }
      for case let url as URL in walk {
        if skipped.contains(url.lastPathComponent) { walk.skipDescendants() }
        guard suffixes.contains(url.pathExtension), let text = try? String(contentsOf: url, encoding: .utf8) else {
          continue
        }
        files.append(SourceFile(path: relative(url), text: text))
      }
    }
    for name in ["Package.swift", "Makefile", "README.md"] {
      guard let text = try? String(contentsOf: root.appendingPathComponent(name), encoding: .utf8) else { continue }
      files.append(SourceFile(path: name, text: text))
    }
    return files.sorted { $0.path < $1.path }
  }()

  private static func relative(_ url: URL) -> String {
    String(url.standardizedFileURL.path.dropFirst(root.standardizedFileURL.path.count + 1))
  }

  static func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}

/// Swift text with comments and the contents of strings blanked, so that words in them are not taken for code. Line
/// numbers and columns stay.
struct BlankedSwift {
  let lines: [String]

  init(_ text: String) {
    var scanner = Scanner(rest: Array(text.unicodeScalars))
    scanner.code(until: nil)
    lines = String(String.UnicodeScalarView(scanner.out)).split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }

  /// The words of a line: identifiers and keywords.
  static func words(_ line: String) -> [String] {
    line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
  }

  private struct Scanner {
    let rest: [Unicode.Scalar]
    var position = 0
    var out: [Unicode.Scalar] = []

    init(rest: [Unicode.Scalar]) { self.rest = rest }

    func isNext(_ text: String) -> Bool {
      let wanted = Array(text.unicodeScalars)
      return position + wanted.count <= rest.count && Array(rest[position..<(position + wanted.count)]) == wanted
    }

    mutating func take(_ count: Int = 1, blank: Bool) {
      for _ in 0..<count where position < rest.count {
        out.append(blank && rest[position] != "\n" ? " " : rest[position])
        position += 1
      }
    }

    /// Code up to the closing parenthesis of an interpolation, or to the end.
    mutating func code(until end: Unicode.Scalar?) {
      var depth = 0
      while position < rest.count {
        if isNext("//") {
          while position < rest.count, rest[position] != "\n" { take(blank: true) }
        } else if isNext("/*") {
          comment()
        } else if let hashes = stringStart() {
          string(hashes: hashes)
        } else {
          if rest[position] == "(" { depth += 1 }
          if rest[position] == ")" {
            if depth == 0, end == ")" { return }
            depth -= 1
          }
          take(blank: false)
        }
      }
    }

    /// How many `#` open the string that begins here; nil when none begins.
    private func stringStart() -> Int? {
      var place = position
      while place < rest.count, rest[place] == "#" { place += 1 }
      return place < rest.count && rest[place] == "\"" ? place - position : nil
    }

    private mutating func comment() {
      var depth = 0
      repeat {
        if isNext("/*") {
          depth += 1
          take(2, blank: true)
        } else if isNext("*/") {
          depth -= 1
          take(2, blank: true)
        } else {
          take(blank: true)
        }
      } while depth > 0 && position < rest.count
    }

    private mutating func string(hashes: Int) {
      let hash = String(repeating: "#", count: hashes)
      take(hashes, blank: true)
      let quote = isNext("\"\"\"") ? "\"\"\"" : "\""
      take(quote.count, blank: true)
      while position < rest.count, !isNext(quote + hash) {
        if isNext("\\" + hash + "(") {
          take(2 + hashes, blank: true)
          code(until: ")")
          take(blank: true)
        } else if hashes == 0, isNext("\\") {
          take(2, blank: true)
        } else if quote == "\"", rest[position] == "\n" {
          return
        } else {
          take(blank: true)
        }
      }
      take(quote.count + hashes, blank: true)
    }
  }
}
