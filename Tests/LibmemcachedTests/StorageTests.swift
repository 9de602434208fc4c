// What libmemcached's users store and get back: storage commands, flags, expiration, value sizes and bytes, keys.
// One real server per test, one real C client, the text protocol over TCP.
// Not here: fetching many (RetrievalTests), counters (ArithmeticTests), client modes (ModesTests).
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct StorageTests {
  let server: ServerProcess
  let client: LibmemcachedClient

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
    client = LibmemcachedClient(port: server.port)
  }

  // MARK: Storage commands

  @Test func setThenGet() {
    #expect(client.set("key", "value", flags: 7) == .success)
    #expect(client.get("key") == .init(code: .success, value: "value".bytes, flags: 7))
    #expect(client.set("key", "second") == .success)
    #expect(client.get("key") == .init(code: .success, value: "second".bytes, flags: 0))
  }

  @Test func getMiss() {
    #expect(client.get("absent") == .init(code: .notFound, value: nil, flags: 0))
    #expect(client.set("present", "x") == .success)
    #expect(client.get("absent").code == .notFound)
    #expect(client.get("present").text == "x")
  }

  @Test func addStoresOnlyOnce() {
    #expect(client.add("key", "first", flags: 1) == .success)
    #expect(client.add("key", "second", flags: 2) == .notStored)
    #expect(client.get("key") == .init(code: .success, value: "first".bytes, flags: 1))
  }

  @Test func addAfterDelete() {
    #expect(client.add("key", "first") == .success)
    #expect(client.delete("key") == .success)
    #expect(client.add("key", "second") == .success)
    #expect(client.get("key").text == "second")
  }

  @Test func replaceNeedsAnItem() {
    #expect(client.replace("key", "early") == .notStored)
    #expect(client.get("key").code == .notFound)
    #expect(client.set("key", "first", flags: 3) == .success)
    #expect(client.replace("key", "second", flags: 4) == .success)
    #expect(client.get("key") == .init(code: .success, value: "second".bytes, flags: 4))
  }

  @Test func appendAndPrependNeedAnItem() {
    #expect(client.append("key", "!") == .notStored)
    #expect(client.prepend("key", "!") == .notStored)
    #expect(client.get("key").code == .notFound)
  }

  @Test func appendAndPrependKeepFlags() {
    #expect(client.set("key", "middle", flags: 42) == .success)
    #expect(client.append("key", " end", flags: 1) == .success)
    #expect(client.prepend("key", "start ", flags: 2) == .success)
    #expect(client.get("key") == .init(code: .success, value: "start middle end".bytes, flags: 42))
  }

  @Test func appendManyTimesGrowsOneItem() {
    #expect(client.set("log", "") == .success)
    for index in 0..<500 { #expect(client.append("log", "\(index),") == .success) }
    #expect(client.get("log").text == (0..<500).map { "\($0)," }.joined())
  }

  // MARK: Flags

  @Test(arguments: [0, 1, 255, 65_535, 65_536, 1 << 31, UInt32.max])
  func flagsComeBack(flags: UInt32) {
    #expect(client.set("key", "value", flags: flags) == .success)
    #expect(client.get("key") == .init(code: .success, value: "value".bytes, flags: flags))
  }

  // MARK: Expiration

  @Test func absoluteExpirationInTheFutureKeeps() {
    #expect(client.set("key", "value", expiration: time(nil) + 1000) == .success)
    #expect(client.get("key").text == "value")
  }

  @Test func absoluteExpirationInThePastIsGoneAtOnce() {
    #expect(client.set("key", "old") == .success)
    #expect(client.set("key", "value", expiration: time(nil) - 1000) == .success)
    #expect(client.get("key").code == .notFound)
    #expect(client.add("key", "new") == .success)
    #expect(client.get("key").text == "new")
  }

  @Test func negativeExpirationIsGoneAtOnce() {
    #expect(client.set("key", "value", expiration: -1) == .success)
    #expect(client.get("key").code == .notFound)
  }

  @Test func thirtyDaysIsRelativeAndOneSecondMoreIsAbsolute() {
    let thirtyDays = 60 * 60 * 24 * 30
    #expect(client.set("relative", "value", expiration: thirtyDays) == .success)
    #expect(client.set("absolute", "value", expiration: thirtyDays + 1) == .success)
    #expect(client.get("relative").text == "value")
    #expect(client.get("absolute").code == .notFound)
  }

  @Test func relativeExpirationPassesAndTouchPostponesIt() throws {
    #expect(client.set("short", "value", expiration: 1) == .success)
    #expect(client.set("saved", "value", flags: 9, expiration: 1) == .success)
    #expect(client.set("long", "value", expiration: 100) == .success)
    #expect(client.touch("saved", expiration: 100) == .success)
    let deadline = Date().addingTimeInterval(4)
    while client.get("short").code == .success, Date() < deadline { usleep(50_000) }
    #expect(client.get("short").code == .notFound)
    #expect(client.get("saved") == .init(code: .success, value: "value".bytes, flags: 9))
    #expect(client.get("long").text == "value")
    #expect(client.replace("short", "x") == .notStored)
    #expect(client.append("short", "x") == .notStored)
    #expect(client.increment("short").code == .notFound)
    #expect(client.touch("short", expiration: 100) == .notFound)
    #expect(client.delete("short") == .notFound)
  }

  // MARK: Touch, exist, delete, flush

  @Test func touchChangesOnlyTheTime() {
    #expect(client.touch("key", expiration: 100) == .notFound)
    #expect(client.set("key", "value", flags: 5) == .success)
    #expect(client.touch("key", expiration: 100) == .success)
    #expect(client.get("key") == .init(code: .success, value: "value".bytes, flags: 5))
    #expect(client.touch("key", expiration: time(nil) - 1000) == .success)
    #expect(client.get("key").code == .notFound)
  }

  /// libmemcached asks with an `add` of an empty value whose expiration, 31 days, is an absolute time of 1970:
  /// the server must say STORED on a missing key and must have nothing under it afterwards.
  @Test func existLeavesNothingBehind() {
    #expect(client.exist("key") == .notFound)
    #expect(client.exist("key") == .notFound)
    #expect(client.get("key").code == .notFound)
    #expect(client.set("key", "value") == .success)
    #expect(client.exist("key") == .success)
    #expect(client.get("key").text == "value")
    #expect(client.delete("key") == .success)
    #expect(client.exist("key") == .notFound)
  }

  @Test func deleteRemoves() {
    #expect(client.delete("key") == .notFound)
    #expect(client.set("key", "value") == .success)
    #expect(client.delete("key") == .success)
    #expect(client.get("key").code == .notFound)
    #expect(client.delete("key") == .notFound)
  }

  @Test func flushRemovesAll() {
    for index in 0..<100 { #expect(client.set("key\(index)", "value") == .success) }
    #expect(client.flush() == .success)
    for index in 0..<100 { #expect(client.get("key\(index)").code == .notFound) }
    #expect(client.add("key0", "new") == .success)
    #expect(client.get("key0").text == "new")
  }

  @Test func flushLaterKeepsUntilThen() {
    #expect(client.set("key", "value") == .success)
    #expect(client.flush(after: 100) == .success)
    #expect(client.get("key").text == "value")
  }

  // MARK: Values

  @Test func emptyValueIsAHit() {
    #expect(client.set("key", "", flags: 11) == .success)
    let got = client.get("key")
    #expect(got.code == .success)
    #expect(got.flags == 11)
    #expect(got.value ?? [] == [])
    #expect(client.mget(["key"]) == .success)
    #expect(client.fetchAll().items.map(\.value) == [[]])
    #expect(client.append("key", "x") == .success)
    #expect(client.get("key").text == "x")
  }

  @Test func allByteValues() {
    let value = (0...255).map { UInt8($0) } + (0...255).reversed().map { UInt8($0) }
    #expect(client.set("key", value) == .success)
    #expect(client.get("key").value == value)
  }

  @Test(arguments: [
    "\r\n", "a\r\nEND\r\nb", "END\r\n", "\r\nSTORED\r\n", "VALUE x 0 1\r\ny\r\nEND\r\n", "\0\0\0", "\n", "\r",
  ])
  func protocolWordsInValues(value: String) {
    #expect(client.set("key", value) == .success)
    #expect(client.get("key").text == value)
    #expect(client.set("other", "x") == .success)
    #expect(client.get("other").text == "x")
  }

  @Test(arguments: [1, 100, 16_383, 16_384, 100 * 1024, 512 * 1024, 1024 * 1024 - 200])
  func valueOfSize(count: Int) {
    let value = pattern(count)
    #expect(client.set("key", value, flags: 1) == .success)
    let got = client.get("key")
    #expect(got.code == .success)
    let isSame = got.value == value
    #expect(isSame, "\(got.value?.count ?? -1) bytes came back for \(count)")
    #expect(client.set("key", "small") == .success)
    #expect(client.get("key").text == "small")
  }

  /// The server throws the old value away rather than serve it after a failed set; other keys stay.
  @Test(arguments: [1024 * 1024 + 1, 3 * 1024 * 1024])
  func tooLargeAValue(count: Int) {
    #expect(client.set("key", "old") == .success)
    #expect(client.set("other", "kept") == .success)
    #expect(client.set("key", pattern(count)) == .tooLarge)
    #expect(client.get("key").code == .notFound)
    #expect(client.get("other").text == "kept")
    #expect(client.set("key", "new") == .success)
    #expect(client.get("key").text == "new")
  }

  private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

  // MARK: Keys

  @Test func keyOf250Bytes() {
    let key = String(repeating: "k", count: 250)
    #expect(client.set(key, "value") == .success)
    #expect(client.get(key).text == "value")
    #expect(client.get(String(key.dropLast())).code == .notFound)
    #expect(client.increment(key).code == .clientError)
    #expect(client.delete(key) == .success)
    #expect(client.get(key).code == .notFound)
  }

  /// libmemcached refuses it itself and keeps the connection.
  @Test func keyOf251Bytes() {
    let key = String(repeating: "k", count: 251)
    #expect(client.set(key, "value") == .badKey)
    #expect(client.get(key).code == .badKey)
    #expect(client.set("key", "value") == .success)
    #expect(client.get("key").text == "value")
  }

  @Test func emptyKeyIsRefused() {
    #expect(client.set("", "value") == .badKey)
    #expect(client.set("key", "value") == .success)
  }

  /// Without control characters: libmemcached itself fails to read back what it stored under a key that has one.
  @Test func keysOfBytesAboveAscii() {
    for key in ["schlüssel", "鍵", "🔑", "a:b/c?d=e&f", "Ω'\"\\"] {
      #expect(client.set(key, "value of \(key)") == .success)
      #expect(client.get(key).text == "value of \(key)")
    }
  }

  @Test func verifyKeyRefusesBlanks() {
    client.set(.verifyKey, 1)
    #expect(client.set("with blank", "value") == .badKey)
    #expect(client.set("without", "value") == .success)
    #expect(client.get("without").text == "value")
  }
}
