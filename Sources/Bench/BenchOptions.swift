// The command line of the benchmark: reading, checking, help. What the options do is done elsewhere.
// Its --help is the manual; Docs/performance.md says how to read what comes out.
import Events

/// What a run of the program shall do.
struct BenchOptions: Sendable {
  var servers: [ServerChoice] = []
  var cases: [LoadCase] = []
  var roundCount = 5
  var connectionCount = 50
  /// More than `connectionCount` leaves the others idle in turn; nil is as many.
  var openCount: Int?
  /// Load processes; one is this process itself.
  var loadCount = 1
  var threadCount = 4
  var isPinned = true
  var isQuick = false
  var countsInstructions = false
  /// Also tells from which source files the first server's instructions come.
  var countsByFile = false
  var jsonPath: String?
  /// The file that says what a request may cost.
  var limitsPath: String?
  /// Where a line is added for each case, and what it says of the program measured.
  var historyPath: String?
  var programLabel = ""
  var timeoutSeconds = 60
  var showsHelp = false

  /// Reads the words after the program's name. Throws `BenchFailure.usage` on words it does not know. Where no server
  /// is named, a floor is among them if it has a place in this kind of run.
  init(_ words: [String], hasFloor: Bool = true) throws {
    var rest = words[...]
    var caseNames: String?
    while let word = rest.popFirst() {
      switch word {
      case "--server": servers.append(try ServerChoice(Self.value(of: word, &rest)))
      case "--cases": caseNames = try Self.value(of: word, &rest)
      case "--rounds": roundCount = try Self.number(of: word, &rest, in: 1...1000)
      case "--connections": connectionCount = try Self.number(of: word, &rest, in: 1...10_000)
      case "--open": openCount = try Self.number(of: word, &rest, in: 1...100_000)
      case "--loads": loadCount = try Self.number(of: word, &rest, in: 1...64)
      case "--threads": threadCount = try Self.number(of: word, &rest, in: 1...256)
      case "--timeout-seconds": timeoutSeconds = try Self.number(of: word, &rest, in: 1...3600)
      case "--limits":
        limitsPath = try Self.value(of: word, &rest)
        countsInstructions = true
      case "--history": historyPath = try Self.value(of: word, &rest)
      case "--label": programLabel = try Self.value(of: word, &rest)
      case "--json": jsonPath = try Self.value(of: word, &rest)
      case "--pin": isPinned = true
      case "--no-pin": isPinned = false
      case "--quick": isQuick = true
      case "--callgrind": countsInstructions = true
      case "--by-file":
        countsByFile = true
        countsInstructions = true
      case "-h", "--help": showsHelp = true
      default: throw BenchFailure.usage("unknown option \(word)")
      }
    }
    isPinned = isPinned && LoadHost.processorCount > 1
    if loadCount > 1 && servers.contains(where: \.isFloor) {
      throw BenchFailure.usage("a floor has one load: its replies are no values")
    }
    if loadCount > connectionCount { throw BenchFailure.usage("--loads: no more than --connections") }
    if servers.isEmpty { servers = Self.defaultServers(hasFloor: hasFloor && loadCount == 1) }
    cases = try selectCases(caseNames)
  }

  /// The rows named, or those that belong to this kind of run.
  private func selectCases(_ names: String?) throws -> [LoadCase] {
    guard let names else {
      if countsInstructions { return LoadCase.all.filter(\.isInstructionCounted) }
      return LoadCase.all.filter { isQuick ? $0.isQuick : $0.isRegular }
    }
    return try names.split(separator: ",").map { name in
      guard let row = LoadCase.all.first(where: { $0.name == name }) else {
        throw BenchFailure.usage(
          "no case \(name); there are \(LoadCase.all.map(\.name).joined(separator: ", "))")
      }
      return row
    }
  }

  /// Ours beside this program, against the memcached of the system.
  static func defaultServers(hasFloor: Bool) -> [ServerChoice] {
    let program = LoadHost.programPath
    let folder = program.lastIndex(of: "/").map { program[...$0] } ?? "./"
    return [
      ServerChoice(name: "swiftcached", path: folder + "swiftcached"),
      ServerChoice(name: "memcached", path: "/usr/bin/memcached"),
    ] + (hasFloor ? [ServerChoice(name: "floor", path: "floor")] : [])
  }

  /// What servers must be told so that they take so many connections.
  var connectionArguments: [String] {
    // What all servers allow without being told is 1024; a round's connections may overlap the last one's.
    guard let openCount, openCount > 500 else { return [] }
    return ["-c", "\(min(2 * openCount, LoadHost.openFileLimits.hard))"]
  }

  /// The word after `option`.
  static func value(of option: String, _ rest: inout ArraySlice<String>) throws -> String {
    guard let value = rest.popFirst() else { throw BenchFailure.usage("\(option) needs a value") }
    return value
  }

  /// The number after `option`.
  static func number(
    of option: String, _ rest: inout ArraySlice<String>, in range: ClosedRange<Int>
  ) throws -> Int {
    let text = try value(of: option, &rest)
    guard let number = Int(text), range.contains(number) else {
      throw BenchFailure.usage("\(option) \(text): give a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  static var help: String {
    let width = LoadCase.all.map(\.name.count).max() ?? 0
    let rows = LoadCase.all.map { "  \($0.name.padded(to: width))  \($0.summary)" }.joined(separator: "\n")
    return """
      swiftcached-bench: runs cache servers against each other and checks every reply.

      Usage: swiftcached-bench [options]
             swiftcached-bench hitrate|density|shift [options], which ask what servers make of their memory
             swiftcached-bench scale|hotkey|connections|quiet [options], which ask how servers scale
             swiftcached-bench floor --port P --request-bytes N --reply-bytes M

        --server NAME=PROGRAM   a server to run, with extra arguments after blanks ("a=./server -C"); give it for each
                                server. The first is compared with each other one. NAME=floor adds the floor: a server
                                that answers without parsing. Default: swiftcached beside this one, memcached, floor.
        --cases A,B             only these cases
        --rounds N              rounds for each case and server, default 5
        --connections N         client connections, default 50
        --open N                connections that are open; those in use change after each batch
        --loads N               load processes that share the connections, default 1; rounds then last half a second
        --threads N             worker threads of each server (-t), default 4
        --pin, --no-pin         servers on processor 0 and load on processor 1 (default where there are two), or free
        --quick                 two short rounds, without the cases that fill a large server: about 20 seconds
        --callgrind             count instructions per request with valgrind (one thread) instead of measuring
        --by-file               count, and tell for the first server which source files the instructions come from
        --limits FILE           count, for the first server alone, and fail when a request costs more than FILE says
        --history FILE          measure and count, and append one JSON line for each case to FILE
        --label TEXT            what the line says of the first server, for example its commit
        --json FILE             append one JSON line for each case to FILE
        --timeout-seconds N     longest time of one round, default 60
        -h, --help              this text

      Cases:
      \(rows)

      Exit status: 0 when all replies were right, 1 when a reply was wrong or a limit passed, 2 when the run could not
      be done.

      """
  }
}
