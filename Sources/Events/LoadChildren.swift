// Load processes besides the first: children of the benchmark that are told what to do line by line and answer the same
// way, and what measuring needs of the system beyond LoadSockets: file limits, priorities, moments to wait for. Used by
// the Bench target only.
import Glibc

/// A child process with a line of words each way. It is killed when the last reference goes away.
public final class LoadChild {
  private var process: LoadProcess
  private let input: Int32
  private let output: Int32
  private var unread: [UInt8] = []

  /// Starts `words[0]` with the other words as arguments.
  public init(_ words: [String]) throws(LoadFailure) {
    let toChild = try LoadChild.makePipe()
    let fromChild: (reading: Int32, writing: Int32)
    do {
      fromChild = try LoadChild.makePipe()
    } catch {
      for end in [toChild.reading, toChild.writing] { _ = close(end) }
      throw error
    }
    defer { for end in [toChild.reading, fromChild.writing] { _ = close(end) } }
    do {
      process = try LoadProcess(words, input: toChild.reading, output: fromChild.writing)
    } catch {
      for end in [toChild.writing, fromChild.reading] { _ = close(end) }
      throw error
    }
    input = toChild.writing
    output = fromChild.reading
  }

  deinit {
    _ = close(input)
    _ = close(output)
  }

  /// Sends a line, without its end; what the child no longer reads is dropped, and `nextLine` will tell.
  public func send(line: String) { LoadHost.writeAll(line + "\n", to: input) }

  /// The next line, without its end; nil when the child has ended.
  public func nextLine() throws(LoadFailure) -> String? {
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: unread[..<end], as: UTF8.self)
        unread.removeSubrange(...end)
        return line
      }
      let bytes = try LoadHost.readSome(output, "the output of a load process")
      if bytes.isEmpty { return nil }
      unread += bytes
    }
  }

  /// Waits for the end of the process; its exit status, and what it had written to its error output.
  public func end() -> (status: Int32, errorText: String) { (process.waitForEnd(), process.errorText()) }

  private static func makePipe() throws(LoadFailure) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    // Sound: pipe writes two descriptors into an array of two.
    guard unsafe ends.withUnsafeMutableBufferPointer({ unsafe pipe($0.baseAddress) }) == 0 else {
      throw LoadFailure(call: "pipe")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }
}

extension LoadHost {
  /// The next line of the standard input, without its end; nil when there is no more.
  public static func nextInputLine() throws(LoadFailure) -> String? {
    var line: [UInt8] = []
    while true {
      // One byte at a time, so that nothing is taken that belongs to the next line; the lines are few and short.
      guard let byte = try readSome(0, "the standard input", limit: 1).first else { return nil }
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
  }

  /// Up to `limit` bytes, as soon as there are any; none at the end.
  fileprivate static func readSome(_ descriptor: Int32, _ name: String, limit: Int = 65536) throws(LoadFailure)
    -> [UInt8]
  {
    var buffer = [UInt8](repeating: 0, count: limit)
    while true {
      // Sound: read writes at most the array's count bytes into the array's own storage.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 { return Array(buffer[..<count]) }
      guard errno == EINTR, !isInterrupted else { throw LoadFailure(call: "read \(name)") }
    }
  }

  /// Allows this process and its children as many open files as the system lets it; returns how many.
  public static func raiseOpenFileLimit() -> Int {
    var limits = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    // Sound: limits is a local value of the type that getrlimit fills and setrlimit reads.
    guard unsafe getrlimit(kind, &limits) == 0 else { return 1024 }
    limits.rlim_cur = limits.rlim_max
    guard unsafe setrlimit(kind, &limits) == 0 else { return openFileLimits.soft }
    return Int(clamping: limits.rlim_cur)
  }

  /// The nice value of this process, which children inherit; the system may refuse to make it less (but for root).
  public static var niceness: Int32 {
    get { getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }
    set { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, newValue) }
  }

  /// Sleeps until the monotonic clock shows that time, or until a signal.
  public static func sleep(untilNanoseconds moment: UInt64) {
    var time = timespec(tv_sec: Int(moment / 1_000_000_000), tv_nsec: Int(moment % 1_000_000_000))
    // Sound: the time is a local value that the call reads; it writes no remainder.
    _ = unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
  }
}
