// Who is told to recompute an item, with a clock that only the test moves: the one client of a hundred that meets it
// first when it has gone stale, has little time left, or was just made; and who comes next when the winner does not
// keep its word. One thread: that exactly one wins among many at once is shown over sockets (ServerTests).
import InProcess
import Testing

struct StampedeTests {
  /// What a hundred clients are told that ask the same.
  private struct Answers: Equatable {
    var wins = 0
    var stale = 0
    var fresh = 0
    var misses = 0
  }

  private func ask(_ server: InProcessServer, _ line: String, clients: Int = 100) -> Answers {
    var answers = Answers()
    for client in 1...clients {
      let reply = server.send(line + "\r\n", client: client)
      let words = reply.split(separator: "\r\n").first.map { $0.split(separator: " ") } ?? []
      if words.contains("W") {
        answers.wins += 1
      } else if words.contains("Z") {
        answers.stale += 1
      } else if words.first == "EN" {
        answers.misses += 1
      } else {
        answers.fresh += 1
      }
    }
    return answers
  }

  private func report(_ name: String, _ answers: Answers) {
    print("stampede in process, \(name): \(answers.wins) wins, \(answers.stale) stale, \(answers.misses) misses")
  }

  @Test func aStaleItemHasOneWinnerAndDiesInItsTime() {
    let server = InProcessServer()
    #expect(server.send("ms key 5 T600\r\nvalue\r\nmd key I T30\r\n") == "HD\r\nHD\r\n")
    let answers = ask(server, "mg key v t")
    report("stale", answers)
    #expect(answers == Answers(wins: 1, stale: 99))
    #expect(server.send("mg key v t\r\n") == "VA 5 t30 Z X\r\nvalue\r\n")
    server.advanceClock(seconds: 29)
    #expect(server.send("mg key v t\r\n") == "VA 5 t1 Z X\r\nvalue\r\n")
    // It lives through its last second.
    server.advanceClock(seconds: 2)
    #expect(ask(server, "mg key v", clients: 5) == Answers(misses: 5))
  }

  /// md I takes the token back: the next to come is the next to win.
  @Test func markingItStaleAgainChoosesAnotherWinner() {
    let server = InProcessServer()
    _ = server.send("ms key 5\r\nvalue\r\n")
    for _ in 0..<3 {
      #expect(server.send("md key I\r\n") == "HD\r\n")
      #expect(ask(server, "mg key v") == Answers(wins: 1, stale: 99))
    }
  }

  @Test func littleTimeLeftHasOneWinner() {
    let server = InProcessServer()
    _ = server.send("ms key 5 T60\r\nvalue\r\n")
    #expect(ask(server, "mg key v t R30") == Answers(fresh: 100))
    server.advanceClock(seconds: 30)
    // Thirty seconds left are not less than thirty.
    #expect(ask(server, "mg key v t R30") == Answers(fresh: 100))
    server.advanceClock(seconds: 1)
    let answers = ask(server, "mg key v t R30")
    report("near expiry", answers)
    #expect(answers == Answers(wins: 1, stale: 99))
    // Also those who do not ask for it are told that somebody recomputes.
    #expect(server.send("mg key v t\r\n") == "VA 5 t29 Z\r\nvalue\r\n")
    #expect(server.send("get key\r\n") == "VALUE key 0 5\r\nvalue\r\nEND\r\n")
    _ = server.send("ms key 5 T60\r\nagain\r\n")
    #expect(ask(server, "mg key v t R30") == Answers(fresh: 100))
  }

  @Test func whatNeverExpiresIsNotRecached() {
    let server = InProcessServer()
    _ = server.send("ms key 5\r\nvalue\r\n")
    #expect(ask(server, "mg key v R30") == Answers(fresh: 100))
  }

  /// The winner of a vivify that never stores: its empty item is what the others see until it expires, and then there
  /// is the next winner.
  @Test func aMissingItemHasOneWinnerAtATime() {
    let server = InProcessServer()
    let answers = ask(server, "mg key v N30")
    report("vivify", answers)
    #expect(answers == Answers(wins: 1, stale: 99))
    #expect(server.send("mg key v t N30\r\n") == "VA 0 t30 Z\r\n\r\n")
    server.advanceClock(seconds: 29)
    #expect(ask(server, "mg key v N30") == Answers(stale: 100))
    server.advanceClock(seconds: 2)
    #expect(ask(server, "mg key v N30") == Answers(wins: 1, stale: 99))
    _ = server.send("ms key 5 T600\r\nvalue\r\n")
    #expect(ask(server, "mg key v N30") == Answers(fresh: 100))
  }

  /// A client that recomputed from an older value than the item has by now does not make it fresh (ms C I).
  @Test func aLateWinnerLeavesItStale() {
    let server = InProcessServer()
    _ = server.send("ms key 3 E10\r\none\r\nmd key I E20\r\n")
    #expect(server.send("mg key v c\r\n") == "VA 3 c20 X W\r\none\r\n")
    _ = server.send("md key I E30\r\n")
    #expect(server.send("ms key 3 C20 I\r\ntwo\r\n") == "HD\r\n")
    #expect(ask(server, "mg key v") == Answers(wins: 1, stale: 99))
    #expect(server.send("mg key v\r\n") == "VA 3 Z X\r\ntwo\r\n")
    #expect(server.send("ms key 5 C1000 I\r\nthree\r\n") == "EX\r\n")
  }
}
