// How reading the command line fails: a text for stderr and an exit status. It knows no option by name; the rows of the
// two tables and the cross checks make these.

/// The exit statuses of the process (the sysexits numbers where there is one).
public enum ExitStatus {
  public static let success: Int32 = 0
  /// A bad value of one option.
  public static let failure: Int32 = 1
  /// Options that contradict each other, or that this build lacks.
  public static let usage: Int32 = 64
  /// The user of `-u` does not exist.
  public static let noUser: Int32 = 67
  /// Listening, limits or changing the user failed.
  public static let systemError: Int32 = 71
}

/// Why the server does not start.
struct OptionError: Error, Equatable {
  /// One or more lines, without the last newline.
  var text: String
  var exitStatus: Int32

  /// A bad value of one option.
  static func failure(_ text: String) -> OptionError { OptionError(text: text, exitStatus: ExitStatus.failure) }

  /// A contradiction, or something this build lacks.
  static func usage(_ text: String) -> OptionError { OptionError(text: text, exitStatus: ExitStatus.usage) }
}
