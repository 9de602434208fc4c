// The syntax of the command line: bundles, attached and detached values, abbreviations, order, and the lines that
// deployments really write. What the options mean is tested with their rows.
import Testing

@testable import Options

struct GetoptTests {
  @Test(arguments: [
    ["-p", "5"], ["-p5"], ["-p 5"], ["-p", " 5"], ["-vp", "5", "-v"], ["-vp5", "-v"], ["--port=5"], ["--port", "5"],
    ["--por=5"], ["--por", "5"], ["--port= 5"], ["-p", "4", "-p", "5"], ["word", "-p", "5", "-", ""],
    ["-p", "5", "--", "-p", "6"], ["-p5x"], ["--", "-p", "6"],
  ])
  func portIsFive(words: [String]) throws {
    #expect(try settings(words).port == (words.first == "--" ? 11211 : 5))
  }

  @Test func bundlesAndRepeatedVerbosity() throws {
    #expect(try settings(["-vvv"]).verbosity == 3)
    #expect(try settings(["-v", "-vv", "--verbose", "--verb=9", "--verbose", "4"]).verbosity == 6)
    let line = try settings(["-dvAc7"])
    #expect(line.daemonize && line.verbosity == 1 && line.shutdownCommandEnabled && line.maxConnections == 7)
  }

  @Test func valuesMayLookLikeOptions() throws {
    #expect(try settings(["-s", "-p"]).unixSocketPath == "-p")
    #expect(try settings(["-s", "--"]).unixSocketPath == "--")
    #expect(try settings(["--pidfile", "-d"]).pidFile == "-d")
  }

  @Test(arguments: [
    (["-q"], "invalid option -- 'q'"),
    (["-vq"], "invalid option -- 'q'"),
    (["-v-"], "invalid option -- '-'"),
    (["-:"], "invalid option -- ':'"),
    (["-d=3"], "invalid option -- '='"),
    (["-u"], "option requires an argument -- 'u'"),
    (["-vu"], "option requires an argument -- 'u'"),
    (["--user"], "option '--user' requires an argument"),
    (["--conn"], "option '--conn-limit' requires an argument"),
    (["--foo"], "unrecognized option '--foo'"),
    (["--foo=3"], "unrecognized option '--foo=3'"),
    (["--daemonx"], "unrecognized option '--daemonx'"),
    (["--daemon=3"], "option '--daemon' doesn't allow an argument"),
    (["--help="], "option '--help' doesn't allow an argument"),
    (["--p"], "option '--p' is ambiguous; possibilities: '--port' '--pidfile' '--protocol'"),
    (["--ver=1"], "option '--ver=1' is ambiguous; possibilities: '--version' '--verbose'"),
  ])
  func complaints(words: [String], complaint: String) {
    #expect(stop(words) == refusal("memcached: \(complaint)\nIllegal argument \"?\"", 1))
  }

  @Test func answersComeAtOnce() {
    #expect(stop(["-V", "-q"]) == Stop(text: "memcached \(Version.text)\n", toStandardOutput: true, exitStatus: 0))
    #expect(stop(["-h", "-c", "0"], isRoot: true)?.exitStatus == 0)
    #expect(stop(["--license", "-I", "1"])?.toStandardOutput == true)
    #expect(stop(["-q", "-h"])?.exitStatus == 1)
    #expect(stop(["-t", "100", "-V"])?.text == "memcached \(Version.text)\n")
  }

  @Test func elementsOfHelmCharts() throws {
    let words = ["-m 8192", "--extended=modern,track_sizes", "-I 5m", "-c 16384", "-v", "-u 11211"]
    #expect(
      changes(try settings(words, isRoot: false)) == [
        "memoryLimitBytes": "8589934592", "trackSizes": "true", "itemSizeMaxBytes": "5242880",
        "maxConnections": "16384", "verbosity": "1", "user": "Optional(\"11211\")",
      ])
  }

  @Test func linesOfDistributions() throws {
    let words = [
      "-d", "-m", "64", "-p", "11211", "-u", "memcache", "-l", "127.0.0.1", "-P", "/var/run/memcached/memcached.pid",
    ]
    #expect(
      changes(try settings(words, isRoot: true)) == [
        "daemonize": "true", "portWasGiven": "true", "user": "Optional(\"memcache\")",
        "listenText": "Optional(\"127.0.0.1\")", "listenAddresses": "\([ListenAddress(host: "127.0.0.1")])",
        "pidFile": "Optional(\"/var/run/memcached/memcached.pid\")",
      ])
  }

  @Test func noLineTraps() throws {
    var generator = Sequence64(state: 11211)
    let names = OptionTable.rows.map { "-\($0.short)" } + OptionTable.rows.compactMap { $0.long.map { "--\($0)" } }
    let extended = ExtendedOptionTable.rows.filter(\.availability.isUsable).map(\.name)
    let values = [
      "", "=", "-1", "0", "1", "62", "99999999999999999999", "1e999", "k", "m", "[", "]:", "tag[", ":", ",",
    ]
    var accepted = 0
    for _ in 0..<20_000 {
      var words: [String] = []
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let value = (values.randomElement(using: &generator) ?? "") + (values.randomElement(using: &generator) ?? "")
        let pair = "\(extended.randomElement(using: &generator) ?? "")=\(value)"
        words += [names.randomElement(using: &generator) ?? "", Bool.random(using: &generator) ? value : pair]
      }
      guard case .run(let line, _) = parse(words) else { continue }
      accepted += 1
      #expect(line.threads > 0 && line.itemSizeMaxBytes % line.slabChunkMaxBytes == 0, "\(words)")
      #expect(settingsReport(line, runtime: runtime(line)).count == 67)
    }
    #expect(accepted > 1000)
  }
}

/// A repeatable sequence of numbers, so that a failing line comes back.
private struct Sequence64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ (state >> 29)
  }
}
