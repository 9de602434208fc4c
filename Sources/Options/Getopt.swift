// Takes the words of a command line apart into options and values the way GNU getopt_long does: bundled letters,
// attached and detached values, abbreviated long names, words that are no options in between. It knows the rows' names
// and argument kinds; what an option means is not decided here.

/// One pass over the words after the program's name.
struct Getopt {
  private let words: [String]
  private let programName: String
  private var next = 0
  /// Letters left in a word of bundled letters.
  private var bundle: Substring = ""
  /// What the words so far say the process is for.
  private(set) var mode = RunMode.serve

  init(_ words: [String], programName: String) {
    self.words = words
    self.programName = programName
  }

  /// The next option with its value (nil when it has none), or nil at the end. Words that are no options are skipped.
  /// Throws getopt's own message for an unknown option or a value missing or too much.
  mutating func nextOption() throws(OptionError) -> (row: OptionRow, value: String?)? {
    while bundle.isEmpty {
      guard next < words.count else { return nil }
      let word = words[next]
      next += 1
      if word == "--" { return nil }
      if let row = RunModeTable.row(word.dropFirst(2)), word.hasPrefix("--") {
        mode = row.mode
      } else if word.hasPrefix("--") {
        return try longOption(word.dropFirst(2))
      } else if word.hasPrefix("-") {
        bundle = word.dropFirst()
      }
    }
    return try shortOption()
  }

  private mutating func shortOption() throws(OptionError) -> (row: OptionRow, value: String?) {
    let letter = bundle.removeFirst()
    guard let row = OptionTable.row(letter) else { throw refusal("invalid option -- '\(letter)'") }
    guard row.argument == .required else { return (row, nil) }
    if !bundle.isEmpty {
      defer { bundle = "" }
      return (row, String(bundle))
    }
    guard let value = takeWord() else { throw refusal("option requires an argument -- '\(letter)'") }
    return (row, value)
  }

  private mutating func longOption(_ text: Substring) throws(OptionError) -> (row: OptionRow, value: String?) {
    let name = text.prefix { $0 != "=" }
    let attached = name.endIndex < text.endIndex ? String(text[name.endIndex...].dropFirst()) : nil
    let (row, longName) = try match(name, in: text)
    switch row.argument {
    case .none where attached != nil: throw refusal("option '--\(longName)' doesn't allow an argument")
    case .required where attached == nil:
      guard let value = takeWord() else { throw refusal("option '--\(longName)' requires an argument") }
      return (row, value)
    default: return (row, attached)
    }
  }

  /// The row whose long name is `name`, or the only one whose long name starts with it.
  private func match(_ name: Substring, in text: Substring) throws(OptionError) -> (OptionRow, String) {
    var candidates: [(OptionRow, String)] = []
    for row in OptionTable.rows {
      guard let long = row.long, long.hasPrefix(name) else { continue }
      if long == name { return (row, long) }
      candidates.append((row, long))
    }
    guard let only = candidates.first else { throw refusal("unrecognized option '--\(text)'") }
    guard candidates.count == 1 else {
      let names = candidates.map { " '--\($0.1)'" }.joined()
      throw refusal("option '--\(text)' is ambiguous; possibilities:\(names)")
    }
    return only
  }

  private mutating func takeWord() -> String? {
    guard next < words.count else { return nil }
    defer { next += 1 }
    return words[next]
  }

  private func refusal(_ complaint: String) -> OptionError {
    .failure("\(programName): \(complaint)\nIllegal argument \"?\"")
  }
}
