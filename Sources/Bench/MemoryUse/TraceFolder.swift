// The traces of a folder: `NAME.csv.xz` or `NAME.csv` each, and the case `meta`, whose requests are drawn from two
// distributions that lie beside them. Which sizes belong to which trace is the table here.
import Events

struct TraceFolder: Sendable {
  let path: String

  private static let drawn = "meta"
  private static let drawnSizes = "meta-kvcache-sizes"
  private static let drawnPopularity = "meta-kvcache-pop"
  private static let drawnRequestCount = 5_000_000
  /// The pool had 17 million keys and 424 million requests: a draw of 5 million would be many first requests.
  private static let drawnScale = 16
  private static let drawnSeed: UInt64 = 0x6d65_7461

  /// The cases: traces that are there, and `meta` when its distributions are.
  func names() throws -> [String] {
    let files = LoadHost.paths(matching: path + "/*.csv.xz") + LoadHost.paths(matching: path + "/*.csv")
    let names = files.map { String($0.dropFirst(path.count + 1).prefix { $0 != "." }) }
    let traces = names.filter { $0 != Self.drawnSizes && $0 != Self.drawnPopularity }
    guard !names.isEmpty else { throw BenchFailure.failed("no traces (*.csv.xz) in \(path); name them with --traces") }
    return traces + (traces.count == names.count ? [] : [Self.drawn])
  }

  /// The trace of a case, its first `limit` requests.
  func trace(_ name: String, limit: Int) throws -> Trace {
    guard name == Self.drawn else {
      let trace = try Trace(contents(name), limit: limit)
      guard !trace.requests.isEmpty else { throw BenchFailure.failed("\(name): a trace without requests") }
      return trace
    }
    let rows = try NumberPairs(contents(Self.drawnPopularity)).rows
    let popularity = Popularity(rows: rows, scale: Self.drawnScale)
    return popularity.trace(requestCount: min(limit, Self.drawnRequestCount), seed: Self.drawnSeed)
  }

  /// The sizes of values where the trace does not say.
  func sizes(_ name: String) throws -> SizeModel {
    switch name {
    case "web12": return .lognormal(medianByteCount: 4000, sigma: 1)
    case "arc-oltp": return .constant(4096)
    case "scarab-recs", Self.drawn:
      let rows = try NumberPairs(contents(Self.drawnSizes)).rows
      return .weighted(byteCounts: rows.map(\.first), WeightedChoice(weights: rows.map { Double($0.second) }))
    default: return .lognormal(medianByteCount: 800, sigma: 1)
    }
  }

  private func contents(_ name: String) throws -> [UInt8] {
    let plain = "\(path)/\(name).csv"
    if LoadHost.paths(matching: plain).isEmpty { return try LoadHost.output(of: ["xz", "-dc", plain + ".xz"]) }
    return try LoadHost.contents(ofFile: plain)
  }
}

/// How often the keys of a pool were asked for: groups of keys and the requests of each group together.
struct Popularity: Sendable {
  /// The first key of each group, and after the last one the number of keys.
  private(set) var starts: [Int] = [0]
  private let choice: WeightedChoice

  /// Each row is a number of keys and their requests, most popular first. The pool is made smaller by `scale`: groups
  /// keep their part of the requests and of the keys, and groups of too few keys are joined.
  init(rows: [(first: Int, second: Int)], scale: Int) {
    var weights: [Double] = []
    var keySum = 0
    var requestSum = 0.0
    for row in rows {
      keySum += row.first
      requestSum += Double(row.second)
      guard keySum / scale > starts[starts.count - 1] else { continue }
      starts.append(keySum / scale)
      weights.append(requestSum)
      requestSum = 0
    }
    choice = WeightedChoice(weights: weights)
  }

  /// Requests drawn one by one, without any locality in time; keys are `pool:` and eleven digits.
  func trace(requestCount: Int, seed: UInt64) -> Trace {
    var random = RandomNumbers(seed: seed)
    var trace = Trace()
    for _ in 0..<requestCount {
      let group = choice.draw(&random)
      let key = starts[group] + random.next(below: starts[group + 1] - starts[group])
      let digits = String(key)
      let text = "pool:" + String(repeating: "0", count: 11 - digits.count) + digits
      let number = UInt32(trace.keys.number(of: ArraySlice(text.utf8)))
      trace.requests.append(TraceRequest(key: number, valueByteCount: -1, ttlSeconds: 0, isWrite: false))
    }
    return trace
  }
}
