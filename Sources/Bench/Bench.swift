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
      done.append((row, servers))
    }
    LoadHost.printOutput(Report.summary(done))
  }

  private static func countInstructions(_ options: BenchOptions) throws {
    let counter = InstructionCount(options: options)
    let choices = options.servers.filter { !$0.isFloor }
    var done: [(row: LoadCase, counts: [Double?])] = []
    for row in options.cases {
      let counts = try choices.map { try counter.run($0, row) }
      if let path = options.jsonPath {
        try LoadHost.append(Report.instructionJSON(row, choices.map(\.name), counts), toFile: path)
      }
      done.append((row, counts))
    }
    LoadHost.printOutput(Report.instructionTable(choices.map(\.name), done))
  }

  private static func runFloor(_ words: [String]) throws {
    let options = try FloorOptions(words.dropFirst())
    var server = FloorServer(sizes: options.sizes)
    try server.run(port: options.port)
  }
}
