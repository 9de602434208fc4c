// Counts user-space instructions per request with valgrind's callgrind, and calls of the heap and of reference counts:
// repeatable where times are noisy. Each server is run twice, with n and with 2n requests; the difference divided by n
// is free of start-up and filling. A server's background threads count too, and they follow the clock, so the last two
// digits differ from run to run.
import Events
import Glibc

struct InstructionCount {
  let options: BenchOptions

  /// What one request (or key) of the case costs, or nil when the server does not run under valgrind.
  func run(_ choice: ServerChoice, _ row: LoadCase) throws -> CallgrindProfile? {
    let batches = max(20_000 / row.requestsPerBatch, 400)
    do {
      let once = try collect(choice, row, batches: batches)
      let twice = try collect(choice, row, batches: 2 * batches)
      return twice.costs(beyond: once, count: Double(batches * row.requestsPerBatch))
    } catch BenchFailure.serverDidNotStart(let text) {
      LoadHost.printError("\(text)\n  It does not run under valgrind here, so its count is n/a.\n")
      return nil
    }
  }

  private var profilePath: String { "/tmp/swiftcached-bench.\(getpid()).callgrind" }

  /// The profile of a whole server life with that many batches.
  private func collect(_ choice: ServerChoice, _ row: LoadCase, batches: Int) throws -> CallgrindProfile {
    let server = try start(choice, row)
    defer { LoadHost.remove(file: profilePath) }
    let keyCount = min(row.keyCount, 10_000)
    try server.fill(row, keyCount: keyCount, options)
    let pool = RequestPool(row, keyCount: keyCount, batches: batches)
    var load = try LoadGenerator(server, row, options)
    _ = try load.run(pool, batches: batches, timeoutSeconds: 5 * options.timeoutSeconds)
    let report = server.stop()
    let text = String(decoding: try LoadHost.contents(ofFile: profilePath), as: UTF8.self)
    var profile = CallgrindProfile(text)
    if options.countsByFile { profile.files = FileCosts(text) }
    // Every server has asked for memory when it started.
    guard profile.instructions > 0, profile.heapCalls > 0 else {
      throw BenchFailure.failed("\(choice.name): callgrind wrote no total or no calls; it says\n\(report.suffix(400))")
    }
    return profile
  }

  /// Starts the server under callgrind with one worker. memcached sets its file limit to `-c`, which valgrind allows
  /// only for exactly its own limit; so that is tried first, and no `-c` after it.
  private func start(_ choice: ServerChoice, _ row: LoadCase) throws -> ServerUnderTest {
    let wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=\(profilePath)"]
    let limits = LoadHost.openFileLimits
    let valgrindReservedFiles = 12
    let allowed = min(limits.soft, limits.hard - valgrindReservedFiles)
    func start(_ moreArguments: [String]) throws -> ServerUnderTest {
      try ServerUnderTest(
        choice, threads: 1, memoryMegabytes: row.memoryMegabytes, floorSizes: nil, wrapper: wrapper,
        moreArguments: moreArguments)
    }
    do {
      return try start(["-c", "\(allowed)"])
    } catch BenchFailure.serverDidNotStart {
      return try start([])
    }
  }
}
