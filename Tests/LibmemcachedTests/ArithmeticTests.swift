// Counters as libmemcached sees them: increment and decrement in the text protocol, on numbers and on everything else.
// Each case looks at the number that came back and at the value that is stored afterwards.
// Not here: counters under contention (ConcurrencyTests) and the binary protocol's initial value.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ArithmeticTests {
  let server: ServerProcess
  let client: LibmemcachedClient

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
    client = LibmemcachedClient(port: server.port)
  }

  @Test func upAndDown() {
    #expect(client.set("counter", "10", flags: 3) == .success)
    #expect(client.increment("counter") == .init(code: .success, value: 11))
    #expect(client.increment("counter", by: 89) == .init(code: .success, value: 100))
    #expect(client.decrement("counter") == .init(code: .success, value: 99))
    #expect(client.decrement("counter", by: 49) == .init(code: .success, value: 50))
    #expect(client.increment("counter", by: .max) == .init(code: .success, value: 50 + UInt64(UInt32.max)))
    #expect(client.increment("counter", by: 0) == .init(code: .success, value: 50 + UInt64(UInt32.max)))
    #expect(client.get("counter") == .init(code: .success, value: "4294967345".bytes, flags: 3))
  }

  @Test func missingKeys() {
    #expect(client.increment("absent").code == .notFound)
    #expect(client.decrement("absent").code == .notFound)
    #expect(client.get("absent").code == .notFound)
  }

  @Test func incrementWrapsAt64Bits() {
    #expect(client.set("counter", "18446744073709551615") == .success)
    #expect(client.increment("counter") == .init(code: .success, value: 0))
    #expect(client.get("counter").text?.trimmingCharacters(in: [" "]) == "0")
    #expect(client.set("counter", "18446744073709551614") == .success)
    #expect(client.increment("counter", by: 10) == .init(code: .success, value: 8))
  }

  @Test func decrementStopsAtZero() {
    #expect(client.set("counter", "5") == .success)
    #expect(client.decrement("counter", by: 6) == .init(code: .success, value: 0))
    #expect(client.decrement("counter") == .init(code: .success, value: 0))
    #expect(client.get("counter").text == "0")
  }

  /// A number that gets shorter keeps its length and is filled up with blanks, as it is changed in place.
  @Test func shorterNumbersKeepTheirLength() {
    #expect(client.set("counter", "100") == .success)
    #expect(client.decrement("counter") == .init(code: .success, value: 99))
    #expect(client.get("counter").text == "99 ")
    #expect(client.increment("counter") == .init(code: .success, value: 100))
    #expect(client.get("counter").text == "100")
  }

  @Test(arguments: ["text", "", "12x", "-1", " ", "1.5", "18446744073709551616"])
  func notANumber(value: String) {
    #expect(client.set("key", value) == .success)
    #expect(client.increment("key").code == .clientError)
    #expect(client.lastErrorMessage.contains("cannot increment or decrement non-numeric value"))
    #expect(client.decrement("key").code == .clientError)
    #expect((client.get("key").value ?? []) == value.bytes)
    #expect(client.set("key", "1") == .success)
    #expect(client.increment("key") == .init(code: .success, value: 2))
  }

  @Test func counterKeepsItsExpiration() {
    #expect(client.set("counter", "1", expiration: 1) == .success)
    #expect(client.increment("counter", by: 99) == .init(code: .success, value: 100))
    let deadline = Date().addingTimeInterval(4)
    while client.get("counter").code == .success, Date() < deadline { usleep(50_000) }
    #expect(client.get("counter").code == .notFound)
  }

  @Test func everyLengthOfNumber() {
    var number: UInt64 = 9
    while true {
      #expect(client.set("counter", "\(number)") == .success)
      #expect(client.increment("counter") == .init(code: .success, value: number &+ 1))
      #expect(client.get("counter").text == "\(number &+ 1)")
      if number > UInt64.max / 10 - 9 { break }
      number = number * 10 + 9
    }
  }
}
