// Runs one case: starts and fills each server once, then takes rounds in turn (A B A B ...), so that what disturbs the
// machine disturbs both. Gives figures; printing them is Report's.
import Events

/// The figures of one round of one server.
struct RoundFigures: Sendable {
  /// Scheduler time of all the server's threads, by request.
  let processorNanosecondsPerRequest: Double
  let requestsPerSecond: Double
  /// From sending a batch to the last byte of its reply.
  let medianLatencyNanoseconds: Double
  let slowLatencyNanoseconds: Double
  /// The parts of one processor that the server and the load used: what is near 1 limits the throughput.
  let serverUtilisation: Double
  let loadUtilisation: Double
  /// What everything else on the machine used meanwhile; right to some hundredths in a round of half a second.
  let otherUtilisation: Double
}

/// All rounds of one server in one case.
struct ServerFigures: Sendable {
  let name: String
  var rounds: [RoundFigures] = []

  func median(_ figure: (RoundFigures) -> Double) -> Double { rounds.map(figure).median }
  func least(_ figure: (RoundFigures) -> Double) -> Double { rounds.map(figure).min() ?? 0 }
}

/// The processors of a pinned run.
enum Processors {
  static let server = 0
  static let load = 1
}

/// Measures the cases of a run.
struct Measurement {
  let options: BenchOptions

  private var roundCount: Int { options.isQuick ? min(2, options.roundCount) : options.roundCount }

  /// How the run is done, for the head of its output.
  var description: String {
    let place =
      options.isPinned
      ? "servers on processor \(Processors.server), load on processor \(Processors.load)" : "nothing pinned"
    return "\(roundCount) rounds, \(options.connectionCount) connections, \(options.threadCount) server threads"
      + (options.loadCount > 1 ? ", \(options.loadCount) load processes, " : ", ") + place
  }

  /// Runs all rounds of the case on every server that can do it.
  func run(_ row: LoadCase) throws -> [ServerFigures] {
    let batches = options.isQuick ? max(row.batchesPerRound / 5, 1) : row.batchesPerRound
    let pool = RequestPool(row, keyCount: row.keyCount, batches: batches)
    let choices = options.servers.filter { !$0.isFloor || row.operation != .mixed }
    let servers = try choices.map { try start($0, row, pool) }
    let team = options.loadCount > 1 ? try LoadTeam(row, options) : nil
    var figures = choices.map { ServerFigures(name: $0.name) }
    for _ in 0..<roundCount {
      for (index, server) in servers.enumerated() {
        let round =
          if let team { try team.round(server, row, options) } else { try round(server, row, pool, batches: batches) }
        figures[index].rounds.append(round)
      }
    }
    return figures
  }

  private func start(_ choice: ServerChoice, _ row: LoadCase, _ pool: RequestPool) throws -> ServerUnderTest {
    let sizes = FloorSizes(requestByteCount: pool.requestRange(0).count, replyByteCount: pool.replyByteCount(0))
    pinIfWanted(Processors.server)
    defer { pinIfWanted(Processors.load) }
    let server = try ServerUnderTest(
      choice, threads: options.threadCount, memoryMegabytes: row.memoryMegabytes, floorSizes: sizes,
      moreArguments: options.connectionArguments)
    pinIfWanted(Processors.load)
    try server.fill(row, keyCount: row.keyCount, options)
    try server.settle(holding: row.keyCount)
    return server
  }

  private func pinIfWanted(_ processor: Int) {
    if options.isPinned { _ = LoadHost.pin(toProcessor: processor) }
  }

  /// One round: new connections, a tenth of the requests to warm up, then the measured ones.
  private func round(
    _ server: ServerUnderTest, _ row: LoadCase, _ pool: RequestPool, batches: Int
  ) throws -> RoundFigures {
    var load = try LoadGenerator(server, row, options, openCount: options.openCount)
    _ = try load.run(pool, batches: max(batches / 10, 1), timeoutSeconds: options.timeoutSeconds)
    let before = try ProcessorTimes(server)
    let result = try load.run(pool, batches: batches, timeoutSeconds: options.timeoutSeconds)
    return RoundFigures(row, result, try ProcessorTimes(server).since(before))
  }
}

