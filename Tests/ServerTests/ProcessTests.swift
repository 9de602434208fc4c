// The server as a process: signals, exit codes, pid file, daemon, listeners of all kinds, the log on standard error.
// Option values and messages of the command line are the Options tests' business; here is what they do to a process.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) final class ProcessTests {
    private let folder: URL

    init() throws {
      folder = FileManager.default.temporaryDirectory.appendingPathComponent("server-tests-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// A server whose whole command line the test gives (but for the user that root must name).
    private func launch(
      _ arguments: [String], as program: String? = nil, environment: [String: String]? = nil, errors: Int32? = nil
    ) throws -> ChildProcess {
      try ChildProcess(
        path: try program ?? ServerProcess.executable(ServerProcess.defaultProgram).path,
        arguments: (getuid() == 0 ? ["-u", "root"] : []) + arguments, environment: environment, errors: errors)
    }

    private func answers(_ place: PlainSocket.Address) -> Bool {
      guard let client = try? PlainSocket(place), client.send("version\r\n") else { return false }
      return client.receiveLine().hasPrefix("VERSION ")
    }

    private func text(_ pipe: Pipe) -> String {
      String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    // Signals.

    @Test(arguments: [SIGTERM, SIGINT, SIGUSR1])
    func signalsEndItAtOnceWithManyConnections(signal: Int32) throws {
      let server = try ServerProcess()
      let clients = try (0..<500).map { _ in try PlainSocket(.ipv4(server.port)) }
      for (index, client) in clients.enumerated() {
        client.send(index % 3 == 0 ? "get a\r\n" : index % 3 == 1 ? "set a 0 0 900000\r\nhalf" : "ge")
      }
      #expect(clients[498].receiveLine() == "END\r\n")
      let isSanitized = ProcessFacts(server).isSanitized
      let start = Date()
      #expect(server.stop(signal) == 0)
      #expect(Date().timeIntervalSince(start) < (isSanitized ? 5 : 1))
      #expect(text(server.errorOutput) == (signal == SIGUSR1 ? "Gracefully stopping\n" : ""))
      #expect(clients[0].receive(exactly: 100).count <= 5)
      #expect(throws: (any Error).self) { try TextClient(port: server.port) }
    }

    /// As soon as the port is open a signal ends the server in good order, its pid file removed.
    @Test func aSignalRightAfterTheStart() throws {
      let statuses = try (0..<30).map { _ in try ServerProcess(arguments: ["-t", "1"]).stop(SIGTERM) }
      #expect(statuses.filter { $0 != 0 } == [])
    }

    @Test func itEndsWhileAFloodIsRunning() throws {
      let server = try ServerProcess(arguments: ["-t", "2", "-v"])
      let floods = try (0..<3).map { _ in try Flood(port: server.port, "get a b c\r\nset a 0 0 1\r\nx\r\n") }
      #expect(eventually { floods.allSatisfy { $0.receivedByteCount > 0 } })
      let isSanitized = ProcessFacts(server).isSanitized
      let start = Date()
      #expect(server.stop(SIGTERM) == 0)
      #expect(Date().timeIntervalSince(start) < (isSanitized ? 5 : 1.5))
      for flood in floods { flood.stop() }
      #expect(text(server.errorOutput).contains("Exiting normally"))
    }

    @Test func aHangUpIsSurvived() throws {
      let server = try ServerProcess()
      let client = try TextClient(port: server.port)
      #expect(try client.set("a", [65]) == "STORED")
      for _ in 0..<3 { server.process.signal(SIGHUP) }
      server.process.signal(SIGPIPE)
      usleep(20_000)
      #expect(try client.get("a") == [65])
      #expect(server.process.isRunning)
    }

    @Test func shutdownCommand() throws {
      let closed = try ServerProcess()
      let client = try TextClient(port: closed.port)
      #expect(try client.command("shutdown") == "SERVER_ERROR: shutdown not enabled")
      #expect(try client.command("version").hasPrefix("VERSION"))
      for (line, message) in [("shutdown", ""), ("shutdown graceful", "Gracefully stopping\n")] {
        let open = try ServerProcess(arguments: ["-A"])
        let client = try TextClient(port: open.port)
        #expect(try client.command("shutdown brutal") == "CLIENT_ERROR invalid shutdown mode")
        try client.send(line + "\r\n")
        #expect(try client.readToEnd() == [])
        #expect(open.process.ends(within: 2))
        #expect(open.process.terminationStatus == 0)
        #expect(text(open.errorOutput) == message)
      }
    }

    // Files and names.

    @Test func pidFile() throws {
      let server = try ServerProcess(arguments: ["-P", path("pid")])
      let pid = "\(server.process.processIdentifier)\n"
      #expect(eventually { (try? String(contentsOfFile: path("pid"), encoding: .utf8)) == pid })
      #expect(!FileManager.default.fileExists(atPath: path("pid.tmp")))
      let second = try ServerProcess(arguments: ["-P", path("pid")])
      #expect(eventually { (try? String(contentsOfFile: path("pid"), encoding: .utf8)) != pid })
      #expect(answers(.ipv4(second.port)))
      #expect(second.stop() == 0)
      #expect(
        text(second.errorOutput) == "WARNING: The pid file contained the following (running) pid: \(pid)")
      // In the foreground the file stays.
      #expect(FileManager.default.fileExists(atPath: path("pid")))
    }

    @Test func daemon() throws {
      let port = try ServerProcess.unusedPort()
      let parent = try launch(["-d", "-l", "127.0.0.1", "-p", "\(port)", "-P", path("pid")])
      #expect(parent.terminationStatus == 0)
      #expect(eventually { self.answers(.ipv4(port)) })
      #expect(eventually { FileManager.default.fileExists(atPath: path("pid")) })
      let pid = try #require(pid_t(try String(contentsOfFile: path("pid"), encoding: .utf8).dropLast()))
      defer { kill(pid, SIGKILL) }
      #expect(pid != parent.processIdentifier)
      #expect(getsid(pid) == pid)
      #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == "/")
      for descriptor in 0...2 {
        #expect(
          (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(descriptor)")) == "/dev/null")
      }
      kill(pid, SIGTERM)
      #expect(eventually { !FileManager.default.fileExists(atPath: path("pid")) })
      #expect(eventually { !self.answers(.ipv4(port)) })
    }

    @Test func aLinkCalledMemcachedIsAMemcached() throws {
      let ours = try ServerProcess.executable(ServerProcess.defaultProgram).path
      try FileManager.default.createSymbolicLink(atPath: path("memcached"), withDestinationPath: ours)
      let port = try ServerProcess.unusedPort()
      let process = try launch(["-l", "127.0.0.1", "-p", "\(port)"], as: path("memcached"))
      #expect(eventually { self.answers(.ipv4(port)) })
      #expect(ProcessFacts(process.processIdentifier).name == "memcached")
    }

    @Test func portFile() throws {
      var environment = ProcessInfo.processInfo.environment
      environment["MEMCACHED_PORT_FILENAME"] = path("ports")
      let process = try launch(["-l", "127.0.0.1", "-p", "-1", "-U", "0"], environment: environment)
      #expect(eventually { FileManager.default.fileExists(atPath: path("ports")) })
      let lines = try String(contentsOfFile: path("ports"), encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 1)
      let port = try #require(UInt16(lines[0].split(separator: " ").last ?? ""))
      #expect(lines[0] == "TCP INET: \(port)" && answers(.ipv4(port)))
      #expect(process.isRunning)
    }

    // Listeners.

    @Test(arguments: [(nil, 0o700), ("0600", 0o600), ("777", 0o777)] as [(String?, Int)])
    func unixSocket(mask: String?, mode: Int) throws {
      let server = try ServerProcess(
        listening: .unixSocket(path("socket")), arguments: mask.map { ["-a", $0] } ?? [])
      #expect(answers(.unix(path("socket"))))
      let attributes = try FileManager.default.attributesOfItem(atPath: path("socket"))
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == mode)
      // The file of a dead server is no obstacle.
      server.stop(SIGKILL)
      let second = try ServerProcess(listening: .unixSocket(path("socket")))
      #expect(answers(.unix(path("socket"))))
      #expect(second.stop() == 0)
    }

    @Test func severalAddressesAndIPv6() throws {
      try #require((try? PlainSocket(.ipv6(1))) == nil)
      let (first, second) = (try ServerProcess.unusedPort(), try ServerProcess.unusedPort())
      let process = try launch(["-l", "127.0.0.1,[::1]:\(second)", "-l", "127.0.0.1:\(second)", "-p", "\(first)"])
      #expect(eventually { self.answers(.ipv4(first)) })
      #expect(answers(.ipv4(second)) && answers(.ipv6(second)) && !answers(.ipv6(first)))
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    @Test func aPortInUseIsSaidAndEndsIt() throws {
      let server = try ServerProcess()
      let errors = Pipe()
      let second = try launch(
        ["-l", "127.0.0.1", "-p", "\(server.port)"], errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      #expect(second.terminationStatus == 71)
      let message = text(errors)
      #expect(message.contains("bind(): Address already in use\n"))
      #expect(message.hasSuffix("failed to listen on one of interface(s) 127.0.0.1: Address already in use\n"))
      #expect(try TextClient(port: server.port).command("get a") == "END")
    }

    @Test func withoutAPortItStays() throws {
      let process = try launch(["-p", "0"])
      #expect(!process.ends(within: 0.3))
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    @Test func optionsInOneWordAndShortened() throws {
      let port = try ServerProcess.unusedPort()
      let process = try launch([
        "-m 72", "-p \(port)", "--listen=127.0.0.1", "--thr", "3", "-c50", "ignored word", "-vvv",
      ])
      #expect(eventually { self.answers(.ipv4(port)) })
      let stats = try TextClient(port: port).stats()
      #expect(stats["limit_maxbytes"] == "\(72 << 20)")
      #expect(stats["threads"] == "3")
      #expect(stats["max_connections"] == "50")
      #expect(process.isRunning)
    }

    // The log.

    @Test func veryVerbose() throws {
      let server = try ServerProcess(arguments: ["-vv", "-t", "1", "-f", "1.25"])
      let client = try TextClient(port: server.port)
      #expect(try client.set("a", [65]) == "STORED")
      #expect(try client.get("a") == [65])
      #expect(try client.command("nonsense") == "ERROR")
      client.close()
      usleep(20_000)
      #expect(server.stop() == 0)
      let lines = text(server.errorOutput).components(separatedBy: "\n")
      #expect(lines.contains("slab class   1: chunk size        96 perslab   10922"))
      #expect(lines.contains { $0.wholeMatch(of: /<\d+ server listening \(auto-negotiate\)/) != nil })
      let number = try #require(lines.last { $0.hasSuffix("set a 0 0 1") }?.split(separator: " ").first?.dropFirst())
      let talk = lines.filter { $0.hasPrefix("<\(number) ") || $0.hasPrefix(">\(number) ") }
      #expect(talk.contains("<\(number) new auto-negotiating client connection"))
      #expect(talk.contains("<\(number) set a 0 0 1") && talk.contains("<\(number) get a"))
      #expect(talk.contains("<\(number) nonsense") && talk.contains(">\(number) ERROR"))
      #expect(talk.contains("<\(number) connection closed."))
    }
  }
}
