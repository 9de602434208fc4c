// `swiftcached-bench shift`: a popular-keys load, cache-aside, on `-m 64`, whose values are small, then large, then
// small again. It answers how fast a server gives its memory to the sizes that are asked for now.
import Events

/// One phase: a population of keys of its own, so that nothing kept from an earlier phase is of use.
struct ShiftPhase: Sendable {
  let name: String
  let keyCount: Int
  let valueSizes: SizeModel

  /// Popularity falls with rank to this power.
  static let zipfExponent = 0.9

  /// Keys and values of a phase weigh about twice the memory.
  static let all: [ShiftPhase] = [small, large, small, large, small]
  /// One of each kind.
  static let kinds: [ShiftPhase] = [small, large]
  private static let small = ShiftPhase(
    name: "small", keyCount: 1_200_000, valueSizes: .lognormal(medianByteCount: 100, sigma: 0.25))
  private static let large = ShiftPhase(
    name: "large", keyCount: 16_000, valueSizes: .lognormal(medianByteCount: 8192, sigma: 0.25))
}

/// What one server did in one phase of one round, slice by slice.
struct ShiftFigures: Sendable {
  var missRatios: [Double] = []
  var refusedCounts: [Double] = []
  var seconds = 0.0
  /// The slices of a phase of this kind on a new server, which has no other sizes to get rid of.
  var freshMissRatios: [Double] = []

  /// How near to the final level counts as settled.
  static let tolerance = 0.02
  private static let finalSliceCount = 5

  /// The mean of the last five slices.
  var finalLevel: Double { missRatios.suffix(Self.finalSliceCount).mean }
  var freshLevel: Double { freshMissRatios.suffix(Self.finalSliceCount).mean }

  /// The number of slices before the first from which on all stay within the tolerance of the final level.
  var unsettledSliceCount: Int {
    let level = finalLevel
    return (missRatios.lastIndex { abs($0 - level) > Self.tolerance } ?? -1) + 1
  }

  /// The number of slices that missed more, by the tolerance, than the same slice on a new server.
  var lateSliceCount: Int { zip(missRatios, freshMissRatios).count { $0 > $1 + Self.tolerance } }

  static let table = FigureTable<ShiftFigures>(columns: [
    FigureColumn("first slice", "firstSlice", digits: 4) { $0.missRatios.first ?? 0 },
    FigureColumn("final level", "finalLevel", digits: 4) { $0.finalLevel },
    FigureColumn("fresh level", "freshLevel", digits: 4) { $0.freshLevel },
    FigureColumn("whole phase", "missRatio", digits: 4) { $0.missRatios.mean },
    FigureColumn("unsettled", "unsettledSlices", isCompared: false) { Double($0.unsettledSliceCount) },
    FigureColumn("late", "lateSlices", isCompared: false) { Double($0.lateSliceCount) },
    FigureColumn("refused", "refusedSets", isCompared: false) { $0.refusedCounts.reduce(0, +) },
    FigureColumn("seconds", "seconds", digits: 1, isCompared: false) { $0.seconds },
  ])
}

struct Shift {
  let options: MemoryUseOptions
  private let memoryMegabytes = 64
  private let sliceCount = 20
  private let phases = ShiftPhase.all

  init(options: MemoryUseOptions) { self.options = options }

  private var requestsPerSlice: Int { max(1, (options.requestCount ?? 3_000_000) / sliceCount) }

  func run() throws {
    var servers = phases.map { _ in options.servers.map { ServerRounds<ShiftFigures>(name: $0.name) } }
    for _ in 0..<options.roundCount {
      for (index, choice) in options.servers.enumerated() {
        for (phase, figures) in try measure(choice).enumerated() { servers[phase][index].rounds.append(figures) }
      }
    }
    for (index, phase) in phases.enumerated() { try report(index, phase, servers[index]) }
  }

  /// All phases on one server, after each kind of phase on a server of its own.
  private func measure(_ choice: ServerChoice) throws -> [ShiftFigures] {
    var fresh: [String: [Double]] = [:]
    for kind in ShiftPhase.kinds { fresh[kind.name] = try measure([kind], choice)[0].missRatios }
    var figures = try measure(phases, choice)
    for index in phases.indices { figures[index].freshMissRatios = fresh[phases[index].name] ?? [] }
    return figures
  }

