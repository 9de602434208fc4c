// The log behind `watch`: lines in the order they came and no other, a bounded buffer that drops and counts what it has
// no room for, and places for twenty watchers. The clock is a constant here. What each stream's lines say is checked
// over sockets (ServerTests/WatchTests).
import Synchronization
import TestSupport
import Testing

@testable import CacheCore

struct EventLogTests {
  /// 42 microseconds after a full second.
  private static let clock: @Sendable @convention(c) () -> UInt64 = { 1_700_000_000_000_042 }

  private final class Log: Sendable {
    let log: EventLog
    /// What the one watcher there is from the start watches.
    let watched: LogStreams
    init(byteCount: Int = 64 << 10, _ streams: LogStream...) {
      log = EventLog(byteCount: byteCount, wallClock: EventLogTests.clock)
      watched = streams.reduce(into: []) { $0.insert(LogStreams($1)) }
      if !streams.isEmpty { #expect(log.admitWatcher(watched)) }
    }
    deinit { log.destroy() }

    func fetch(_ key: [UInt8]) {
      withInput(key) { input, range in log.noteFetch(input.slice(range), .notFound, descriptor: 7) }
    }
    func fetch(_ key: String) { fetch(bytes(key)) }

    func store(_ key: String, ttl: UInt32 = 0) {
      withInput(bytes(key)) { input, range in
        log.noteStore(
          input.slice(range),
          StoreEvent(status: "stored", mode: .add, exptime: ttl == 0 ? 0 : 100 + ttl, slabClass: 3, valueByteCount: 9),
          now: 100, descriptor: 8)
      }
    }

    func drain() -> [(stream: LogStream, line: String)] {
      var lines: [(LogStream, String)] = []
      log.drain { stream, line in
        lines.append((stream, String(decoding: line.bytes(ByteRange(start: 0, end: line.byteCount)), as: UTF8.self)))
      }
      return lines
    }
  }

  @Test func linesInOrder() {
    let log = Log(.fetchers, .mutations)
    log.fetch("one")
    log.store("two", ttl: 60)
    log.fetch("thr/ee")
    let lines = log.drain()
    #expect(lines.map(\.stream) == [.fetchers, .mutations, .fetchers])
    // The microseconds have no leading zeros (reference, section 6.11).
    #expect(
      lines.map(\.line) == [
        "ts=1700000000.42 gid=1 type=item_get key=one status=not_found clsid=0 cfd=7 size=0\n",
        "ts=1700000000.42 gid=2 type=item_store key=two status=stored cmd=add ttl=60 clsid=3 cfd=8 size=9\n",
        "ts=1700000000.42 gid=3 type=item_get key=thr%2Fee status=not_found clsid=0 cfd=7 size=0\n",
      ])
    #expect(log.drain().isEmpty)
    log.fetch("four")
    #expect(log.drain().first?.line.contains(" gid=4 ") == true)
    #expect(log.log.writtenLineCount == 4 && log.log.droppedLineCount == 0)
  }

  @Test(arguments: LogStream.allCases)
  func nobodyWatches(stream: LogStream) {
    let log = Log(stream)
    for other in LogStream.allCases { #expect(log.log.isWatched(other) == (other == stream)) }
    log.fetch("key")
    log.store("key")
    log.log.noteCrawl(slabClass: 1, elapsedSeconds: 0, examined: 1, reclaimed: 0)
    let name = ConnectionName(address: "127.0.0.1", port: 1, transport: "tcp", descriptor: 5)
    log.log.noteOpened(name)
    log.log.noteClosed(name, .idleTimeout)
    let lines = log.drain()
    #expect(lines.allSatisfy { $0.stream == stream })
    let expected: [LogStream: Int] = [.fetchers: 1, .mutations: 1, .sysevents: 1, .connevents: 2]
    #expect(lines.count == expected[stream] ?? 0)
    #expect(log.log.writtenLineCount == UInt64(lines.count))
    if stream == .connevents {
      #expect(
        lines.last?.line.hasSuffix(
          "type=conn_close rip=127.0.0.1 rport=1 transport=tcp reason=idle_timeout cfd=5\n") == true)
    }
  }

  /// A key of the greatest length, all of it encoded, is one line.
  @Test func theLongestKey() {
    let log = Log(.fetchers)
    for byte in UInt8.min...UInt8.max {
      log.fetch([UInt8](repeating: byte, count: 250))
      let lines = log.drain().map(\.line)
      let scalar = Character(Unicode.Scalar(byte))
      let isPlain = byte < 0x80 && (scalar.isLetter || scalar.isNumber || "-._~".contains(scalar))
      let digits = String(byte, radix: 16, uppercase: true)
      let shown = isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + digits
      #expect(lines.count == 1)
      #expect(lines.first?.contains(" key=\(String(repeating: shown, count: 250)) status=") == true, "\(byte)")
    }
  }

