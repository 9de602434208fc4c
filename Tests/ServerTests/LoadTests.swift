// Many connections and unfair ones: idle thousands, connects without end, floods, clients that say nothing for too
// long. Figures are upper bounds that hold with a debug build on a small machine; measuring is the Bench target's work.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct LoadTests {
    /// Lets this process have `count` descriptors; returns how many it may have.
    private func raiseOwnLimit(_ count: Int) -> Int {
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      if limit.rlim_cur < rlim_t(count) {
        limit.rlim_cur = min(rlim_t(count), limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      }
      return Int(limit.rlim_cur)
    }

    @Test func twoThousandIdleConnections() throws {
      let count = min(2000, raiseOwnLimit(4000) - 1000)
      try #require(count >= 500, "too few descriptors to test with")
      let server = try ServerProcess(arguments: ["-c", "4000"])
      let facts = ProcessFacts(server)
      let first = try TextClient(port: server.port)
      // Each worker has served somebody before memory is measured.
      for _ in 0..<20 { #expect(try TextClient(port: server.port).command("get a") == "END") }
      #expect(try eventually { try first.stat("curr_connections") == 1 })
      let before = facts.residentKilobytes
      let clients = try (0..<count).map { _ in try PlainSocket(.ipv4(server.port)) }
      for client in clients { client.send("get a\r\nge") }
      let answered = clients.filter { $0.receive(exactly: 5) == Array("END\r\n".utf8) }.count
      #expect(answered == count)
      for client in clients { client.send("t a\r\n") }
      #expect(clients.filter { $0.receive(exactly: 5) == Array("END\r\n".utf8) }.count == count)
      if !facts.isSanitized { #expect((facts.residentKilobytes - before) * 1024 / count < 1024) }
      #expect(try first.stat("curr_connections") == count + 1)
      #expect(try first.report("stats conns").filter { $0.contains("conn_read") }.count >= count)
    }

    @Test func connectingFiveThousandTimesLeavesNothing() throws {
      let server = try ServerProcess(arguments: ["-t", "2"])
      let facts = ProcessFacts(server)
      let first = try TextClient(port: server.port)
      func connect(_ times: Int) throws {
        for number in 0..<times {
          let client = try PlainSocket(.ipv4(server.port))
          switch number % 5 {
          case 0: client.send("get a\r\n")
          case 1: client.send("set a 0 0 100\r\nhalf")
          case 2: client.send("get never ended")
          default: break
          }
          // An answer now and then, from either worker in turn, so that neither the kernel's queue of connections
          // overflows nor a worker's.
          if number % 95 == 0 { #expect(client.receiveLine() == "END\r\n") }
        }
        let isQuiet = try eventually(within: 20) { try first.stat("curr_connections") == 1 }
        #expect(isQuiet)
      }
      try connect(0)
      let sockets = facts.socketCount
      #expect(sockets > 1)
      let descriptors = facts.descriptorCount
      try connect(500)
      let memory = facts.residentKilobytes
      try connect(5000)
      #expect(eventually { facts.socketCount == sockets })
      if !facts.isSanitized { #expect(facts.descriptorCount == descriptors) }
      #expect(try first.stat("total_connections") > 5500)
      if !facts.isSanitized { #expect(facts.residentKilobytes - memory < 256) }
    }

    @Test func idleClientsAreSentAway() throws {
      let server = try ServerProcess(arguments: ["-o", "idle_timeout=1", "-t", "1"])
      let idle = try TextClient(port: server.port)
      let uploading = try TextClient(port: server.port)
      let busy = try TextClient(port: server.port)
      #expect(try idle.command("version").hasPrefix("VERSION"))
      try uploading.send("set k 0 0 2\r\na")
      let start = Date()
      var answered = 0
      let isGone = try eventually(within: 5) {
        if try busy.command("get a") == "END" { answered += 1 }
        usleep(50_000)
        var wanted = pollfd(fd: idle.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, 0) > 0
      }
      #expect(isGone && answered > 5)
      #expect(Date().timeIntervalSince(start) > 0.9)
      #expect(try idle.readToEnd() == [])
      #expect(try busy.stat("idle_kicks") == 1)
      try uploading.send("b\r\n")
      #expect(try uploading.readLine() == "STORED")
    }

    @Test(arguments: [["-R", "1"], ["-R", "20"], []])
    func aFloodOnOneConnectionLeavesTimeForOthers(options: [String]) throws {
      let server = try ServerProcess(arguments: ["-t", "1"] + options)
      let facts = ProcessFacts(server)
      let client = try TextClient(port: server.port)
      #expect(try client.set("a", Pattern.bytes(10_000, seed: 1)) == "STORED")
      let floods = try ["get b\r\n", "get a a a a a a a a a a a a\r\n"].map { try Flood(port: server.port, $0) }
      var slowest = 0.0
      let deadline = Date().addingTimeInterval(1)
      while Date() < deadline {
        slowest = max(slowest, try client.latency())
        usleep(1_000)
      }
      #expect(floods.allSatisfy { $0.receivedByteCount > (facts.isSanitized ? 0 : 1_000) })
      for flood in floods { flood.stop() }
      // Starvation would be the whole second of the flood and more; a busy machine is no failure.
      #expect(slowest < 2)
      if !options.isEmpty { #expect(try client.stat("conn_yields") > 0) }
      #expect(try eventually { try client.stat("curr_connections") == 1 })
      if !facts.isSanitized { #expect(facts.peakKilobytes < 40_000) }
    }

    @Test func aLongQueueOfRequestsIsAnsweredInOrderWithYields() throws {
      let server = try ServerProcess(arguments: ["-t", "1", "-R", "3"])
      let client = try TextClient(port: server.port)
      let other = try PlainSocket(.ipv4(server.port))
      #expect(try client.set("n", [48]) == "STORED")
      try client.send(String(repeating: "incr n 1\r\n", count: 5000))
      // Somebody else has something to say while the first one's turn is postponed.
      for _ in 0..<20 {
        other.send("get nothing\r\n")
        #expect(other.receiveLine() == "END\r\n")
      }
      let numbers = try (1...5000).filter { try client.readLine() != "\($0)" }
      #expect(numbers == [])
      #expect(try client.stat("conn_yields") >= 1000)
    }
  }
}
