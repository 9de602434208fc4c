// Tables and JSON lines of the runs that measure memory: columns over any kind of figures, several rounds a server, and
// the first server's figures divided by the others'. Report does the same for time.

/// One figure: how it is named, read and written.
struct FigureColumn<Figures: Sendable>: Sendable {
  let title: String
  let jsonName: String
  let digits: Int
  /// Whether ours divided by theirs says something.
  let isCompared: Bool
  let value: @Sendable (Figures) -> Double

  init(
    _ title: String, _ jsonName: String, digits: Int = 0, isCompared: Bool = true,
    value: @escaping @Sendable (Figures) -> Double
  ) {
    self.title = title
    self.jsonName = jsonName
    self.digits = digits
    self.isCompared = isCompared
    self.value = value
  }
}

/// All rounds of one server in one case.
struct ServerRounds<Figures: Sendable>: Sendable {
  let name: String
  var rounds: [Figures] = []

  func median(_ column: FigureColumn<Figures>) -> Double { rounds.map(column.value).median }

  /// This server's figure divided by the other's: the median of the rounds' ratios.
  func ratio(to other: ServerRounds, _ column: FigureColumn<Figures>) -> Double {
    zip(rounds, other.rounds).map { column.value($0) / column.value($1) }.median
  }
}

struct FigureTable<Figures: Sendable>: Sendable {
  let columns: [FigureColumn<Figures>]

  private var width: Int { (columns.map(\.title.count).max() ?? 0) + 2 }

  /// A line of medians for each server, then a line of ratios for each but the first.
  func text(_ title: String, _ servers: [ServerRounds<Figures>]) -> String {
    var rows = [("", columns.map(\.title))]
    for server in servers { rows.append((server.name, columns.map { server.median($0).text(digits: $0.digits) })) }
    for theirs in servers.dropFirst() {
      let cells = columns.map { $0.isCompared ? servers[0].ratio(to: theirs, $0).text(digits: 3) : "" }
      rows.append(("\(servers[0].name)/\(theirs.name)", cells))
    }
    let names = rows.map(\.0.count).max() ?? 0
    let lines = rows.map { $0.0.padded(to: names) + $0.1.map { $0.padded(left: width) }.joined() }
    return (title.isEmpty ? "" : title + "\n") + lines.joined(separator: "\n") + "\n\n"
  }

  /// One line of JSON; `head` names the case, its texts as they are and its numbers as digits.
  func json(_ head: [(String, JSONValue)], _ servers: [ServerRounds<Figures>]) -> String {
    let parts = servers.map { server in
      let figures = columns.map { column in
        let rounds = server.rounds.map { column.value($0).jsonText }.joined(separator: ",")
        return "\"\(column.jsonName)\":{\"median\":\(server.median(column).jsonText),\"rounds\":[\(rounds)]}"
      }
      return "{\"name\":\(Report.quoted(server.name)),\(figures.joined(separator: ","))}"
    }
    let ratios = servers.dropFirst().map { theirs in
      let figures = columns.filter(\.isCompared).map {
        "\"\($0.jsonName)\":\(servers[0].ratio(to: theirs, $0).jsonText)"
      }
      let names = "\"ours\":\(Report.quoted(servers[0].name)),\"theirs\":\(Report.quoted(theirs.name))"
      return "{\(names),\(figures.joined(separator: ","))}"
    }
    let opening = head.map { "\"\($0.0)\":\($0.1.text)" }.joined(separator: ",")
    return "{\(opening),\"servers\":[\(parts.joined(separator: ","))],\"ratios\":[\(ratios.joined(separator: ","))]}\n"
  }
}

enum JSONValue: Sendable {
  case string(String)
  case number(Double)
  case numbers([Double])

  var text: String {
    switch self {
    case .string(let text): Report.quoted(text)
    case .number(let number): number.jsonText
    case .numbers(let numbers): "[" + numbers.map(\.jsonText).joined(separator: ",") + "]"
    }
  }
}

extension Double {
  fileprivate var jsonText: String {
    guard isFinite else { return "null" }
    return self == rounded() && magnitude < 1e15 ? text(digits: 0) : text(digits: 6)
  }
}
