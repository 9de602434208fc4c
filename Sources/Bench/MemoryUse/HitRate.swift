// `swiftcached-bench hitrate`: traces replayed cache-aside against each server, with `-m` at 10 and at 20 percent of
// what the trace's keys and values weigh. It answers which server keeps the better items in the same memory.
import Events
import Glibc

struct HitRateFigures: Sendable {
  let load: CacheAsideFigures
  let evictionCount: Int
  let itemCount: Int
  let residentByteCount: Int
  let seconds: Double

  static let missRatio = FigureColumn<HitRateFigures>("miss ratio", "missRatio", digits: 4) { $0.load.missRatio }
  static let byteMissRatio = FigureColumn<HitRateFigures>("byte misses", "byteMissRatio", digits: 4) {
    $0.load.byteMissRatio
  }
  static let table = FigureTable<HitRateFigures>(columns: [
    missRatio, byteMissRatio, FigureColumn("evictions", "evictions") { Double($0.evictionCount) },
    FigureColumn("items", "items") { Double($0.itemCount) },
    FigureColumn("RSS MiB", "residentMegabytes", digits: 1) { Double($0.residentByteCount) / Double(1 << 20) },
    FigureColumn("refused", "refusedSets", isCompared: false) { Double($0.load.refusedCount) },
    FigureColumn("hits", "hits", isCompared: false) { Double($0.load.hitCount) },
    FigureColumn("thousand/s", "thousandRequestsPerSecond", isCompared: false) {
      Double($0.load.getCount + $0.load.setCount) / $0.seconds / 1000
    },
  ])
}

struct HitRate {
  let options: MemoryUseOptions
  private let parts = [0.1, 0.2]
  /// Below this a page for each slab class, which memcached takes whatever `-m` says, would decide.
  private let leastMemoryByteCount = 64 << 20

  init(options: MemoryUseOptions) { self.options = options }

  func run() throws {
    let folder = TraceFolder(path: options.traceFolder)
    var done: [(name: String, part: Double, servers: [ServerRounds<HitRateFigures>])] = []
    for name in try options.selected(of: folder.names()) {
      let trace = try folder.trace(name, limit: options.requestCount ?? .max)
      let workload = Workload(
        name, trace, try folder.sizes(name), part: parts[0], leastByteCount: options.isRaw ? 0 : leastMemoryByteCount)
      for part in parts {
        let servers = try rounds(workload, memoryMegabytes: workload.memoryMegabytes(part: part))
        try report(workload, part, servers)
        done.append((name, part, servers))
      }
    }
    LoadHost.printOutput(Self.summary(done, parts))
  }

  private func rounds(_ workload: Workload, memoryMegabytes: Int) throws -> [ServerRounds<HitRateFigures>] {
    var servers = options.servers.map { ServerRounds<HitRateFigures>(name: $0.name) }
    for _ in 0..<options.roundCount {
      for (index, choice) in options.servers.enumerated() {
        let server = try ServerUnderTest(
          choice, threads: options.threadCount, memoryMegabytes: memoryMegabytes, floorSizes: nil)
        servers[index].rounds.append(try replay(workload, server))
      }
    }
    return servers
  }

  private func replay(_ workload: Workload, _ server: ServerUnderTest) throws -> HitRateFigures {
    var client = try CacheAside(
      label: "\(workload.name) on \(server.choice.name)", port: server.port, keys: workload.keys)
    let start = LoadHost.nowNanoseconds()
    try workload.replay { try client.perform($0) }
    let stats = try client.checkedStats()
    let seconds = Double(LoadHost.nowNanoseconds() - start) / 1e9
    if let refusal = client.figures.firstRefusal {
      LoadHost.printOutput("\(server.choice.name) refused \(client.figures.refusedCount) sets; the first: \(refusal)\n")
    }
    return HitRateFigures(
      load: client.figures, evictionCount: stats["evictions"] ?? 0, itemCount: stats["curr_items"] ?? 0,
      residentByteCount: try server.residentByteCount(), seconds: seconds)
  }

  private func report(_ workload: Workload, _ part: Double, _ servers: [ServerRounds<HitRateFigures>]) throws {
    let memory = workload.memoryMegabytes(part: part)
    let footprint = Double(workload.footprintByteCount) / Double(1 << 20)
    let title =
      "\(workload.name), \((100 * part).text(digits: 0)) %: -m \(memory), \(workload.requestCount) requests of "
      + "\(workload.keys.count) keys, \(workload.copyCount) copies, \(footprint.text(digits: 1)) MiB, "
      + "sizes \(workload.sizes)"
    LoadHost.printOutput(HitRateFigures.table.text(title, servers))
    let head: [(String, JSONValue)] = [
      ("run", .string("hitrate")), ("case", .string(workload.name)), ("part", .number(part)),
      ("memoryMegabytes", .number(Double(memory))), ("copies", .number(Double(workload.copyCount))),
      ("requests", .number(Double(workload.requestCount))),
      ("footprintBytes", .number(Double(workload.footprintByteCount))),
    ]
    try options.output(json: HitRateFigures.table.json(head, servers))
  }

  /// For each part and opponent: the geometric means of the ratios over the traces, and the worst trace.
  private static func summary(
    _ cases: [(name: String, part: Double, servers: [ServerRounds<HitRateFigures>])], _ parts: [Double]
  ) -> String {
    var text = "Misses of the first server divided by the others' (less is better)\n"
    for part in parts {
      let rows = cases.filter { $0.part == part }
      for opponent in rows[0].servers.indices.dropFirst() {
        let misses = rows.map { $0.servers[0].ratio(to: $0.servers[opponent], HitRateFigures.missRatio) }
        let bytes = rows.map { $0.servers[0].ratio(to: $0.servers[opponent], HitRateFigures.byteMissRatio) }
        let worst = misses.indices.max { misses[$0] < misses[$1] } ?? 0
        text +=
          "  \((100 * part).text(digits: 0)) %, \(rows[0].servers[0].name)/\(rows[0].servers[opponent].name): "
          + "geometric mean \(misses.geometricMean.text(digits: 4)), of bytes "
          + "\(bytes.geometricMean.text(digits: 4)); worst \(rows[worst].name) \(misses[worst].text(digits: 4))\n"
      }
    }
    return text
  }
}

extension Array where Element == Double {
  /// The geometric mean of numbers above 0; 1 when there are none.
  var geometricMean: Double { isEmpty ? 1 : exp(reduce(0) { $0 + log($1) } / Double(count)) }
}
