// Turns figures into tables for people and JSON lines for programs. It measures nothing.
//
// A ratio is ours divided by theirs, taken round by round; its median is printed. Below 1 is better for processor time
// and latency, above 1 is better for throughput.

/// One figure of the tables: how it is named, read and written.
struct ReportColumn: Sendable {
  let title: String
  let jsonName: String
  let scale: Double
  let digits: Int
  let value: @Sendable (RoundFigures) -> Double

  static let all: [ReportColumn] = [
    ReportColumn(title: "CPU ns", jsonName: "processorNanosecondsPerRequest", scale: 1, digits: 0) {
      $0.processorNanosecondsPerRequest
    },
    ReportColumn(title: "thousand/s", jsonName: "requestsPerSecond", scale: 1e-3, digits: 1) { $0.requestsPerSecond },
    ReportColumn(title: "p50 us", jsonName: "medianLatencyNanoseconds", scale: 1e-3, digits: 0) {
      $0.medianLatencyNanoseconds
    },
    ReportColumn(title: "p99 us", jsonName: "slowLatencyNanoseconds", scale: 1e-3, digits: 0) {
      $0.slowLatencyNanoseconds
    },
    ReportColumn(title: "server use", jsonName: "serverUtilisation", scale: 1, digits: 2) { $0.serverUtilisation },
    ReportColumn(title: "load use", jsonName: "loadUtilisation", scale: 1, digits: 2) { $0.loadUtilisation },
    ReportColumn(title: "other use", jsonName: "otherUtilisation", scale: 1, digits: 2) { $0.otherUtilisation },
  ]

  static var processor: ReportColumn { all[0] }
  static var throughput: ReportColumn { all[1] }
  static var slowLatency: ReportColumn { all[3] }

  /// The columns whose ratio says something about the servers.
  static var compared: ArraySlice<ReportColumn> { all.prefix(4) }

  /// Ours divided by theirs, round by round.
  func ratios(_ ours: ServerFigures, _ theirs: ServerFigures) -> [Double] {
    zip(ours.rounds, theirs.rounds).map { value($0) / value($1) }
  }
}

enum Report {
  private static let width = 12

  /// The table of one case: a line of medians for each server, then a line of ratios for each opponent.
  static func table(_ row: LoadCase, _ servers: [ServerFigures]) -> String {
    let names = nameWidth(servers)
    var lines = ["\(row.name): \(row.summary) (figures for one \(row.unit))"]
    lines.append("".padded(to: names) + ReportColumn.all.map { $0.title.padded(left: width) }.joined())
    for server in servers {
      let cells = ReportColumn.all.map { (server.median($0.value) * $0.scale).text(digits: $0.digits) }
      lines.append(server.name.padded(to: names) + cells.map { $0.padded(left: width) }.joined())
    }
    for (title, cells) in ratioRows(servers) {
      lines.append(title.padded(to: names) + cells.map { $0.padded(left: width) }.joined())
    }
    return lines.joined(separator: "\n") + "\n\n"
  }

  /// The closing table: the ratios of every case.
  static func summary(_ cases: [(row: LoadCase, servers: [ServerFigures])]) -> String {
    let names = cases.map { nameWidth($0.servers) }.max() ?? 0
    let caseWidth = (cases.map(\.row.name.count).max() ?? 0) + 2
    var lines = [
      "".padded(to: caseWidth + names) + ReportColumn.compared.map { $0.title.padded(left: width) }.joined()
        + "  CPU range   CPU of the best rounds"
    ]
    for (row, servers) in cases {
      for (title, cells) in ratioRows(servers) {
        let line = row.name.padded(to: caseWidth) + title.padded(to: names)
        lines.append(line + cells.map { $0.padded(left: width) }.joined())
      }
    }
    return "Ratios (CPU and latency: less is better; throughput: more is better)\n" + lines.joined(separator: "\n")
      + "\n"
  }

  /// One line of JSON: names, rounds and ratios of a case.
  static func json(_ row: LoadCase, _ servers: [ServerFigures]) -> String {
    let parts = servers.map { server in
      let figures = ReportColumn.all.map { column in
        let rounds = server.rounds.map { column.value($0).text(digits: 3) }.joined(separator: ",")
        let median = server.median(column.value).text(digits: 3)
        return "\"\(column.jsonName)\":{\"median\":\(median),\"rounds\":[\(rounds)]}"
      }
      return "{\"name\":\(quoted(server.name)),\(figures.joined(separator: ","))}"
    }
    let ratios = servers.dropFirst().map { theirs in
      let figures = ReportColumn.compared.map { column in
        "\"\(column.jsonName)\":\(column.ratios(servers[0], theirs).median.text(digits: 4))"
      }
      return "{\"ours\":\(quoted(servers[0].name)),\"theirs\":\(quoted(theirs.name)),\(figures.joined(separator: ","))}"
    }
    return "{\"case\":\(quoted(row.name)),\"unit\":\(quoted(row.unit)),\"servers\":[\(parts.joined(separator: ","))],"
      + "\"ratios\":[\(ratios.joined(separator: ","))]}\n"
  }

