// Counts the futex calls a server makes while all its workers want one key: the times a lock was not free and somebody
// had to sleep or be woken. strace counts them, which slows each such call, so no times are taken here.
import Events

struct FutexCount {
  let options: ScaleOptions

  private static let batches = 10_000
  private static let strace = ["strace", "-D", "-f", "--seccomp-bpf", "-c", "-e", "trace=futex"]

  /// Prints the calls per million requests, by server, case and number of workers.
  func run() throws {
    let names = (options.bench.cases.map(\.name.count).max() ?? 0) + 2
    let servers = options.bench.servers
    var lines = ["futex calls for a million requests"]
    let titles = servers.flatMap { server in options.threadCounts.map { "\(server.name) -t \($0)" } }
    lines.append("".padded(to: names) + titles.map { $0.padded(left: $0.count + 2) }.joined())
    for row in options.bench.cases {
      let counts = try servers.flatMap { server in
        try options.threadCounts.map { try Self.count(server, row, options.bench(threads: $0)) }
      }
      let cells = zip(counts, titles).map { $0.text(digits: 0).padded(left: $1.count + 2) }
      lines.append(row.name.padded(to: names) + cells.joined())
    }
    LoadHost.printOutput(lines.joined(separator: "\n") + "\n\n")
  }

  /// Futex calls of a server's life, start included, by its million requests.
  private static func count(_ choice: ServerChoice, _ row: LoadCase, _ options: BenchOptions) throws -> Double {
    let server = try ServerUnderTest(
      choice, threads: options.threadCount, memoryMegabytes: row.memoryMegabytes, floorSizes: nil, wrapper: strace)
    try server.fill(row, keyCount: row.keyCount, options)
    let pool = RequestPool(row, keyCount: row.keyCount, batches: batches)
    do {
      var load = try LoadGenerator(server, row, options)
      _ = try load.run(pool, batches: batches, timeoutSeconds: options.timeoutSeconds)
    }
    let summary = server.stop(awaiting: "total")
    return Double(try calls(inSummary: summary, of: choice.name)) * 1e6 / Double(batches * row.requestsPerBatch)
  }

  /// The calls in what `strace -c` prints, of which the fourth column is their number; none when there were none.
  static func calls(inSummary text: String, of name: String) throws -> Int {
    let rows = text.split(separator: "\n").map { $0.split(separator: " ") }
    if let row = rows.last(where: { $0.last == "futex" }), row.count > 4, let count = Int(row[3]) { return count }
    if text.contains("% time") { return 0 }
    throw BenchFailure.failed("\(name): strace printed no summary; the error output ends with\n\(text.suffix(400))")
  }
}