  @Test func aFullBufferDropsAndCounts() {
    let byteCount = 16 << 10
    let log = Log(byteCount: byteCount, .fetchers)
    for number in 0..<1000 { log.fetch("key\(number)") }
    let (written, dropped) = (log.log.writtenLineCount, log.log.droppedLineCount)
    #expect(written + dropped == 1000 && dropped > 500)
    let lines = log.drain().map(\.line)
    #expect(lines.count == Int(written))
    #expect(lines.map(\.utf8.count).reduce(0, +) <= byteCount)
    // The first ones are kept, without a hole; what comes after the drain is kept again.
    for (number, line) in lines.enumerated() {
      #expect(line.contains(" gid=\(number + 1) type=item_get key=key\(number) "))
    }
    log.fetch("again")
    #expect(log.drain().map(\.line).first?.contains(" key=again ") == true)
    #expect(log.log.droppedLineCount == dropped && log.log.writtenLineCount == written + 1)
    log.log.noteSkipped(lines: 3)
    log.log.noteSent(lines: 4)
    #expect(log.log.skippedLineCount == 3 && log.log.sentLineCount == 4)
    log.log.resetCounters()
    #expect(log.log.writtenLineCount == 0 && log.log.droppedLineCount == 0)
    #expect(log.log.skippedLineCount == 0 && log.log.sentLineCount == 0)
  }

  @Test func placesForTwenty() {
    let log = Log(.fetchers)
    #expect((1..<20).allSatisfy { _ in log.log.admitWatcher(LogStreams(.mutations)) })
    #expect(!log.log.admitWatcher(LogStreams(.evictions)) && !log.log.isWatched(.evictions))
    #expect(log.log.watcherCount == 20)
    log.log.removeWatcher(LogStreams(.mutations))
    #expect(log.log.watcherCount == 19)
    #expect(log.log.admitWatcher([]) && !log.log.admitWatcher([]))
    log.log.resetCounters()
    #expect(log.log.watcherCount == 20)
  }

  /// A stream is on as long as somebody watches it, and the last watcher takes what is left along.
  @Test func streamsAreOnWhileWatched() {
    let log = Log()
    let both: LogStreams = [LogStreams(.fetchers), LogStreams(.mutations)]
    #expect(!log.log.isWatched(.fetchers))
    #expect(log.log.admitWatcher(both) && log.log.admitWatcher(LogStreams(.fetchers)))
    log.log.removeWatcher(both)
    #expect(log.log.isWatched(.fetchers) && !log.log.isWatched(.mutations))
    log.fetch("a")
    log.log.removeWatcher(LogStreams(.fetchers))
    #expect(!log.log.isWatched(.fetchers))
    #expect(log.log.admitWatcher(LogStreams(.fetchers)))
    #expect(log.drain().isEmpty)
  }

  /// Several writers and one reader: each line whole, each writer's lines in their order, none lost without a count.
  @Test func manyWriters() {
    let log = Log(byteCount: 32 << 10, .fetchers)
    let (writers, perWriter) = (4, 2000)
    let running = Atomic<Int>(writers)
    var lines: [String] = []
    let results = onThreads(writers + 1) { thread -> [String] in
      if thread < writers {
        for number in 0..<perWriter { log.fetch("\(thread)-\(number)") }
        running.subtract(1, ordering: .sequentiallyConsistent)
        return []
      }
      var lines: [String] = []
      while running.load(ordering: .sequentiallyConsistent) > 0 { lines += log.drain().map(\.line) }
      return lines + log.drain().map(\.line)
    }
    lines = results[writers]
    #expect(log.log.writtenLineCount == UInt64(lines.count))
    #expect(log.log.writtenLineCount + log.log.droppedLineCount == UInt64(writers * perWriter))
    var last = [Int](repeating: -1, count: writers)
    var lastID = 0
    var isInOrder = true
    for line in lines {
      let words = line.split(separator: " ")
      guard words.count == 8, line.hasSuffix(" size=0\n"), let id = Int(words[1].dropFirst("gid=".count)) else {
        Issue.record("no line: \(line)")
        break
      }
      let key = words[3].dropFirst("key=".count).split(separator: "-").compactMap { Int($0) }
      if key.count != 2 || key[1] <= last[key[0]] || id <= lastID { isInOrder = false }
      if key.count == 2 { last[key[0]] = key[1] }
      lastID = id
    }
    #expect(isInOrder)
  }
}
