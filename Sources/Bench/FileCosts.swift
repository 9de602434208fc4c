// Which source file a server's instructions come from, code that was inlined with the file where it was written: read
// from what callgrind writes down. Only for a program with debug information; the rest counts for its library.

struct FileCosts: Equatable {
  private(set) var instructions: [String: Double] = [:]

  init() {}

  /// Reads a file of callgrind's format: `fl=`, `fi=` and `fe=` say whose the lines of numbers are that follow, `ob=`
  /// which program or library. The line behind `calls=` is of the function called, and counted there.
  init(_ text: String) {
    var names: [Substring: String] = [:]
    var library = ""
    var file = ""
    var isCall = false
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      guard let first = line.first else { continue }
      if FileCosts.beginsPosition(first) {
        if !isCall, let cost = line.split(separator: UInt8(ascii: " ")).dropFirst().first {
          instructions[file, default: 0] += Double(Substring(cost)) ?? 0
        }
        isCall = false
      } else if let (key, value) = FileCosts.header(line) {
        switch key {
        case "ob": library = FileCosts.name(value, "ob", &names)
        case "fl", "fi", "fe":
          let name = FileCosts.name(value, "fl", &names)
          file = name.hasSuffix(".swift") || name.hasSuffix(".h") ? name : library
        // Whose function is called; the name may stand here for the first time.
        case "cob": _ = FileCosts.name(value, "ob", &names)
        case "cfl", "cfi": _ = FileCosts.name(value, "fl", &names)
        case "calls": isCall = true
        default: break
        }
      }
    }
  }

  /// Lines of numbers begin with a place in the source, which may be told by its distance from the last.
  private static func beginsPosition(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "*"): true
    default: false
    }
  }

  private static func header(_ line: Substring.UTF8View) -> (key: Substring, value: Substring)? {
    guard let equals = line.prefix(6).firstIndex(of: UInt8(ascii: "=")) else { return nil }
    return (Substring(line[..<equals]), Substring(line[line.index(after: equals)...]))
  }

  /// What `(12) path`, or later `(12)`, stands for: the last part of the path.
  private static func name(_ value: Substring, _ kind: String, _ names: inout [Substring: String]) -> String {
    guard let end = value.firstIndex(of: ")") else { return String(value) }
    let number = kind + value[...end]
    let path = value[end...].dropFirst(2)
    if !path.isEmpty { names[number[...]] = path.split(separator: "/").last.map(String.init) ?? String(path) }
    return names[number[...]] ?? ""
  }

  /// What is more than in `other`, for one of `count`.
  func costs(beyond other: FileCosts, count: Double) -> FileCosts {
    var costs = FileCosts()
    for (file, cost) in instructions {
      costs.instructions[file] = max(0, cost - (other.instructions[file] ?? 0)) / count
    }
    return costs
  }
}
