// Three servers behind libmemcached's consistent hashing: how keys spread, and what a client sees when one of the
// servers is killed under traffic, is ejected, and comes back empty on the same port.
// The servers know nothing of each other; what is tested is that ours fails and returns the way the client expects:
// refused or reset connections at once, never a wrong or half value, and the port free again for the successor.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PoolTests {
  let keys = (0..<3000).map { "pool-key-\($0)" }

  init() throws { try requireAnAnsweringServer() }

  private func value(of key: String, _ generation: Int = 0) -> String { "\(key) generation \(generation)" }

  @Test func keysSpreadOverThreeServers() throws {
    let servers = try (0..<3).map { _ in try ServerProcess() }
    let ports = servers.map(\.port)
    let pool = LibmemcachedClient(ports: ports, [.ketama: 1])
    for key in keys { #expect(pool.set(key, value(of: key), flags: 6) == .success) }
    for key in keys { #expect(pool.get(key).text == value(of: key)) }

    var counts: [Int] = []
    for (server, port) in zip(servers, ports) {
      let one = LibmemcachedClient(port: port)
      let items = Int(one.statistics()["curr_items"] ?? "") ?? 0
      counts.append(items)
      #expect(items == keys.filter { pool.port(for: $0) == port }.count)
      #expect(server.process.isRunning)
    }
    #expect(counts.reduce(0, +) == keys.count)
    #expect(counts.allSatisfy { $0 > 300 }, "the spread is \(counts)")

    let second = LibmemcachedClient(ports: ports, [.ketama: 1])
    #expect(second.mget(keys) == .success)
    let items = second.fetchAll().items
    #expect(items.count == keys.count)
    #expect(items.allSatisfy { $0.text == value(of: $0.key) && $0.flags == 6 })
    #expect(Set(items.map(\.key)).count == keys.count)

    let stats = pool.stats()
    #expect(stats.pairs.filter { $0.name == "pid" }.map(\.value) == servers.map { "\($0.process.processIdentifier)" })
    #expect(pool.version().code == .success)
    #expect(pool.flush() == .success)
    #expect(pool.stats().pairs.filter { $0.name == "cmd_flush" }.map(\.value) == ["1", "1", "1"])
    #expect(pool.get(keys[0]).code == .notFound)
  }

  /// Without eviction of servers a dead one is an error for its own keys, and only for them.
  @Test func deadServerIsAnErrorForItsKeysAlone() throws {
    let servers = try (0..<3).map { _ in try ServerProcess() }
    let pool = LibmemcachedClient(ports: servers.map(\.port), [.ketama: 1, .connectTimeout: 2000])
    let some = keys.prefix(300)
    for key in some { #expect(pool.set(key, value(of: key)) == .success) }
    servers[1].stop(SIGKILL)
    for key in some {
      let got = pool.get(key)
      if pool.port(for: key) == servers[1].port {
        #expect(got.code != .success && got.code != .notFound && got.value == nil)
      } else {
        #expect(got.text == value(of: key))
      }
    }
  }

  @Test func serverKilledUnderTrafficIsEjectedAndComesBack() throws {
    var servers = try (0..<3).map { _ in try ServerProcess() }
    let pool = LibmemcachedClient(
      ports: servers.map(\.port),
      [
        .ketama: 1, .removeFailedServers: 1, .serverFailureLimit: 1, .retryTimeout: 1, .deadTimeout: 1,
        .connectTimeout: 2000, .tcpNoDelay: 1,
      ])
    var book = Book()
    for key in keys { book.set(key, value(of: key), in: pool) }
    #expect(book.failures == 0)
    let home = Dictionary(uniqueKeysWithValues: keys.map { ($0, pool.port(for: $0)) })
    let victim = servers[1]
    let orphans = keys.filter { home[$0] == victim.port }
    let others = keys.filter { home[$0] != victim.port }
    #expect(orphans.count > 300)

    // Traffic goes on while another thread kills the server, until the pool has settled without it.
    let process = victim.process
    Thread.detachNewThread {
      usleep(50_000)
      process.signal(SIGKILL)
    }
    let killDeadline = Date().addingTimeInterval(15)
    var quietSince = 0
    var step = 0
    while quietSince < 1000, Date() < killDeadline {
      let key = keys[(step * 7919) % keys.count]
      let failures = book.failures
      if step % 5 == 0 { book.set(key, value(of: key, step), in: pool) } else { book.get(key, from: pool) }
      step += 1
      quietSince = process.isRunning || book.failures > failures ? 0 : quietSince + 1
    }
    #expect(quietSince == 1000, "the pool did not settle after \(step) steps, \(book.failures) failures")
    #expect(book.failures > 0, "nobody noticed the death")
    #expect(book.wrong == [])

    // Survivors' keys hit, and writes go on for all keys.
    book.expectHits(others, from: pool, "survivors", retries: true)
    for key in keys {
      for _ in 0..<Book.attempts where book.set(key, value(of: key, 1_000_000), in: pool) { break }
    }
    book.expectHits(keys, from: pool, "without the dead server", retries: true)
    #expect(keys.allSatisfy { pool.port(for: $0) != victim.port })

    // The successor takes the port and, after the client's retry time, its keys; it starts empty.
    #expect(victim.stop() == -SIGKILL)
    servers[1] = try ServerProcess(listening: .port(victim.port))
    let returnDeadline = Date().addingTimeInterval(15)
    while pool.port(for: orphans[0]) != victim.port, Date() < returnDeadline {
      usleep(50_000)
      book.set(orphans[0], value(of: orphans[0], 2_000_000), in: pool)
    }
    #expect(pool.port(for: orphans[0]) == victim.port, "the pool did not take the successor back")
    for key in keys { book.set(key, value(of: key, 3_000_000), in: pool) }
    book.expectHits(keys, from: pool, "with the successor")
    let successor = LibmemcachedClient(port: victim.port)
    #expect(successor.statistics()["curr_items"] == "\(orphans.count)")
    #expect(keys.allSatisfy { pool.port(for: $0) == home[$0] })
    #expect(book.wrong == [])
  }

  /// What was written under every key: a get may miss while servers come and go, but never give anything else.
  private struct Book {
    private var allowed: [String: Set<String>] = [:]
    var failures = 0
    var wrong: [String] = []

    /// A set that failed may or may not have reached the server, so both values are allowed then.
    @discardableResult
    mutating func set(_ key: String, _ value: String, in pool: LibmemcachedClient) -> Bool {
      if pool.set(key, value) == .success {
        allowed[key] = [value]
        return true
      }
      failures += 1
      allowed[key, default: []].insert(value)
      return false
    }

    @discardableResult
    mutating func get(_ key: String, from pool: LibmemcachedClient) -> Bool {
      let got = pool.get(key)
      if got.code != .success && got.code != .notFound { failures += 1 }
      guard let text = got.text else { return false }
      if !(allowed[key]?.contains(text) ?? false) { wrong.append("\(key) gave \(text)") }
      return true
    }

    /// On a slow machine the client tries the dead server again meanwhile, and each try fails requests.
    static let attempts = 6

    mutating func expectHits(_ keys: [String], from pool: LibmemcachedClient, _ phase: String, retries: Bool = false) {
      let before = failures
      var missed: [String] = []
      for key in keys where !get(key, from: pool) {
        let isFound = retries && (1..<Book.attempts).contains { _ in get(key, from: pool) }
        if !isFound { missed.append(key) }
      }
      #expect(missed.isEmpty, "\(phase): \(missed.count) of \(keys.count) missed")
      #expect(retries || failures == before, "\(phase): \(failures - before) failures")
    }
  }
}
