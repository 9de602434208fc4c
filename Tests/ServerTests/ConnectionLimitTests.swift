// More clients than there is room for: refused with a line, or left waiting in the kernel's queue, and served when
// somebody leaves; descriptors that run out while the server runs. Limits count clients, not descriptors.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct ConnectionLimitTests {
    /// Clients that are connected for certain: each has been answered.
    private func connect(_ server: ServerProcess, _ count: Int) throws -> [TextClient] {
      let clients = try (0..<count).map { _ in try TextClient(port: server.port) }
      for client in clients { #expect(try client.command("version").hasPrefix("VERSION")) }
      return clients
    }

    /// The connection that asked whether the server is up is gone.
    private func settle(_ client: TextClient, _ count: Int) throws {
      #expect(try eventually { try client.stat("curr_connections") == count })
    }

    @Test func theNextClientIsRefusedWithALine() throws {
      let server = try ServerProcess(arguments: ["-c", "20", "-t", "2"])
      let first = try TextClient(port: server.port)
      try settle(first, 1)
      var clients = try connect(server, 19)
      for _ in 0..<3 {
        let refused = try TextClient(port: server.port)
        #expect(try refused.readToEnd() == Array("ERROR Too many open connections\r\n".utf8))
      }
      #expect(try first.stat("rejected_connections") == 3)
      #expect(try first.stat("curr_connections") == 20)
      #expect(try first.stat("max_connections") == 20)
      clients.removeLast().close()
      try settle(first, 19)
      clients += try connect(server, 1)
      #expect(try first.stat("rejected_connections") == 3)
      #expect(try clients.allSatisfy { try $0.command("get a") == "END" })
    }

    @Test func withoutFastRefusalClientsWaitInTheQueue() throws {
      let server = try ServerProcess(arguments: ["-c", "5", "-t", "2", "-o", "no_maxconns_fast"])
      let first = try TextClient(port: server.port)
      try settle(first, 1)
      var clients = try connect(server, 4)
      let waiting = try PlainSocket(.ipv4(server.port))
      waiting.send("version\r\n")
      #expect(!waiting.hasInput(within: 100))
      var stats = try first.stats()
      #expect(stats["accepting_conns"] == "0")
      #expect(stats["listen_disabled_num"] == "1")
      #expect(stats["curr_connections"] == "5")
      // Waiting for somebody to leave is no work.
      let facts = ProcessFacts(server)
      let busy = facts.cpuSeconds
      usleep(500_000)
      #expect(facts.cpuSeconds - busy < 0.2)
      clients.removeLast().close()
      #expect(waiting.receiveLine().hasPrefix("VERSION"))
      #expect(try clients.allSatisfy { try $0.command("get a") == "END" })
      _ = clients.removeLast()
      #expect(try eventually { try first.stat("accepting_conns") == 1 })
      stats = try first.stats()
      #expect(Int(stats["time_in_listen_disabled_us"] ?? "") ?? 0 >= 500_000)
      #expect(stats["rejected_connections"] == nil || stats["rejected_connections"] == "0")
      let next = try TextClient(port: server.port)
      #expect(try next.command("get a") == "END")
    }

    private func setDescriptorLimit(_ server: ServerProcess, _ limit: Int) throws {
      let tool = try ChildProcess(
        path: "/usr/bin/prlimit",
        arguments: ["--pid", "\(server.process.processIdentifier)", "--nofile=\(limit):"])
      #expect(tool.terminationStatus == 0)
    }

    @Test func runningOutOfDescriptorsIsSurvived() throws {
      let server = try ServerProcess(arguments: ["-c", "100", "-t", "2"])
      let facts = ProcessFacts(server)
      let first = try TextClient(port: server.port)
      try settle(first, 1)
      try setDescriptorLimit(server, facts.descriptorCount + 3)
      var clients = try connect(server, 3)
      let waiting = try PlainSocket(.ipv4(server.port))
      waiting.send("version\r\n")
      #expect(!waiting.hasInput(within: 100))
      #expect(try first.stat("accepting_conns") == 0)
      #expect(try clients.allSatisfy { try $0.command("get a") == "END" })
      let busy = facts.cpuSeconds
      usleep(300_000)
      #expect(facts.cpuSeconds - busy < 0.15)
      clients.removeLast().close()
      #expect(waiting.receiveLine().hasPrefix("VERSION"))
      try setDescriptorLimit(server, 200)
      let more = try connect(server, 20)
      #expect(try more.allSatisfy { try $0.command("get a") == "END" })
      #expect(try eventually { try first.stat("accepting_conns") == 1 })
    }
  }
}
