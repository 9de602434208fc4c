// The texts of -h, -i and -V. The options come from the two tables: a row this build cannot serve is left out, since
// tools read the text to learn what the server can do.

/// What the program prints about itself.
enum Usage {
  private static let width = 80
  private static let helpColumn = 32

  /// The first line of `-h` and `-i`, all of `-V`.
  static var version: String { "memcached \(Version.text)\n" }

  /// The text of `-h`: every usable option under the heading of its group.
  static var text: String {
    var text = version + "An in-memory cache that speaks the memcached protocol.\nUsage: memcached [option]...\n"
    for group in OptionGroup.allCases {
      let rows = OptionTable.rows.filter { $0.group == group && $0.availability.isUsable }
      text += section(group.rawValue, rows.map { (synopsis($0), $0.help) } + modes(group))
    }
    text += "\nExtended options, written -o name,name=value\n"
    for group in OptionGroup.allCases {
      let rows = ExtendedOptionTable.rows.filter {
        $0.group == group && $0.availability.isUsable && !$0.help.isEmpty
      }
      text += section(group.rawValue, rows.map { (synopsis($0), $0.help + suffix($0.availability)) })
    }
    return text
  }

  /// The options without a letter, all of which print something and exit.
  private static func modes(_ group: OptionGroup) -> [(synopsis: String, help: String)] {
    group == .information ? RunModeTable.rows.map { ("    --\($0.long)", $0.help) } : []
  }

  private static func suffix(_ availability: Availability) -> String {
    if case .withoutEffectYet = availability { " (no effect yet)" } else { "" }
  }

  /// The text of `-i`.
  static var license: String {
    version + """

      swiftcached is licensed under the Apache License, Version 2.0; you may obtain a
      copy at http://www.apache.org/licenses/LICENSE-2.0. It is distributed on an
      "AS IS" basis, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or
      implied.

      It is an independent implementation of the protocol, options and statistics of
      memcached, which was created by Danga Interactive and is kept by its
      contributors (https://memcached.org). It uses libevent (https://libevent.org),
      which is licensed under the 3-clause BSD licence.

      """
  }

  /// `-p, --port=<num>`; an optional value is not shown.
  private static func synopsis(_ row: OptionRow) -> String {
    guard let long = row.long else { return "-\(row.short) \(row.placeholder)" }
    return "-\(row.short), --\(long)\(row.placeholder.isEmpty ? "" : "=\(row.placeholder)")"
  }

  private static func synopsis(_ row: ExtendedOptionRow) -> String {
    switch row.argument {
    case .none: row.name
    case .required: "\(row.name)=\(row.placeholder)"
    case .optional: "\(row.name)[=\(row.placeholder)]"
    }
  }

  private static func section(_ title: String, _ rows: [(synopsis: String, help: String)]) -> String {
    guard !rows.isEmpty else { return "" }
    return "\n\(title):\n" + rows.map { line($0.synopsis, $0.help) }.joined()
  }

  /// A synopsis in the left column and its help, wrapped, in the right one.
  private static func line(_ synopsis: String, _ help: String) -> String {
    var text = ""
    var current = "  \(synopsis)"
    if current.count >= helpColumn {
      text = current + "\n"
      current = ""
    }
    current += String(repeating: " ", count: helpColumn - current.count)
    for word in help.split(separator: " ") {
      if current.count + word.count > width {
        text += trimmed(current) + "\n"
        current = String(repeating: " ", count: helpColumn)
      }
      current += "\(word) "
    }
    return text + trimmed(current) + "\n"
  }

  private static func trimmed(_ line: String) -> Substring {
    line.dropLast(line.reversed().prefix { $0 == " " }.count)
  }
}
