// The ways libmemcached can be told to talk: prefixed keys, buffered requests, no-block, no-reply, without Nagle, over
// a unix socket, and several of them at once.
// Each case does ordinary work in that mode and checks the result from the same client and from a plain second one.
import CLibmemcached
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ModesTests {
  let server: ServerProcess
  let plain: LibmemcachedClient

  init() throws {
    try requireAnAnsweringServer()
    server = try ServerProcess()
    plain = LibmemcachedClient(port: server.port)
  }

  /// What every mode must be able to do, in one go.
  private func workDay(_ client: LibmemcachedClient, key prefix: String) {
    for index in 0..<300 { #expect(client.set("\(prefix)\(index)", "value \(index)", flags: 3) == .success) }
    for index in 0..<300 { #expect(client.get("\(prefix)\(index)").text == "value \(index)") }
    #expect(client.mget((0..<300).map { "\(prefix)\($0)" }) == .success)
    #expect(client.fetchAll().items.map(\.text) == (0..<300).map { "value \($0)" })
    #expect(client.add("\(prefix)0", "again") == .notStored)
    #expect(client.set("\(prefix)counter", "1") == .success)
    #expect(client.increment("\(prefix)counter", by: 9) == .init(code: .success, value: 10))
    #expect(client.touch("\(prefix)0", expiration: 100) == .success)
    #expect(client.delete("\(prefix)1") == .success)
    #expect(client.get("\(prefix)1").code == .notFound)
    #expect(plain.get("\(prefix)2") == .init(code: .success, value: "value 2".bytes, flags: 3))
  }

  @Test func noBlock() {
    let client = LibmemcachedClient(port: server.port, [.noBlock: 1])
    #expect(client.behavior(.noBlock) == 1)
    workDay(client, key: "noblock-")
  }

  @Test func tcpNoDelay() {
    let client = LibmemcachedClient(port: server.port, [.tcpNoDelay: 1])
    #expect(client.behavior(.tcpNoDelay) == 1)
    workDay(client, key: "nodelay-")
  }

  @Test func noBlockWithNoDelayAndLargeValues() {
    let client = LibmemcachedClient(port: server.port, [.noBlock: 1, .tcpNoDelay: 1])
    let values = (0..<10).map { [UInt8](repeating: UInt8(65 + $0), count: 400_000 + $0) }
    for (index, value) in values.enumerated() { #expect(client.set("large\(index)", value) == .success) }
    #expect(client.mget((0..<10).map { "large\($0)" }) == .success)
    let isSame = client.fetchAll().items.map(\.value) == values
    #expect(isSame)
  }

  // MARK: Prefix

  @Test func prefixIsPartOfTheKeyOnTheServer() {
    let client = LibmemcachedClient(port: server.port)
    #expect(client.setPrefix("app:") == .success)
    #expect(client.set("key", "value", flags: 2) == .success)
    #expect(client.get("key").text == "value")
    #expect(plain.get("key").code == .notFound)
    #expect(plain.get("app:key") == .init(code: .success, value: "value".bytes, flags: 2))
    #expect(plain.set("app:other", "5") == .success)
    #expect(client.increment("other") == .init(code: .success, value: 6))
    #expect(client.append("key", "!") == .success)
    #expect(client.touch("key", expiration: 100) == .success)
    #expect(client.exist("key") == .success)
    #expect(client.delete("other") == .success)
    #expect(plain.get("app:other").code == .notFound)
    #expect(client.mget(["key", "other"]) == .success)
    let items = client.fetchAll().items
    #expect(items.map(\.key) == ["key"])
    #expect(items.map(\.text) == ["value!"])
    #expect(client.setPrefix(nil) == .success)
    #expect(client.get("key").code == .notFound)
    #expect(client.get("app:key").text == "value!")
  }

  /// libmemcached measures the key without its prefix, so a longer one is the server's to refuse. The oracle then takes
  /// the value for a command, so the case goes on with a new connection.
  @Test func prefixAndKeyTogetherMayHave250Bytes() {
    let client = LibmemcachedClient(port: server.port)
    #expect(client.setPrefix(String(repeating: "p", count: 127)) == .success)
    let longest = String(repeating: "k", count: 123)
    #expect(client.set(longest, "value") == .success)
    #expect(client.get(longest).text == "value")
    #expect(client.set(longest + "k", "value") == .clientError)
    client.quit()
    #expect(client.get(longest + "k").code == .clientError)
    client.quit()
    #expect(client.get(longest).text == "value")
    #expect(plain.get(String(repeating: "p", count: 127) + longest).text == "value")
  }

  // MARK: Buffered requests

  @Test func bufferedRequestsArriveWithTheFlush() {
    let client = LibmemcachedClient(port: server.port, [.bufferRequests: 1])
    for index in 0..<20 { #expect(client.set("key\(index)", "value\(index)") == .buffered) }
    #expect(plain.get("key0").code == .notFound)
    #expect(client.flushBuffers() == .success)
    for index in 0..<20 { #expect(eventually { plain.get("key\(index)").text == "value\(index)" }) }
  }

  /// More than the client's buffer of 8 KB holds, but fewer than 500: with so many missing it waits for one, and
  /// when none comes within 50 milliseconds it aborts the process.
  @Test func bufferedRequestsArriveWithTheNextGet() {
    let client = LibmemcachedClient(port: server.port, [.bufferRequests: 1])
    for index in 0..<450 { #expect(client.set("key\(index)", "value\(index)") == .buffered) }
    #expect(client.delete("key7") == .buffered)
    #expect(client.get("key449").text == "value449")
    #expect(plain.get("key0").text == "value0")
    #expect(plain.get("key7").code == .notFound)
    #expect(client.mget((0..<450).map { "key\($0)" }) == .success)
    #expect(client.fetchAll().items.count == 449)
  }

  /// Only a set is buffered; other stores send what waits, read its replies away and then their own.
  @Test func refusalsAmongBufferedRequests() {
    let client = LibmemcachedClient(port: server.port, [.bufferRequests: 1])
    #expect(plain.set("taken", "old") == .success)
    #expect(client.set("first", "value") == .buffered)
    #expect(client.add("taken", "new") == .notStored)
    #expect(client.replace("absent", "new") == .notStored)
    #expect(client.set("tooLong", [UInt8](repeating: 65, count: 1024 * 1024 + 1)) != .dataExists)
    #expect(client.append("absent", "new") == .notStored)
    #expect(client.set("last", "value") == .buffered)
    #expect(client.get("first").text == "value")
    #expect(client.get("tooLong").code == .notFound)
    #expect(client.get("last").text == "value")
    #expect(client.get("taken").text == "old")
    #expect(client.get("absent").code == .notFound)
    #expect(client.get("last").text == "value")
  }

  // MARK: No reply

  @Test func noReplyDoesTheWorkInSilence() {
    let client = LibmemcachedClient(port: server.port, [.noReply: 1])
    #expect(client.set("key", "value", flags: 4) == .success)
    #expect(client.add("key", "other") == .success)
    #expect(client.replace("absent", "x") == .success)
    #expect(client.append("key", " end") == .success)
    #expect(client.prepend("key", "start ") == .success)
    #expect(client.set("gone", "x") == .success)
    #expect(client.delete("gone") == .success)
    #expect(client.delete("never") == .success)
    #expect(client.get("key") == .init(code: .success, value: "start value end".bytes, flags: 4))
    #expect(client.get("gone").code == .notFound)
    #expect(client.get("absent").code == .notFound)
    for index in 0..<1000 { #expect(client.set("many\(index)", "\(index)") == .success) }
    #expect(client.mget((0..<1000).map { "many\($0)" }) == .success)
    #expect(client.fetchAll().items.map(\.text) == (0..<1000).map { "\($0)" })
    #expect(client.flush() == .success)
    #expect(client.get("key").code == .notFound)
  }

  @Test func noReplyCounting() {
    let client = LibmemcachedClient(port: server.port, [.noReply: 1])
    #expect(client.set("counter", "100") == .success)
    for _ in 0..<500 { #expect(client.increment("counter", by: 2).code == .success) }
    for _ in 0..<100 { #expect(client.decrement("counter").code == .success) }
    #expect(client.get("counter").text == "1000")
  }

  @Test func noReplyAndBuffering() {
    let client = LibmemcachedClient(port: server.port, [.noReply: 1, .bufferRequests: 1])
    for index in 0..<1000 {
      let code = client.set("key\(index)", "value\(index)")
      #expect(code == .success || code == .buffered)
    }
    #expect(client.flushBuffers() == .success)
    #expect(eventually { plain.get("key999").text == "value999" })
    #expect(plain.get("key0").text == "value0")
  }

  /// A too large value sent without reply is dropped whole: what follows is read as commands, not as its rest.
  @Test func noReplyWithATooLargeValue() {
    let client = LibmemcachedClient(port: server.port, [.noReply: 1])
    #expect(client.set("key", "old") == .success)
    #expect(client.set("key", [UInt8](repeating: 65, count: 1024 * 1024 + 1)) == .success)
    #expect(client.set("after", "value") == .success)
    #expect(eventually { plain.get("after").text == "value" })
    #expect(plain.get("key").code == .notFound)
  }

  // MARK: Connections

  @Test func quitAndTalkAgain() {
    for index in 0..<50 {
      #expect(plain.set("key", "value\(index)") == .success)
      plain.quit()
      #expect(plain.get("key").text == "value\(index)")
    }
  }

  @Test func unixSocket() throws {
    let scratch = try ScratchFolder()
    let overSocket = try ServerProcess(listening: .unixSocket(scratch.path("cache.sock")))
    let client = LibmemcachedClient(unixSocket: scratch.path("cache.sock"))
    for index in 0..<300 { #expect(client.set("key\(index)", "value\(index)", flags: 1) == .success) }
    #expect(client.mget((0..<300).map { "key\($0)" }) == .success)
    #expect(client.fetchAll().items.map(\.text) == (0..<300).map { "value\($0)" })
    let large = [UInt8](repeating: 200, count: 1_000_000)
    #expect(client.set("large", large) == .success)
    let isSame = client.get("large").value == large
    #expect(isSame)
    let second = LibmemcachedClient(unixSocket: scratch.path("cache.sock"))
    #expect(second.increment("key1").code == .clientError)
    #expect(second.get("key1") == .init(code: .success, value: "value1".bytes, flags: 1))
    #expect(second.statistics()["pid"] == "\(overSocket.process.processIdentifier)")
    #expect(plain.get("key1").code == .notFound)
  }

  /// True as soon as `condition` is; false after five seconds. Another connection's writes may need a moment.
  private func eventually(_ condition: () -> Bool) -> Bool {
    let deadline = Date().addingTimeInterval(5)
    while Date() < deadline {
      if condition() { return true }
      usleep(2_000)
    }
    return condition()
  }
}
