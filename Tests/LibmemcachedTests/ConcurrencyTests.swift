// Several threads with a libmemcached handle each, on the same keys of one server: what must be atomic is.
// The sums are exact, so one lost or doubled change fails the case; each thread reports to the test, which judges.
// Not a load test: the numbers are what two cores do in a second.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ConcurrencyTests {
  let server: ServerProcess
  let client: LibmemcachedClient

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
    client = LibmemcachedClient(port: server.port, [.supportCas: 1])
  }

  @Test func eightThreadsIncrementOneCounter() {
    let port = server.port
    #expect(client.set("counter", "0") == .success)
    let seen = onThreads(8) { _ in
      let mine = LibmemcachedClient(port: port)
      return (0..<2000).map { _ in
        let counted = mine.increment("counter")
        return counted.code == .success ? counted.value : 0
      }
    }
    #expect(client.get("counter").text == "16000")
    // Every number was given exactly once, and to each thread in rising order.
    #expect(Set(seen.joined()) == Set(1...16000))
    #expect(seen.allSatisfy { zip($0, $0.dropFirst()).allSatisfy { $0 < $1 } })
  }

  @Test func incrementsAndDecrementsBalance() {
    let port = server.port
    #expect(client.set("counter", "1000000") == .success)
    let failures = onThreads(4) { index in
      let mine = LibmemcachedClient(port: port)
      return (0..<1000).filter { step in
        let counted = index % 2 == 0 ? mine.increment("counter", by: 3) : mine.decrement("counter", by: 2)
        return counted.code != .success
      }.count
    }
    #expect(failures == [0, 0, 0, 0])
    #expect(client.get("counter").text?.trimmingCharacters(in: [" "]) == "1002000")
  }

  @Test func fourThreadsSwapOneCounter() {
    let port = server.port
    #expect(client.set("counter", "0") == .success)
    let successes = onThreads(4) { _ in
      let mine = LibmemcachedClient(port: port, [.supportCas: 1])
      var done = 0
      for _ in 0..<100_000 where done < 250 {
        guard let item = mine.gets("counter"), let number = Int(item.text) else { return -1 }
        let code = mine.cas("counter", "\(number + 1)", unique: item.cas)
        if code == .success { done += 1 } else if code != .dataExists { return -2 }
      }
      return done
    }
    #expect(successes == [250, 250, 250, 250])
    #expect(client.get("counter").text == "1000")
  }

  @Test func oneThreadWinsEveryAdd() {
    let port = server.port
    let wins = onThreads(4) { index in
      let mine = LibmemcachedClient(port: port)
      return (0..<300).filter { mine.add("race-\($0)", "thread \(index)") == .success }
    }
    #expect(wins.joined().sorted() == Array(0..<300))
    for (index, races) in wins.enumerated() {
      for race in races { #expect(client.get("race-\(race)").text == "thread \(index)") }
    }
  }

  @Test func appendsOfFourThreadsAllArrive() {
    let port = server.port
    #expect(client.set("log", "") == .success)
    let failures = onThreads(4) { index in
      let mine = LibmemcachedClient(port: port)
      return (0..<300).filter { mine.append("log", "\(index)-\($0),") != .success }.count
    }
    #expect(failures == [0, 0, 0, 0])
    let words = (client.get("log").text ?? "").split(separator: ",").map(String.init)
    #expect(Set(words) == Set((0..<4).flatMap { index in (0..<300).map { "\(index)-\($0)" } }))
    #expect(words.count == 1200)
  }

  /// Values are replaced as a whole: a reader sees one writer's bytes, never a mixture.
  @Test func readersSeeWholeValues() {
    let port = server.port
    let value: @Sendable (Int, Int) -> [UInt8] = { index, step in
      [UInt8](repeating: UInt8(65 + index), count: [10, 900, 9000, 90_000][(index + step) % 4])
    }
    #expect(client.set("shared", value(0, 0)) == .success)
    let torn = onThreads(6) { index in
      let mine = LibmemcachedClient(port: port)
      return (0..<200).filter { step in
        if index < 3 { return mine.set("shared", value(index, step)) != .success }
        guard let bytes = mine.get("shared").value, let first = bytes.first else { return true }
        return !bytes.allSatisfy { $0 == first } || ![10, 900, 9000, 90_000].contains(bytes.count)
      }.count
    }
    #expect(torn == [0, 0, 0, 0, 0, 0])
  }
}
