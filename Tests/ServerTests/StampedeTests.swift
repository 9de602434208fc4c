// A hundred clients meet one item that has gone stale, that is about to expire, or that is not there: exactly one of
// them is told to recompute it, the others get what there is, and nobody gets a miss. Real sockets, from several
// threads at once, against several workers. The same without sockets, with a clock that is moved by hand, is in
// CacheCoreTests/Commands/StampedeTests.
import Foundation
import Synchronization
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct StampedeTests {
    private static let threadCount = 10
    private static let clientsPerThread = 10
    private static let rounds = 30

    /// What one round's clients were told.
    private struct Answers {
      var wins = 0
      /// The value there is, and that somebody else recomputes it.
      var stale = 0
      var misses = 0
      /// Anything else, as it came.
      var others: [String] = []
      var count: Int { wins + stale + misses + others.count }

      mutating func add(_ other: Answers) {
        wins += other.wins
        stale += other.stale
        misses += other.misses
        others += other.others
      }

      mutating func add(_ line: String, _ value: String, expected: Expected) {
        if line == expected.winner, value == expected.value {
          wins += 1
        } else if line == expected.stale, value == expected.value {
          stale += 1
        } else if line.hasPrefix("EN") {
          misses += 1
        } else {
          others.append("\(line) \(value)")
        }
      }
    }

    private struct Expected: Sendable {
      var winner: String
      var stale: String
      var value: String
    }

    /// One thread's clients: all ask, then all read.
    private static func ask(_ clients: [TextClient], _ line: String, _ expected: Expected) -> Answers {
      var answers = Answers()
      for client in clients { try? client.send(line + "\r\n") }
      for client in clients {
        guard let reply = try? client.readLine() else {
          answers.others.append("no reply")
          continue
        }
        let hasValue = reply.hasPrefix("VA ")
        let value = hasValue ? (try? client.readLine()) ?? "no value" : ""
        answers.add(reply, value, expected: expected)
      }
      return answers
    }

    /// Lets all clients meet the same key `rounds` times; `prepare` makes the item what they are to meet.
    private func stampede(
      _ name: String, _ line: String, _ expected: Expected, prepare: @escaping @Sendable (TextClient) -> Bool
    ) throws {
      let server = try ServerProcess(arguments: ["-t", "4"])
      let port = server.port
      let meeting = Meeting(StampedeTests.threadCount)
      let perThread = onThreads(StampedeTests.threadCount) { thread -> [Answers] in
        let clients = (0..<StampedeTests.clientsPerThread).compactMap { _ in try? TextClient(port: port) }
        return (0..<StampedeTests.rounds).map { _ in
          if thread == 0, !prepare(clients[0]) { return Answers(others: ["not prepared"]) }
          meeting.wait()
          let answers = StampedeTests.ask(clients, line, expected)
          meeting.wait()
          return answers
        }
      }
      var total = Answers()
      for round in 0..<StampedeTests.rounds {
        var answers = Answers()
        for thread in perThread { answers.add(thread[round]) }
        #expect(answers.others == [], "round \(round)")
        #expect(answers.wins == 1 && answers.misses == 0 && answers.count == 100, "round \(round): \(answers)")
        total.add(answers)
      }
      print(
        "stampede, \(name): \(StampedeTests.rounds) rounds of 100 clients: "
          + "\(total.wins) wins, \(total.stale) stale answers, \(total.misses) misses")
    }

    @Test func oneRecomputesWhatWasMarkedStale() throws {
      try stampede(
        "stale", "mg key v", Expected(winner: "VA 5 X W", stale: "VA 5 Z X", value: "value")
      ) { client in
        (try? client.command("ms key 5 T600\r\nvalue")) == "HD" && (try? client.command("md key I T30")) == "HD"
      }
    }

    @Test func oneRecomputesWhatIsAboutToExpire() throws {
      try stampede(
        "near expiry", "mg key v R30", Expected(winner: "VA 5 W", stale: "VA 5 Z", value: "value")
      ) { client in (try? client.command("ms key 5 T20\r\nvalue")) == "HD" }
    }

    @Test func oneMakesWhatIsMissing() throws {
      try stampede("vivify", "mg key v N30", Expected(winner: "VA 0 W", stale: "VA 0 Z", value: "")) { client in
        ["HD", "NF"].contains(try? client.command("md key"))
      }
    }

    /// The whole way round: the winner stores, and from then on everybody reads the new value and nobody is told to
    /// do anything.
    @Test func theWinnersValueEndsIt() throws {
      let server = try ServerProcess(arguments: ["-t", "4"])
      let clients = try (0..<20).map { _ in try TextClient(port: server.port) }
      #expect(try clients[0].command("ms key 3 T600\r\nold") == "HD")
      #expect(try clients[0].command("md key I T30") == "HD")
      var winner: TextClient?
      for client in clients {
        let line = try client.command("mg key v c")
        #expect(try client.readLine() == "old")
        if line.hasSuffix(" W") {
          #expect(winner == nil)
          winner = client
        }
      }
      #expect(try #require(winner).command("ms key 3 T600\r\nnew") == "HD")
      for client in clients {
        #expect(try client.command("mg key v R30") == "VA 3")
        #expect(try client.readLine() == "new")
      }
    }
  }
}

/// A point where a number of threads wait for each other, again and again.
private final class Meeting: Sendable {
  private struct State {
    var waiting = 0
    var turn = 0
  }
  private let count: Int
  private let state = Mutex(State())

  init(_ count: Int) { self.count = count }

  func wait() {
    let turn = state.withLock { state in
      state.waiting += 1
      let turn = state.turn
      if state.waiting == count {
        state.waiting = 0
        state.turn += 1
      }
      return turn
    }
    while state.withLock({ $0.turn == turn }) { usleep(50) }
  }
}
