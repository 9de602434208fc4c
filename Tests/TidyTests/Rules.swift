// The rules of tidiness, each a function from a file to its complaints. What they are for is in Docs/style.md and in
// the architecture; whether they hold is asked in TidyTests, and whether they bite in RuleTests.

struct Complaint: CustomStringConvertible, Equatable {
  let path: String
  let line: Int
  let text: String
  var description: String { "\(path):\(line): \(text)" }
}

struct Rule: Sendable {
  let name: String
  let check: @Sendable (SourceFile) -> [Complaint]

  /// A rule about single lines.
  static func lines(
    _ name: String, where applies: @escaping @Sendable (SourceFile) -> Bool,
    _ fault: @escaping @Sendable (String) -> String?
  ) -> Rule {
    Rule(name: name) { file in
      guard applies(file) else { return [] }
      return file.lines.enumerated().compactMap { index, line in
        fault(line).map { Complaint(path: file.path, line: index + 1, text: $0) }
      }
    }
  }

  /// A rule about words of the code, comments and strings left out.
  static func words(
    _ name: String, where applies: @escaping @Sendable (SourceFile) -> Bool,
    _ fault: @escaping @Sendable (String) -> String?
  ) -> Rule {
    Rule(name: name) { file in
      guard file.isSwift, applies(file) else { return [] }
      return BlankedSwift(file.text).lines.enumerated().flatMap { index, line in
        BlankedSwift.words(line).compactMap(fault).map { Complaint(path: file.path, line: index + 1, text: $0) }
      }
    }
  }

  static let all = [
    unsafeRooms, imports, noFoundation, wireKnowsNoStore, storageKnowsNoProtocol, memoryKnowsNobody, coreKnowsNoSocket,
    openingComment, lineLength, noTabs, noTrailingBlanks, openTasks, fileLength,
  ]

  // What knows what.

  /// The rooms where pointers are allowed. Their contract is Docs/memory.md.
  /// TLS is among them for the pointers of OpenSSL.
  private static let unsafeFolders = ["Sources/CacheCore/Memory", "Sources/Events", "Sources/TLS"]

  static let unsafeRooms = Rule.words("unsafe only in the unsafe rooms") { file in
    file.isIn("Sources") && !unsafeFolders.contains { file.isIn($0) }
  } _: { word in
    word == "unsafe" ? "`unsafe` outside of \(unsafeFolders.joined(separator: ", "))" : nil
  }

  /// What each module may import of ours, and the folders of CacheCore that may see the system.
  private static let modulesBelow: [String: Set<String>] = [
    "CacheCore": ["CSystem"], "Options": [], "Events": ["CLibevent", "CSASL", "CSystem", "CacheCore"],
    "TLS": ["COpenSSL", "CacheCore", "Events"],
    "Server": ["CacheCore", "Events", "Options", "TLS"],
    "swiftcached": ["Server", "Options"], "Bench": ["Events"],
  ]

  static let imports = Rule(name: "imports go downwards only") { file in
    guard file.isSwift, let module = file.module else { return [] }
    guard let allowed = modulesBelow[module] else {
      return [Complaint(path: file.path, line: 1, text: "module \(module) has no row in the table of imports")]
    }
    let ours = Set(modulesBelow.keys).union(modulesBelow.values.flatMap { $0 })
    return imported(file).compactMap { line, name in
      if ours.contains(name), !allowed.contains(name) {
        return Complaint(path: file.path, line: line, text: "\(module) must not import \(name)")
      }
      let isRoomWithoutSystem = module == "CacheCore" && !file.isIn("Sources/CacheCore/Memory")
      if isRoomWithoutSystem, name != "Synchronization" {
        return Complaint(path: file.path, line: line, text: "only the Memory room of CacheCore imports \(name)")
      }
      return nil
    }
  }

  static let noFoundation = Rule(name: "nobody but tests imports Foundation") { file in
    guard file.isSwift, file.isIn("Sources") else { return [] }
    return imported(file).filter { $0.name.hasPrefix("Foundation") || $0.name == "Dispatch" }.map {
      Complaint(path: file.path, line: $0.line, text: "imports \($0.name)")
    }
  }

