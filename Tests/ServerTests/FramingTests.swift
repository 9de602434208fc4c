// How requests may come in pieces or in heaps: cut at every byte, thousands in one segment, a get line of megabytes.
// What the commands mean is the transcripts' business; here the same answer must come however the bytes arrive.
import Foundation
import TestSupport
import Testing

extension ServerSuite {
  @Suite(.timeLimit(.minutes(5))) struct FramingTests {
    private static let longKey = String(repeating: "k", count: 251)

    /// Ends with quit, begins with flush_all: the same bytes give the same answer every time.
    private static let session =
      "flush_all\r\nset a 5 0 5\r\nhello\r\nget a\r\nget a b a\r\nadd a 0 0 1\r\nx\r\nappend a 0 0 6\r\n world\r\n"
      + "get a\n"
      + "set n 0 0 1 noreply\r\n9\r\nincr n 1\r\ndecr n 11\r\nincr a 1\r\nset \(longKey) 0 0 4\r\nlost\r\ntouch a 0\r\n"
      + "set b 0 0 3\r\nab\r\n\r\nset c 0 0 4\r\nab\r\nnonsense\r\ngat 0 a n\r\ndelete a noreply\r\nget a\r\n"
      + "set d 0 0 0\r\n\r\nget d \(longKey)\r\nprepend d 0 0 2\r\n>>\r\n"
      + "set e 0 0 7\r\nget d\r\n\r\nget e d\r\nquit\r\n"

    @Test func aSessionCutAtAnyByteIsAnsweredTheSame() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let bytes = Array(FramingTests.session.utf8)
      func answer(cutAt cut: Int?) throws -> String {
        let client = try TextClient(port: server.port)
        if let cut {
          try client.send(Array(bytes[..<cut]))
          // Time enough for the server to receive the first part alone.
          usleep(700)
          try client.send(Array(bytes[cut...]))
        } else {
          try client.send(bytes)
        }
        return String(decoding: try client.readToEnd(), as: UTF8.self)
      }
      let whole = try answer(cutAt: nil)
      #expect(whole.hasPrefix("OK\r\nSTORED\r\nVALUE a 5 5\r\nhello\r\nEND\r\n"))
      #expect(whole.hasSuffix("VALUE e 0 7\r\nget d\r\n\r\nVALUE d 0 2\r\n>>\r\nEND\r\n"))
      let different = try (1..<bytes.count).filter { try answer(cutAt: $0) != whole }
      #expect(different == [])
      // The pieces were received as pieces: more of them than connections.
      #expect(bytes.count > 500)
    }

    @Test func oneByteAtATime() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let whole = try TextClient(port: server.port)
      try whole.send(FramingTests.session)
      let expected = try whole.readToEnd()
      let slow = try TextClient(port: server.port)
      for byte in FramingTests.session.utf8 { try slow.send([byte]) }
      #expect(try slow.readToEnd() == expected)
    }

    @Test func fiveThousandCommandsInOneSend() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      var requests = ""
      var replies = ""
      for number in 0..<1000 {
        requests +=
          "set k\(number % 50) 0 0 6\r\n\(100_000 + number)\r\nget k\(number % 50)\r\nincr k\(number % 50) 1\r\n"
        replies += "STORED\r\nVALUE k\(number % 50) 0 6\r\n\(100_000 + number)\r\nEND\r\n\(100_001 + number)\r\n"
        requests += "delete none\r\nget k\(number % 50) none\r\n"
        replies += "NOT_FOUND\r\nVALUE k\(number % 50) 0 6\r\n\(100_001 + number)\r\nEND\r\n"
      }
      try client.send(requests)
      #expect(String(decoding: try client.read(replies.utf8.count), as: UTF8.self) == replies)
      #expect(try client.command("get none") == "END")
    }

    @Test func aGetLineOfMegabytesNeedsNoMemory() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      let facts = ProcessFacts(server)
      for number in 0..<100 { #expect(try client.set("key:\(100_000 + number * 1000)", [65]) == "STORED") }
      func ask(_ count: Int) throws -> Bool {
        try client.send("get " + (0..<count).map { "key:\(100_000 + $0)" }.joined(separator: " ") + "\r\n")
        let expected = (0..<count).filter { $0 % 1000 == 0 && $0 < 100_000 }
          .map { "VALUE key:\(100_000 + $0) 0 1\r\nA\r\n" }.joined()
        let got = String(decoding: try client.read(expected.utf8.count), as: UTF8.self)
        return got == expected
      }
      // A smaller one first, so that what is allocated once is there.
      #expect(try ask(20_000))
      #expect(try client.readLine() == "END")
      let before = facts.peakKilobytes
      let gets = try client.stat("cmd_get")
      #expect(try ask(200_000))
      #expect(try client.readLine() == "END")
      #expect(try client.stat("cmd_get") - gets == 200_000)
      if !facts.isSanitized { #expect(facts.peakKilobytes - before < 2048) }
    }

    @Test func anOverlongKeyLateInALongGetLine() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      #expect(try client.set("first", [65]) == "STORED")
      #expect(try client.set("last", [66]) == "STORED")
      let misses = (0..<100_000).map { "miss:\($0)" }.joined(separator: " ")
      try client.send("get first \(misses) \(FramingTests.longKey) last \(misses)\r\nversion\r\n")
      var lines: [String] = []
      while lines.last?.hasPrefix("VERSION") != true { lines.append(try client.readLine()) }
      #expect(lines.filter { $0 == "CLIENT_ERROR bad command line format" }.count == 1)
      #expect(lines.dropLast().last == "CLIENT_ERROR bad command line format")
      #expect(!lines.contains("END") && !lines.contains("VALUE last 0 1"))
      // The same when no key is complete for a long while.
      try client.send("get first \(String(repeating: "x", count: 100_000)) last\r\nget last\r\n")
      lines = []
      while lines.last != "END" { lines.append(try client.readLine()) }
      #expect(lines.suffix(4) == ["CLIENT_ERROR bad command line format", "VALUE last 0 1", "B", "END"])
    }

    @Test func anOtherwiseOverlongLineEndsTheConnection() throws {
      let server = try ServerProcess(arguments: ["-t", "1"])
      let client = try TextClient(port: server.port)
      try client.send("version\r\n" + String(repeating: "y", count: 3000))
      let lines = String(decoding: try client.readToEnd(), as: UTF8.self).components(separatedBy: "\r\n")
      #expect(lines.count == 2 && lines[0].hasPrefix("VERSION "))
    }
  }
}
