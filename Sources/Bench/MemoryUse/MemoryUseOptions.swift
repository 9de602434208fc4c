// The command lines of `hitrate`, `density` and `shift`: reading, checking, help. What they do is in files of their
// names; what they print, Docs/performance.md explains.
import Events

struct MemoryUseOptions: Sendable {
  var servers: [ServerChoice] = []
  var roundCount = 3
  var threadCount = 1
  var caseNames: [String]?
  var traceFolder = "../shared/traces"
  /// Requests of a trace, or of a phase of `shift`; nil is the run's own default.
  var requestCount: Int?
  var isRaw = false
  var jsonPath: String?
  var showsHelp = false

  /// Reads the words after the sub-command. Throws `BenchFailure.usage` on words it does not know.
  init(_ words: ArraySlice<String>) throws {
    var rest = words
    while let word = rest.popFirst() {
      switch word {
      case "--server": servers.append(try ServerChoice(BenchOptions.value(of: word, &rest)))
      case "--cases": caseNames = try BenchOptions.value(of: word, &rest).split(separator: ",").map(String.init)
      case "--rounds": roundCount = try BenchOptions.number(of: word, &rest, in: 1...1000)
      case "--threads": threadCount = try BenchOptions.number(of: word, &rest, in: 1...256)
      case "--traces": traceFolder = try BenchOptions.value(of: word, &rest)
      case "--requests": requestCount = try BenchOptions.number(of: word, &rest, in: 1...1_000_000_000)
      case "--raw": isRaw = true
      case "--json": jsonPath = try BenchOptions.value(of: word, &rest)
      case "-h", "--help": showsHelp = true
      default: throw BenchFailure.usage("unknown option \(word)")
      }
    }
    if servers.isEmpty { servers = BenchOptions.defaultServers(hasFloor: false) }
    guard !showsHelp else { return }
    guard !servers.contains(where: \.isFloor) else { throw BenchFailure.usage("a floor stores nothing") }
    for server in servers { try server.checkExists() }
  }

  /// Those of the names that `--cases` asks for.
  func selected(of names: [String]) throws -> [String] {
    guard let caseNames else { return names }
    if let unknown = caseNames.first(where: { !names.contains($0) }) {
      throw BenchFailure.usage("no case \(unknown); there are \(names.joined(separator: ", "))")
    }
    return caseNames
  }

  /// Appends a case's line of JSON to the file of `--json`, or prints it.
  func output(json line: String) throws {
    if let jsonPath { try LoadHost.append(line, toFile: jsonPath) } else { LoadHost.printOutput(line) }
  }

  static var help: String {
    """
    swiftcached-bench: what servers make of the memory they are given.

    Usage: swiftcached-bench hitrate [options]   misses on recorded traces, with -m at 10 and 20 % of a trace's weight
           swiftcached-bench density [options]   keys and values held in -m \(Density.memoryMegabytes)
           swiftcached-bench shift [options]     misses while the sizes of values change

      --server NAME=PROGRAM   a server to run, with extra arguments after blanks; give it for each server. The first is
                              compared with each other one. Default: swiftcached beside this program, and memcached.
      --rounds N              runs of each case on each server, default 3; medians are printed
      --threads N             worker threads of each server (-t), default 1
      --json FILE             append one JSON line for each case to FILE instead of printing it
      --cases A,B             hitrate: only these traces; density: only these of
                              \(DensityCase.all.map(\.name).joined(separator: ","))
      --traces FOLDER         hitrate: where the traces are, default ../shared/traces
      --requests N            hitrate: only the first N requests of each trace, before it is copied;
                              shift: requests of a phase, default 3000000
      --raw                   hitrate: one copy of each trace, however small -m becomes
      -h, --help              this text

    Exit status: as without a sub-command; refused sets are counted and no failure.

    """
  }
}
