// Several load processes: where one is too slow to keep a server of many threads busy, children of this process run the
// same case on the same server, each with its own requests, and their results are added. Both ends of the conversation
// are here; the load itself is LoadGenerator, in each child as it is in a single process.
//
// A round is four lines: `round PORT MILLISECONDS NAME` to the child, `ready` from it once it is connected and warm,
// `go` to it, and its result back. It goes by time, not by batches, so that all children load until the end.
import Events

/// The children of one case.
struct LoadTeam {
  private let children: [LoadChild]

  init(_ row: LoadCase, _ options: BenchOptions) throws {
    children = try (0..<options.loadCount).map { number in
      let share = LoadShare(row, options, number: number)
      return try LoadChild([LoadHost.programPath, "load"] + share.words)
    }
  }

  /// How long a round lasts; its warm-up takes a tenth of it before.
  static func roundMilliseconds(_ options: BenchOptions) -> Int { options.isQuick ? 200 : 500 }

  /// One round on that server: new connections, a warm-up, then what is measured.
  func round(_ server: ServerUnderTest, _ row: LoadCase, _ options: BenchOptions) throws -> RoundFigures {
    try prepare(server, milliseconds: Self.roundMilliseconds(options))
    let before = try ProcessorTimes(server)
    go()
    let result = try results()
    return RoundFigures(row, result, try ProcessorTimes(server).since(before))
  }

  /// Lets all children connect to the server and warm it up.
  func prepare(_ server: ServerUnderTest, milliseconds: Int) throws {
    for child in children { child.send(line: "round \(server.port) \(milliseconds) \(server.choice.name)") }
    for child in children {
      guard try answer(of: child) == "ready" else { throw BenchFailure.failed("a load process is confused") }
    }
  }

  /// Starts the load that has been prepared.
  func go() { for child in children { child.send(line: "go") } }

  /// Waits for the end of the load that `go` has started.
  func results() throws -> LoadResult {
    var sum = LoadResult()
    for child in children {
      guard let result = LoadResult(line: try answer(of: child)) else {
        throw BenchFailure.failed("a load process is confused")
      }
      sum.merge(result)
    }
    return sum
  }

  private func answer(of child: LoadChild) throws -> String {
    if let line = try child.nextLine() { return line }
    if LoadHost.isInterrupted { throw BenchFailure.interrupted }
    let (status, text) = child.end()
    throw status == 1 ? BenchFailure.wrongReply(text) : BenchFailure.failed("a load process ended, \(status): \(text)")
  }
}

/// What one child does of a case: its command line.
struct LoadShare: Equatable {
  let caseName: String
  let connectionCount: Int
  let openCount: Int
  /// Which of the children it is; the requests are drawn by it.
  let number: Int
  let timeoutSeconds: Int

  init(_ row: LoadCase, _ options: BenchOptions, number: Int) {
    caseName = row.name
    connectionCount = Self.part(of: options.connectionCount, options.loadCount, number)
    openCount = Self.part(of: options.openCount ?? options.connectionCount, options.loadCount, number)
    self.number = number
    timeoutSeconds = options.timeoutSeconds
  }

  /// A whole in parts that differ by at most one.
  private static func part(of whole: Int, _ count: Int, _ number: Int) -> Int {
    whole / count + (number < whole % count ? 1 : 0)
  }

  var words: [String] { [caseName] + [connectionCount, openCount, number, timeoutSeconds].map { "\($0)" } }

  /// Reads `words`.
  init(_ words: ArraySlice<String>) throws {
    let numbers = words.dropFirst().compactMap { Int($0) }
    guard let name = words.first, numbers.count == 4 else {
      throw BenchFailure.usage("load: this is for load processes only")
    }
    caseName = name
    connectionCount = numbers[0]
    openCount = numbers[1]
    number = numbers[2]
    timeoutSeconds = numbers[3]
  }
}

/// `swiftcached-bench load`, a child.
enum LoadWorker {
  static func run(_ words: [String]) throws {
    let share = try LoadShare(words.dropFirst())
    guard let row = LoadCase.all.first(where: { $0.name == share.caseName }) else {
      throw BenchFailure.usage("load: no case \(share.caseName)")
    }
    let pool = RequestPool(
      row, keyCount: row.keyCount, batches: row.batchesPerRound, seed: 0x5eed + UInt64(share.number))
    while let line = try LoadHost.nextInputLine() {
      let words = line.split(separator: " ", maxSplits: 3)
      guard words.count == 4, words[0] == "round", let port = UInt16(words[1]), let milliseconds = Int(words[2]) else {
        throw BenchFailure.usage("load: what is \(line)?")
      }
      var load = try LoadGenerator(
        label: "\(row.name) on \(words[3])", port: port, connectionCount: share.connectionCount,
        openCount: share.openCount, checksContents: true)
      _ = try load.run(pool, milliseconds: milliseconds / 10, timeoutSeconds: share.timeoutSeconds)
      LoadHost.printOutput("ready\n")
      guard try LoadHost.nextInputLine() == "go" else { return }
      let result = try load.run(pool, milliseconds: milliseconds, timeoutSeconds: share.timeoutSeconds)
      LoadHost.printOutput(result.line + "\n")
    }
  }
}
