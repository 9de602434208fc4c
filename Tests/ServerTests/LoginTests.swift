// Servers with -Y and -S as processes: every listener is locked, files are read at start and on SIGHUP while clients
// log in, bad files are told and change nothing, half logins hold little. What the gate lets through byte by byte is
// in CacheCoreTests (LoginTests) and in the transcripts.
import Foundation
import TestSupport
import Testing

/// A file of users that tests rewrite.
final class UserFile {
  let folder: TemporaryFolder
  var path: String { folder.path + "/users" }

  init(_ text: String) throws {
    folder = try TemporaryFolder()
    try write(text)
  }

  func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
}

/// Packets of a login.
enum LoginPacket {
  static func request(_ opcode: UInt8, key: String = "", value: String = "", extras: Int = 0) -> [UInt8] {
    let body = [UInt8](repeating: 0, count: extras) + Array(key.utf8) + Array(value.utf8)
    return [0x80, opcode, 0, UInt8(key.utf8.count), UInt8(extras), 0, 0, 0]
      + [0, 0, UInt8(body.count >> 8), UInt8(body.count & 255)] + [UInt8](repeating: 0, count: 12) + body
  }

  static func plain(_ user: String, _ password: String) -> [UInt8] {
    request(0x21, key: "PLAIN", value: "\0\(user)\0\(password)")
  }

  static let noop = request(0x0a)
  static let set = request(0x01, key: "k", value: "v", extras: 8)
}

extension PlainSocket {
  /// Status and value of the next packet; nil when the connection has ended.
  func packet() -> String? {
    let head = receive(exactly: 24)
    guard head.count == 24, head[0] == 0x81 else { return nil }
    let body = receive(exactly: Int(head[10]) << 8 | Int(head[11]))
    return "\(String(head[7], radix: 16)) \(String(decoding: body, as: UTF8.self))"
  }

  func ask(_ packet: [UInt8]) -> String? { send(packet) ? self.packet() : nil }

  func line(_ text: String) -> String { send(text) ? receiveLine() : "" }
}

