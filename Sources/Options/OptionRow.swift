// What a row of the two option tables is made of: names, argument, help, availability and effect. The rows themselves
// are in OptionTable (-p, --port) and ExtendedOptionTable (-o hashpower).

/// Whether an option takes a value.
public enum ArgumentKind: Sendable {
  case none
  case required
  case optional
}

/// The heading of the usage text an option stands under.
public enum OptionGroup: String, CaseIterable, Sendable {
  case network = "Network"
  case memory = "Memory"
  case lists = "Eviction lists and crawler"
  case access = "Access"
  case process = "Process"
  case information = "Information"
  case compatibility = "Accepted for compatibility"
}

/// Whether this build has what an option is about.
public enum Availability: Sendable {
  case available
  /// Accepted and checked, because the start scripts of many sites contain it, with a warning that names it: what it
  /// tunes does not exist in this build yet.
  case withoutEffectYet
  /// Refused by name.
  case notInBuild
  /// Refused with the sentence operators know for it, the support's name in it.
  case needsSupport(String)

  /// Whether the option works.
  public var isUsable: Bool {
    switch self {
    case .available, .withoutEffectYet: true
    case .notInBuild, .needsSupport: false
    }
  }

  /// What the operator is told although the option is accepted; nil when there is nothing to tell.
  func warning(_ name: String) -> String? {
    guard case .withoutEffectYet = self else { return nil }
    return "warning: \(name) is accepted but has no effect in this build"
  }

  /// Throws unless the option is served. `name` is how the operator finds it on the command line.
  func check(_ name: String) throws(OptionError) {
    switch self {
    case .available, .withoutEffectYet: return
    case .notInBuild:
      throw .usage("\(name) is not available in this build\nRemove it from the command line to start without it.")
    case .needsSupport(let support):
      throw .usage("This server is not built with \(support) support.\nRemove \(name) to start without it.")
    }
  }
}

/// What reading the command line collects before the cross checks make `Settings` of it.
struct Draft: Sendable {
  var settings = Settings()
  /// Lines for stderr, without newlines.
  var warnings: [String] = []
  /// More such lines, told only when the server starts: what was accepted without effect.
  var notices: [String] = []
  /// The value of `-o slab_sizes`; checked late, because `-n` and `slab_chunk_max` may follow it.
  var slabSizesText: String?
  /// `-o slab_chunk_max` came before, so `no_modern` leaves it alone.
  var slabChunkMaxWasGiven = false
  /// -B came: -S and -Y choose a protocol only when nobody else did.
  var bindingWasGiven = false
  /// `-o lru_policy` came: what tunes another order does not choose it.
  var policyWasGiven = false
}

/// What an option does when it is met.
enum Effect: Sendable {
  /// Accepted and without meaning here.
  case nothing
  case set(WritableKeyPath<Settings, Bool> & Sendable, to: Bool)
  case run(@Sendable (inout Draft, String) throws(OptionError) -> Void)

  func apply(to draft: inout Draft, value: String) throws(OptionError) {
    switch self {
    case .nothing: break
    case .set(let path, let state): draft.settings[keyPath: path] = state
    case .run(let body): try body(&draft, value)
    }
  }
}

/// A text an option prints instead of starting the server.
enum Answer: Sendable {
  case usage
  case license
  case version
}

/// One option of the command line.
public struct OptionRow: Sendable {
  public let short: Character
  public let long: String?
  public let argument: ArgumentKind
  /// What stands for the value in the usage text; empty without one.
  public let placeholder: String
  public let group: OptionGroup
  public let help: String
  public let availability: Availability
  let effect: Effect
  /// Set for the options that print a text and end the program.
  let answer: Answer?

  init(
    _ short: Character, _ long: String?, value placeholder: String = "", optional: Bool = false, _ group: OptionGroup,
    _ help: String, _ effect: Effect, _ availability: Availability = .available, answer: Answer? = nil
  ) {
    self.short = short
    self.long = long
    self.argument = optional ? .optional : placeholder.isEmpty ? .none : .required
    self.placeholder = placeholder
    self.group = group
    self.help = help
    self.availability = availability
    self.effect = effect
    self.answer = answer
  }

  /// How messages name the option: `-e (--memory-file)`.
  public var title: String { long.map { "-\(short) (--\($0))" } ?? "-\(short)" }
}

/// One name of the `-o` list.
public struct ExtendedOptionRow: Sendable {
  public let name: String
  public let argument: ArgumentKind
  /// What stands for the value in the usage text; empty without one.
  public let placeholder: String
  public let group: OptionGroup
  public let help: String
  public let availability: Availability
  /// The message when a required value is missing.
  let missingText: String
  /// The value an optional argument has when only the name is written.
  let bareValue: String
  let effect: Effect

  init(
    _ name: String, value placeholder: String = "", bare: String? = nil, _ group: OptionGroup, _ help: String,
    missing: String? = nil, _ effect: Effect, _ availability: Availability = .available
  ) {
    self.name = name
    self.argument = bare != nil ? .optional : placeholder.isEmpty ? .none : .required
    self.placeholder = placeholder
    self.group = group
    self.help = help
    self.availability = availability
    self.missingText = missing ?? "Missing \(name) argument"
    self.bareValue = bare ?? ""
    self.effect = effect
  }
}
