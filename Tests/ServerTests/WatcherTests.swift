// How many may watch, and what becomes of their places; watchers that read slowly, or never: they miss lines and are
// told how many, the server's memory stays, and clients go on. What the lines say is in WatchTests. The long
// measurement of what a watcher costs is Tests/soak/watcher.py.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct WatcherTests {
    private static let refusal = "WATCHER_TOO_MANY log watcher limit reached"

    private func expectWatchers(_ count: Int, _ client: TextClient) throws {
      #expect(try eventually { try client.stat("log_watchers") == count })
    }

    @Test func theTwentyFirstIsRefused() throws {
      let server = try ServerProcess(arguments: ["-t", "3"])
      let client = try TextClient(port: server.port)
      var watchers = try (0..<20).map { _ in try TextClient(port: server.port) }
      for watcher in watchers { #expect(try watcher.command("watch") == "OK") }
      #expect(try client.stat("log_watchers") == 20)
      let next = try TextClient(port: server.port)
      for _ in 0..<3 { #expect(try next.command("watch mutations") == WatcherTests.refusal) }
      #expect(try next.command("get a") == "END")
      // Those that vanish free their places.
      for _ in 0..<5 { watchers.removeLast().close() }
      try expectWatchers(15, client)
      #expect(try next.command("watch mutations") == "OK")
      try expectWatchers(16, client)
      watchers = []
      try expectWatchers(1, client)
      #expect(try client.set("end", [65]) == "STORED")
      #expect(try next.readLine().contains("type=item_store key=end "))
    }

    /// Also when it is gone before its OK could be sent.
    @Test func aWatcherThatResetsFreesItsPlace() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let client = try TextClient(port: server.port)
      for _ in 0..<60 {
        let watcher = try TextClient(port: server.port)
        var reset = linger(l_onoff: 1, l_linger: 0)
        setsockopt(watcher.descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        try watcher.send("watch\r\n")
        watcher.close()
      }
      // The last of them may still be on their way in.
      #expect(try eventually { try TextClient(port: server.port).command("watch") == "OK" })
      try expectWatchers(0, client)
    }

    /// Every line is either sent or counted: in the `skipped=` lines of a slow watcher and in the statistics.
    @Test func aSlowWatcherIsToldWhatItMissed() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let watcher = try PlainSocket(.ipv4(server.port), receiveByteCount: 65_536, timeoutSeconds: 5)
      watcher.send("watch fetchers\r\n")
      #expect(watcher.receiveLine() == "OK\r\n")
      #expect(try eventually { try WatchClient.watching(server) == 1 })
      // Lines of about 300 bytes, more of them than all buffers on the way hold.
      let key = String(repeating: "k", count: 240)
      var events = 0
      func get(_ count: Int) throws {
        try client.send(String(repeating: "get \(key)\r\n", count: count))
        _ = try client.read(count * 5)
        events += count
      }
      for _ in 0..<60 { try get(1000) }
      var stats = try client.stats()
      #expect(Int(stats["log_worker_dropped"] ?? "") ?? 0 > 0)

      // It begins to read: what was kept, then how many are missing, then what happens now.
      var reader = LineReader(watcher)
      var lines = 0
      var skipped = 0
      var skippedLines = 0
      var lastNumber = 0
      var isInOrder = true
      // Single gets from now on: everything has arrived when the figures agree.
      while lines + skipped < events || skippedLines == 0 {
        if events < 60_200, reader.isEmpty { try get(1) }
        guard let line = reader.next() else { break }
        if line.hasPrefix("skipped=") {
          skipped += Int(line.dropFirst("skipped=".count)) ?? 0
          skippedLines += 1
        } else {
          lines += 1
          let number = line.split(separator: " ").dropFirst().first.flatMap { Int($0.dropFirst("gid=".count)) } ?? 0
          if number <= lastNumber { isInOrder = false }
          lastNumber = number
        }
      }
      #expect(isInOrder)
      #expect(lines > 0 && skippedLines > 0)
      #expect(lines + skipped == events, "\(lines) lines, \(skipped) skipped, \(events) events")
      stats = try client.stats()
      func stat(_ name: String) -> Int { Int(stats[name] ?? "") ?? -1 }
      #expect(stat("log_worker_written") + stat("log_worker_dropped") == events)
      #expect(stat("log_watcher_skipped") == skipped)
      // Whether a `skipped=` line is a line is a matter of taste.
      #expect([lines, lines + skippedLines].contains(stat("log_watcher_sent")), "\(stat("log_watcher_sent"))")
      print("slow watcher: \(events) events, \(lines) lines, \(skipped) skipped in \(skippedLines) lines")
      #expect(try client.command("stats reset") == "RESET")
      stats = try client.stats()
      #expect(stat("log_worker_written") == 0 && stat("log_worker_dropped") == 0 && stat("log_watcher_sent") == 0)
      #expect(stat("log_watchers") == 1)
    }

    /// One that never reads, next to one that does, under load: memory stays, clients are served.
    @Test func aWatcherThatNeverReadsCostsNothing() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-m", "64"])
      let facts = ProcessFacts(server)
      let client = try TextClient(port: server.port)
      let request = "get a\r\nset a 0 0 10\r\n0123456789\r\n"
      let floods = try (0..<2).map { _ in try Flood(port: server.port, request) }
      // Until the server has all the memory that serving them takes.
      let warm = facts.isSanitized ? 10_000 : 1_000_000
      #expect(eventually { floods.allSatisfy { $0.receivedByteCount > warm } })
      let silent = try PlainSocket(.ipv4(server.port), receiveByteCount: 4096)
      silent.send("watch fetchers mutations\r\n")
      #expect(silent.receiveLine() == "OK\r\n")
      try expectWatchers(1, client)
      let before = facts.residentKilobytes
      var (slowest, most, answered) = (0.0, 0, 0)
      let received = floods.map(\.receivedByteCount)
      let end = Date().addingTimeInterval(2)
      while Date() < end {
        slowest = max(slowest, try client.latency("get nothing"))
        most = max(most, facts.residentKilobytes)
        answered += 1
        usleep(5_000)
      }
      if !facts.isSanitized { #expect(most - before < 3072) }
      for (flood, earlier) in zip(floods, received) { #expect(flood.receivedByteCount > earlier) }
      #expect(answered >= 3)
      #expect(try client.stat("log_worker_dropped") > 0)
      print(
        "never-reading watcher: \(most - before) KB more, slowest answer \(Int(slowest * 1000)) ms, "
          + "\(answered) answers, \(try client.stat("log_worker_dropped")) lines dropped")
      // Another watcher still gets lines.
      for flood in floods { flood.stop() }
      let watch = try WatchClient(server, "mutations")
      // The first may still meet the full buffer that the silent one has left, and is told as skipped.
      let isShown = try eventually {
        _ = try client.set("end", [65])
        return watch.next()?.contains("type=item_store key=end ") == true
      }
      #expect(isShown)
    }

    @Test(arguments: [SIGTERM, SIGUSR1])
    func itEndsWithWatchers(signal: Int32) throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let isSanitized = ProcessFacts(server).isSanitized
      let watchers = try (0..<5).map { _ in try WatchClient(server, "fetchers connevents") }
      let silent = try PlainSocket(.ipv4(server.port), receiveByteCount: 4096)
      silent.send("watch fetchers\r\n")
      #expect(silent.receiveLine() == "OK\r\n")
      let flood = try Flood(port: server.port, "get a\r\n")
      #expect(eventually { flood.receivedByteCount > 100_000 })
      let start = Date()
      #expect(server.stop(signal) == 0)
      #expect(Date().timeIntervalSince(start) < (isSanitized ? 5 : 1.5))
      flood.stop()
      for watcher in watchers {
        #expect(throws: TextClient.Failure.self) { while true { _ = try watcher.client.readLine() } }
      }
    }
  }
}

/// Lines from a socket that has no buffer of its own.
private struct LineReader {
  private let socket: PlainSocket
  private var bytes: [UInt8] = []
  private var start = 0

  init(_ socket: PlainSocket) { self.socket = socket }

  /// Nothing has been received that was not given out, and nothing waits.
  var isEmpty: Bool { bytes[start...].firstIndex(of: 10) == nil && !socket.hasInput(within: 30) }

  /// nil when none comes in time.
  mutating func next() -> String? {
    while true {
      if let end = bytes[start...].firstIndex(of: 10) {
        defer { start = end + 1 }
        return String(decoding: bytes[start..<end], as: UTF8.self)
      }
      bytes = Array(bytes[start...])
      start = 0
      guard let more = socket.receive(), !more.isEmpty else { return nil }
      bytes += more
    }
  }
}
