// What each stream of `watch` shows: the lines of the reference (section 6.11), field by field, with keys that must be
// encoded; who gets which stream; which requests to watch are refused. How many may watch, and what a slow watcher
// does to others, is in WatcherTests.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct WatchTests {
    private func gid(_ line: String) -> Int {
      line.firstMatch(of: /gid=(\d+)/).flatMap { Int($0.output.1) } ?? -1
    }

    private func descriptor(_ line: String) -> String {
      line.firstMatch(of: /cfd=(\d+)/).map { String($0.output.1) } ?? "none"
    }

    /// A key with a character of every kind, as a client sends it and as a line shows it.
    private static let oddKey = "a-b._~Z9\t%/:\u{7f}ü"
    private static let oddKeyInLines = "a-b._~Z9%09%25%2F%3A%7F%C3%BC"

    @Test func fetchers() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let watch = try WatchClient(server, "fetchers")
      for line in ["get missing", "set key 7 0 5\r\nvalue", "get key", "set short 0 -1 1\r\nx", "get short"] {
        try client.send(line + "\r\n")
      }
      try client.send("touch key 0\r\ndelete key\r\nmg \(WatchTests.oddKey)\r\nget end\r\n")
      let lines = watch.lines(until: "key=end ")
      let expected = [
        "type=item_get key=missing status=not_found clsid=0 cfd=N size=0",
        // The look-up inside of a set.
        "type=item_get key=key status=not_found clsid=0 cfd=N size=0",
        "type=item_get key=key status=found clsid=1 cfd=N size=5",
        "type=item_get key=short status=not_found clsid=0 cfd=N size=0",
        "type=item_get key=short status=expired clsid=0 cfd=N size=0",
        "type=item_get key=key status=found clsid=1 cfd=N size=5",
        "type=item_get key=key status=found clsid=1 cfd=N size=5",
        "type=item_get key=\(WatchTests.oddKeyInLines) status=not_found clsid=0 cfd=N size=0",
      ]
      #expect(lines.map(WatchClient.plain) == expected)
      let numbers = lines.map(gid)
      #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
      #expect(Set(lines.map(descriptor)).count == 1)
      for line in lines {
        let seconds = line.firstMatch(of: /ts=(\d+)/).flatMap { Double($0.output.1) } ?? 0
        #expect(abs(seconds - Date().timeIntervalSince1970) < 60)
      }
    }

    @Test func flushedItems() throws {
      // The crawler would take them away before anybody asks.
      let server = try ServerProcess(arguments: ["-t", "1", "-o", "no_lru_crawler"])
      let client = try TextClient(port: server.port)
      #expect(try client.set("key", [65]) == "STORED")
      // Items of the second of the flush survive it.
      let second = try client.stat("uptime")
      #expect(try eventually { try client.stat("uptime") > second })
      #expect(try client.command("flush_all") == "OK")
      let watch = try WatchClient(server, "fetchers")
      try client.send("get key\r\nget key\r\nget end\r\n")
      #expect(
        watch.lines(until: "key=end ").map(WatchClient.plain) == [
          "type=item_get key=key status=flushed clsid=0 cfd=N size=0",
          "type=item_get key=key status=not_found clsid=0 cfd=N size=0",
        ])
    }

    @Test func mutations() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let watch = try WatchClient(server, "mutations")
      let large = String(repeating: "x", count: 1_500_000)
      try client.send("set key 0 0 5\r\nvalue\r\nadd key 0 0 1\r\nx\r\nadd new 0 100 2\r\nxy\r\n")
      try client.send("replace none 0 0 1\r\nx\r\nreplace key 0 0 3\r\nabc\r\nappend key 0 0 2\r\nde\r\n")
      try client.send("prepend key 0 0 1\r\n_\r\nappend none 0 0 1\r\nx\r\ncas key 0 0 1 1\r\nx\r\n")
      try client.send("cas none 0 0 1 1\r\nx\r\nset large 0 0 1500000\r\n\(large)\r\n")
      try client.send("ms \(WatchTests.oddKey) 3 T60\r\nabc\r\nms bWV0YQ== 4 b ME\r\nmeta\r\n")
      try client.send("set end 0 0 0\r\n\r\n")
      let lines = watch.lines(until: "key=end ").map(WatchClient.plain)
      let expected = [
        "type=item_store key=key status=stored cmd=set ttl=0 clsid=1 cfd=N size=5",
        "type=item_store key=key status=not_stored cmd=add ttl=0 clsid=1 cfd=N size=1",
        "type=item_store key=new status=stored cmd=add ttl=100 clsid=1 cfd=N size=2",
        "type=item_store key=none status=not_stored cmd=replace ttl=0 clsid=1 cfd=N size=1",
        "type=item_store key=key status=stored cmd=replace ttl=0 clsid=1 cfd=N size=3",
        "type=item_store key=key status=stored cmd=append ttl=0 clsid=1 cfd=N size=5",
        "type=item_store key=key status=stored cmd=prepend ttl=0 clsid=1 cfd=N size=6",
        "type=item_store key=none status=not_stored cmd=append ttl=0 clsid=1 cfd=N size=1",
        "type=item_store key=key status=exists cmd=cas ttl=0 clsid=1 cfd=N size=1",
        "type=item_store key=none status=not_found cmd=cas ttl=0 clsid=1 cfd=N size=1",
        "type=item_store key=large status=too_large cmd=set ttl=0 clsid=0 cfd=N size=0",
        "type=item_store key=\(WatchTests.oddKeyInLines) status=stored cmd=set ttl=60 clsid=2 cfd=N size=3",
        "type=item_store key=meta status=stored cmd=add ttl=0 clsid=1 cfd=N size=4",
      ]
      #expect(lines.count == expected.count)
      for (line, wanted) in zip(lines, expected) {
        // Which class is a matter of the sizes; the figures above are for information.
        func withoutClass(_ text: String) -> String { text.replacing(/clsid=\d+/, with: "clsid=N") }
        #expect(withoutClass(line) == withoutClass(wanted))
      }
    }

    @Test func noMemory() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-M", "-m", "2"])
      let client = try TextClient(port: server.port)
      let watch = try WatchClient(server, "mutations")
      let value = String(repeating: "x", count: 500_000)
      for number in 0..<8 { try client.send("set key\(number) 0 0 500000\r\n\(value)\r\n") }
      let line = watch.next { $0.contains("status=no_memory") }
      #expect(
        line.map(WatchClient.plain)?.replacing(/key=key\d/, with: "key=K")
          == "type=item_store key=K status=no_memory cmd=set ttl=0 clsid=0 cfd=N size=0")
    }

    @Test func evictions() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-m", "2"])
      let client = try TextClient(port: server.port)
      let value = String(repeating: "x", count: 20_000)
      #expect(try client.command("set read/me 0 1000 20000\r\n\(value)") == "STORED")
      #expect(try client.command("mg read/me") == "HD")
      #expect(try client.command("set forever 0 0 20000\r\n\(value)") == "STORED")
      let watch = try WatchClient(server, "evictions")
      var lines: [String] = []
      let other = try TextClient(port: server.port)
      for number in 0..<400 {
        _ = try other.command("set fill\(number) 0 0 20000\r\n\(value)")
      }
      while !["read%2Fme", "forever"].allSatisfy({ key in lines.contains { $0.contains("key=\(key) ") } }),
        let line = watch.next()
      {
        lines.append(line)
      }
      let form = /type=eviction key=\S+ fetch=(yes|no) ttl=-?\d+ la=\d+ clsid=\d+ size=20000/
      for line in lines { #expect(WatchClient.plain(line).wholeMatch(of: form) != nil, "\(line)") }
      let read = lines.first { $0.contains("key=read%2Fme ") } ?? ""
      #expect(read.firstMatch(of: /fetch=yes ttl=(99\d|1000) la=\d clsid=/) != nil, "\(read)")
      let forever = lines.first { $0.contains("key=forever ") } ?? ""
      #expect(forever.contains(" fetch=no ttl=-1 la="), "\(forever)")
    }

    @Test func deletions() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let watch = try WatchClient(server, "deletions")
      try client.send("set a/b 0 0 5\r\nvalue\r\ndelete a/b\r\ndelete a/b\r\nset m 0 0 2\r\nab\r\nmd m\r\nmd m\r\n")
      // Neither of these takes an item away.
      try client.send("set stays 0 0 1\r\nx\r\nmd stays I\r\nmd stays x\r\nset end 0 0 0\r\n\r\ndelete end\r\n")
      #expect(
        watch.lines(until: "key=end ").map(WatchClient.plain) == [
          "type=deleted key=a%2Fb cmd=delete clsid=1 size=5", "type=deleted key=m cmd=md clsid=1 size=2",
        ])
    }

    @Test func connectionEvents() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let watch = try WatchClient(server, "connevents")
      for ending in ["", "quit\r\n", "GET / HTTP/1.1\r\n"] {
        let client = try TextClient(port: server.port)
        #expect(try client.command("version").hasPrefix("VERSION"))
        let port = localPort(client.descriptor)
        try client.send(ending)
        if !ending.isEmpty { #expect(try client.readToEnd() == []) }
        client.close()
        // Others come and go: those that ask for statistics.
        let opened = try #require(watch.next { $0.contains("type=conn_new") && $0.contains("rport=\(port) ") })
        #expect(WatchClient.plain(opened) == "type=conn_new rip=127.0.0.1 rport=N transport=tcp cfd=N")
        let closed = try #require(watch.next { $0.contains("type=conn_close") && $0.contains("rport=\(port) ") })
        #expect(
          WatchClient.plain(closed) == "type=conn_close rip=127.0.0.1 rport=N transport=tcp reason=normal cfd=N")
        #expect(descriptor(opened) == descriptor(closed))
      }
    }

    /// Whom the idle timeout concerns: neither watchers nor unix sockets.
    @Test func idleConnections() throws {
      let port = try ServerProcess.unusedPort()
      let folder = try TemporaryFolder()
      let path = folder.path + "/socket"
      let process = try launch(["-t", "1", "-o", "idle_timeout=1", "-l", "127.0.0.1:\(port),unix:\(path)"])
      #expect(eventually { (try? PlainSocket(.unix(path))) != nil })
      let watch = try WatchClient(port: port, "connevents")
      let (local, remote) = (try PlainSocket(.unix(path)), try TextClient(port: port))
      let opened = try #require(watch.next { $0.contains("type=conn_new rip=unix") })
      #expect(WatchClient.plain(opened) == "type=conn_new rip=unix rport=N transport=local cfd=N")
      #expect(try remote.readToEnd() == [])
      let closed = try #require(watch.next { $0.contains("type=conn_close") && !$0.contains("reason=normal") })
      #expect(
        WatchClient.plain(closed) == "type=conn_close rip=127.0.0.1 rport=N transport=tcp reason=idle_timeout cfd=N")
      #expect(closed.contains("rport=\(localPort(remote.descriptor)) "))
      local.send("quit\r\n")
      let left = try #require(watch.next { $0.contains("type=conn_close rip=unix") })
      #expect(WatchClient.plain(left) == "type=conn_close rip=unix rport=N transport=local reason=normal cfd=N")
      #expect(try WatchClient.watching(port: port) == 1)
      #expect(process.isRunning)
    }

    @Test func systemEvents() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      for number in 0..<10 { #expect(try client.set("key\(number)", [65]) == "STORED") }
      let watch = try WatchClient(server, "sysevents")
      #expect(try client.command("lru_crawler crawl all") == "OK")
      let line = try #require(watch.next())
      let fields = WatchClient.plain(line).split(separator: " ").map { $0.split(separator: "=").map(String.init) }
      #expect(
        fields.map(\.first) == [
          "type", "crawler", "lru", "low_mark", "next_reclaims", "since_run", "next_run", "elapsed", "examined",
          "reclaimed",
        ])
      let values = Dictionary(fields.map { ($0[0], $0.last ?? "") }) { first, _ in first }
      #expect(values["type"] == "lru_crawler" && values["examined"] == "10" && values["reclaimed"] == "0", "\(line)")
      #expect(["hot", "warm", "cold", "temp"].contains(values["lru"] ?? "") && Int(values["crawler"] ?? "") != nil)
    }

    @Test func everyWatcherGetsItsStreams() throws {
      let server = try ServerProcess(arguments: ["-t", "4"])
      let client = try TextClient(port: server.port)
      let streams = ["", "fetchers", "mutations", "deletions", "fetchers mutations", "mutations deletions rawcmds"]
      let watchers = try streams.map { try WatchClient(server, $0) }
      try client.send("get a\r\nset a 0 0 1\r\nx\r\ndelete a\r\n")
      try client.send("get end\r\nset end 0 0 1\r\nx\r\ndelete end\r\n")
      func kinds(_ watcher: WatchClient) -> [String] {
        watcher.lines(until: "key=end ").compactMap { $0.firstMatch(of: /type=(\w+)/).map { String($0.output.1) } }
      }
      let fetched = ["item_get", "item_get", "item_get"]
      #expect(kinds(watchers[0]) == fetched)
      #expect(kinds(watchers[1]) == fetched)
      #expect(kinds(watchers[2]) == ["item_store"])
      #expect(kinds(watchers[3]) == ["deleted"])
      #expect(kinds(watchers[4]) == ["item_get", "item_get", "item_store", "item_get"])
      #expect(kinds(watchers[5]) == ["item_store", "deleted"])
    }

    /// OK is a promise: what a client does after somebody has read it is shown.
    @Test func whatHappensAfterOKIsLogged() throws {
      let server = try ServerProcess(arguments: ["-t", "4"])
      let client = try TextClient(port: server.port)
      var lost = 0
      for round in 0..<50 {
        let watcher = try TextClient(port: server.port, timeoutSeconds: 1)
        #expect(try watcher.command("watch mutations") == "OK")
        #expect(try client.set("first", [65]) == "STORED")
        // So that a lost line is told from a late one.
        #expect(try eventually { try WatchClient.watching(server) == 1 })
        #expect(try client.set("second", [65]) == "STORED")
        if try !watcher.readLine().contains("key=first ") { lost += 1 }
        watcher.close()
        #expect(try eventually { try client.stat("log_watchers") == 0 }, "round \(round)")
      }
      #expect(lost == 0, "of 50 first lines")
    }

    /// What happened for a watcher that has left is not shown to the next.
    @Test func nothingOldIsShown() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let client = try TextClient(port: server.port)
      var old = 0
      for _ in 0..<20 {
        let first = try WatchClient(server, "mutations")
        for _ in 0..<20 { #expect(try client.set("old", [65]) == "STORED") }
        first.client.close()
        #expect(try eventually { try client.stat("log_watchers") == 0 })
        let second = try WatchClient(server, "mutations")
        #expect(try client.set("end", [65]) == "STORED")
        old += second.lines(until: "key=end ").filter { $0.contains("key=old ") }.count
        second.client.close()
        #expect(try eventually { try client.stat("log_watchers") == 0 })
      }
      #expect(old == 0)
    }

    @Test func refusedRequests() throws {
      let server = try ServerProcess()
      let client = try TextClient(port: server.port)
      #expect(try client.command("watch nonsense") == "ERROR")
      #expect(try client.command("watch fetchers nonsense") == "ERROR")
      try client.send("version\r\nwatch\r\nget a\r\n")
      #expect(try client.readLine().hasPrefix("VERSION"))
      #expect(try client.readLine() == "ERROR cannot pipeline other commands before watch")
      #expect(try client.readLine() == "END")
      #expect(try client.stat("log_watchers") == 0)
      let forbidding = try ServerProcess(arguments: ["-W"])
      #expect(
        try TextClient(port: forbidding.port).command("watch") == "CLIENT_ERROR watch commands not allowed")
    }

    /// What a watcher goes on to say is neither executed nor answered.
    @Test func inputOfAWatcherIsIgnored() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let client = try TextClient(port: server.port)
      let watcher = try TextClient(port: server.port)
      try watcher.send("watch mutations\r\nset with 0 0 1\r\nx\r\n")
      #expect(try watcher.readLine() == "OK")
      #expect(try eventually { try WatchClient.watching(server) == 1 })
      for _ in 0..<20 { try watcher.send(String(repeating: "set after 0 0 1\r\nx\r\n", count: 1000)) }
      #expect(try client.set("end", [65]) == "STORED")
      #expect(try watcher.readLine().contains("key=end "))
      #expect(try client.get("with") == nil)
      #expect(try client.get("after") == nil)
      #expect(try client.stat("log_watchers") == 1)
    }
  }
}

/// The port of this end of a connection, by which the server names it.
private func localPort(_ descriptor: Int32) -> UInt16 {
  var address = sockaddr_in()
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  return withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      getsockname(descriptor, $0, &length) == 0 ? pointer.pointee.sin_port.bigEndian : 0
    }
  }
}
