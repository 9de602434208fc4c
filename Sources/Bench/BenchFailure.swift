// Why the program ends early, and the exit status each reason gives.
// Not for a wrong reply of a server under test alone: a missing program or a time-out ends here too.

enum BenchFailure: Error {
  /// The command line makes no sense.
  case usage(String)
  /// A reply was not what it must be: the server is wrong, whatever its speed.
  case wrongReply(String)
  case serverDidNotStart(String)
  /// A request costs more than it may.
  case overLimit([String])
  case failed(String)
  /// All replies were right; a figure was not as good as it must be.
  case barMissed(String)
  case interrupted

  var message: String {
    switch self {
    case .usage(let text): return text + "\n  `swiftcached-bench --help` lists the options."
    case .wrongReply(let text), .serverDidNotStart(let text), .failed(let text), .barMissed(let text):
      return text
    case .overLimit(let complaints): return complaints.joined(separator: "\n  ")
    case .interrupted: return "interrupted; the servers have been stopped"
    }
  }

  var exitStatus: Int32 {
    switch self {
    case .wrongReply, .overLimit: return 1
    case .usage, .serverDidNotStart, .failed: return 2
    case .barMissed: return 3
    case .interrupted: return 130
    }
  }
}
