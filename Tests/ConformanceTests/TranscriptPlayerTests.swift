// Checks the checker: a player that overlooks a wrong, missing or surplus byte would make every transcript worthless.
// Each case plays a small transcript against a scripted peer that deviates in one point, and has to be refused.
// Not about any server: the peer is a list of prepared replies.
import Foundation
import TestSupport
import Testing

/// Answers each send with the next prepared reply, and `version` always truthfully.
private final class ScriptedPeer: TranscriptPeer {
  var replies: [String]
  var closesAtEnd = false
  var pending: [UInt8] = []
  var waited = 0
  var sent: [[UInt8]] = []

  init(_ replies: [String], closesAtEnd: Bool = false) {
    self.replies = replies
    self.closesAtEnd = closesAtEnd
  }

  func connect(_ connection: Int) {}
  func disconnect(_ connection: Int) {}
  func send(_ bytes: [UInt8], on connection: Int) {
    sent.append(bytes)
    if bytes == Array("version\r\n".utf8) {
      pending += Array("VERSION 1.6.45 test\r\n".utf8)
    } else if !replies.isEmpty {
      pending += Array(replies.removeFirst().utf8)
    }
  }
  func receive(upTo limit: Int, on connection: Int, patience: TranscriptPatience) -> TranscriptInput {
    if pending.isEmpty { return closesAtEnd && replies.isEmpty ? .closed : .nothing }
    defer { pending.removeFirst(min(limit, pending.count)) }
    return .bytes(Array(pending.prefix(limit)))
  }
  func advanceClock(bySeconds seconds: Int) { waited += seconds }
}

@Suite struct TranscriptPlayerTests {
  private func play(_ text: String, _ peer: ScriptedPeer) throws -> TranscriptScore {
    var player = TranscriptPlayer(try Transcript(name: "case", text: "# case\n" + text), side: .ours, peer: peer)
    return try player.play()
  }

  @Test func exactReplyIsAccepted() throws {
    let score = try play("> get a\n< VALUE a 0 1\n<< x\\r\\nEND\\r\\n", ScriptedPeer(["VALUE a 0 1\r\nx\r\nEND\r\n"]))
    #expect(score.steps == 3)
    #expect(score.comparedByteCount == 21)
    #expect(score.sentByteCount == "get a\r\nversion\r\n".utf8.count)
  }

  @Test(arguments: [
    "STORE", "STORED", "STORED\n", "STORED\r\n\r\n", "stored\r\n", "STORED \r\n", "", "\r\nSTORED\r\n",
    "STORED\r\nEND\r\n",
  ])
  func otherReplyIsRefused(_ reply: String) {
    #expect(throws: TranscriptFailure.self) { try play("> set a 0 0 1\n> x\n< STORED", ScriptedPeer([reply])) }
  }

  @Test func aStarMatchesAStar() throws {
    _ = try play("> a\n< *", ScriptedPeer(["*\r\n"]))
    #expect(throws: TranscriptFailure.self) { try play("> a\n< *", ScriptedPeer(["x\r\n"])) }
  }

  @Test func surplusIsSeenBySilentIdleAndClosed() throws {
    for state in ["silent", "idle", "closed"] {
      #expect(throws: TranscriptFailure.self) { try play("> a\n= \(state)", ScriptedPeer(["x"], closesAtEnd: true)) }
    }
    #expect(throws: TranscriptFailure.self) { try play("> a\n= closed", ScriptedPeer([])) }

    _ = try play("> a\n= silent\n= idle", ScriptedPeer([]))
    _ = try play("> a\n= closed", ScriptedPeer([], closesAtEnd: true))
  }

  @Test func aClosedConnectionIsNotUsedAgain() {
    #expect(throws: TranscriptFailure.self) { try play("> a\n= closed\n> b", ScriptedPeer([], closesAtEnd: true)) }
    #expect(throws: TranscriptFailure.self) { try play("> a\nclose\n> b", ScriptedPeer([])) }
    #expect(throws: TranscriptFailure.self) { try play("close\n@2\n@1", ScriptedPeer([])) }
  }

