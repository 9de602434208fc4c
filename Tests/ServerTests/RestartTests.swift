// The warm restart of a real server (-e): every way to end it in good order keeps the items, kill -9 does not, and what
// is in the way of a restart is said in one line. The damage of single bytes is the core's tests' business.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(2))) struct RestartTests {
    private let folder: TemporaryFolder
    private var memory: String { folder.path + "/memory" }
    private var metadata: String { memory + ".meta" }

    init() throws { folder = try TemporaryFolder() }

    private func start(_ arguments: [String] = []) throws -> ServerProcess {
      try ServerProcess(arguments: ["-e", memory, "-A", "-t", "2"] + arguments)
    }

    private func text(_ server: ServerProcess) -> String {
      String(decoding: server.errorOutput.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private func permissions(_ path: String) throws -> Int {
      (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue ?? 0
    }

    private func value(_ size: Int, _ salt: Int) -> [UInt8] {
      (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8 &+ salt) }
    }

    private static let sizes = [0, 1, 100, 5000, 70_000, 700_000]

    /// One of each kind.
    private func fill(_ client: TextClient) throws {
      for (index, size) in RestartTests.sizes.enumerated() {
        try client.send("set value\(index) \(index * 1000) 0 \(size)\r\n")
        try client.send(value(size, index) + [13, 10])
        #expect(try client.readLine() == "STORED")
      }
      for (line, reply) in [
        ("ms stale 2 T500\r\nhi", "HD"), ("md stale I q\r\nmn", "MN"), ("ms a2V5IGJ5dGVz 2 b\r\nhi", "HD"),
        ("set number 7 1000 2\r\n41", "STORED"), ("incr number 1", "42"), ("set short 0 1 1\r\nx", "STORED"),
      ] {
        #expect(try client.command(line) == reply)
      }
    }

    private func check(_ client: TextClient, cas: [String: String]) throws {
      for (index, size) in RestartTests.sizes.enumerated() {
        try client.send("get value\(index)\r\n")
        #expect(try client.readLine() == "VALUE value\(index) \(index * 1000) \(size)")
        #expect(try client.read(size) == value(size, index))
        #expect(try client.readLine() == "" && client.readLine() == "END")
      }
      #expect(try client.command("mg stale s") == "HD s2 X W")
      #expect(try client.command("mg a2V5IGJ5dGVz b k s") == "HD ka2V5IGJ5dGVz b s2")
      let ttl = Int(try client.command("mg number t").dropFirst(4)) ?? 0
      #expect((980...1000).contains(ttl))
      for (key, unique) in cas { #expect(try self.cas(client, key) == unique) }
      #expect(try client.command("incr number 1") == "43")
      let newest = UInt64(try self.cas(client, "number").dropFirst(1)) ?? 0
      #expect(cas.values.allSatisfy { (UInt64($0.dropFirst(1)) ?? 0) < newest })
    }

    private func cas(_ client: TextClient, _ key: String) throws -> String {
      String(try client.command("mg \(key) c").dropFirst(3))
    }

    private enum Ending: CaseIterable {
      case terminate, interrupt, graceful, shutdown, shutdownGraceful

      func end(_ server: ServerProcess, _ client: TextClient) throws -> Int32 {
        switch self {
        case .terminate: return server.stop(SIGTERM)
        case .interrupt: return server.stop(SIGINT)
        case .graceful: return server.stop(SIGUSR1)
        case .shutdown: try client.send("shutdown\r\n")
        case .shutdownGraceful: try client.send("shutdown graceful\r\n")
        }
        return server.process.terminationStatus
      }
    }

    @Test func everyEndInGoodOrderKeepsTheItems() throws {
      for ending in Ending.allCases {
        let first = try start()
        let client = try TextClient(port: first.port)
        try fill(client)
        let keys = ["number"] + RestartTests.sizes.indices.map { "value\($0)" }
        let uniques = Dictionary(uniqueKeysWithValues: try keys.map { ($0, try cas(client, $0)) })
        // One in the middle of a value: it leaves nothing behind.
        let uploader = try TextClient(port: first.port)
        try uploader.send("set half 0 0 900000\r\nxyz")
        #expect(!exists(metadata))
        #expect(try ending.end(first, client) == 0, "\(ending)")
        #expect(exists(metadata) && !exists(metadata + ".tmp"))
        #expect(try permissions(memory) == 0o600 && permissions(metadata) == 0o600)

        let second = try start()
        #expect(!exists(metadata), "\(ending)")
        let later = try TextClient(port: second.port)
        try check(later, cas: uniques)
        #expect(try later.command("get half") == "END")
        #expect(second.stop(SIGKILL) == -SIGKILL)
        #expect(text(second).contains("[restart] 1"), "\(ending)")
        let third = try start()
        #expect(try TextClient(port: third.port).command("get value1") == "END")
        #expect(third.stop(SIGKILL) == -SIGKILL)
        #expect(text(third) == "[restart] no metadata save file, starting with a clean cache\n")
      }
    }

    /// TTLs count while the server is down, and `uptime` goes on.
    @Test func timeGoesOn() throws {
      let first = try start()
      let client = try TextClient(port: first.port)
      #expect(try client.command("set short 0 1 1\r\nx") == "STORED")
      #expect(try client.command("set long 0 100 1\r\nx") == "STORED")
      // The server's clock is part of what is tested: nothing moves it but time.
      #expect(try eventually { Int(try client.stats()["uptime"] ?? "") ?? 0 >= 1 })
      #expect(first.stop() == 0)
      usleep(1_500_000)
      let second = try start()
      let later = try TextClient(port: second.port)
      #expect(try later.command("get short") == "END")
      #expect((90...98).contains(Int(try later.command("mg long t").dropFirst(4)) ?? 0))
      let uptime = Int(try later.stats()["uptime"] ?? "") ?? 0
      #expect((2...10).contains(uptime))
    }

    @Test func theSettingsSayIt() throws {
      let server = try start(["-m", "64"])
      let client = try TextClient(port: server.port)
      #expect(try client.report("stats settings").contains("STAT memory_file \(memory)"))
      #expect(
        try client.command("cache_memlimit 128") == "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust")
    }

    // What is in the way.

    private func failed(_ arguments: [String]) throws -> (status: Int32, text: String) {
      let errors = Pipe()
      let process = try launch(arguments, errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      let status = process.terminationStatus
      return (status, String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))
    }

    @Test func aFileHasOneServer() throws {
      let first = try start()
      #expect(try TextClient(port: first.port).command("set a 0 0 1\r\nx") == "STORED")
      let port = try ServerProcess.unusedPort()
      let second = try failed(["-l", "127.0.0.1", "-p", "\(port)", "-e", memory])
      #expect(second.status == 71)
      #expect(second.text == "failed to open the memory file \(memory): another server is using it\n")
      #expect(first.stop() == 0)
      let third = try start()
      #expect(try TextClient(port: third.port).command("mg a") == "HD")
    }

    @Test func whatCannotBeAMemoryFile() throws {
      for (path, reason) in [
        ("/nowhere/memory", "No such file or directory"), (folder.path, "Is a directory"),
        ("/dev/null", "it is no plain file"),
      ] {
        let result = try failed(["-l", "127.0.0.1", "-p", "0", "-e", path])
        #expect(result.status == 71)
        #expect(result.text == "failed to open the memory file \(path): \(reason)\n")
      }
    }

    /// A start that fails for another reason does not cost the items.
    @Test func aBusyPortCostsNothing() throws {
      let first = try start()
      #expect(try TextClient(port: first.port).command("set a 0 0 1\r\nx") == "STORED")
      #expect(first.stop() == 0)
      let other = try ServerProcess()
      let result = try failed(["-l", "127.0.0.1", "-p", "\(other.port)", "-e", memory])
      #expect(result.status == 71 && result.text.contains("Address already in use"))
      let third = try start()
      #expect(try TextClient(port: third.port).command("mg a") == "HD")
    }

    /// The line of a start that found something else than it wanted; it serves all the same, without items.
    private func coldLine(_ arguments: [String] = [], after prepare: () throws -> Void) throws -> String {
      let first = try start()
      #expect(try TextClient(port: first.port).command("set a 0 0 5\r\nhello") == "STORED")
      #expect(first.stop() == 0)
      try prepare()
      let second = try start(arguments)
      #expect(try TextClient(port: second.port).command("get a") == "END")
      #expect(try TextClient(port: second.port).command("set a 0 0 1\r\nx") == "STORED")
      #expect(second.stop() == 0)
      let third = try start(arguments)
      #expect(try TextClient(port: third.port).command("mg a") == "HD")
      #expect(third.stop(SIGKILL) == -SIGKILL)
      return text(second)
    }

    private func rewrite(_ path: String, _ change: (inout Data) -> Void) throws {
      var data = try Data(contentsOf: URL(fileURLWithPath: path))
      change(&data)
      // In place: the server that follows must find the same file.
      let handle = try #require(FileHandle(forWritingAtPath: path))
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: data)
      try handle.close()
    }

    @Test func coldStartsSayWhy() throws {
      let invalid = "[restart] failed to validate metadata: "
      #expect(try coldLine { try rewrite(metadata) { $0[100] ^= 1 } }.hasPrefix(invalid + "its checksum is wrong"))
      #expect(try coldLine { try rewrite(metadata) { $0.removeLast(9) } }.hasPrefix(invalid + "it is cut off"))
      #expect(try coldLine { try rewrite(metadata) { $0 = Data("Tmain\n".utf8) } }.hasPrefix(invalid + "it is none of"))
      #expect(try coldLine { try rewrite(metadata) { $0 = Data() } }.hasPrefix(invalid))
      let damaged = try coldLine {
        try rewrite(memory) { data in
          if let place = data.range(of: Data("hello".utf8)) { data[place.lowerBound] ^= 1 }
        }
      }
      #expect(damaged.hasPrefix("[restart] page ") && damaged.contains("is damaged"))
      #expect(try coldLine { try rewrite(memory) { $0.removeLast(1) } }.hasPrefix("[restart] the memory file has "))
      #expect(
        try coldLine { try FileManager.default.removeItem(atPath: memory) }.contains("the memory file has 0 bytes"))
      let other = "[restart] restart incompatible due to setting for "
      #expect(try coldLine(["-m", "128"]) {}.hasPrefix(other + "[maxbytes] [old value: 67108864]\n"))
      #expect(try coldLine(["-C"]) {}.hasPrefix(other + "[use_cas]"))
      #expect(try coldLine(["-f", "1.5"]) {}.hasPrefix(other))
    }

    /// Nothing is saved when the disk is full; the server says so and ends as it should.
    @Test func metadataThatCannotBeWritten() throws {
      let first = try start()
      try FileManager.default.createDirectory(atPath: metadata, withIntermediateDirectories: true)
      #expect(first.stop() == 0)
      #expect(text(first).contains("[restart] failed to write metadata: "))
      let second = try start()
      #expect(second.stop(SIGKILL) == -SIGKILL)
      #expect(text(second).hasPrefix("[restart] failed to read metadata: it is no plain file"))
    }

    /// Under full load, killed at any moment: a clean start each time, and no value of another key.
    @Test func killedInTheMiddleOfTraffic() throws {
      for round in 0..<5 {
        let first = try start()
        let floods = try (0..<2).map { number in
          try Flood(port: first.port, "set k\(number) 0 0 3\r\nabc\r\nget k\(number)\r\ndelete k\(number)\r\n")
        }
        #expect(eventually { floods.allSatisfy { $0.receivedByteCount > 10_000 } })
        usleep(UInt32(round) * 3000)
        #expect(first.stop(SIGKILL) == -SIGKILL)
        for flood in floods { flood.stop() }
        let second = try start()
        #expect(try TextClient(port: second.port).stats()["curr_items"] == "0")
        #expect(second.stop(SIGKILL) == -SIGKILL)
        #expect(text(second) == "[restart] no metadata save file, starting with a clean cache\n")
      }
    }
  }
}
