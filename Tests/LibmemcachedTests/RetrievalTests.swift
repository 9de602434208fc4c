// Many keys at once and compare-and-swap, the ways libmemcached's users fetch: mget with a fetch loop, with callbacks
// after it and with callbacks during it, and gets/cas loops of two clients.
// Not a benchmark: a thousand keys are there to make replies span many reads.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RetrievalTests {
  let server: ServerProcess
  let client: LibmemcachedClient
  let keys = (0..<1000).map { "key-\($0)" }

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
    client = LibmemcachedClient(port: server.port)
  }

  private func value(of key: String) -> String {
    String(repeating: "\(key);", count: 1 + key.utf8.reduce(0) { $0 &+ Int($1) } % 40)
  }

  private func flags(of key: String) -> UInt32 { UInt32(key.utf8.count) * 1001 }

  private func storeAll() {
    for key in keys { #expect(client.set(key, value(of: key), flags: flags(of: key)) == .success) }
  }

  private func expectAll(_ items: [LibmemcachedClient.Item]) {
    #expect(items.count == keys.count)
    for (item, key) in zip(items, keys) {
      guard item.key != key || item.text != value(of: key) || item.flags != flags(of: key) else { continue }
      Issue.record("for \(key) came \(item.key), flags \(item.flags), \(item.text)")
      return
    }
  }

  // MARK: Many keys

  @Test func thousandKeysWithFetchLoop() {
    storeAll()
    #expect(client.mget(keys) == .success)
    let fetched = client.fetchAll()
    #expect(fetched.code == .notFound)
    expectAll(fetched.items)
  }

  @Test func thousandKeysWithFetchExecute() {
    storeAll()
    #expect(client.mget(keys) == .success)
    let fetched = client.fetchExecute()
    #expect(fetched.code == .success)
    expectAll(fetched.items)
  }

  /// This one is for the binary protocol alone; libmemcached says so and leaves the connection usable.
  @Test func mgetExecuteIsRefusedInTheTextProtocol() {
    storeAll()
    let fetched = client.mgetExecute(keys)
    #expect(fetched == ([], .notSupported))
    #expect(client.mget(keys) == .success)
    expectAll(client.fetchExecute().items)
  }

  @Test(.enabled(if: BinaryProtocol.isServed)) func thousandKeysWithMgetExecute() {
    storeAll()
    let binary = LibmemcachedClient(port: server.port, [.binaryProtocol: 1])
    let fetched = binary.mgetExecute(keys)
    #expect(fetched.code == .success)
    expectAll(fetched.items)
  }

  @Test func missesAreLeftOut() {
    storeAll()
    let mixed = keys.flatMap { [$0, "absent-\($0)"] }
    #expect(client.mget(mixed) == .success)
    expectAll(client.fetchAll().items)
  }

  @Test func onlyMisses() {
    #expect(client.mget(["a", "b", "c"]) == .success)
    let fetched = client.fetchAll()
    #expect(fetched.items == [])
    #expect(fetched.code == .notFound)
    #expect(client.mget(["a", "b", "c"]) == .success)
    #expect(client.fetchExecute() == ([], .notFound))
  }

  @Test func sameKeyTwiceComesTwice() {
    #expect(client.set("key", "value") == .success)
    #expect(client.mget(["key", "key", "key"]) == .success)
    #expect(client.fetchAll().items.map(\.text) == ["value", "value", "value"])
  }

  @Test func longKeysInOneRequest() {
    let long = (0..<200).map { "\($0)-" + String(repeating: "k", count: 246 - "\($0)".count) }
    for key in long { #expect(client.set(key, key) == .success) }
    #expect(client.mget(long) == .success)
    let items = client.fetchAll().items
    #expect(items.map(\.key) == long)
    #expect(items.map(\.text) == long)
  }

  @Test func largeValuesInOneReply() {
    let large = (0..<20).map { index in [UInt8](repeating: UInt8(index), count: 200_000 + index) }
    for (index, value) in large.enumerated() { #expect(client.set("large\(index)", value) == .success) }
    #expect(client.mget((0..<20).map { "large\($0)" }) == .success)
    #expect(client.fetchAll().items.map(\.value) == large)
  }

  /// Abandoned replies are read away by the next command; they must not become its answer.
  @Test func abandonedReplies() {
    storeAll()
    #expect(client.mget(keys) == .success)
    #expect(client.fetch().item?.key == keys[0])
    #expect(client.get("key-7").text == value(of: "key-7"))
    #expect(client.mget(keys) == .success)
    #expect(client.set("other", "value") == .success)
    #expect(client.get("other").text == "value")
  }

  // MARK: Compare and swap

  @Test func casSucceedsOnceAndConflictsAfterwards() throws {
    client.set(.supportCas, 1)
    let other = LibmemcachedClient(port: server.port, [.supportCas: 1])
    #expect(client.set("key", "first", flags: 5) == .success)
    let mine = try #require(client.gets("key"))
    let theirs = try #require(other.gets("key"))
    #expect(mine == theirs)
    #expect(mine.cas != 0)
    #expect(mine.flags == 5)
    #expect(other.cas("key", "theirs", unique: theirs.cas, flags: 6) == .success)
    #expect(client.cas("key", "mine", unique: mine.cas) == .dataExists)
    let again = try #require(client.gets("key"))
    #expect(again.text == "theirs")
    #expect(again.flags == 6)
    #expect(again.cas != mine.cas)
    #expect(client.cas("key", "mine", unique: again.cas) == .success)
    #expect(other.get("key").text == "mine")
  }

  @Test func casOnAMissingKey() {
    client.set(.supportCas, 1)
    #expect(client.cas("key", "value", unique: 999) == .notFound)
    #expect(client.get("key").code == .notFound)
  }

  @Test func everyChangeGivesANewUnique() throws {
    client.set(.supportCas, 1)
    #expect(client.set("key", "1") == .success)
    var seen: [UInt64] = [try #require(client.gets("key")).cas]
    let changes: [() -> memcached_return_t] = [
      { client.set("key", "1") }, { client.replace("key", "1") }, { client.append("key", "2") },
      { client.prepend("key", "3") }, { client.increment("key").code }, { client.decrement("key").code },
    ]
    for change in changes {
      #expect(change() == .success)
      seen.append(try #require(client.gets("key")).cas)
    }
    #expect(Set(seen).count == changes.count + 1)
    #expect(client.get("key").text == "312")
    #expect(client.touch("key", expiration: 100) == .success)
    #expect(client.gets("key")?.cas == seen.last)
  }

  @Test func deletedAndAddedAgainIsAConflict() throws {
    client.set(.supportCas, 1)
    #expect(client.set("key", "first") == .success)
    let before = try #require(client.gets("key"))
    #expect(client.delete("key") == .success)
    #expect(client.add("key", "first") == .success)
    #expect(client.cas("key", "second", unique: before.cas) == .dataExists)
    #expect(client.get("key").text == "first")
  }

  @Test func thousandKeysCarryDifferentUniques() {
    client.set(.supportCas, 1)
    storeAll()
    #expect(client.mget(keys) == .success)
    let items = client.fetchAll().items
    expectAll(items)
    #expect(Set(items.map(\.cas)).count == keys.count)
  }
}
