// The command lines of `scale`, `hotkey`, `connections` and `quiet`: the options of any run with other defaults, and
// lists where the others have a number. What the four do is in WorkerScaling, ConnectionCounts and QuietClient.
import Events

enum ScaleRun: String, CaseIterable, Sendable {
  case scale, hotkey, connections, quiet

  /// The words that go before the user's.
  var defaults: [String] {
    switch self {
    case .scale:
      ["--loads", "2", "--cases", "get1,mget100,pget50,pmg50,getkq50,set100,pset50,set4k,mix9010"]
    case .hotkey: ["--loads", "2", "--cases", "hotget50,hotset50,hotmix50"]
    case .connections: ["--cases", "get1"]
    case .quiet: ["--connections", "8", "--cases", "pget500"]
    }
  }

  var threadCounts: [Int] {
    switch self {
    case .scale, .hotkey: [1, 2, 4, 8]
    case .connections: [4]
    case .quiet: [1, 4]
    }
  }
}

struct ScaleOptions: Sendable {
  let run: ScaleRun
  var bench: BenchOptions
  var threadCounts: [Int]
  /// Connections that are open, for `connections`.
  var openCounts = [1, 50, 1000, 10_000]

  /// Reads the words after the program's name, of which the first is the sub-command.
  init(_ words: [String]) throws {
    guard let run = words.first.flatMap(ScaleRun.init) else { throw BenchFailure.usage("no such run") }
    self.run = run
    threadCounts = run.threadCounts
    var others: [String] = []
    var rest = words.dropFirst()
    while let word = rest.popFirst() {
      switch word {
      case "--threads": threadCounts = try Self.numbers(of: word, &rest, in: 1...256)
      case "--open" where run == .connections: openCounts = try Self.numbers(of: word, &rest, in: 1...100_000)
      default: others.append(word)
      }
    }
    bench = try BenchOptions(["--no-pin"] + run.defaults + others, hasFloor: false)
    guard !bench.showsHelp else { return }
    guard !bench.countsInstructions, !bench.servers.contains(where: \.isFloor) else {
      throw BenchFailure.usage("\(run.rawValue) needs servers that store, at full speed")
    }
    for server in bench.servers { try server.checkExists() }
  }

  /// The options of a run with that many workers.
  func bench(threads: Int) -> BenchOptions {
    var bench = bench
    bench.threadCount = threads
    return bench
  }

  /// The numbers after `option`, separated by commas.
  private static func numbers(
    of option: String, _ rest: inout ArraySlice<String>, in range: ClosedRange<Int>
  ) throws -> [Int] {
    let words = try BenchOptions.value(of: option, &rest).split(separator: ",", omittingEmptySubsequences: false)
    return try words.map { word in
      var one = [String(word)][...]
      return try BenchOptions.number(of: option, &one, in: range)
    }
  }

  static var help: String {
    """
    swiftcached-bench: how servers scale, beside each other, nothing pinned.

    Usage: swiftcached-bench scale [options]        workers from 1 to 8, two load processes, all kinds of requests
           swiftcached-bench hotkey [options]       the same with one key for all; and futex calls, counted by strace
           swiftcached-bench connections [options]  from 1 to 10,000 connections, used in turn; memory of an idle one
           swiftcached-bench quiet [options]        a get each 5 ms beside 8 connections with 500 gets in each write

      --threads A,B,...       worker threads of each server (-t)
      --open A,B,...          connections: how many are open; at most --connections of them have a request on its way

    All options of a run without sub-command are known as well: --server, --cases, --rounds, --connections, --loads,
    --quick, --json, --timeout-seconds.

    Exit status: as without a sub-command, and 3 when a bar was missed; the bars are printed at the end.

    """
  }
}
