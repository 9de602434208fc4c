// From the words of a command line to Settings, or to a text and an exit status. It drives Getopt and the two tables
// and then the cross checks; names, values and messages of single options are with their rows.

/// What the process does after its command line was read.
public enum Outcome: Sendable {
  /// Start. The warnings are lines for stderr, without newlines.
  case run(Settings, warnings: [String])
  /// Write `text`, which ends in a newline, to stdout or stderr and exit.
  case stop(text: String, toStandardOutput: Bool, exitStatus: Int32)
}

/// Reads command lines.
public enum CommandLineParser {
  /// - Parameters:
  ///   - arguments: the words after the program's name.
  ///   - programName: the program's name as called, for the messages that start with it.
  ///   - isRoot: whether the real or the effective user is root, who must say with `-u` whom to become.
  public static func parse(_ arguments: [String], programName: String, isRoot: Bool) -> Outcome {
    var draft = Draft()
    do {
      if let answer = try read(arguments, programName, into: &draft) {
        return .stop(text: answer, toStandardOutput: true, exitStatus: ExitStatus.success)
      }
      try CrossChecks.apply(to: &draft, isRoot: isRoot)
      try ListenGrammar.apply(to: &draft)
      try AuthenticationChecks.checkListeners(&draft.settings)
    } catch {
      let lines = draft.warnings + [error.text]
      return .stop(
        text: lines.joined(separator: "\n") + "\n", toStandardOutput: false, exitStatus: error.exitStatus)
    }
    return .run(draft.settings, warnings: draft.warnings + draft.notices)
  }

  /// Applies every option in its order. Returns the text of `-h`, `-i` or `-V`, which act the moment they are met.
  private static func read(
    _ arguments: [String], _ programName: String, into draft: inout Draft
  ) throws(OptionError) -> String? {
    var getopt = Getopt(arguments, programName: programName)
    while let (row, rawValue) = try getopt.nextOption() {
      let value = String((rawValue ?? "").drop(while: \.isWhitespace))
      try row.availability.check(row.title)
      switch row.answer {
      case .usage: return Usage.text
      case .license: return Usage.license
      case .version: return Usage.version
      case nil: try row.effect.apply(to: &draft, value: value)
      }
    }
    draft.settings.mode = getopt.mode
    return nil
  }
}