  private static func imported(_ file: SourceFile) -> [(line: Int, name: String)] {
    BlankedSwift(file.text).lines.enumerated().compactMap { index, line in
      let words = BlankedSwift.words(line)
      guard let place = words.firstIndex(of: "import") else { return nil }
      let kinds = ["struct", "class", "enum", "func", "let", "var", "protocol", "typealias"]
      guard let name = words[(place + 1)...].first(where: { !kinds.contains($0) }) else { return nil }
      return (index + 1, name)
    }
  }

  private static func ignorance(_ name: String, of folder: String, about unknown: Set<String>) -> Rule {
    Rule.words(name) {
      $0.isIn(folder)
    } _: { word in
      unknown.contains(word) ? "\(folder) mentions \(word)" : nil
    }
  }

  static let wireKnowsNoStore = ignorance(
    "Wire knows no store and nobody above it", of: "Sources/CacheCore/Wire",
    about: ["Store", "Engine", "Session", "Reservation", "SlabAllocator", "HashTable", "Socket"])
  static let storageKnowsNoProtocol = ignorance(
    "Storage knows no protocol and no client", of: "Sources/CacheCore/Storage",
    about: [
      "Session", "Engine", "Request", "Response", "Refusal", "TextParser", "TextComposer", "ReplyBuffer", "Socket",
      "Host",
    ])
  static let memoryKnowsNobody = ignorance(
    "Memory knows no room above it", of: "Sources/CacheCore/Memory",
    about: ["Store", "Engine", "Session", "Request", "Response", "SlabAllocator", "TextParser", "Socket"])
  static let coreKnowsNoSocket = ignorance(
    "the core knows no socket and no event", of: "Sources/CacheCore", about: ["Socket", "EventLoop", "Listener"])

  // How files look.

  static let openingComment = Rule(name: "files say what they are") { file in
    guard file.isSwift, file.isIn("Sources") else { return [] }
    let opening = file.lines.prefix { $0.hasPrefix("//") }
    if opening.count >= 2 { return [] }
    return [
      Complaint(path: file.path, line: 1, text: "opens with \(opening.count) lines of comment instead of 2 or more")
    ]
  }

  static let lineLength = Rule.lines("lines of at most 120") {
    $0.isCode
  } _: { line in
    line.count > 120 ? "\(line.count) characters" : nil
  }

  static let noTabs = Rule.lines("no tabs") {
    $0.path != "Makefile" && !$0.isIn("Tests/Transcripts")
  } _: { line in
    line.contains("\t") ? "a tab" : nil
  }

  static let noTrailingBlanks = Rule.lines("no blanks at the end of a line") {
    $0.isCode
  } _: { line in
    line.last == " " ? "a blank at the end" : nil
  }

  static let openTasks = Rule.lines("open tasks have a number") {
    !$0.isIn("Tests/TidyTests")
  } _: { line in
    for word in ["TODO", "FIXME"] {
      for part in line.components(separatedBy: word).dropFirst() {
        let number = part.drop { $0 == " " || $0 == ":" || $0 == "(" }
        let isNumbered = number.first == "#" && number.dropFirst().first?.isNumber == true
        // Inside of another word it is no task.
        if !isNumbered, part.first?.isLetter != true { return "\(word) without #number" }
      }
    }
    return nil
  }

  /// Files of more than 500 lines ask whether they hold two ideas; these were asked.
  private static let longFiles: [String: String] = [
    "Tests/clients/php/users.php": "one user's session after the other"
  ]

  static let fileLength = Rule(name: "no file over 500 lines without a reason") { file in
    guard file.isCode || file.path.hasSuffix(".php"), longFiles[file.path] == nil else { return [] }
    let count = file.lines.count
    return count > 501 ? [Complaint(path: file.path, line: count, text: "\(count - 1) lines")] : []
  }

  static var excusedLongFiles: [String] { longFiles.keys.sorted() }
}

extension StringProtocol {
  /// As Foundation's, for one separator.
  fileprivate func components(separatedBy separator: String) -> [String] {
    var parts: [String] = []
    var rest = Substring(self)
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}