  /// One line of JSON that says how a program stood in a case: its ratios to the others, and what a request costs it.
  static func history(
    _ row: LoadCase, _ servers: [ServerFigures], _ costs: CallgrindProfile?, label: String
  ) -> String {
    let ratios = servers.dropFirst().flatMap { theirs in
      ReportColumn.compared.map { column in
        "\(quoted("\(column.jsonName)/\(theirs.name)")):\(column.ratios(servers[0], theirs).median.text(digits: 3))"
      }
    }
    let counted = costs.map {
      [
        "\"instructions\":\($0.instructions.text(digits: 0))", "\"heapCalls\":\($0.heapCalls.text(digits: 2))",
        "\"referenceCounts\":\($0.referenceCounts.text(digits: 2))",
      ]
    }
    let parts = ["\"program\":\(quoted(label))", "\"case\":\(quoted(row.name))"] + ratios + (counted ?? [])
    return "{\(parts.joined(separator: ","))}\n"
  }

  /// The table of instruction counts; nil is a server that does not run under valgrind. Behind the instructions stand
  /// calls of the heap and of reference counts.
  static func instructionTable(_ names: [String], _ cases: [(row: LoadCase, costs: [CallgrindProfile?])]) -> String {
    var lines = [
      "For one request, or one key of a multiget: instructions in user space, calls of the heap, reference counts"
    ]
    lines.append("".padded(to: 14) + names.map { $0.padded(left: 2 * width) }.joined())
    for (row, costs) in cases {
      let cells = costs.map { costs in
        guard let costs else { return "n/a".padded(left: 2 * width) }
        return costs.instructions.text(digits: 0).padded(left: width)
          + "\(costs.heapCalls.text(digits: 2)) \(costs.referenceCounts.text(digits: 2))".padded(left: width)
      }
      lines.append(row.name.padded(to: 14) + cells.joined())
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Which source files, or libraries, the instructions come from: those with at least one a request in any case, most
  /// first.
  static func fileTable(_ cases: [(row: LoadCase, costs: FileCosts?)]) -> String {
    var most: [String: Double] = [:]
    for (_, costs) in cases {
      for (file, cost) in costs?.instructions ?? [:] { most[file] = max(most[file] ?? 0, cost) }
    }
    let files = most.filter { $0.value >= 1 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    let nameWidth = (files.map(\.count).max() ?? 0) + 1
    var lines = ["", "Instructions by source file:"]
    lines.append("".padded(to: nameWidth) + cases.map { $0.row.name.padded(left: width) }.joined())
    for file in files {
      let cells = cases.map { ($0.costs?.instructions[file] ?? 0).text(digits: 1).padded(left: width) }
      lines.append(file.padded(to: nameWidth) + cells.joined())
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One line of JSON: the instruction counts of a case.
  static func instructionJSON(_ row: LoadCase, _ names: [String], _ costs: [CallgrindProfile?]) -> String {
    let parts = zip(names, costs).map { name, costs in
      "{\"name\":\(quoted(name)),\"instructionsPerRequest\":\(costs?.instructions.text(digits: 1) ?? "null"),"
        + "\"heapCallsPerRequest\":\(costs?.heapCalls.text(digits: 3) ?? "null"),"
        + "\"referenceCountsPerRequest\":\(costs?.referenceCounts.text(digits: 3) ?? "null")}"
    }
    return "{\"case\":\(quoted(row.name)),\"unit\":\(quoted(row.unit)),"
      + "\"servers\":[\(parts.joined(separator: ","))]}\n"
  }

  /// For each opponent: a title, the median ratios, and for the processor time the range of the ratios and the ratio
  /// of the best rounds, which a busy machine disturbs least.
  private static func ratioRows(_ servers: [ServerFigures]) -> [(title: String, cells: [String])] {
    servers.dropFirst().map { theirs in
      let cells = ReportColumn.compared.map { $0.ratios(servers[0], theirs).median.text(digits: 3) }
      let processor = ReportColumn.all[0]
      let ratios = processor.ratios(servers[0], theirs)
      let range = "  \((ratios.min() ?? 0).text(digits: 2))..\((ratios.max() ?? 0).text(digits: 2))"
      let best = servers[0].least(processor.value) / theirs.least(processor.value)
      return ("\(servers[0].name)/\(theirs.name)", cells + [range, "  \(best.text(digits: 3))"])
    }
  }

  private static func nameWidth(_ servers: [ServerFigures]) -> Int {
    (servers.map(\.name.count) + ratioRows(servers).map(\.title.count)).max() ?? 0
  }

  /// The text as a JSON string.
  static func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
  }
}

extension Array where Element == Double {
  /// The middle value, or the mean of the two middle values; 0 when empty.
  var median: Double {
    guard !isEmpty else { return 0 }
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}

extension Double {
  /// Decimal text with a fixed number of digits after the point; "n/a" when it is no number.
  func text(digits: Int) -> String {
    guard isFinite else { return "n/a" }
    let power = (0..<digits).reduce(1) { product, _ in product * 10 }
    let scaled = Int((magnitude * Double(power)).rounded())
    let sign = self < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(scaled)" }
    let fraction = "\(scaled % power)"
    return "\(sign)\(scaled / power)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
  func padded(left width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