  @Test func casPlaceholdersCompare() throws {
    _ = try play("> a\n< <cas:x>\n> b\n< <cas:y>\n> c\n< <cas:x>", ScriptedPeer(["7\r\n", "8\r\n", "7\r\n"]))
    for replies in [["7\r\n", "7\r\n", "7\r\n"], ["7\r\n", "8\r\n", "8\r\n"], ["7\r\n", "8\r\n", "x\r\n"]] {
      #expect(throws: TranscriptFailure.self) {
        try play("> a\n< <cas:x>\n> b\n< <cas:y>\n> c\n< <cas:x>", ScriptedPeer(replies))
      }
    }
    #expect(throws: TranscriptFailure.self) { try play("> cas a 0 0 1 <cas:unbound>", ScriptedPeer([])) }
  }

  @Test(arguments: ["pid\r\n", "pid 1\n", "pid 1 \r\n", "pid -1\r\n", "PID 1\r\n", "pid 1x\r\n"])
  func numberIsDecimal(_ reply: String) throws {
    _ = try play("> a\n< pid <number>", ScriptedPeer(["pid 12\r\n"]))
    #expect(throws: TranscriptFailure.self) { try play("> a\n< pid <number>", ScriptedPeer([reply])) }
  }

  @Test(arguments: ["997", "1003", "-1000", "x", "", "1000x"])
  func nearIsWithinTwo(_ number: String) throws {
    for near in ["998", "999", "1000", "1001", "1002"] {
      _ = try play("> a\n< HD t<near:1000> s1", ScriptedPeer(["HD t\(near) s1\r\n"]))
    }
    #expect(throws: TranscriptFailure.self) {
      try play("> a\n< HD t<near:1000> s1", ScriptedPeer(["HD t\(number) s1\r\n"]))
    }
  }

  @Test func oursOnlyGivesAReason() throws {
    let transcript = try Transcript(name: "case", text: "# case\nours only: 1.6.18 has no E\n> a")
    #expect(transcript.oursOnly == "1.6.18 has no E")
    #expect(transcript.steps.count == 1)
  }

  @Test func statComparesOneValue() throws {
    let report = "STAT pid 1\r\nSTAT get_hits 3\r\nEND\r\n"
    _ = try play("stat get_hits 3", ScriptedPeer([report]))
    _ = try play("stat settings get_hits 3", ScriptedPeer([report]))
    for text in ["stat get_hits 4", "stat get_hits 33", "stat get_hit 3", "stat hits 3"] {
      #expect(throws: TranscriptFailure.self) { try play(text, ScriptedPeer([report])) }
    }
    #expect(throws: TranscriptFailure.self) { try play("stat get_hits 3", ScriptedPeer(["ERROR\r\nEND\r\n"])) }
    #expect(throws: TranscriptFailure.self) { try play("stat pid 1", ScriptedPeer(["STAT pid 1\r\n" + report])) }
  }

  @Test func differencesArePlayedBySide() throws {
    let text = "# case\n> a\ndiffers: 1.6.18 says B\nours < A\nreference < B\n> b\n< C"
    let transcript = try Transcript(name: "case", text: text)
    var player = TranscriptPlayer(transcript, side: .ours, peer: ScriptedPeer(["A\r\n", "C\r\n"]))
    #expect(try player.play().differences == ["case.txt:3: 1.6.18 says B"])
    player = TranscriptPlayer(transcript, side: .ours, peer: ScriptedPeer(["B\r\n", "C\r\n"]))
    #expect(throws: TranscriptFailure.self) { try player.play() }
  }

  @Test func waitAdvancesTheClock() throws {
    let peer = ScriptedPeer([])
    _ = try play("wait 2\nwait 3", peer)
    #expect(peer.waited == 5)
  }

  @Test func notationOfBytes() throws {
    let transcript = try Transcript(
      name: "case", text: "# case\n> a\\t\\x00\\xfF\\\\\\{\\<\n>> {k# *3}{\\#*2}\\r\\n\n\n>")
    let first = Array("a\t\0".utf8) + [255] + Array("\\{<\r\nk1 k2 k3 ##\r\n".utf8)
    let peer = ScriptedPeer([])
    var player = TranscriptPlayer(transcript, side: .ours, peer: peer)
    _ = try player.play()
    #expect(peer.sent.prefix(2) == [first, [13, 10]])
    #expect(transcript.steps.count == 2, "a blank line separates writes")
    #expect(transcript.steps[1].action == .send([.bytes([13, 10])]))
  }

  @Test(arguments: [
    "> a ", "> \u{e4}", "= gone", "wait 0", "wait x", "@0", "@x", "stat a", "> {a*0}", "> {a}", "> \\q", "> \\x1",
    "< <any>", "< <cas:>", "ours < A", "differs: decision: r\nours < A\nreference < A",
    "differs: decision: r\nours > a\nreference < B", "differs: because\nours < A\nreference < B",
    "> a\nours only: decision: r", "ours only: because\n> a", "> a\n< <near:x>",
    "> a\noptions: -m 64", "> a\nneeds: socket", "",
  ])
  func otherTextIsNoTranscript(_ text: String) {
    #expect(throws: Transcript.FormatError.self) { try Transcript(name: "case", text: "# case\n" + text) }
  }

  @Test func aTranscriptSaysWhatItShows() {
    #expect(throws: Transcript.FormatError.self) { try Transcript(name: "case", text: "> a\n= idle\n") }
  }
}
