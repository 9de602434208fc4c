// `swiftcached-bench density`: each server with `-m 256` is filled with distinct keys until it has evicted as many
// items as it holds; then every key is asked for, and the keys and values that are still there are added up.
import Events

struct DensityFigures: Sendable {
  let itemCount: Int
  /// Keys and values of the items held.
  let payloadByteCount: Int
  let residentByteCount: Int
  let setCount: Int
  let refusedCount: Int

  static let payloadByLimit = FigureColumn<DensityFigures>("payload/-m", "payloadByLimit", digits: 4) {
    Double($0.payloadByteCount) / Double(Density.memoryMegabytes << 20)
  }
  static let payloadByResident = FigureColumn<DensityFigures>("payload/RSS", "payloadByResident", digits: 4) {
    Double($0.payloadByteCount) / Double($0.residentByteCount)
  }
  static let table = FigureTable<DensityFigures>(columns: [
    payloadByLimit, payloadByResident, FigureColumn("items", "items") { Double($0.itemCount) },
    FigureColumn("RSS MiB", "residentMegabytes", digits: 1) { Double($0.residentByteCount) / Double(1 << 20) },
    FigureColumn("sets", "sets", isCompared: false) { Double($0.setCount) },
    FigureColumn("refused", "refusedSets", isCompared: false) { Double($0.refusedCount) },
  ])
}

struct Density {
  let options: MemoryUseOptions
  static let memoryMegabytes = 256

  func run() throws {
    var done: [[ServerRounds<DensityFigures>]] = []
    for name in try options.selected(of: DensityCase.all.map(\.name)) {
      guard let row = DensityCase.all.first(where: { $0.name == name }) else { continue }
      var servers = options.servers.map { ServerRounds<DensityFigures>(name: $0.name) }
      for _ in 0..<options.roundCount {
        for (index, choice) in options.servers.enumerated() {
          servers[index].rounds.append(try measure(row, choice))
        }
      }
      LoadHost.printOutput(
        DensityFigures.table.text("\(row.name): \(row.summary), -m \(Self.memoryMegabytes)", servers))
      try options.output(
        json: DensityFigures.table.json([("run", .string("density")), ("case", .string(name))], servers))
      done.append(servers)
    }
    LoadHost.printOutput(summary(done))
  }

  private func measure(_ row: DensityCase, _ choice: ServerChoice) throws -> DensityFigures {
    let server = try ServerUnderTest(
      choice, threads: options.threadCount, memoryMegabytes: Self.memoryMegabytes, floorSizes: nil)
    var client = try DensityClient(row, label: "density \(row.name) on \(choice.name)", port: server.port)
    try client.fill(memoryByteCount: Self.memoryMegabytes << 20)
    try server.settle()
    let resident = try server.residentByteCount()
    let held = try client.held()
    return DensityFigures(
      itemCount: held.itemCount, payloadByteCount: held.byteCount, residentByteCount: resident,
      setCount: client.setCount, refusedCount: client.refusedCount)
  }

  /// The geometric means of the ratios over the cases.
  private func summary(_ cases: [[ServerRounds<DensityFigures>]]) -> String {
    var text = "Payload of the first server divided by the others', geometric means (more is better)\n"
    for opponent in options.servers.indices.dropFirst() {
      let means = [DensityFigures.payloadByLimit, DensityFigures.payloadByResident].map { column in
        let mean = cases.map { $0[0].ratio(to: $0[opponent], column) }.geometricMean
        return "\(column.title) \(mean.text(digits: 4))"
      }
      text += "  \(options.servers[0].name)/\(options.servers[opponent].name): \(means.joined(separator: ", "))\n"
    }
    return text
  }
}

/// Fills a server with quiet meta sets and asks for every key. Of the sets only refusals are answered.
private struct DensityClient: ~Copyable {
  private(set) var setCount = 0
  private(set) var refusedCount = 0
  private let row: DensityCase
  private var link: ServerLink
  private var request: [UInt8] = []

  private static let batchByteCount = 256 << 10
  private static let batchesBetweenChecks = 32
  private static let keysPerScan = 2000
  /// When a server refuses or keeps whatever comes: enough was tried.
  private static let mostFills = 8

  init(_ row: DensityCase, label: String, port: UInt16) throws {
    self.row = row
    link = try ServerLink(label: label, port: port)
  }

  /// Stores new keys until as many items were evicted as are held.
  mutating func fill(memoryByteCount: Int) throws {
    var sentByteCount = 0
    while sentByteCount < Self.mostFills * memoryByteCount {
      for _ in 0..<Self.batchesBetweenChecks { sentByteCount += try storeBatch() }
      let stats = try link.stats()
      if stats["evictions"] ?? 0 >= max(1, stats["curr_items"] ?? 0) { return }
    }
  }

  /// Stores about `batchByteCount` bytes of new keys and values; returns how many were sent.
  private mutating func storeBatch() throws -> Int {
    request.removeAll(keepingCapacity: true)
    repeat {
      let byteCount = row.valueByteCount(setCount)
      request += "ms ".utf8
      row.appendKey(setCount, to: &request)
      request += " \(byteCount) q\r\n".utf8
      request += Filler.value(setCount, byteCount: byteCount)
      request += "\r\n".utf8
      setCount += 1
    } while request.count < Self.batchByteCount
    request += "mn\r\n".utf8
    link.send(request)
    while true {
      let line = try link.line()
      if link.isLine(line, Array("MN".utf8)) { return request.count }
      refusedCount += 1
    }
  }

  /// Asks for all keys; the items that are there, and their keys and values.
  mutating func held() throws -> (itemCount: Int, byteCount: Int) {
    var itemCount = 0
    var byteCount = 0
    var key = 0
    while key < setCount {
      let keys = key..<min(key + Self.keysPerScan, setCount)
      request.removeAll(keepingCapacity: true)
      for key in keys {
        request += "mg ".utf8
        row.appendKey(key, to: &request)
        request += " s\r\n".utf8
      }
      link.send(request)
      for key in keys where try isHeld(key) {
        itemCount += 1
        byteCount += row.keyByteCount(key) + row.valueByteCount(key)
      }
      key = keys.upperBound
    }
    try link.checkClassSums()
    let stats = try link.stats()
    guard stats["curr_items"] == itemCount else {
      throw link.wrong("stats say \(stats["curr_items"] ?? -1) items, but \(itemCount) were found")
    }
    return (itemCount, byteCount)
  }

  /// Reads the answer for the key: `EN`, or `HD` and the size of its value.
  private mutating func isHeld(_ key: Int) throws -> Bool {
    let line = try link.line()
    if link.isLine(line, Array("EN".utf8)) { return false }
    guard link.isLine(line, Array("HD s\(row.valueByteCount(key))".utf8)) else {
      throw link.wrong("to mg of key \(key): \(link.text(line))")
    }
    return true
  }
}