  /// The phases one after the other on a new server.
  private func measure(_ phases: [ShiftPhase], _ choice: ServerChoice) throws -> [ShiftFigures] {
    let server = try ServerUnderTest(
      choice, threads: options.threadCount, memoryMegabytes: memoryMegabytes, floorSizes: nil)
    let keys = makeKeys(phases)
    var client = try CacheAside(label: "shift on \(choice.name)", port: server.port, keys: keys)
    var firstKey = 0
    var figures: [ShiftFigures] = []
    for (index, phase) in phases.enumerated() {
      figures.append(try run(phase, seed: UInt64(index), firstKey: firstKey, keys, &client))
      firstKey += phase.keyCount
    }
    _ = try client.checkedStats()
    return figures
  }

  /// The keys of all phases: the phase's number, a colon and the rank in eight digits.
  private func makeKeys(_ phases: [ShiftPhase]) -> KeyTable {
    var keys = KeyTable()
    for (index, phase) in phases.enumerated() {
      for rank in 0..<phase.keyCount {
        let digits = String(rank)
        let text = "\(index):" + String(repeating: "0", count: 8 - digits.count) + digits
        _ = keys.number(of: ArraySlice(text.utf8))
      }
    }
    return keys
  }

  private func run(
    _ phase: ShiftPhase, seed: UInt64, firstKey: Int, _ keys: KeyTable, _ client: inout CacheAside
  ) throws -> ShiftFigures {
    var random = RandomNumbers(seed: seed)
    let popularity = WeightedChoice(zipfOf: phase.keyCount, exponent: ShiftPhase.zipfExponent)
    var figures = ShiftFigures()
    let start = LoadHost.nowNanoseconds()
    for _ in 0..<sliceCount {
      let before = client.figures
      for _ in 0..<requestsPerSlice {
        let key = firstKey + popularity.draw(&random)
        let byteCount = phase.valueSizes.byteCount(seed: keys.seed(key))
        try client.perform(CacheRequest(key: key, valueByteCount: byteCount))
      }
      try client.finish()
      let slice = client.figures.since(before)
      figures.missRatios.append(slice.missRatio)
      figures.refusedCounts.append(Double(slice.refusedCount))
    }
    figures.seconds = Double(LoadHost.nowNanoseconds() - start) / 1e9
    return figures
  }

  private func report(_ index: Int, _ phase: ShiftPhase, _ servers: [ServerRounds<ShiftFigures>]) throws {
    let title =
      "phase \(index + 1), \(phase.name): -m \(memoryMegabytes), \(phase.keyCount) keys, "
      + "values \(phase.valueSizes.description), \(sliceCount) slices of \(requestsPerSlice) requests"
    LoadHost.printOutput(title + "\n" + series(servers) + "\n" + ShiftFigures.table.text("", servers))
    var head: [(String, JSONValue)] = [
      ("run", .string("shift")), ("case", .string("\(index + 1)-\(phase.name)")),
      ("requestsPerSlice", .number(Double(requestsPerSlice))),
    ]
    for server in servers {
      head.append(("missRatios of \(server.name)", .numbers(slices(server) { $0.missRatios })))
      head.append(("refusedSets of \(server.name)", .numbers(slices(server) { $0.refusedCounts })))
    }
    try options.output(json: ShiftFigures.table.json(head, servers))
  }

  /// A line for each slice: every server's miss ratio and refused sets.
  private func series(_ servers: [ServerRounds<ShiftFigures>]) -> String {
    let ratios = servers.map { slices($0) { $0.missRatios } }
    let refused = servers.map { slices($0) { $0.refusedCounts } }
    var lines = ["slice" + servers.map { $0.name.padded(left: 15) + "refused".padded(left: 10) }.joined()]
    for slice in 0..<sliceCount {
      let cells = servers.indices.map {
        ratios[$0][slice].text(digits: 4).padded(left: 15) + refused[$0][slice].text(digits: 0).padded(left: 10)
      }
      lines.append("\(slice + 1)".padded(left: 5) + cells.joined())
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The median of the rounds for each slice.
  private func slices(_ server: ServerRounds<ShiftFigures>, _ values: (ShiftFigures) -> [Double]) -> [Double] {
    (0..<sliceCount).map { slice in server.rounds.map { values($0)[slice] }.median }
  }
}

extension Collection where Element == Double {
  /// The mean, 0 when empty.
  fileprivate var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
