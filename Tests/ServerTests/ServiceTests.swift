// The server as a service: what systemd is told and passes on, --check and --healthcheck, the user, the filter of
// system calls. The process itself (signals, pid file, daemon) is in ProcessTests.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) final class ServiceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }
    private var environment: [String: String] { ProcessInfo.processInfo.environment }
    private var program: String { get throws { try ServerProcess.executable(ServerProcess.defaultProgram).path } }

    private func answers(_ place: PlainSocket.Address) -> Bool {
      guard let client = try? PlainSocket(place), client.send("version\r\n") else { return false }
      return client.receiveLine().hasPrefix("VERSION ")
    }

    /// Runs the program to its end; what it printed and its exit status.
    private func run(_ words: [String], as user: [String] = []) throws -> (
      output: String, errors: String, status: Int32
    ) {
      let (output, errors) = (Pipe(), Pipe())
      let process = try ChildProcess(
        path: program, arguments: user + words, output: output.fileHandleForWriting.fileDescriptor,
        errors: errors.fileHandleForWriting.fileDescriptor)
      try output.fileHandleForWriting.close()
      try errors.fileHandleForWriting.close()
      let texts = [output, errors].map {
        String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      }
      return (texts[0], texts[1], process.terminationStatus)
    }

    // What systemd is told.

    /// Python's datagram socket stands for systemd; the program prints what it was told, a line each.
    private func told(at address: String) throws -> [String] {
      let port = try ServerProcess.unusedPort()
      let script = """
        import os, socket, subprocess, sys
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(sys.argv[1].replace("@", "\\0", 1))
        listener.settimeout(10)
        server = subprocess.Popen(sys.argv[2:], env={**os.environ, "NOTIFY_SOCKET": sys.argv[1]})
        print(listener.recv(1000).decode())
        with socket.create_connection(("127.0.0.1", int(sys.argv[-1]))) as client:
          client.sendall(b"version\\r\\n")
          print(client.recv(7).decode())
        server.terminate()
        print(listener.recv(1000).decode())
        print(server.wait())
        """
      let output = Pipe()
      let user = getuid() == 0 ? ["-u", "root"] : []
      let process = try ChildProcess(
        path: "/usr/bin/python3",
        arguments: ["-c", script, address, try program, "-o", "drop_privileges", "-l", "127.0.0.1"] + user
          + ["-p", "\(port)"],
        output: output.fileHandleForWriting.fileDescriptor)
      try output.fileHandleForWriting.close()
      defer { process.terminate() }
      return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        .split(separator: "\n").map(String.init)
    }

    /// It is ready once it accepts, and says so when it stops, also when it gave up making sockets in between.
    @Test(arguments: ["file", "abstract"])
    func readyAndStopping(kind: String) throws {
      let address = kind == "file" ? path("notify") : "@swiftcached-\(UUID().uuidString)"
      #expect(try told(at: address) == ["READY=1", "VERSION", "STOPPING=1", "0"])
    }

    @Test(arguments: ["relative", "/nonexistent/notify", "@", "", String(repeating: "/long", count: 40)])
    func whoCannotBeToldIsNotToldAndNothingElse(address: String) throws {
      let port = try ServerProcess.unusedPort()
      var variables = environment
      variables["NOTIFY_SOCKET"] = address
      let process = try ChildProcess(
        path: program,
        arguments: (getuid() == 0 ? ["-u", "root"] : []) + ["-l", "127.0.0.1", "-p", "\(port)"],
        environment: variables)
      #expect(eventually { self.answers(.ipv4(port)) })
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    // What systemd passes on.

    /// Starts the server with sockets that Python opened as descriptors from 3 on.
    private func launchPassing(
      _ sockets: String, arguments: [String] = [], processID: String = "os.getpid()", errors: Int32? = nil
    ) throws -> ChildProcess {
      let script = """
        import os, socket, sys
        def tcp(port, listening=True):
          made = socket.socket()
          made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
          made.bind(("127.0.0.1", port))
          if listening: made.listen(10)
          return made
        def udp(port):
          made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          made.bind(("127.0.0.1", port))
          return made
        def unix(path):
          made = socket.socket(socket.AF_UNIX)
          made.bind(path)
          made.listen(10)
          return made
        sockets = [\(sockets)]
        high = [os.dup2(made.fileno(), 100 + index) for index, made in enumerate(sockets)]
        for index, descriptor in enumerate(high): os.dup2(descriptor, 3 + index)
        os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(\(processID)))
        os.execv(sys.argv[1], sys.argv[1:])
        """
      let user = getuid() == 0 ? ["-u", "root"] : []
      return try ChildProcess(
        path: "/usr/bin/python3", arguments: ["-c", script, try program] + user + arguments, errors: errors)
    }

    @Test func listenersThatWereOpenedForIt() throws {
      let (tcp, other) = (try ServerProcess.unusedPort(), try ServerProcess.unusedPort())
      let process = try launchPassing(
        "tcp(\(tcp)), unix('\(path("socket"))'), udp(\(tcp))", arguments: ["-p", "\(other)"])
      #expect(eventually { self.answers(.ipv4(tcp)) })
      #expect(answers(.unix(path("socket"))))
      #expect(!answers(.ipv4(other)))
      let lines = try TextClient(port: tcp).report("stats conns")
      for address in ["tcp:127.0.0.1:\(tcp)", "unix:\(path("socket"))", "udp:127.0.0.1:\(tcp)"] {
        #expect(lines.contains { $0.hasSuffix(":addr \(address)") }, "\(address)")
      }
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    @Test func listenersOfADaemon() throws {
      let port = try ServerProcess.unusedPort()
      let parent = try launchPassing("tcp(\(port))", arguments: ["-d", "-P", path("pid")])
      #expect(parent.terminationStatus == 0)
      #expect(eventually { self.answers(.ipv4(port)) })
      #expect(eventually { FileManager.default.fileExists(atPath: path("pid")) })
      let pid = try #require(pid_t(try String(contentsOfFile: path("pid"), encoding: .utf8).dropLast()))
      kill(pid, SIGTERM)
      #expect(eventually { !FileManager.default.fileExists(atPath: path("pid")) })
    }

    @Test func listenersOfSomebodyElse() throws {
      let (passed, own) = (try ServerProcess.unusedPort(), try ServerProcess.unusedPort())
      let process = try launchPassing(
        "tcp(\(passed))", arguments: ["-l", "127.0.0.1", "-p", "\(own)"], processID: "1")
      #expect(eventually { self.answers(.ipv4(own)) })
      #expect(process.isRunning)
    }

    @Test(arguments: ["open('/dev/null')", "tcp(0, False)", "socket.socketpair()[0]"])
    func whatIsNoListenerIsRefused(socket: String) throws {
      let errors = Pipe()
      let process = try launchPassing(socket, errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      #expect(process.terminationStatus == 71)
      let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(message.contains("LISTEN_FDS: descriptor 3 is no "))
    }

    /// Otherwise a server with -Z would speak plain text on the listeners it was given.
    @Test func passedListenersSpeakTLS() throws {
      let made = try ChildProcess(
        path: "/usr/bin/openssl",
        arguments: "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout".split(separator: " ").map(
          String.init)
          + [path("key"), "-out", path("chain")])
      #expect(made.terminationStatus == 0)
      let port = try ServerProcess.unusedPort()
      let tls = ["-Z", "-o", "ssl_chain_cert=\(path("chain")),ssl_key=\(path("key"))"]
      let process = try launchPassing("tcp(\(port)), unix('\(path("socket"))')", arguments: tls)
      #expect(eventually { self.answers(.unix(path("socket"))) })
      #expect(!answers(.ipv4(port)))
      let (output, _, status) = try run(["--healthcheck", "-l", "127.0.0.1", "-p", "\(port)"] + tls)
      #expect(status == 0 && output == "127.0.0.1:\(port): TLS\n")
      process.signal(SIGSTOP)
      #expect(try run(["--healthcheck", "-l", "127.0.0.1", "-p", "\(port)"] + tls).status == 1)
      process.signal(SIGCONT)
      let plain = ["-l", "127.0.0.1,notls:unix:\(path("socket"))", "-p", "\(port)"]
      #expect(try run(["--healthcheck"] + tls + plain).output.contains("VERSION 1.6.45"))
      let user = getuid() == 0 ? ["-u", "root"] : []
      let missing = try run(user + ["--check", "-Z", "-o", "ssl_chain_cert=/nonexistent,ssl_key=/nonexistent"])
      #expect(missing.status == 1 && missing.output.contains("fault: Error loading the certificate chain"))
    }

    // Asking.

    @Test(arguments: ["auto", "ascii", "binary"])
    func aHealthyServer(protocol name: String) throws {
      let server = try ServerProcess(arguments: ["-B", name])
      let words = ["--healthcheck", "-l", "127.0.0.1", "-p", "\(server.port)", "-B", name]
      let (output, _, status) = try run(words)
      #expect(status == 0)
      #expect(output == "127.0.0.1:\(server.port): VERSION 1.6.45\n")
    }

    @Test func aHealthyServerByItsOwnWords() throws {
      let server = try ServerProcess(listening: .unixSocket(path("socket")))
      #expect(try run(["-s", path("socket"), "--healthcheck"]).status == 0)
      #expect(server.process.isRunning)
      let port = try ServerProcess.unusedPort()
      let both = try launch(["-l", "127.0.0.1:\(port),unix:\(path("second"))", "-m 64"])
      #expect(eventually { self.answers(.ipv4(port)) })
      #expect(try run(["--healthcheck", "-l", "127.0.0.1:\(port),unix:\(path("second"))", "-m 64"]).status == 0)
      #expect(try run(["--healthcheck", "-l", "unix:\(path("second"))"]).status == 0)
      #expect(both.isRunning)
    }

    @Test func anUnhealthyServer() throws {
      let port = try ServerProcess.unusedPort()
      let (output, _, status) = try run(["--healthcheck", "-l", "127.0.0.1", "-p", "\(port)"])
      #expect(status == 1)
      #expect(output == "127.0.0.1:\(port): Connection refused\n")
      #expect(try run(["--healthcheck", "-s", path("absent")]).status == 1)
      #expect(try run(["--healthcheck", "-p", "0"]).status == 1)
      let full = try ServerProcess(arguments: ["-c", "1"])
      // The place of whoever came before is free a moment later.
      var client: TextClient?
      #expect(
        try eventually {
          client = try TextClient(port: full.port)
          return try client?.command("mn") == "MN"
        })
      let refused = try run(["--healthcheck", "-l", "127.0.0.1", "-p", "\(full.port)"])
      #expect(refused.status == 1 && refused.output.contains("ERROR Too many open connections"))
    }

    /// Accepts connections and never answers.
    @Test func aServerThatHangs() throws {
      let process = try ServerProcess()
      process.process.signal(SIGSTOP)
      let start = Date()
      let (output, _, status) = try run(["--healthcheck", "-l", "127.0.0.1", "-p", "\(process.port)"])
      process.process.signal(SIGCONT)
      #expect(status == 1 && output.hasSuffix("Connection timed out\n"))
      #expect(Date().timeIntervalSince(start) < 10)
    }

    @Test func settingsAndFindings() throws {
      let user = getuid() == 0 ? ["-u", "root"] : []
      let fine = try run(user + ["--check", "-m", "100", "-l", "127.0.0.1", "-t", "2"])
      #expect(fine.status == 0)
      let lines = fine.output.split(separator: "\n").map(String.init)
      for line in ["maxbytes \(100 << 20)", "num_threads 2", "inter 127.0.0.1", "lru_policy s3fifo"] {
        #expect(lines.contains(line), "\(line)")
      }
      #expect(lines.last?.hasPrefix("0 faults, ") == true)
      let open = try run(user + ["--check"])
      #expect(open.status == 0)
      #expect(open.output.contains("warning: listening on all interfaces without authentication"))
      #expect(try run(user + ["--check", "-m", "1"]).status == 64)
    }

    @Test(.enabled(if: getuid() == 0, "not root"))
    func aUserThatDoesNotExist() throws {
      let check = try run(["--check", "-u", "no-such-user"])
      #expect(check.status == 1)
      #expect(check.output.contains("fault: can't find the user no-such-user to switch to\n"))
      #expect(try run(["-u", "no-such-user"]).status == 67)
    }

    // Rights.

    /// The rows of /proc/<pid>/status by name.
    private func status(_ process: ChildProcess) -> [String: String] {
      var rows: [String: String] = [:]
      for line in ProcessFacts.read("/proc/\(process.processIdentifier)/status").split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2 { rows[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
      }
      return rows
    }

    @Test(.enabled(if: getuid() == 0, "not root"))
    func nothingOfRootIsLeft() throws {
      let port = try ServerProcess.unusedPort()
      chmod(folder.path, 0o777)
      let process = try ChildProcess(
        path: program, arguments: ["-u", "nobody", "-l", "127.0.0.1", "-p", "\(port)", "-P", path("pid")])
      #expect(eventually { FileManager.default.fileExists(atPath: path("pid")) })
      let entry = try #require(getpwnam("nobody")).pointee
      let rows = status(process)
      #expect(rows["Uid"]?.split(separator: "\t").allSatisfy { $0 == "\(entry.pw_uid)" } == true)
      #expect(rows["Gid"]?.split(separator: "\t").allSatisfy { $0 == "\(entry.pw_gid)" } == true)
      #expect(rows["Groups"] == "")
      #expect(rows["CapEff"] == "0000000000000000" && rows["CapPrm"] == "0000000000000000")
      let attributes = try FileManager.default.attributesOfItem(atPath: path("pid"))
      #expect(attributes[.ownerAccountID] as? Int == Int(entry.pw_uid))
      #expect(answers(.ipv4(port)))
    }

    /// Who changed its user leaves no core file unless it says so; the owner of /proc/<pid>/environ shows
    /// whether it did.
    @Test(.enabled(if: getuid() == 0, "not root"))
    func coreFilesAfterChangingTheUser() throws {
      let port = try ServerProcess.unusedPort()
      let process = try ChildProcess(
        path: program, arguments: ["-u", "nobody", "-r", "-l", "127.0.0.1", "-p", "\(port)"])
      #expect(eventually { self.answers(.ipv4(port)) })
      let attributes = try FileManager.default.attributesOfItem(atPath: "/proc/\(process.processIdentifier)/environ")
      #expect(attributes[.ownerAccountID] as? Int == Int(try #require(getpwnam("nobody")).pointee.pw_uid))
      let limits = ProcessFacts.read("/proc/\(process.processIdentifier)/limits")
      let row = limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") }
      #expect(row?.split(separator: " ").dropFirst(4).first != "0")
    }

    /// The filter is on every thread, and everything that clients can ask for still works.
    @Test func systemCallsAreGivenUp() throws {
      let server = try ServerProcess(arguments: ["-o", "drop_privileges", "-A", "-m", "64", "-P", path("pid")])
      let client = try TextClient(port: server.port)
      #expect(try client.set("a", [65]) == "STORED")
      #expect(try client.stats("settings")["drop_privileges"] == "yes")
      let threads = try FileManager.default.contentsOfDirectory(
        atPath: "/proc/\(server.process.processIdentifier)/task")
      #expect(threads.count >= 7)
      for thread in threads {
        let text = ProcessFacts.read("/proc/\(server.process.processIdentifier)/task/\(thread)/status")
        #expect(text.contains("Seccomp:\t2\n") && text.contains("NoNewPrivs:\t1\n"))
      }
      let large = [UInt8](repeating: 66, count: 900_000)
      for index in 0..<100 { #expect(try client.set("large-\(index)", large) == "STORED") }
      #expect(try client.get("large-99") == large)
      #expect(try client.command("cache_memlimit 32") == "OK")
      #expect(try client.command("verbosity 1") == "OK")
      for form in ["", "items", "slabs", "sizes", "conns"] { #expect(try !client.report("stats \(form)").isEmpty) }
      server.process.signal(SIGHUP)
      let more = try (0..<50).map { _ in try TextClient(port: server.port) }
      #expect(try more.allSatisfy { try $0.command("mn") == "MN" })
      try client.send("shutdown graceful\r\n")
      #expect(server.process.ends(within: 5))
      #expect(server.process.terminationStatus == 0)
    }

    /// A limit with room for the clients, and not for what the server itself has open, is no reason to refuse.
    @Test func justEnoughDescriptors() throws {
      let port = try ServerProcess.unusedPort()
      let errors = Pipe()
      let process = try ChildProcess(
        path: "/usr/bin/prlimit",
        arguments: ["--nofile=200:200"] + (getuid() == 0 ? ["/usr/bin/setpriv", "--bounding-set=-sys_resource"] : [])
          + [try program] + (getuid() == 0 ? ["-u", "nobody"] : []) + [
            "-c", "200", "-l", "127.0.0.1", "-p", "\(port)",
          ],
        errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      guard eventually({ self.answers(.ipv4(port)) || !process.isRunning }), process.isRunning else {
        Issue.record("\(String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self))")
        return
      }
      let clients = try (0..<120).map { _ in try TextClient(port: port) }
      #expect(try clients.allSatisfy { try $0.command("mn") == "MN" })
      process.terminate()
      #expect(process.terminationStatus == 0)
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(text.hasPrefix("warning: the limit of open files (ulimit -n, LimitNOFILE) is 200"))
    }
  }
}
