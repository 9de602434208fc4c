// `quiet`: how long a client waits that asks for one key each 5 ms, beside connections that send 500 gets in each write
// as fast as they are answered. A load process loads; this process is the quiet client and runs before others where the
// system lets it.
import Events

private struct QuietFigures: Sendable {
  let medianNanoseconds: Double
  let slowNanoseconds: Double
  let longestNanoseconds: Double
  let loadPerSecond: Double

  init(_ latency: LatencyHistogram, loadPerSecond: Double) {
    medianNanoseconds = Double(latency.nanoseconds(quantile: 0.5))
    slowNanoseconds = Double(latency.nanoseconds(quantile: 0.99))
    longestNanoseconds = Double(latency.nanoseconds(quantile: 1))
    self.loadPerSecond = loadPerSecond
  }
}

struct QuietClient {
  let options: ScaleOptions

  private static let periodNanoseconds: UInt64 = 5_000_000
  private static let roundMilliseconds = 3000
  private static let niceness: Int32 = -10
  private static let mostSlowLatency = 1.1
  private static let slow = FigureColumn<QuietFigures>("p99 us", "slowNanoseconds") { $0.slowNanoseconds / 1000 }
  private static let columns = [
    FigureColumn<QuietFigures>("p50 us", "medianNanoseconds") { $0.medianNanoseconds / 1000 },
    slow,
    FigureColumn<QuietFigures>("longest us", "longestNanoseconds") { $0.longestNanoseconds / 1000 },
    FigureColumn<QuietFigures>("load thousand/s", "loadPerSecond") { $0.loadPerSecond / 1000 },
  ]

  /// Measures and prints everything; the bars of the run.
  func run() throws -> [Bar] {
    var bars: [Bar] = []
    for threads in options.threadCounts {
      for row in options.bench.cases {
        let servers = try measure(row, options.bench(threads: threads))
        let title = "a get each 5 ms, -t \(threads), beside \(options.bench.connectionCount) connections of \(row.name)"
        LoadHost.printOutput(FigureTable(columns: Self.columns).text(title, servers))
        for theirs in servers.dropFirst() {
          bars.append(
            Bar(
              title: "p99 of \(title), by \(theirs.name)'s", value: servers[0].ratio(to: theirs, Self.slow),
              limit: .atMost(Self.mostSlowLatency)))
        }
      }
    }
    return bars
  }

  private func measure(_ row: LoadCase, _ bench: BenchOptions) throws -> [ServerRounds<QuietFigures>] {
    let team = try LoadTeam(row, bench)
    let servers = try bench.servers.map { choice in
      let server = try ServerUnderTest(
        choice, threads: bench.threadCount, memoryMegabytes: row.memoryMegabytes, floorSizes: nil)
      try server.fill(row, keyCount: row.keyCount, bench)
      try server.settle(holding: row.keyCount)
      return server
    }
    var figures = servers.map { ServerRounds<QuietFigures>(name: $0.choice.name) }
    for _ in 0..<bench.roundCount {
      for (index, server) in servers.enumerated() {
        figures[index].rounds.append(try round(server, team, row, bench))
      }
    }
    return figures
  }

  private func round(
    _ server: ServerUnderTest, _ team: LoadTeam, _ row: LoadCase, _ bench: BenchOptions
  ) throws -> QuietFigures {
    let milliseconds = bench.isQuick ? Self.roundMilliseconds / 5 : Self.roundMilliseconds
    let get = LoadCase("quiet", "get of one key", .get, batchesPerRound: 1)
    let pool = RequestPool(get, keyCount: row.keyCount, batches: 1)
    // Connected before the load, so that the load's connections are dealt out evenly behind it.
    var client = try LoadGenerator(
      label: "quiet client of \(server.choice.name)", port: server.port, connectionCount: 1, checksContents: true)
    _ = try client.run(pool, batches: 1, timeoutSeconds: bench.timeoutSeconds)
    try team.prepare(server, milliseconds: milliseconds)
    // Only while no child is started: it would inherit this.
    let niceness = LoadHost.niceness
    LoadHost.niceness = Self.niceness
    defer { LoadHost.niceness = niceness }
    team.go()
    var latency = LatencyHistogram()
    var due = LoadHost.nowNanoseconds()
    let end = due + UInt64(milliseconds) * 1_000_000
    while due < end {
      latency.merge(try client.run(pool, batches: 1, timeoutSeconds: bench.timeoutSeconds).latency)
      due = max(due + Self.periodNanoseconds, LoadHost.nowNanoseconds())
      LoadHost.sleep(untilNanoseconds: due)
    }
    let load = try team.results()
    let perSecond = Double(load.batchCount * row.requestsPerBatch) / Double(load.wallNanoseconds) * 1e9
    return QuietFigures(latency, loadPerSecond: perSecond)
  }
}
