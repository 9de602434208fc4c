// What the tests of Options share: short ways to parse a line and to see what it did. No expectations live here.
import Testing

@testable import Options

/// Why a line stopped, as the process would show it.
struct Stop: Equatable {
  var text: String
  var toStandardOutput: Bool
  var exitStatus: Int32
}

func parse(_ words: [String], isRoot: Bool = false) -> Outcome {
  CommandLineParser.parse(words, programName: "memcached", isRoot: isRoot)
}

/// The settings of a line that must be accepted.
func settings(_ words: [String], isRoot: Bool = false) throws -> Settings {
  guard case .run(let settings, _) = parse(words, isRoot: isRoot) else {
    Issue.record("refused: \(parse(words, isRoot: isRoot))")
    throw Refused()
  }
  return settings
}

struct Refused: Error {}

/// What a server of these settings reports at its start, with the slab table that they describe.
func runtime(_ settings: Settings) -> RuntimeSettings {
  RuntimeSettings(
    memoryLimitBytes: settings.memoryLimitBytes, verbosity: settings.verbosity, oldestSeconds: 0,
    detailEnabled: settings.detailEnabled, growthFactor: settings.growthFactor,
    largestChunkBytes: settings.slabChunkMaxBytes)
}

/// How a line stops; nil when it is accepted.
func stop(_ words: [String], isRoot: Bool = false) -> Stop? {
  guard case .stop(let text, let toStandardOutput, let exitStatus) = parse(words, isRoot: isRoot) else { return nil }
  return Stop(text: text, toStandardOutput: toStandardOutput, exitStatus: exitStatus)
}

/// The stop with `text` and a newline on stderr.
func refusal(_ text: String, _ exitStatus: Int32) -> Stop {
  Stop(text: text + "\n", toStandardOutput: false, exitStatus: exitStatus)
}

func warnings(_ words: [String]) -> [String] {
  guard case .run(_, let warnings) = parse(words) else { return ["refused"] }
  return warnings
}

/// The fields that differ from the defaults, by name.
func changes(_ settings: Settings) -> [String: String] {
  let defaults = Dictionary(
    uniqueKeysWithValues: Mirror(reflecting: Settings()).children.map { ($0.label ?? "", "\($0.value)") })
  var changes: [String: String] = [:]
  for child in Mirror(reflecting: settings).children {
    let value = "\(child.value)"
    if defaults[child.label ?? ""] != value { changes[child.label ?? ""] = value }
  }
  return changes
}
