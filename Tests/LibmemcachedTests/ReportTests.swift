// What libmemcached can ask a server about itself: version, statistics in their sections, and the list of keys.
// Checked is what monitoring built on libmemcached reads; the full list of names is in ServerTests.
// Counters are exact, because every case has a server of its own and is its only client.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReportTests {
  let server: ServerProcess
  let client: LibmemcachedClient

  /// The oracle's cachedump leaves out what is not in the COLD queue; without its maintainer everything is. Ours lists
  /// all queues and needs no such help.
  static let arguments = ServerProcess.defaultProgram == .reference ? ["-o", "no_lru_maintainer"] : []

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess(arguments: ReportTests.arguments)
    client = LibmemcachedClient(port: server.port)
  }

  @Test func versionHasThreeNumbers() throws {
    let version = client.version()
    #expect(version.code == .success)
    #expect(version.numbers.count == 3)
    #expect(!version.numbers.contains(255), "libmemcached's mark for what it could not read")
    #expect(version.numbers[0] == 1)
    let reported = try #require(client.statistics()["version"])
    #expect(reported.hasPrefix(version.numbers.map { "\($0)" }.joined(separator: ".")))
  }

  @Test func statistics() throws {
    for index in 0..<10 { #expect(client.set("key\(index)", "value") == .success) }
    #expect(client.get("key1").code == .success)
    #expect(client.get("key2").code == .success)
    #expect(client.get("absent").code == .notFound)
    #expect(client.delete("key9") == .success)
    let stats = client.stats()
    #expect(stats.code == .success)
    let names = stats.pairs.map(\.name)
    #expect(Set(names).count == names.count)
    let values = client.statistics()
    #expect(values["pid"] == "\(server.process.processIdentifier)")
    #expect(values["curr_items"] == "9")
    #expect(values["total_items"] == "10")
    #expect(values["cmd_set"] == "10")
    #expect(values["cmd_get"] == "3")
    #expect(values["get_hits"] == "2")
    #expect(values["get_misses"] == "1")
    #expect(values["delete_hits"] == "1")
    #expect(values["limit_maxbytes"] == "67108864")
    for name in ["uptime", "time", "curr_connections", "total_connections", "threads", "bytes", "evictions"] {
      #expect(UInt64(values[name] ?? "") != nil, "\(name) is \(values[name] ?? "missing")")
    }
    #expect(abs(time(nil) - (Int(values["time"] ?? "") ?? 0)) <= 3)
    for name in ["rusage_user", "rusage_system"] {
      let parts = (values[name] ?? "").split(separator: ".")
      #expect(parts.count == 2 && parts.last?.count == 6, "\(name) is \(values[name] ?? "missing")")
    }
  }

  /// The fixed structure that memcstat and PHP's getStats read; a field the client cannot parse stays 0 there.
  @Test func statisticsAsAStructure() throws {
    for index in 0..<5 { #expect(client.set("key\(index)", "value") == .success) }
    #expect(client.get("key1").code == .success)
    let stat = client.statStructure()
    #expect(stat.code == .success)
    let values = stat.values
    #expect(values["pid"] == "\(server.process.processIdentifier)")
    #expect(values["curr_items"] == "5")
    #expect(values["total_items"] == "5")
    #expect(values["cmd_set"] == "5")
    #expect(values["get_hits"] == "1")
    #expect(values["limit_maxbytes"] == "67108864")
    #expect(values["pointer_size"] == "64")
    #expect(values["threads"] == "4")
    #expect(values["version"]?.split(separator: ".").count == 3)
  }

  @Test func oneServerByName() throws {
    var stat = memcached_stat_st()
    #expect(memcached_stat_servername(&stat, nil, "127.0.0.1", server.port) == .success)
    #expect(stat.pid == server.process.processIdentifier)
    #expect(stat.limit_maxbytes == 67_108_864)
    for section in ["settings", "items", "slabs", "sizes"] {
      let argument = try #require(strdup(section))
      defer { free(argument) }
      #expect(memcached_stat_servername(&stat, argument, "127.0.0.1", server.port) == .success, "\(section)")
    }
  }

  @Test func settingsSection() {
    let values = client.statistics("settings")
    #expect(values["maxbytes"] == "67108864")
    #expect(values["tcpport"] == "\(server.port)")
    #expect(values["item_size_max"] == "1048576")
    #expect(values["num_threads"] == "4")
    #expect(values["evictions"] == "on")
    #expect(values.values.allSatisfy { !$0.isEmpty })
  }

  @Test func itemsSection() {
    #expect(client.stats("items").pairs.isEmpty)
    for index in 0..<7 { #expect(client.set("key\(index)", "value") == .success) }
    let values = client.statistics("items")
    #expect(values.keys.allSatisfy { $0.split(separator: ":").count == 3 && $0.hasPrefix("items:") })
    #expect(values.filter { $0.key.hasSuffix(":number") }.compactMap { Int($0.value) }.reduce(0, +) == 7)
    #expect(values.contains { $0.key.hasSuffix(":age") })
  }

  @Test func slabsSection() {
    for index in 0..<7 { #expect(client.set("key\(index)", "value") == .success) }
    let values = client.statistics("slabs")
    #expect(values["active_slabs"] != nil)
    #expect(values["total_malloced"] != nil)
    #expect(values.filter { $0.key.hasSuffix(":used_chunks") }.compactMap { Int($0.value) }.reduce(0, +) == 7)
    #expect(values.filter { $0.key.hasSuffix(":cmd_set") }.compactMap { Int($0.value) }.reduce(0, +) == 7)
    #expect(values.contains { $0.key.hasSuffix(":chunk_size") })
  }

  @Test func resetStartsCountingAgain() {
    #expect(client.get("absent").code == .notFound)
    #expect(client.statistics()["get_misses"] == "1")
    #expect(client.stats("reset").code == .success)
    #expect(client.statistics()["get_misses"] == "0")
  }

  // MARK: Lists of keys

  @Test func dumpOfAnEmptyServer() {
    #expect(client.dump().keys == [])
  }

  /// One size class fits one 2 MB reply; all LRUs of it must be in it, also the items nobody has read. The library asks
  /// for 64 classes, so this server has memcached's table: our own has more.
  @Test func dumpListsEveryKey() throws {
    let server = try ServerProcess(arguments: ReportTests.arguments + ["-f", "1.25"])
    defer { server.stop() }
    let client = LibmemcachedClient(port: server.port)
    let keys = (0..<500).map { "dump-\($0)" }
    for (index, key) in keys.enumerated() {
      #expect(client.set(key, String(repeating: "v", count: 1 + index * 7 % 3000)) == .success)
    }
    for key in keys.prefix(100) { #expect(client.get(key).code == .success) }
    let dump = client.dump()
    #expect(dump.code == .success)
    #expect(dump.keys.count == keys.count)
    let missing = Set(keys).subtracting(dump.keys)
    #expect(missing.isEmpty)
  }

  /// Expired items may be listed until somebody takes them away, as the oracle does; deleted ones may not.
  @Test func dumpLeavesOutWhatIsDeleted() {
    #expect(client.set("kept", "value") == .success)
    #expect(client.set("deleted", "value") == .success)
    #expect(client.set("expired", "value", expiration: -1) == .success)
    #expect(client.delete("deleted") == .success)
    #expect(client.exist("asked") == .notFound)
    #expect(client.get("expired").code == .notFound)
    #expect(client.dump().keys.filter { $0 != "asked" } == ["kept"])
    #expect(client.get("kept").text == "value")
  }

  @Test func dumpKeepsTheConnectionInStep() {
    #expect(client.set("key", "value") == .success)
    for _ in 0..<3 {
      #expect(client.dump().keys == ["key"])
      #expect(client.get("key").text == "value")
    }
  }
}
