// `scale` and `hotkey`: the cases of a run with 1 to 8 workers and several load processes, servers in turn. The rounds
// are Measurement's; here they are put side by side, by the number of workers.
import Events

/// One case with one number of workers.
private struct ScalePoint {
  let row: LoadCase
  let threads: Int
  let servers: [ServerFigures]

  func ratio(_ column: ReportColumn, to theirs: Int) -> Double {
    column.ratios(servers[0], servers[theirs]).median
  }
}

struct WorkerScaling {
  let options: ScaleOptions

  /// With how many workers `scale` has bars, and what they are.
  private static let barThreads = 4
  private static let leastThroughput = 1.0
  private static let mostSlowLatency = 1.1
  /// What more workers may take from the throughput that one has, where all want the same key.
  private static let leastKept = 0.75

  /// Measures and prints everything; the bars of the run.
  func run() throws -> [Bar] {
    var points: [ScalePoint] = []
    for threads in options.threadCounts {
      let measurement = Measurement(options: options.bench(threads: threads))
      LoadHost.printOutput(measurement.description + "\n\n")
      for row in options.bench.cases {
        let servers = try measurement.run(row)
        var named = row
        named.name = "\(row.name) -t \(threads)"
        LoadHost.printOutput(Report.table(named, servers))
        if let path = options.bench.jsonPath { try LoadHost.append(Report.json(named, servers), toFile: path) }
        points.append(ScalePoint(row: row, threads: threads, servers: servers))
      }
    }
    printRatios(points)
    if options.run == .hotkey { try FutexCount(options: options).run() }
    return options.run == .hotkey ? hotKeyBars(points) : scaleBars(points)
  }

  private func printRatios(_ points: [ScalePoint]) {
    for (theirs, server) in options.bench.servers.enumerated().dropFirst() {
      let pair = "\(options.bench.servers[0].name)/\(server.name)"
      for (title, column) in [
        ("throughput (more is better)", ReportColumn.throughput), ("p99 (less is better)", .slowLatency),
        ("CPU per request (less is better)", .processor),
      ] {
        printGrid("\(pair), \(title)") { row, threads in
          point(points, row, threads).ratio(column, to: theirs)
        }
      }
    }
    for (index, server) in options.bench.servers.enumerated() where options.threadCounts.count > 1 {
      printGrid("\(server.name): throughput by its own with -t \(options.threadCounts[0])") { row, threads in
        kept(points, row, threads, index)
      }
    }
  }

  private func printGrid(_ title: String, _ value: (LoadCase, Int) -> Double) {
    let names = (options.bench.cases.map(\.name.count).max() ?? 0) + 2
    var lines = [title, "".padded(to: names) + options.threadCounts.map { "-t \($0)".padded(left: 8) }.joined()]
    for row in options.bench.cases {
      let cells = options.threadCounts.map { value(row, $0).text(digits: 2).padded(left: 8) }
      lines.append(row.name.padded(to: names) + cells.joined())
    }
    LoadHost.printOutput(lines.joined(separator: "\n") + "\n\n")
  }

  private func point(_ points: [ScalePoint], _ row: LoadCase, _ threads: Int) -> ScalePoint {
    guard let point = points.first(where: { $0.row.name == row.name && $0.threads == threads }) else {
      preconditionFailure("every case was measured with every number of workers")
    }
    return point
  }

  /// A server's throughput divided by the one it had with the first number of workers.
  private func kept(_ points: [ScalePoint], _ row: LoadCase, _ threads: Int, _ server: Int) -> Double {
    let column = ReportColumn.throughput
    return point(points, row, threads).servers[server].median(column.value)
      / point(points, row, options.threadCounts[0]).servers[server].median(column.value)
  }

  private func scaleBars(_ points: [ScalePoint]) -> [Bar] {
    points.filter { $0.threads == Self.barThreads }.flatMap { point in
      point.servers.indices.dropFirst().flatMap { theirs in
        let title = "\(point.row.name) -t \(point.threads), by \(point.servers[theirs].name)'s"
        return [
          Bar(
            title: "throughput of \(title)", value: point.ratio(.throughput, to: theirs),
            limit: .atLeast(Self.leastThroughput)),
          Bar(
            title: "p99 of \(title)", value: point.ratio(.slowLatency, to: theirs),
            limit: .atMost(Self.mostSlowLatency)),
        ]
      }
    }
  }

  private func hotKeyBars(_ points: [ScalePoint]) -> [Bar] {
    points.flatMap { point in
      let title = "throughput of \(point.row.name) -t \(point.threads)"
      let beside = point.servers.indices.dropFirst().map { theirs in
        Bar(
          title: "\(title), by \(point.servers[theirs].name)'s", value: point.ratio(.throughput, to: theirs),
          limit: .atLeast(Self.leastThroughput))
      }
      return beside + [
        Bar(
          title: "\(title), by its own with -t \(options.threadCounts[0])",
          value: kept(points, point.row, point.threads, 0), limit: .atLeast(Self.leastKept))
      ]
    }
  }
}