private func text(_ pipe: Pipe) -> String {
  String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
}

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct LoginTests {
    static let login = "set any 0 0 9\r\nuser word\r\n"
    static let unauthenticated = "CLIENT_ERROR unauthenticated\r\n"
    static let failure = "CLIENT_ERROR authentication failure\r\n"

    /// TCP over both families, sockets beside it, each with a protocol of its own.
    private func listeners(_ folder: TemporaryFolder, _ names: [String]) throws -> (
      list: String, places: [PlainSocket.Address]
    ) {
      var list: [String] = []
      var places: [PlainSocket.Address] = []
      for (index, name) in names.enumerated() {
        let port = try ServerProcess.unusedPort()
        let path = "\(folder.path)/\(index)"
        let prefix = name.isEmpty ? "" : "proto[\(name)]:"
        list += ["\(prefix)127.0.0.1:\(port)", "\(prefix)unix:\(path)"]
        places += [.ipv4(port), .unix(path)]
      }
      return (list.joined(separator: ","), places)
    }

    private func isUp(_ place: PlainSocket.Address) -> Bool { (try? PlainSocket(place)) != nil }

    @Test func tokensOnEveryListener() throws {
      let users = try UserFile("user:word\n")
      let (list, places) = try listeners(users.folder, ["", "ascii", "negotiating"])
      let process = try launch(["-l", list, "-Y", users.path])
      for place in places {
        #expect(eventually { isUp(place) })
        let client = try PlainSocket(place)
        for command in ["get key\r\n", "stats\r\n", "version\r\n", "mg key v\r\n", "flush_all\r\n", "shutdown\r\n"]
        where command.utf8.count >= 8 {
          #expect(client.line(command) == LoginTests.unauthenticated, "\(command)")
        }
        #expect(client.line("set any 0 0 8\r\nuser wor\r\n") == LoginTests.failure)
        #expect(client.line(LoginTests.login) == "STORED\r\n")
        #expect(client.line("get any\r\n") == "END\r\n")
        let binary = try PlainSocket(place)
        binary.send(LoginPacket.set + Array("\r\n".utf8))
        #expect((binary.receive() ?? [1]).first != 0x81)
      }
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    @Test func aUnixSocketAlone() throws {
      let users = try UserFile("user:word\n")
      let path = users.folder.path + "/socket"
      let process = try launch(["-s", path, "-Y", users.path])
      #expect(eventually { isUp(.unix(path)) })
      let client = try PlainSocket(.unix(path))
      #expect(client.line("get key\r\n") == LoginTests.unauthenticated)
      #expect(client.line(LoginTests.login) == "STORED\r\n")
      #expect(client.line("get any\r\n") == "END\r\n")
      #expect(process.isRunning)
    }

    @Test func saslOnEveryListener() throws {
      let users = try UserFile("user@\(ProcessInfo.processInfo.hostName):word:x\nbare:secret\n")
      let (list, places) = try listeners(users.folder, ["", "binary", "negotiating"])
      let process = try launch(["-l", list, "-S"], environment: ["MEMCACHED_SASL_PWDB": users.path])
      for place in places {
        #expect(eventually { isUp(place) })
        let client = try PlainSocket(place)
        #expect(client.ask(LoginPacket.request(0x0b)) == "0 1.6.45")
        #expect(client.ask(LoginPacket.request(0x20)) == "0 PLAIN")
        #expect(client.ask(LoginPacket.plain("bare", "word")) == "20 Auth failure.")
        #expect(client.ask(LoginPacket.plain("bare", "secret")) == "0 Authenticated")
        #expect(client.ask(LoginPacket.set) == "0 ")
        let outsider = try PlainSocket(place)
        #expect(outsider.ask(LoginPacket.set) == "20 Auth failure.")
        #expect(outsider.receive() == [])
        let text = try PlainSocket(place)
        text.send("version\r\n")
        #expect(text.receive() ?? [] == [])
      }
      #expect(process.isRunning)
    }

    @Test func theRealmIsTheMachine() throws {
      var name = [CChar](repeating: 0, count: 256)
      gethostname(&name, 255)
      let users = try UserFile(
        "user@\(String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)):word\n")
      let server = try ServerProcess(arguments: ["-S"], environment: ["MEMCACHED_SASL_PWDB": users.path])
      let client = try PlainSocket(.ipv4(server.port))
      #expect(client.ask(LoginPacket.plain("user", "word")) == "0 Authenticated")
    }

    // Cyrus SASL. Its users are asked for in `make clients`.

    @Test func cyrusWithoutUsersLetsNobodyIn() throws {
      let folder = try TemporaryFolder()
      try "mech_list: plain\nsasldb_path: \(folder.path)/none\n".write(
        toFile: folder.path + "/memcached.conf", atomically: true, encoding: .utf8)
      let server = try ServerProcess(arguments: ["-S"], environment: ["SASL_CONF_PATH": folder.path])
      let client = try PlainSocket(.ipv4(server.port))
      #expect(client.ask(LoginPacket.request(0x20)) == "0 PLAIN")
      #expect(client.ask(LoginPacket.plain("user", "word")) == "20 Auth failure.")
      #expect(client.ask(LoginPacket.request(0x21, key: "ANONYMOUS", value: "me")) == "20 Auth failure.")
      #expect(client.ask(LoginPacket.request(0x21, key: "PLAIN")) == "21 ")
      #expect(client.ask(LoginPacket.request(0x22, key: "PLAIN", value: "\0user\0word")) == "20 Auth failure.")
      #expect(client.ask(LoginPacket.request(0x22, key: "PLAIN", value: "\0user\0word")) == "20 Auth failure.")
      // Gone in the middle of a conversation.
      for _ in 0..<50 {
        #expect(try PlainSocket(.ipv4(server.port)).ask(LoginPacket.request(0x21, key: "PLAIN")) == "21 ")
      }
      #expect(client.ask(LoginPacket.set) == "20 Auth failure.")
      #expect(server.stop() == 0)
    }

    @Test func cyrusWithoutMechanismsDoesNotStart() throws {
      let folder = try TemporaryFolder()
      try "mech_list: nosuch\n".write(
        toFile: folder.path + "/memcached.conf", atomically: true, encoding: .utf8)
      let errors = Pipe()
      let process = try launch(
        ["-S", "-p", "0"], environment: ["SASL_CONF_PATH": folder.path],
        errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      #expect(process.terminationStatus == 1)
      let said = text(errors)
      #expect(said.hasPrefix("Error initializing sasl.\n") && said.contains("MEMCACHED_SASL_PWDB"))
    }

    // What statistics say.

    @Test func settingsAndCountersOfTokens() throws {
      let users = try UserFile("user:word\n")
      let server = try ServerProcess(arguments: ["-Y", users.path])
      let client = try TextClient(port: server.port)
      #expect(try client.command("set any 0 0 1\r\nx") == "CLIENT_ERROR bad authentication token format")
      #expect(try client.command("set any 0 0 9\r\nuser wrod") == "CLIENT_ERROR authentication failure")
      #expect(try client.command("set any 0 0 9\r\nuser word") == "STORED")
      let stats = try client.stats()
      #expect(stats["auth_cmds"] == "2" && stats["auth_errors"] == "1" && stats["cmd_set"] == "0")
      let settings = try client.stats("settings")
      #expect(settings["auth_enabled_ascii"] == users.path && settings["auth_enabled_sasl"] == "no")
      #expect(settings["binding_protocol"] == "ascii")
      let waiting = try PlainSocket(.ipv4(server.port))
      waiting.send("set any 0 0 9\r\nuser")
      #expect(try eventually { try client.stats("conns").values.filter { $0 == "conn_read" }.count == 1 })
    }

    // Files.

    @Test(arguments: ["-Y", "-S"])
    func filesThatAreNone(option: String) throws {
      let users = try UserFile("")
      func refusal(_ path: String) throws -> String {
        let errors = Pipe()
        let process = try launch(
          [option, path, "-p", "0"].filter { option == "-Y" || $0 != path }, environment: ["MEMCACHED_SASL_PWDB": path],
          errors: errors.fileHandleForWriting.fileDescriptor)
        try errors.fileHandleForWriting.close()
        #expect(process.terminationStatus == 1)
        return text(errors)
      }
      let entry = option == "-Y" ? "user:password" : "user@host:password"
      #expect(
        try refusal(users.path).hasPrefix("Authfile [\(users.path)] has a malformed entry. Should be '\(entry)'\n"))
      #expect(
        try refusal("/nonexistent").hasPrefix("Could not open authfile [/nonexistent] for reading, error"))
      #expect(try refusal(users.folder.path).hasPrefix("Could not open authfile ["))
      try users.write(String(repeating: "u:p\n", count: 1025))
      #expect(try refusal(users.path).hasPrefix("Authfile [\(users.path)] has too many entries."))
      try users.write(String(repeating: "#", count: 2 << 20))
      #expect(try refusal(users.path).contains("larger than"))
    }

    /// Users that another program writes: `-Y <(program)`.
    @Test func usersFromAPipe() throws {
      let users = try UserFile("")
      let pipe = users.folder.path + "/pipe"
      try #require(mkfifo(pipe, 0o600) == 0)
      let writer = Thread { FileHandle(forWritingAtPath: pipe)?.write(Data("user:word\n".utf8)) }
      writer.start()
      let server = try ServerProcess(arguments: ["-Y", pipe])
      #expect(try PlainSocket(.ipv4(server.port)).line(LoginTests.login) == "STORED\r\n")
    }

    /// Two passwords in turn while clients log in: each login is judged by one file; who is in stays in.
    @Test(arguments: ["-Y", "-S"])
    func reloadUnderLoad(option: String) throws {
      let isText = option == "-Y"
      let users = try UserFile("user:one\n")
      let server = try ServerProcess(
        arguments: isText ? ["-Y", users.path] : ["-S"], environment: ["MEMCACHED_SASL_PWDB": users.path])
      let port = server.port
      let door = Door(port: port, isText: isText)
      let veteran = try PlainSocket(.ipv4(port))
      #expect(door.logIn("one", veteran) == true)
      let isOver = Flag()
      let results = Results()
      let threads = (0..<4).map { _ in
        Thread {
          while !isOver.isSet {
            // One of the first two is right at any moment, the third never.
            results.add([door.logIn("one"), door.logIn("two"), door.logIn("neither")])
          }
          results.end()
        }
      }
      for thread in threads { thread.start() }
      for round in 0..<40 {
        try users.write("user:\(round % 2 == 0 ? "two" : "one")\n")
        server.process.signal(SIGHUP)
        usleep(5_000)
      }
      isOver.set()
      #expect(eventually(within: 10) { results.endedCount == 4 })
      #expect(results.count > 10 && results.oddities == 0)
      #expect(results.winsOfOne > 0 && results.winsOfTwo > 0)
      #expect(isText ? veteran.line("get any\r\n") == "END\r\n" : veteran.ask(LoginPacket.set) == "0 ")
      #expect(server.stop(SIGTERM) == 0)
    }

    @Test func aBadFileChangesNothing() throws {
      let users = try UserFile("user:word\n")
      let server = try ServerProcess(arguments: ["-Y", users.path])
      let client = try PlainSocket(.ipv4(server.port))
      for bad in ["", "nobody\n", "user:word\n\n"] {
        try users.write(bad)
        server.process.signal(SIGHUP)
      }
      #expect(client.line(LoginTests.login) == "STORED\r\n")
      // The last of the three is told on standard error, so it was read before this.
      try users.write("user:new\n")
      server.process.signal(SIGHUP)
      #expect(
        try eventually { try PlainSocket(.ipv4(server.port)).line("set a 0 0 8\r\nuser new\r\n") == "STORED\r\n" })
      #expect(server.stop() == 0)
      #expect(text(server.errorOutput).contains("Authfile [\(users.path)] has a malformed entry."))
      #expect(text(server.errorOutput).isEmpty)
    }

    // Hostile clients.

    /// A thousand who never finish their login: bounded memory, and others get in.
    @Test func halfLogins() throws {
      let users = try UserFile("user:word\n")
      let server = try ServerProcess(arguments: ["-Y", users.path, "-c", "2000"])
      let before = ProcessFacts(server).residentKilobytes
      let token = String(repeating: "x", count: 16 << 10)
      let clients = try (0..<500).map { _ in try PlainSocket(.ipv4(server.port)) }
      for client in clients { client.send("set any 0 0 16384\r\nu \(token.dropLast(2))\r") }
      let last = try PlainSocket(.ipv4(server.port))
      #expect(last.line(LoginTests.login) == "STORED\r\n")
      let facts = ProcessFacts(server)
      if !facts.isSanitized { #expect(facts.residentKilobytes - before < 500 * 40) }
      for client in clients.prefix(20) { #expect(client.line("\n") == LoginTests.failure) }
      #expect(server.stop() == 0)
    }

    @Test func halfLoginsAreIdle() throws {
      let users = try UserFile("user:word\n")
      let server = try ServerProcess(arguments: ["-Y", users.path, "-o", "idle_timeout=1"])
      let client = try PlainSocket(.ipv4(server.port))
      client.send("set any 0 0 9\r\nuser")
      #expect(client.receive() == [])
    }
  }
}

