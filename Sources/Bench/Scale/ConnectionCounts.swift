// `connections`: what a request costs where 1 to 10,000 connections are open and take turns, and what memory a
// connection keeps that has been used and is idle. Rounds and figures are Measurement's.
import Events

private struct IdleFigures: Sendable {
  let bytesPerConnection: Double
}

struct ConnectionCounts {
  let options: ScaleOptions

  private static let mostProcessorTime = 1.0
  private static let mostSlowLatency = 1.1
  private static let mostMemory = 1.0
  /// Fewer connections than that say nothing about memory: the kernel gives pages, and buffers are shared.
  private static let leastCounted = 1000

  /// Measures and prints everything; the bars of the run.
  func run() throws -> [Bar] {
    let allowed = LoadHost.raiseOpenFileLimit()
    let reserved = 100
    if let most = options.openCounts.max(), most + reserved > allowed {
      throw BenchFailure.failed("--open \(most): this process may have only \(allowed) open files; see ulimit -n")
    }
    var bars: [Bar] = []
    for threads in options.threadCounts {
      for open in options.openCounts { bars += try run(options.bench(threads: threads), open: open) }
      for open in options.openCounts where open >= Self.leastCounted {
        bars += try measureIdle(options.bench(threads: threads), open: open)
      }
    }
    return bars
  }

  private func run(_ bench: BenchOptions, open: Int) throws -> [Bar] {
    let bench = bench.with(open: open)
    var bars: [Bar] = []
    for row in bench.cases {
      let servers = try Measurement(options: bench).run(row)
      var named = row
      named.name = "\(row.name) -t \(bench.threadCount), \(open) open"
      LoadHost.printOutput(Report.table(named, servers))
      if let path = bench.jsonPath { try LoadHost.append(Report.json(named, servers), toFile: path) }
      for theirs in servers.dropFirst() {
        for (title, column, most) in [
          ("CPU", ReportColumn.processor, Self.mostProcessorTime), ("p99", .slowLatency, Self.mostSlowLatency),
        ] {
          bars.append(
            Bar(
              title: "\(title) of \(named.name), by \(theirs.name)'s", value: column.ratios(servers[0], theirs).median,
              limit: .atMost(most)))
        }
      }
    }
    return bars
  }

  private func measureIdle(_ bench: BenchOptions, open: Int) throws -> [Bar] {
    let column = FigureColumn<IdleFigures>("bytes", "bytesPerConnection") { $0.bytesPerConnection }
    var servers = bench.servers.map { ServerRounds<IdleFigures>(name: $0.name) }
    for _ in 0..<bench.roundCount {
      for (index, choice) in bench.servers.enumerated() {
        servers[index].rounds.append(try idle(choice, bench, open: open))
      }
    }
    let title = "memory of an idle connection, -t \(bench.threadCount), \(open) open"
    LoadHost.printOutput(FigureTable(columns: [column]).text(title, servers))
    return servers.dropFirst().map { theirs in
      Bar(
        title: "\(title), by \(theirs.name)'s", value: servers[0].ratio(to: theirs, column),
        limit: .atMost(Self.mostMemory))
    }
  }

  /// What the resident memory of a new server grows by when connections open, serve one get each, and stay.
  private func idle(_ choice: ServerChoice, _ bench: BenchOptions, open: Int) throws -> IdleFigures {
    guard let row = bench.cases.first else { throw BenchFailure.usage("connections: no case") }
    let server = try ServerUnderTest(
      choice, threads: bench.threadCount, memoryMegabytes: row.memoryMegabytes, floorSizes: nil,
      moreArguments: bench.with(open: open).connectionArguments)
    let keyCount = 1000
    try server.fill(row, keyCount: keyCount, bench)
    let pool = RequestPool(row, keyCount: keyCount, batches: open)
    do {
      var first = try LoadGenerator(server, row, bench)
      _ = try first.run(pool, batches: open, timeoutSeconds: bench.timeoutSeconds)
    }
    try server.settle()
    let before = try server.residentByteCount()
    var load = try LoadGenerator(server, row, bench, openCount: open)
    _ = try load.run(pool, batches: open, timeoutSeconds: bench.timeoutSeconds)
    try server.settle()
    let after = try server.residentByteCount()
    return IdleFigures(bytesPerConnection: Double(after - before) / Double(open))
  }
}

extension BenchOptions {
  /// The same with so many open connections, of which no more are in use than before.
  fileprivate func with(open: Int) -> BenchOptions {
    var options = self
    options.openCount = open
    options.connectionCount = min(connectionCount, open)
    return options
  }
}
