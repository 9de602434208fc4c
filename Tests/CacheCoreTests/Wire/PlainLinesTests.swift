// The short way of plain lines against the general one: what comes whole goes the short way, what comes byte by byte
// never does, and both must answer the same. Lines at the edges of what is plain, in the middle of groups, with replies
// that fill up and values that are refused.
import InProcess
import Testing

@testable import CacheCore

struct PlainLinesTests {
  private func answers(
    _ lines: [String], replyByteCount: Int = 64 << 10, _ change: (inout StoreConfiguration) -> Void = { _ in }
  ) -> (whole: String, byByte: String) {
    var configuration = StoreConfiguration()
    configuration.hashPower = 10
    change(&configuration)
    let bytes = Array(lines.joined().utf8)
    let servers = (0..<2).map { _ in InProcessServer(configuration, replyByteCount: replyByteCount) }
    // The first line decides the protocol, and is none for the short way.
    for server in servers { _ = server.send("version\r\n") }
    let whole = String(decoding: servers[0].send(bytes), as: UTF8.self)
    return (whole, String(decoding: servers[1].send(bytes, pieceByteCount: 1), as: UTF8.self))
  }

  @Test func keysOfEveryLength() {
    for length in 1...252 {
      let key = String(repeating: "k", count: length)
      let (whole, byByte) = answers([
        "set \(key) 5 0 3\r\nabc\r\n", "get \(key)\r\n", "mg \(key) v\r\n", "mg \(key) f t s v\n", "get \(key)x\n",
        "set \(key) 0 0 0\n\r\n", "get \(key)\r\n", "get \(key) \(key)\r\n",
      ])
      #expect(whole == byByte, "\(length)")
      #expect(length > 250 || whole.contains("VALUE \(key) 5 3\r\nabc\r\nEND\r\nVA 3\r\nabc\r\n"), "\(length)")
    }
  }

  @Test(arguments: [
    "get  a\r\n", "get a \r\n", "get a\tb\r\n", "get \r\n", "get\r\n", "get a\r\r\n", "GET a\r\n", " get a\r\n",
    "set a 0 0 3 noreply\r\nxyz\r\n", "set a  0 0 3\r\nxyz\r\n", "set a 0 0 3 \r\nxyz\r\n", "set a 0 0 +3\r\nxyz\r\n",
    "set a 0 0 03\r\nxyz\r\n", "set a 4294967295 0 3\r\nxyz\r\n", "set a 4294967296 0 3\r\nxyz\r\n",
    "set a 0 -1 3\r\nxyz\r\n", "set a 0 123456789 3\r\nxyz\r\n", "set a 0 0 3\r\nxyzq\r\n", "set a 0 0 x\r\n",
    "set a 0 0 3\nxyz\r\n", "set a 0 0\r\n", "set a 1 2 3 4 5\r\nxyz\r\n", "set  0 0 3\r\nxyz\r\n",
    "mg a\r\n", "mg a v\r\n", "mg a  v\r\n", "mg a v v\r\n", "mg a v k q\r\n", "mg a v O1\r\n", "mg a T30 v\r\n",
    "mg none v q\r\n", "mg none v\r\n", "mg a z\r\n", "mg \r\n", "mgx\r\n", "mg a vk\r\n", "\r\n", "\n", "quit\r\n",
    "gets a\r\n", "gat 0 a\r\n", "mn\r\n", "verbosity 1\r\n", "flush_all\r\n",
  ])
  func linesAtTheEdgeOfPlain(line: String) {
    let plain = ["get a\r\n", "set b 0 0 1\r\ny\r\n", "mg b v\r\n", "get none\r\n"]
    for count in [0, 1, 3, 15, 16, 17, 40] {
      let around = (0..<count).map { plain[$0 % plain.count] }
      let (whole, byByte) = answers(["set a 7 0 3\r\nabc\r\n"] + around + [line] + around)
      #expect(whole == byByte, "between \(count) lines")
    }
  }

  @Test func repliesThatFillUpLoseNothing() {
    let value = String(repeating: "v", count: 900)
    let sets = (0..<40).map { "set key\($0) \($0 % 2) 0 900\r\n\(value)\r\n" }
    let gets = (0..<200).map { $0 % 3 == 0 ? "mg key\($0 % 40) v s\r\n" : "get key\($0 % 45)\r\n" }
    let (whole, byByte) = answers(sets + gets, replyByteCount: 8 << 10)
    #expect(whole == byByte && whole.count > 100_000)
  }

  @Test func aRefusedValueInAGroupIsSwallowedAlone() {
    let large = String(repeating: "get a\r\n", count: 300)
    let lines = ["set a 0 0 1\r\nx\r\n", "set big 0 0 2100\r\n\(large)\r\n", "get a\r\n", "get big\r\n", "mg a v\r\n"]
    let (whole, byByte) = answers(lines) { $0.itemSizeMaxBytes = 1024 }
    #expect(whole == byByte)
    #expect(
      whole == "STORED\r\nSERVER_ERROR object too large for cache\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\nVA 1\r\nx\r\n")
  }
}