/// The way in for `user`.
private struct Door {
  let port: UInt16
  let isText: Bool

  /// Whether the password is right; nil for an answer that is none.
  func logIn(_ password: String) -> Bool? {
    guard let client = try? PlainSocket(.ipv4(port)) else { return nil }
    return logIn(password, client)
  }

  func logIn(_ password: String, _ client: PlainSocket) -> Bool? {
    let answer =
      isText
      ? client.line("set any 0 0 \(password.utf8.count + 5)\r\nuser \(password)\r\n")
      : client.ask(LoginPacket.plain("user", password)) ?? ""
    switch answer {
    case "STORED\r\n", "0 Authenticated": return true
    case ServerSuite.LoginTests.failure, "20 Auth failure.": return false
    default: return nil
    }
  }
}

/// Something that was said once, for several threads.
private final class Flag: @unchecked Sendable {
  private let lock = NSLock()
  private var value = false
  func set() { lock.withLock { value = true } }
  var isSet: Bool { lock.withLock { value } }
}

/// What logins with the passwords one, two and neither came to.
private final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private(set) var count = 0
  private(set) var oddities = 0
  private(set) var winsOfOne = 0
  private(set) var winsOfTwo = 0
  private var ended = 0

  /// nil for an answer that is none.
  func add(_ results: [Bool?]) {
    lock.withLock {
      count += 1
      if results.contains(nil) || results[2] == true { oddities += 1 }
      if results[0] == true { winsOfOne += 1 }
      if results[1] == true { winsOfTwo += 1 }
    }
  }

  func end() { lock.withLock { ended += 1 } }
  var endedCount: Int { lock.withLock { ended } }
}
