// A `TranscriptPeer` without sockets: plays a transcript against the core in this process, whole or in pieces of one
// byte, with the clock moved by hand. Everything the server will say to a send is there when the send returns.
import CacheCore
import InProcess
import Options
import Server
import TestSupport

final class InProcessPeer: TranscriptPeer {
  private let server: InProcessServer
  private let pieceByteCount: Int
  private var received: [Int: [UInt8]] = [:]

  /// `options` as on the command line; those that are about sockets have no effect here.
  init(options: [String], users: [String] = [], pieceByteCount: Int = 32 << 10) throws {
    let words = options + (users.isEmpty ? [] : ["-Y", "users"])
    guard case .run(let settings, _) = CommandLineParser.parse(words, programName: "test", isRoot: false) else {
      preconditionFailure("a transcript's options are refused: \(options)")
    }
    self.pieceByteCount = pieceByteCount
    let accounts = try users.isEmpty ? nil : Accounts(Array(users.joined(separator: "\n").utf8), .authenticationFile)
    server = InProcessServer(
      StoreConfiguration(settings, startedAtUnixSeconds: 0), permissions: Permissions(settings),
      delimiter: settings.prefixDelimiter, countsPrefixes: settings.detailEnabled,
      authentication: accounts.map { .token(AccountBook($0)) }
    ) { modes, store in
      let runtime = RuntimeSettings(
        memoryLimitBytes: store.value.memoryLimitBytes, verbosity: modes.verbosity, oldestSeconds: 0,
        detailEnabled: modes.countsPrefixes, growthFactor: store.value.slabGrowthFactor,
        largestChunkBytes: store.value.largestChunkByteCount)
      return store.value.tunables.applied(
        to: settingsReport(settings, runtime: runtime), ratioText: SettingsReport.fixed)
    }
  }

  func connect(_ connection: Int) { received[connection] = [] }
  func disconnect(_ connection: Int) { server.disconnect(connection) }

  func send(_ bytes: [UInt8], on connection: Int) {
    received[connection, default: []] += server.send(bytes, client: connection, pieceByteCount: pieceByteCount)
  }

  func receive(upTo limit: Int, on connection: Int, patience: TranscriptPatience) -> TranscriptInput {
    let waiting = received[connection] ?? []
    if waiting.isEmpty { return server.isClosed(connection) ? .closed : .nothing }
    let count = min(limit, waiting.count)
    received[connection] = Array(waiting.dropFirst(count))
    return .bytes(Array(waiting.prefix(count)))
  }

  func advanceClock(bySeconds seconds: Int) { server.advanceClock(seconds: UInt32(seconds)) }
}
