// What a figure must be for a run to count as passed, and the list of those that were not. Which figures have bars is
// said where they are measured.
import Events

struct Bar: Sendable, Equatable {
  enum Limit: Sendable, Equatable {
    case atLeast(Double)
    case atMost(Double)
  }

  let title: String
  let value: Double
  let limit: Limit

  /// A value that is no number meets nothing.
  var isMet: Bool {
    switch limit {
    case .atLeast(let least): value >= least
    case .atMost(let most): value <= most
    }
  }

  var text: String {
    let wanted =
      switch limit {
      case .atLeast(let least): "at least \(least.text(digits: 2))"
      case .atMost(let most): "at most \(most.text(digits: 2))"
      }
    return "\(title): \(value.text(digits: 3)), must be \(wanted)"
  }

  /// Says how many bars were met; throws `BenchFailure.barMissed` with those that were not.
  static func check(_ bars: [Bar]) throws {
    let missed = bars.filter { !$0.isMet }
    LoadHost.printOutput("\(bars.count - missed.count) of \(bars.count) bars met\n")
    guard missed.isEmpty else {
      throw BenchFailure.barMissed(missed.map { "MISSED " + $0.text }.joined(separator: "\n"))
    }
  }
}
