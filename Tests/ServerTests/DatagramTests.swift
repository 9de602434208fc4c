// The server over UDP (-U): frames, series, several requests in a datagram, and above all that no datagram leaves
// anything behind for the next. The frame itself is DatagramClient's business.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct DatagramTests {
    /// A server with UDP, and a client of it, which live as long as this.
    private final class Service {
      let server: ServerProcess
      let port: UInt16
      let client: DatagramClient

      init(_ arguments: [String] = []) throws {
        port = try ServerProcess.unusedPort()
        server = try ServerProcess(arguments: ["-U", "\(port)"] + arguments)
        client = DatagramClient(port: port)
        #expect(client.waitForServer())
      }

      func connect() throws -> TextClient { try TextClient(port: server.port) }
    }

    /// What came before had no answer: the next to come is that of `version`.
    private func expectSilence(_ client: DatagramClient, id: UInt16 = 0xfffe) {
      #expect(client.ask("version\r\n", id: id)?.hasPrefix("VERSION ") == true)
    }

    @Test func frames() throws {
      let service = try Service()
      let client = service.client
      client.send("set key 5 0 5\r\nvalue\r\n", id: 0x1234)
      let frame = try #require(client.receive())
      #expect(frame.id == 0x1234 && frame.sequence == 0 && frame.total == 1 && frame.reserved == 0)
      #expect(frame.payload == Array("STORED\r\n".utf8))
      #expect(client.ask("get key\r\n", id: 0) == "VALUE key 5 5\r\nvalue\r\nEND\r\n")
      #expect(client.ask("mg key v\r\n", id: 0xffff) == "VA 5\r\nvalue\r\n")
      #expect(client.ask("get key other key\r\n", id: 1)?.hasSuffix("value\r\nEND\r\n") == true)
      // Sequence and reserved of a request mean nothing.
      client.send("get none\r\n", id: 7, sequence: 9, reserved: 0xabcd)
      let answer = try #require(client.receive())
      #expect(answer.id == 7 && answer.sequence == 0 && answer.reserved == 0)
      let overTCP = try service.connect()
      #expect(try overTCP.get("key") == Array("value".utf8))
    }

    @Test func aLargeReplyIsASeries() throws {
      let service = try Service()
      let client = service.client
      let value = Pattern.bytes(100_000, seed: 5)
      #expect(try service.connect().set("large", value) == "STORED")
      client.send("get large\r\n", id: 77)
      let series = try #require(client.receiveSeries())
      let expected = Array("VALUE large 0 100000\r\n".utf8) + value + Array("\r\nEND\r\n".utf8)
      #expect(Pattern.same(series.bytes, expected))
      #expect(series.id == 77 && series.frames.allSatisfy { $0.reserved == 0 })
      #expect(series.frames.count == (expected.count + 1391) / 1392)
      #expect(series.frames.dropLast().allSatisfy { $0.byteCount == 1400 })
      client.send("stats\r\n", id: 78)
      let stats = try #require(client.receiveSeries())
      #expect(stats.id == 78 && stats.text.hasPrefix("STAT pid ") && stats.text.hasSuffix("END\r\n"))
      // Exactly one datagram's worth, and one byte more.
      for (size, frames) in [(1392, 1), (1393, 2)] {
        let count = size - "VALUE v 0 1300\r\n\r\nEND\r\n".utf8.count
        #expect(try service.connect().set("v", Pattern.bytes(count, seed: 1)) == "STORED")
        client.send("get v\r\n", id: 79)
        let reply = try #require(client.receiveSeries())
        #expect(reply.bytes.count == size && reply.frames.count == frames)
      }
    }

    @Test func severalRequestsInADatagram() throws {
      let service = try Service()
      let client = service.client
      client.send("set a 0 0 1\r\nx\r\nget a\r\nbogus\r\nset q 0 0 1 noreply\r\ny\r\nget q\r\nmn\r\n", id: 9)
      // What is no command is not answered: see the threat model.
      let expected = [
        "STORED\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n", "VALUE q 0 1\r\ny\r\nEND\r\n", "MN\r\n",
      ]
      for text in expected {
        let series = try #require(client.receiveSeries())
        #expect(series.id == 9 && series.frames.count == 1)
        #expect(series.text == text)
      }
      expectSilence(client)
    }

    /// What the server says reads as no command to it: two servers made to answer each other fall silent.
    @Test func noReplyIsAnswered() throws {
      let service = try Service()
      let client = service.client
      for reply in ["ERROR", "STORED", "END", "OK", "HD", "EN", "7", "CLIENT_ERROR bad command line format"] {
        client.send("\(reply)\r\n", id: 40)
        if reply.utf8.count < 2 { #expect(client.receiveSeries()?.text.hasPrefix("CLIENT_ERROR") == true) }
      }
      expectSilence(client)
    }

    /// Together the answers to one datagram are no larger than one item may be.
    @Test func theAnswersToADatagramAreBounded() throws {
      let service = try Service()
      #expect(try service.connect().set("k", Pattern.bytes(200_000, seed: 2)) == "STORED")
      let client = service.client
      client.send(String(repeating: "get k\r\n", count: 1000), id: 41)
      var received = 0
      while let series = client.receiveSeries(), !series.text.hasPrefix("SERVER_ERROR") {
        received += series.bytes.count
      }
      #expect(received < 2 << 20)
      #expect(client.ask("mn\r\n", id: 42) == "MN\r\n")
    }

    @Test(arguments: [
      // Values that end too early, or are too large for the server, or are not ended as they must be.
      "set key 0 0 100\r\nshort", "set key 0 0 100\r\n", "set key 0 0 5\r\nvalue", "set key 0 0 5\r\nvalue\r",
      "set key 0 0 2000000\r\nbeginning", "ms key 100 q\r\nshort", "set key x 0 100\r\nshort",
      // Lines without an end.
      "get key", "set key 0 0 1", "g", "get \(String(repeating: "k", count: 3000))",
      "bogus \(String(repeating: "k", count: 3000))",
      // A packet of the binary protocol that is half there.
      "\u{0}", "quit\r\nversion\r\n",
    ])
    func nothingIsLeftBehind(datagram: String) throws {
      let service = try Service(["-t", "1"])
      let client = service.client
      let other = DatagramClient(port: service.port)
      client.send(datagram, id: 1)
      // What is answered at once (the keys of a long get) is answered before the next datagram is.
      client.send("version\r\n", id: 2)
      var series = client.receiveSeries()
      if series?.id == 1 { series = client.receiveSeries() }
      #expect(series?.id == 2 && series?.text.hasPrefix("VERSION ") == true)
      #expect(other.ask("get key\r\n", id: 3) == "END\r\n")
      #expect(other.ask("set key 0 0 2\r\nok\r\nget key\r\n", id: 4) == "STORED\r\n")
      #expect(other.receiveSeries()?.text == "VALUE key 0 2\r\nok\r\nEND\r\n")
    }

    @Test func whatIsNoRequestIsIgnored() throws {
      let service = try Service()
      let client = service.client
      for count in 0...8 { client.send(raw: Array([0, 1, 0, 0, 0, 1, 0, 0].prefix(count))) }
      client.send("get a\r\n", id: 1, total: 0)
      client.send("get a\r\n", id: 2, total: 2)
      client.send("get a\r\n", id: 3, total: 0xffff)
      client.send("set a 0 0 1\r\nx\r\n", id: 4, sequence: 1, total: 2)
      expectSilence(client)
      #expect(try service.connect().get("a") == nil)
    }

    @Test func noreplySaysNothing() throws {
      let service = try Service()
      let client = service.client
      client.send("set a 0 0 1 noreply\r\nx\r\n", id: 1)
      client.send("set b 0 0 1 noreply\r\nx\r\ndelete b noreply\r\nms c 1 q\r\ny\r\nmg none q\r\n", id: 2)
      expectSilence(client)
      let overTCP = try service.connect()
      #expect(try overTCP.get("a") == [0x78] && overTCP.get("b") == nil && overTCP.get("c") == [0x79])
    }

    @Test func binaryProtocol() throws {
      let service = try Service()
      let client = service.client
      func packet(_ opcode: UInt8, extras: [UInt8] = [], key: String, value: String = "") -> [UInt8] {
        var packet = BinaryPacket(magic: BinaryPacket.requestMagic, opcode: opcode)
        (packet.extras, packet.key, packet.value) = (extras, Array(key.utf8), [.bytes(Array(value.utf8))])
        packet.opaque = 0x0102_0304
        return packet.pieces.flatMap { piece -> [UInt8] in
          if case .bytes(let bytes) = piece { return bytes }
          return []
        }
      }
      let extras = [UInt8](repeating: 0, count: 8)
      // setq is silent, set and get are not: two series.
      client.send(
        packet(0x11, extras: extras, key: "a", value: "one") + packet(0x01, extras: extras, key: "b", value: "two")
          + packet(0x00, key: "a"), id: 21)
      let set = try #require(client.receiveSeries().flatMap { BinaryPacket(received: $0.bytes) })
      #expect(set.opcode == 0x01 && set.status == 0 && set.opaque == 0x0102_0304)
      let series = try #require(client.receiveSeries())
      let get = try #require(BinaryPacket(received: series.bytes))
      #expect(series.id == 21 && get.opcode == 0 && get.status == 0)
      #expect(get.value == [.bytes(Array("one".utf8))])
      // Half a packet is gone with its datagram; the next may speak text.
      client.send(Array(packet(0x01, extras: extras, key: "c", value: "three").dropLast(3)), id: 22)
      expectSilence(client)
      #expect(client.ask("get b c\r\n", id: 23) == "VALUE b 0 3\r\ntwo\r\nEND\r\n")
    }

    @Test func onlyOneProtocolWhereTheOptionSaysSo() throws {
      let service = try Service(["-B", "ascii"])
      let client = service.client
      client.send([0x80] + Array("abc\r\n".utf8), id: 1)
      // No command, so no answer.
      #expect(client.ask("get a\r\n", id: 2) == "END\r\n")
    }

    @Test func offByDefault() throws {
      let port = try ServerProcess.unusedPort()
      let process = try launch(["-l", "127.0.0.1", "-p", "\(port)"])
      #expect(eventually { (try? TextClient(port: port)) != nil })
      #expect(DatagramClient(port: port).ask("version\r\n", id: 1) == nil)
      #expect(!(try TextClient(port: port).stats("conns").keys.contains { $0.hasSuffix(":UDP") }))
      #expect(ListeningSockets(process.processIdentifier).udp == 0)
    }

    @Test func whatNeverEndsIsRefused() throws {
      let service = try Service()
      let client = service.client
      #expect(try service.connect().set("a", [65]) == "STORED")
      for line in ["watch", "watch mutations", "lru_crawler metadump all", "lru_crawler mgdump all"] {
        #expect(client.ask(line + "\r\n", id: 5) == "ERROR\r\n", "\(line)")
      }
      #expect(try service.connect().stat("log_watchers") == 0)
    }

    @Test func connectionsShowIt() throws {
      let service = try Service(["-t", "2"])
      let client = service.client
      let lines = try service.connect().report("stats conns").map { String($0.dropFirst("STAT ".count)) }
      let marks = lines.filter { $0.hasSuffix(":UDP UDP") }
      // A descriptor for each worker.
      #expect(marks.count == 2)
      for mark in marks {
        let prefix = String(mark.prefix { $0 != ":" }) + ":"
        let own = lines.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
        #expect(own.count == 4)
        #expect(own[0] == "UDP UDP")
        #expect(own[1].hasPrefix("addr udp:127.0.0.1:"))
        #expect(own[2] == "state conn_read")
        #expect(own[3].hasPrefix("secs_since_last_cmd "))
      }
      #expect(client.ask("stats conns\r\n", id: 3)?.contains(":UDP UDP\r\n") == true)
    }

    @Test func aReplyTooLargeIsALine() throws {
      let service = try Service()
      let client = service.client
      let overTCP = try service.connect()
      for key in ["a", "b"] { #expect(try overTCP.set(key, Pattern.bytes(900_000, seed: 3)) == "STORED") }
      let facts = ProcessFacts(service.server)
      let before = facts.residentKilobytes
      for _ in 0..<20 {
        #expect(client.ask("get a b\r\n", id: 1) == "SERVER_ERROR reply too large for UDP\r\n")
      }
      expectSilence(client)
      if !facts.isSanitized { #expect(facts.residentKilobytes - before < 8192) }
      #expect(try overTCP.get("a")?.count == 900_000)
    }

    @Test func severalAddresses() throws {
      let (tcp, udp) = (try ServerProcess.unusedPort(), try ServerProcess.unusedPort())
      let process = try launch(["-l", "127.0.0.1,127.0.0.2", "-p", "\(tcp)", "-U", "\(udp)", "-t", "3"])
      #expect(eventually { (try? TextClient(port: tcp)) != nil })
      let clients = ["127.0.0.1", "127.0.0.2"].map { DatagramClient(port: udp, host: $0) }
      #expect(clients.allSatisfy { $0.waitForServer() })
      #expect(clients[0].ask("set a 0 0 1\r\nx\r\n", id: 1) == "STORED\r\n")
      #expect(clients[1].ask("get a\r\n", id: 2) == "VALUE a 0 1\r\nx\r\nEND\r\n")
      #expect(ListeningSockets(process.processIdentifier).udp == 2)
    }

    /// Many clients at once, over UDP and TCP: everybody gets the answers to his own questions.
    @Test func manyClientsAtOnce() throws {
      let service = try Service(["-t", "4"])
      let (port, tcp) = (service.port, service.server.port)
      let wrong = onThreads(6) { thread -> Int in
        guard thread < 4 else {
          guard let client = try? TextClient(port: tcp) else { return 1 }
          return (0..<300).filter { _ in (try? client.command("get nothing")) != "END" }.count
        }
        let client = DatagramClient(port: port)
        return (0..<300).filter { round in
          let (key, value) = ("\(thread)-\(round % 7)", "\(thread):\(round)")
          client.send("set \(key) 0 0 \(value.utf8.count)\r\n\(value)\r\nget \(key)\r\n", id: UInt16(round))
          let (set, get) = (client.receiveSeries(), client.receiveSeries())
          return set?.id != UInt16(round) || set?.text != "STORED\r\n"
            || get?.text != "VALUE \(key) 0 \(value.utf8.count)\r\n\(value)\r\nEND\r\n"
        }.count
      }
      #expect(wrong == [0, 0, 0, 0, 0, 0])
    }
  }
}
