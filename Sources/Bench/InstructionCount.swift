// Counts user-space instructions per request with valgrind's callgrind: repeatable where times are noisy. Each server
// is run twice, with n and with 2n requests; the difference divided by n is free of start-up and filling. A server's
// background threads count too, and they follow the clock, so the last two digits differ from run to run.
import Events

struct InstructionCount {
  let options: BenchOptions

  /// Instructions per request (or per key) of the case, or nil when the server does not run under valgrind.
  func run(_ choice: ServerChoice, _ row: LoadCase) throws -> Double? {
    let batches = max(20_000 / row.requestsPerBatch, 400)
    do {
      let once = try collect(choice, row, batches: batches)
      let twice = try collect(choice, row, batches: 2 * batches)
      return (twice - once) / Double(batches * row.requestsPerBatch)
    } catch BenchFailure.serverDidNotStart(let text) {
      LoadHost.printError("\(text)\n  It does not run under valgrind here, so its count is n/a.\n")
      return nil
    }
  }

  /// The instructions of a whole server life with that many batches.
  private func collect(_ choice: ServerChoice, _ row: LoadCase, batches: Int) throws -> Double {
    let server = try start(choice)
    let keyCount = min(row.keyCount, 10_000)
    try server.fill(row, keyCount: keyCount, options)
    let pool = RequestPool(row, keyCount: keyCount, batches: batches)
    var load = try LoadGenerator(server, row, options)
    _ = try load.run(pool, batches: batches, timeoutSeconds: 5 * options.timeoutSeconds)
    let report = server.stop()
    for line in report.split(separator: "\n") where line.contains("Collected :") {
      if let count = line.split(separator: " ").last.flatMap({ Double($0) }) { return count }
    }
    throw BenchFailure.failed("\(choice.name): callgrind printed no total; its output ends with\n\(report.suffix(400))")
  }

  /// Starts the server under callgrind with one worker. memcached sets its file limit to `-c`, which valgrind allows
  /// only for exactly its own limit; so that is tried first, and no `-c` after it.
  private func start(_ choice: ServerChoice) throws -> ServerUnderTest {
    let wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    let limits = LoadHost.openFileLimits
    let valgrindReservedFiles = 12
    let allowed = min(limits.soft, limits.hard - valgrindReservedFiles)
    do {
      return try ServerUnderTest(
        choice, threads: 1, floorSizes: nil, wrapper: wrapper, moreArguments: ["-c", "\(allowed)"], startSeconds: 60)
    } catch BenchFailure.serverDidNotStart {
      return try ServerUnderTest(choice, threads: 1, floorSizes: nil, wrapper: wrapper, startSeconds: 60)
    }
  }
}
