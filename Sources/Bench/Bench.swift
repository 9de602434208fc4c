// swiftcached-bench: measures cache servers against each other. This file is the program's outline; the table of cases
// is LoadCase, the load LoadGenerator, the figures Measurement and InstructionCount, the output Report.
import Events
import Glibc

@main
enum Bench {
  static func main() {
    LoadHost.catchInterruptions()
    exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  /// Runs the command line and returns the exit status.
  private static func run(_ words: [String]) -> Int32 {
    do {
      switch words.first {
      case "floor": try runFloor(words)
      case "load": try LoadWorker.run(words)
      case "scale", "hotkey", "connections", "quiet": try measureScaling(words)
      case "hitrate", "density", "shift": try measureMemoryUse(words)
      default: try runCases(BenchOptions(words))
      }
      return 0
    } catch {
      let failure = (error as? BenchFailure) ?? .failed("\(error)")
      LoadHost.printError("swiftcached-bench: \(failure.message)\n")
      return failure.exitStatus
    }
  }

  private static func measureMemoryUse(_ words: [String]) throws {
    let options = try MemoryUseOptions(words.dropFirst())
    if options.showsHelp { return LoadHost.printOutput(MemoryUseOptions.help) }
    switch words.first {
    case "hitrate": try HitRate(options: options).run()
    case "density": try Density(options: options).run()
    default: try Shift(options: options).run()
    }
  }

  private static func measureScaling(_ words: [String]) throws {
    let options = try ScaleOptions(words)
    if options.bench.showsHelp { return LoadHost.printOutput(ScaleOptions.help) }
    let bars =
      switch options.run {
      case .scale, .hotkey: try WorkerScaling(options: options).run()
      case .connections: try ConnectionCounts(options: options).run()
      case .quiet: try QuietClient(options: options).run()
      }
    try Bar.check(bars)
  }

  private static func runCases(_ options: BenchOptions) throws {
    if options.showsHelp { return LoadHost.printOutput(BenchOptions.help) }
    if options.openCount != nil { _ = LoadHost.raiseOpenFileLimit() }
    for server in options.servers where !server.isFloor { try server.checkExists() }
    if let path = options.limitsPath { return try checkLimits(options, path) }
    try options.countsInstructions ? countInstructions(options) : measure(options)
  }

  /// Takes the rounds of every case and prints each table as soon as it is known.
  private static func measure(_ options: BenchOptions) throws {
    let measurement = Measurement(options: options)
    LoadHost.printOutput(measurement.description + "\n\n")
    var done: [(row: LoadCase, servers: [ServerFigures])] = []
    for row in options.cases {
      let servers = try measurement.run(row)
      LoadHost.printOutput(Report.table(row, servers))
      if let path = options.jsonPath { try LoadHost.append(Report.json(row, servers), toFile: path) }
      if let path = options.historyPath {
        let costs = row.isInstructionCounted ? try InstructionCount(options: options).run(options.servers[0], row) : nil
        try LoadHost.append(Report.history(row, servers, costs, label: options.programLabel), toFile: path)
      }
      done.append((row, servers))
    }
    LoadHost.printOutput(Report.summary(done))
  }

  private static func countInstructions(_ options: BenchOptions) throws {
    let counter = InstructionCount(options: options)
    let choices = options.servers.filter { !$0.isFloor }
    var done: [(row: LoadCase, costs: [CallgrindProfile?])] = []
    for row in options.cases {
      let costs = try choices.map { try counter.run($0, row) }
      if let path = options.jsonPath {
        try LoadHost.append(Report.instructionJSON(row, choices.map(\.name), costs), toFile: path)
      }
      done.append((row, costs))
    }
    LoadHost.printOutput(Report.instructionTable(choices.map(\.name), done))
    if options.countsByFile { LoadHost.printOutput(Report.fileTable(done.map { ($0.row, $0.costs[0]?.files) })) }
  }

  /// Counts the cases that have limits, for the first server.
  private static func checkLimits(_ options: BenchOptions, _ path: String) throws {
    let limits = try InstructionLimits(String(decoding: try LoadHost.contents(ofFile: path), as: UTF8.self))
    let names = Set(limits.limits.map(\.name))
    if let unknown = names.first(where: { name in !LoadCase.all.contains { $0.name == name } }) {
      throw BenchFailure.usage("\(path) has a limit for \(unknown), which is no case")
    }
    let counter = InstructionCount(options: options)
    let server = options.servers[0]
    var done: [(row: LoadCase, costs: [CallgrindProfile?])] = []
    for row in options.cases where names.contains(row.name) {
      var least: CallgrindProfile?
      for _ in 0..<countsOfOneCase {
        guard let costs = try counter.run(server, row) else { throw BenchFailure.failed("there is nothing to compare") }
        least = least?.least(with: costs) ?? costs
        if limits.complaints(row.name, least ?? costs).isEmpty { break }
      }
      done.append((row, [least]))
    }
    LoadHost.printOutput(Report.instructionTable([server.name], done))
    let complaints = done.flatMap { row, costs in costs.flatMap { limits.complaints(row.name, $0 ?? .init()) } }
    if !complaints.isEmpty { throw BenchFailure.overLimit(complaints) }
  }

  /// How often a case is counted that seems to be over its limit: what other threads did meanwhile only adds, the more
  /// the slower the machine is, so the least of some counts is the nearest to what requests cost.
  private static let countsOfOneCase = 3

  private static func runFloor(_ words: [String]) throws {
    let options = try FloorOptions(words.dropFirst())
    var server = FloorServer(sizes: options.sizes)
    try server.run(port: options.port)
  }
}
