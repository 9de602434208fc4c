// Plays every file of Tests/Transcripts against Debian's memcached (the oracle: proves that the transcript tells the
// truth) and against our server, each over a socket with a fresh process per transcript; ours once more byte by byte.
// Not the place for cases: those are the text files. Prints one summary line for each of the three, and the
// differences.
import Foundation
import Synchronization
import TestSupport
import Testing

/// The folder of transcripts. Read once; a folder without files is an error of the checkout, not an empty test run.
enum TranscriptFolder {
  static let url = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Transcripts")

  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return files.filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()
  }()

  static func transcript(_ name: String) throws -> Transcript {
    try Transcript(contentsOf: url.appendingPathComponent(name + ".txt"))
  }

  /// Transcripts of less than 2 KB of input, the ones that are also sent byte by byte.
  static let shortNames = names.filter { name in (try? transcript(name)).map { $0.sentByteCount < 2048 } ?? true }

  /// Those about what the oracle has too.
  static let referenceNames = names.filter { name in (try? transcript(name)).map { $0.oursOnly == nil } ?? true }

  /// Those that are not about a process or its sockets.
  static let inProcessNames = names.filter { name in (try? transcript(name)).map { !$0.needsSocket } ?? true }
  static let inProcessShortNames = inProcessNames.filter { shortNames.contains($0) }
}

/// The way the tests play: which server, and in how large pieces.
enum Way: String, CaseIterable {
  case reference = "against Debian's memcached"
  case ours = "against ours"
  case oursByByte = "against ours, byte by byte"
  case inProcess = "in process"
  case inProcessByByte = "in process, byte by byte"
}

extension Way {
  /// The transcripts that are played this way.
  var names: [String] {
    switch self {
    case .reference: TranscriptFolder.referenceNames
    case .ours: TranscriptFolder.names
    case .oursByByte: TranscriptFolder.shortNames
    case .inProcess: TranscriptFolder.inProcessNames
    case .inProcessByByte: TranscriptFolder.inProcessShortNames
    }
  }
}

@Suite struct TranscriptTests {
  /// Why the oracle cannot be used here, or nil. Another version of it would contradict the transcripts, not us.
  static let oracleIsMissing: String? = {
    guard ServerProcess.referenceIsInstalled else { return "memcached is not installed" }
    let version = try? ServerProcess(.reference).firstReply(to: "version")
    let expected = "VERSION " + Transcript.Side.reference.versionNumber
    return version == expected ? nil : "the oracle has to say \(expected) and says \(version ?? "nothing")"
  }()

  @Test(
    .enabled(if: oracleIsMissing == nil, "TRANSCRIPTS ARE NOT CHECKED: \(oracleIsMissing ?? "")"),
    arguments: TranscriptFolder.referenceNames)
  func reference(_ name: String) throws { try play(name, .reference) }

  @Test(arguments: TranscriptFolder.names)
  func ours(_ name: String) throws { try play(name, .ours) }

  @Test(arguments: TranscriptFolder.shortNames)
  func oursByByte(_ name: String) throws { try play(name, .oursByByte) }

  @Test(arguments: TranscriptFolder.inProcessNames)
  func inProcess(_ name: String) throws { try play(name, .inProcess) }

  @Test(arguments: TranscriptFolder.inProcessShortNames)
  func inProcessByByte(_ name: String) throws { try play(name, .inProcessByByte) }

  @Test func folderIsNotEmpty() { #expect(TranscriptFolder.names.count >= 50) }

  private func play(_ name: String, _ way: Way) throws {
    let result = Result {
      let transcript = try TranscriptFolder.transcript(name)
      switch way {
      case .reference, .ours, .oursByByte: return try playOverSocket(transcript, way)
      case .inProcess: return try playInProcess(transcript, pieceByteCount: 32 << 10)
      case .inProcessByByte: return try playInProcess(transcript, pieceByteCount: 1)
      }
    }
    Tally.shared.add(try? result.get(), way, of: way.names.count)
    _ = try result.get()
  }

  private func playOverSocket(_ transcript: Transcript, _ way: Way) throws -> TranscriptScore {
    let users = FileManager.default.temporaryDirectory.appendingPathComponent("transcript-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: users) }
    if !transcript.users.isEmpty {
      try transcript.users.map { $0 + "\n" }.joined().write(to: users, atomically: true, encoding: .utf8)
    }
    let server = try ServerProcess(
      way == .reference ? .reference : .ours,
      arguments: transcript.options + (transcript.users.isEmpty ? [] : ["-Y", users.path]))
    defer { server.stop(SIGKILL) }
    let peer = SocketPeer(port: server.port, pieceByteCount: way == .oursByByte ? 1 : .max)
    var player = TranscriptPlayer(transcript, side: way == .reference ? .reference : .ours, peer: peer)
    return try player.play()
  }

  private func playInProcess(_ transcript: Transcript, pieceByteCount: Int) throws -> TranscriptScore {
    let peer = try InProcessPeer(
      options: transcript.options, users: transcript.users, pieceByteCount: pieceByteCount)
    var player = TranscriptPlayer(transcript, side: .ours, peer: peer)
    return try player.play()
  }
}

extension ServerProcess {
  fileprivate func firstReply(to command: String) throws -> String { try TextClient(port: port).command(command) }
}

/// Sums the scores of one way and prints them after its last transcript.
final class Tally: Sendable {
  static let shared = Tally()
  private struct Sum {
    var played = 0
    var failed = 0
    var score = TranscriptScore()
  }
  private let sums = Mutex<[Way: Sum]>([:])

  func add(_ score: TranscriptScore?, _ way: Way, of total: Int) {
    let done = sums.withLock { sums -> Sum? in
      var sum = sums[way, default: Sum()]
      sum.played += 1
      if let score { sum.score.add(score) } else { sum.failed += 1 }
      sums[way] = sum
      return sum.played == total ? sum : nil
    }
    guard let done else { return }
    let score = done.score
    let byDecision = score.differences.filter { $0.contains(": decision: ") }
    var lines = [
      "conformance \(way.rawValue): \(done.played) transcripts, \(done.failed) failed, \(score.steps) steps, "
        + "\(score.sentByteCount) bytes sent, \(score.comparedByteCount) compared, "
        + "\(score.differences.count) listed differences, \(byDecision.count) of them by decision"
    ]
    if way == .reference { lines += score.differences.sorted().map { "  differs: \($0)" } }
    print(lines.joined(separator: "\n"))
  }
}

extension TranscriptScore {
  fileprivate mutating func add(_ other: TranscriptScore) {
    steps += other.steps
    sentByteCount += other.sentByteCount
    comparedByteCount += other.comparedByteCount
    differences += other.differences
  }
}
