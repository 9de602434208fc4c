// Listeners of several kinds at once: unix sockets beside TCP, a protocol for each, the modes of socket files, files
// that are in the way. The grammar of -l is the Options tests' business; plain -s, -l and IPv6 are in ProcessTests.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct ListenerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.path + "/" + name }

    private func mode(_ path: String) throws -> Int? {
      try (FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    /// What one line is answered; nil when the connection is closed or silent.
    private func answer(_ place: PlainSocket.Address, _ bytes: [UInt8] = Array("version\r\n".utf8)) -> [UInt8]? {
      guard let socket = try? PlainSocket(place, timeoutSeconds: 5), socket.send(bytes) else { return nil }
      let reply = socket.receive() ?? []
      return reply.isEmpty ? nil : reply
    }

    private func speaksText(_ place: PlainSocket.Address) -> Bool {
      answer(place)?.starts(with: Array("VERSION ".utf8)) ?? false
    }

    /// Header of a noop.
    private static let noop: [UInt8] = [0x80, 0x0a] + [UInt8](repeating: 0, count: 22)

    private func speaksBinary(_ place: PlainSocket.Address) -> Bool {
      answer(place, ListenerTests.noop) == [0x81, 0x0a] + [UInt8](repeating: 0, count: 22)
    }

    @Test func unixSocketAndTCPTogether() throws {
      let port = try ServerProcess.unusedPort()
      let process = try launch(["-l", "127.0.0.1,unix:\(path("one"))", "-l", "unix:\(path("two"))", "-p", "\(port)"])
      #expect(eventually { speaksText(.unix(path("two"))) })
      #expect(speaksText(.ipv4(port)) && speaksText(.unix(path("one"))))
      let client = try TextClient(port: port)
      #expect(try client.set("shared", [65]) == "STORED")
      #expect(
        answer(.unix(path("one")), Array("get shared\r\n".utf8)) == Array("VALUE shared 0 1\r\nA\r\nEND\r\n".utf8))
      let addresses = try client.stats("conns").values
      for name in ["one", "two"] { #expect(addresses.contains("unix:\(path(name))")) }
      #expect(addresses.contains("tcp:127.0.0.1:\(port)"))
      // Connections by either way count alike.
      let local = try PlainSocket(.unix(path("one")))
      local.send("version\r\n")
      #expect(local.receiveLine().hasPrefix("VERSION"))
      #expect(try client.stats("conns").values.contains { $0.hasPrefix("?:") })
      process.terminate()
      #expect(process.terminationStatus == 0)
    }

    @Test func aProtocolForEachListener() throws {
      let ports = try (0..<3).map { _ in try ServerProcess.unusedPort() }
      let list =
        "proto[binary]:127.0.0.1:\(ports[0]),proto[ascii]:127.0.0.1:\(ports[1]),proto[neg]:127.0.0.1:\(ports[2]),"
        + "proto[binary]:unix:\(path("binary")),proto[ascii]:unix:\(path("ascii"))"
      let process = try launch(["-l", list])
      #expect(eventually { speaksText(.ipv4(ports[2])) })
      #expect(speaksBinary(.ipv4(ports[2])))
      for place in [PlainSocket.Address.ipv4(ports[0]), .unix(path("binary"))] {
        #expect(speaksBinary(place))
        #expect(answer(place) == nil)
      }
      for place in [PlainSocket.Address.ipv4(ports[1]), .unix(path("ascii"))] {
        #expect(speaksText(place))
        #expect(answer(place, [0x80, 0x81, 0x82, 0x0d, 0x0a]) == Array("ERROR\r\n".utf8))
      }
      #expect(process.isRunning)
    }

    @Test(arguments: ["ascii", "binary", "auto"])
    func oneProtocolForAll(name: String) throws {
      let server = try ServerProcess(arguments: ["-B", name])
      let place = PlainSocket.Address.ipv4(server.port)
      #expect(speaksText(place) == (name != "binary"))
      #expect(speaksBinary(place) == (name != "ascii"))
      // The listener's own protocol goes before -B.
      let port = try ServerProcess.unusedPort()
      let process = try launch(["-B", name, "-l", "proto[negotiating]:127.0.0.1:\(port)"])
      #expect(eventually { speaksText(.ipv4(port)) })
      #expect(speaksBinary(.ipv4(port)))
      #expect(process.isRunning)
    }

    /// A binary connection stays binary, a text connection text.
    @Test func theFirstByteDecidesForGood() throws {
      let server = try ServerProcess()
      let binary = try PlainSocket(.ipv4(server.port))
      binary.send(ListenerTests.noop)
      #expect(binary.receive(exactly: 24).first == 0x81)
      binary.send("version\r\n")
      #expect(binary.receive() == [])
      let text = try PlainSocket(.ipv4(server.port))
      text.send("version\r\n")
      #expect(text.receiveLine().hasPrefix("VERSION"))
      text.send([0x80, 0x61, 0x62, 0x63, 0x0d, 0x0a])
      #expect(text.receiveLine() == "ERROR\r\n")
    }

    @Test(arguments: [(nil, 0o700), ("770", 0o770), ("0666", 0o666), ("0", 0)] as [(String?, Int)])
    func modesOfSocketFiles(mask: String?, expected: Int) throws {
      let port = try ServerProcess.unusedPort()
      let process = try launch(
        ["-l", "127.0.0.1:\(port),unix:\(path("one")),unix:\(path("two"))"] + (mask.map { ["-a", $0] } ?? []))
      #expect(eventually { speaksText(.ipv4(port)) })
      #expect(try mode(path("one")) == expected && mode(path("two")) == expected)
      #expect(process.isRunning)
    }

    @Test func aStaleSocketIsReplacedAndAFileIsNot() throws {
      let port = try ServerProcess.unusedPort()
      let arguments = ["-l", "127.0.0.1:\(port),unix:\(path("socket"))"]
      do {
        let first = try launch(arguments)
        #expect(eventually { speaksText(.unix(path("socket"))) })
        first.signal(SIGKILL)
        first.waitUntilExit()
      }
      #expect(FileManager.default.fileExists(atPath: path("socket")))
      #expect(!speaksText(.unix(path("socket"))))
      let second = try launch(arguments)
      #expect(eventually { speaksText(.unix(path("socket"))) })
      #expect(second.isRunning)
      // What is no socket is somebody's file.
      #expect(FileManager.default.createFile(atPath: path("file"), contents: Data("precious".utf8)))
      let errors = Pipe()
      let third = try launch(["-s", path("file")], errors: errors.fileHandleForWriting.fileDescriptor)
      try errors.fileHandleForWriting.close()
      #expect(third.terminationStatus == 71)
      let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(message.contains("failed to listen on UNIX socket: \(path("file"))"), "\(message)")
      #expect(try String(contentsOfFile: path("file"), encoding: .utf8) == "precious")
    }

    @Test func aUnixSocketAloneOpensNoPort() throws {
      let (tcp, udp) = (try ServerProcess.unusedPort(), try ServerProcess.unusedPort())
      let process = try launch(["-s", path("socket"), "-p", "\(tcp)", "-U", "\(udp)", "-l", "127.0.0.1"])
      #expect(eventually { speaksText(.unix(path("socket"))) })
      let sockets = ListeningSockets(process.processIdentifier)
      #expect(sockets.tcp == 0 && sockets.udp == 0)
      #expect(throws: (any Error).self) { try TextClient(port: tcp) }
    }
  }
}