/// Processor time at a moment, or between two.
struct ProcessorTimes {
  private(set) var serverNanoseconds: Double
  private(set) var machineNanoseconds: Double

  init(_ server: ServerUnderTest) throws {
    serverNanoseconds = Double(try server.processorNanoseconds())
    machineNanoseconds = Double(try LoadHost.machineNanoseconds())
  }

  consuming func since(_ earlier: ProcessorTimes) -> ProcessorTimes {
    serverNanoseconds -= earlier.serverNanoseconds
    machineNanoseconds -= earlier.machineNanoseconds
    return self
  }
}

extension RoundFigures {
  /// The figures of what the load has counted, and of the processor time it took.
  init(_ row: LoadCase, _ result: LoadResult, _ times: ProcessorTimes) {
    let wall = Double(result.wallNanoseconds)
    let loadNanoseconds = Double(result.processorNanoseconds)
    let requests = Double(result.batchCount * row.requestsPerBatch)
    self.init(
      processorNanosecondsPerRequest: times.serverNanoseconds / requests, requestsPerSecond: requests / wall * 1e9,
      medianLatencyNanoseconds: Double(result.latency.nanoseconds(quantile: 0.5)),
      slowLatencyNanoseconds: Double(result.latency.nanoseconds(quantile: 0.99)),
      serverUtilisation: times.serverNanoseconds / wall, loadUtilisation: loadNanoseconds / wall,
      otherUtilisation: max(0, times.machineNanoseconds - times.serverNanoseconds - loadNanoseconds) / wall)
  }
}

extension LoadGenerator {
  /// Connections to the server for a run of the case.
  init(_ server: ServerUnderTest, _ row: LoadCase, _ options: BenchOptions, openCount: Int? = nil) throws {
    try self.init(
      label: "\(row.name) on \(server.choice.name)", port: server.port, connectionCount: options.connectionCount,
      openCount: openCount, checksContents: !server.choice.isFloor)
  }
}

extension ServerUnderTest {
  /// Stores the case's keys with checked sets; a floor stores nothing.
  func fill(_ row: LoadCase, keyCount: Int, _ options: BenchOptions) throws {
    guard !choice.isFloor else { return }
    var load = try LoadGenerator(self, row, options)
    var key = 0
    while key < keyCount {
      let pool = RequestPool(filling: row, firstKey: key, keyCount: keyCount)
      _ = try load.run(pool, batches: pool.count, timeoutSeconds: options.timeoutSeconds)
      key += pool.keyCount
    }
  }

  /// Waits until the hash table has grown to what was stored and the other background work is done. Throws when a key
  /// is missing: gets that miss would cost less than those that were to be measured.
  func settle(holding keyCount: Int) throws {
    guard !choice.isFloor else { return }
    var link = try ServerLink(label: choice.name, port: port)
    let deadline = LoadHost.nowNanoseconds() + Self.growthSeconds * 1_000_000_000
    while try link.stats()["hash_is_expanding"] == 1 {
      guard LoadHost.nowNanoseconds() < deadline else {
        throw BenchFailure.failed("\(choice.name): the hash table still grows after \(Self.growthSeconds) seconds")
      }
      LoadHost.sleep(milliseconds: 50)
    }
    try settle()
    if let loss = Self.loss(of: keyCount, stats: try link.stats()) {
      throw BenchFailure.failed("\(choice.name): \(loss)")
    }
  }

  private static let growthSeconds: UInt64 = 60

  /// What `stats` says against `keyCount` keys being held, all that were ever stored; nil when they are.
  static func loss(of keyCount: Int, stats: [String: Int]) -> String? {
    let (held, evicted) = (stats["curr_items"] ?? 0, stats["evictions"] ?? 0)
    guard held != keyCount || evicted > 0 else { return nil }
    return "\(keyCount) keys were stored, \(held) are held, \(evicted) were evicted: the case needs another -m"
  }
}
