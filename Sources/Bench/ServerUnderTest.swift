// A server as named on the command line, and that server running as a child process on a free port. Not the load and
// not the figures: see LoadGenerator and Measurement.
import Events

/// A server the user named: `NAME=PROGRAM [ARGUMENTS]`.
struct ServerChoice: Sendable {
  let name: String
  /// The program and the user's extra arguments.
  let words: [String]

  /// Whether it is the built-in floor (`NAME=floor`), which answers without parsing.
  var isFloor: Bool { words == ["floor"] }

  /// Reads `NAME=PROGRAM [ARGUMENTS]`.
  init(_ text: String) throws {
    let parts = text.split(separator: "=", maxSplits: 1)
    let words = parts.count == 2 ? parts[1].split(separator: " ").map(String.init) : []
    guard parts.count == 2, !words.isEmpty else {
      throw BenchFailure.usage(
        "--server \(text): write NAME=PROGRAM, for example --server memcached=/usr/bin/memcached")
    }
    name = String(parts[0])
    self.words = words
  }

  init(name: String, path: String) {
    self.name = name
    words = [path]
  }

  /// Throws when the program is a path at which there is nothing to run.
  func checkExists() throws {
    guard words[0].contains("/"), !LoadHost.isExecutable(words[0]) else { return }
    throw BenchFailure.failed(
      """
      \(name): no program at \(words[0])
        Build ours with `swift build -c release`, install memcached, or name programs with --server NAME=PATH.
      """)
  }
}

/// A running server; it is killed when the last reference goes away.
final class ServerUnderTest {
  let choice: ServerChoice
  let port: UInt16
  private var process: LoadProcess

  /// Under valgrind a start takes seconds, and with -L every page is touched before.
  private static let startSeconds: UInt64 = 60

  /// Starts the server with `-t threads -m memoryMegabytes` and waits until it accepts connections. `wrapper` goes
  /// before the program (valgrind and its options), `moreArguments` after all others.
  init(
    _ choice: ServerChoice, threads: Int, memoryMegabytes: Int, floorSizes: FloorSizes?, wrapper: [String] = [],
    moreArguments: [String] = []
  ) throws {
    self.choice = choice
    port = try LoadSockets.freePort()
    var words = wrapper
    if choice.isFloor, let floorSizes {
      words += [LoadHost.programPath] + FloorServer.arguments(port: port, sizes: floorSizes)
    } else {
      words += [choice.words[0], "-l", "127.0.0.1", "-p", "\(port)", "-U", "0", "-t", "\(threads)"]
      words += ["-m", "\(memoryMegabytes)"]
      words += LoadHost.isRoot ? ["-u", "root"] : []
      words += choice.words.dropFirst() + moreArguments
    }
    process = try LoadProcess(words)
    try waitUntilAccepting()
  }

  func processorNanoseconds() throws -> UInt64 { try process.processorNanoseconds() }

  /// The server's resident memory.
  func residentByteCount() throws -> Int { try process.residentByteCount() }

  /// Waits until the server's background work is done: less than 2 % of a processor over 50 ms, or ten seconds.
  func settle() throws {
    for _ in 0..<200 {
      let before = try processorNanoseconds()
      LoadHost.sleep(milliseconds: 50)
      if try processorNanoseconds() < before + 1_000_000 { return }
    }
  }

  /// Ends the server and returns what it had written to its error output.
  func stop() -> String {
    process.stop(graceMilliseconds: 20_000)
    return process.errorText()
  }

  /// The same, once the error output contains `mark`, for which a tracer may need a moment; or after two seconds.
  func stop(awaiting mark: String) -> String {
    var text = stop()
    for _ in 0..<200 where !text.contains(mark) {
      LoadHost.sleep(milliseconds: 10)
      text = process.errorText()
    }
    return text
  }

  private func waitUntilAccepting() throws {
    let deadline = LoadHost.nowNanoseconds() + Self.startSeconds * 1_000_000_000
    while process.isRunning() && LoadHost.nowNanoseconds() < deadline {
      if LoadHost.isInterrupted { throw BenchFailure.interrupted }
      var probe = LoadSockets()
      if (try? probe.connect(port: port)) != nil { return }
      LoadHost.sleep(milliseconds: 5)
    }
    throw BenchFailure.serverDidNotStart(
      """
      \(choice.name): \(process.isRunning() ? "does not accept connections" : "ended at once")
        error output: \(process.errorText().suffix(400))
      """)
  }
}
