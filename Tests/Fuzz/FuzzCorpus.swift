// The inputs that are kept, many in one text file: a line an input, with escapes as in C, so that a reader sees what is
// sent and a change to the corpus is a readable diff. libFuzzer wants a directory with a file an input: `unpack` makes
// one. Lines that begin with `#` are comments; they are lost when `make fuzz-minimise` writes the file anew.
import Foundation

struct FuzzCorpus {
  var inputs: [[UInt8]]

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  struct Damage: Error, CustomStringConvertible {
    let description: String
  }

  init(inputs: [[UInt8]]) { self.inputs = inputs }

  /// The kept inputs of a target.
  init(target: FuzzTarget) throws {
    try self.init(file: FuzzCorpus.folder.appendingPathComponent("Corpus/\(target.name).txt").path)
  }

  init(file: String) throws {
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    inputs = try lines.filter { !$0.hasPrefix("#") }.map { line in
      guard let input = FuzzCorpus.bytes(ofEscaped: line) else { throw Damage(description: "\(file): \(line)") }
      return input
    }
  }

  /// All files of a directory.
  init(directory: String) throws {
    let manager = FileManager.default
    inputs = try manager.contentsOfDirectory(atPath: directory).sorted().compactMap { name in
      manager.contents(atPath: "\(directory)/\(name)").map { Array($0) }
    }
  }

  /// Shortest first, so that the file has one order whatever the inputs were called.
  func write(to file: String) throws {
    let lines = Set(inputs.filter { !$0.isEmpty }.map(FuzzCorpus.escaped)).sorted {
      ($0.utf8.count, $0) < ($1.utf8.count, $1)
    }
    try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
  }

  func unpack(into directory: String) throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for (index, input) in inputs.enumerated() {
      try Data(input).write(to: URL(fileURLWithPath: "\(directory)/kept-\(index)"))
    }
  }

  /// The words of a target's dictionary, in libFuzzer's notation: a quoted word a line, `#` for comments.
  static func dictionary(_ target: FuzzTarget) throws -> [[UInt8]] {
    let file = folder.appendingPathComponent("Dictionaries/\(target.name).dict").path
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    return try lines.filter { !$0.hasPrefix("#") }.map { line in
      guard line.count > 2, line.first == "\"", line.last == "\"",
        let word = bytes(ofEscaped: line.dropFirst().dropLast())
      else { throw Damage(description: "\(file): \(line)") }
      return word
    }
  }

  // Escapes.

  static func escaped(_ bytes: [UInt8]) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case 0x0a: text += "\\n"
      case 0x0d: text += "\\r"
      case 0x5c: text += "\\\\"
      case 0x23 where index == 0: text += "\\x23"
      // A blank at an end of the line would be lost or seen as a slip.
      case 0x20 where index == 0 || index == bytes.count - 1: text += "\\x20"
      case 0x20...0x7e: text += String(UnicodeScalar(byte))
      default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return text
  }

  /// nil when the escapes are not ours.
  static func bytes(ofEscaped text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == 0x5c else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "n"): bytes.append(0x0a)
      case UInt8(ascii: "r"): bytes.append(0x0d)
      case UInt8(ascii: "\\"): bytes.append(0x5c)
      case UInt8(ascii: "\""): bytes.append(0x22)
      case UInt8(ascii: "x"):
        guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
        bytes.append(value)
        rest = rest.dropFirst(2)
      default: return nil
      }
    }
    return bytes
  }
}
