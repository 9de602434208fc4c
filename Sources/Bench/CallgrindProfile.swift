// What callgrind writes down of a server's life: how many instructions, and how often functions were called whose mere
// number matters: those of the heap, and those that count references. Reads the file's text; runs nothing.

struct CallgrindProfile: Equatable {
  var instructions = 0.0
  /// Calls for memory and of giving it back.
  var heapCalls = 0.0
  /// Calls that count a reference up or down.
  var referenceCounts = 0.0
  /// Where the instructions come from; empty unless that was asked for.
  var files = FileCosts()

  init() {}

  /// Reads a file of callgrind's format. Names are written out where they first occur, and are numbers afterwards.
  init(_ text: String) {
    var names: [Substring: Kind] = [:]
    var called = Kind.other
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      guard let equals = line.prefix(9).firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }) else {
        continue
      }
      let value = Substring(line[line.index(after: equals)...])
      switch Substring(line[..<equals]) {
      case "fn": _ = CallgrindProfile.kind(value, &names)
      case "cfn": called = CallgrindProfile.kind(value, &names)
      case "calls":
        let count = value.split(separator: " ").first.flatMap { Double($0) } ?? 0
        switch called {
        case .heap: heapCalls += count
        case .references: referenceCounts += count
        case .other: break
        }
      case "totals": instructions = value.split(separator: " ").first.flatMap { Double($0) } ?? 0
      default: break
      }
    }
  }

  private enum Kind {
    case heap, references, other

    init(_ name: Substring) {
      if ["malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "memalign"].contains(name) {
        self = .heap
      } else if [
        "swift_retain", "swift_retain_n", "swift_release", "swift_release_n", "swift_bridgeObjectRetain",
        "swift_bridgeObjectRelease",
      ].contains(name) {
        self = .references
      } else {
        self = .other
      }
    }
  }

  /// What `(12) malloc`, or later `(12)`, stands for.
  private static func kind(_ value: Substring, _ names: inout [Substring: Kind]) -> Kind {
    guard let end = value.firstIndex(of: ")") else { return Kind(value) }
    let number = value[...end]
    let name = value[end...].dropFirst(2)
    if !name.isEmpty { names[number] = Kind(name) }
    return names[number] ?? .other
  }

  /// What one of `count` requests costs, when `self` had so many more than `other`.
  func costs(beyond other: CallgrindProfile, count: Double) -> CallgrindProfile {
    var costs = CallgrindProfile()
    costs.instructions = (instructions - other.instructions) / count
    costs.heapCalls = max(0, heapCalls - other.heapCalls) / count
    costs.referenceCounts = max(0, referenceCounts - other.referenceCounts) / count
    costs.files = files.costs(beyond: other.files, count: count)
    return costs
  }

  /// The lower of each figure.
  func least(with other: CallgrindProfile) -> CallgrindProfile {
    var least = self
    least.instructions = min(instructions, other.instructions)
    least.heapCalls = min(heapCalls, other.heapCalls)
    least.referenceCounts = min(referenceCounts, other.referenceCounts)
    return least
  }
}

/// The most that a request of a case may cost: the gate of `make check`.
struct InstructionLimits {
  let limits: [(name: String, instructions: Double)]
  /// Calls of the heap, and of reference counts, for one request: none, but for what other threads do meanwhile. Less
  /// than the one call in a multiget of 100 keys.
  static let callsPerRequest = 0.008

  /// Reads lines of a case's name and a number; what follows `#` is a comment.
  init(_ text: String) throws {
    limits = try text.split(separator: "\n").compactMap { line in
      let words = line.prefix { $0 != "#" }.split(separator: " ")
      if words.isEmpty { return nil }
      guard words.count == 2, let instructions = Double(words[1]) else {
        throw BenchFailure.usage("not a limit: \(line); write CASE INSTRUCTIONS")
      }
      return (String(words[0]), instructions)
    }
  }

  /// What is wrong with a case's costs; empty when nothing is.
  func complaints(_ name: String, _ costs: CallgrindProfile) -> [String] {
    guard let limit = limits.first(where: { $0.name == name }) else { return [] }
    var complaints: [String] = []
    if costs.instructions > limit.instructions {
      complaints.append(
        "\(name): \(costs.instructions.text(digits: 0)) instructions, limit \(limit.instructions.text(digits: 0))")
    }
    for (count, what) in [(costs.heapCalls, "calls of the heap"), (costs.referenceCounts, "reference counts")]
    where count > InstructionLimits.callsPerRequest {
      complaints.append("\(name): \(count.text(digits: 2)) \(what) a request, limit 0")
    }
    return complaints
  }
}
