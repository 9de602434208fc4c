// What the benchmark needs of the system: many client sockets under one poll, child processes that are measured and
// always killed, processor pinning, the clock, and text output. It is used by the Bench target only; the server's
// sockets and event loop are elsewhere in this module and share nothing with this file.
//
// Everything public here is safe to call: bytes go in and out as [UInt8], sockets are named by their index.
// See Docs/performance.md for how the measuring is done.
import Glibc
import Synchronization

/// A system call or a child process that failed, in words that say what to do next.
public struct LoadFailure: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }

  /// Describes the failed call `operation` with the reason that `code` stands for.
  init(call operation: String, code: Int32 = errno) {
    // Sound: strerror returns a valid C string, copied before any other call on this thread.
    let reason = unsafe String(cString: strerror(code))
    self.init("\(operation): \(reason)")
  }
}

// MARK: - Sockets

/// A set of non-blocking loopback sockets waited for together; a socket's name is its index, which is never reused.
///
/// One thread uses it. All sockets are closed when the value goes away.
public struct LoadSockets: ~Copyable {
  private var polled: [pollfd] = []
  /// Open and not waited for; `nextParked` is the one that has been here longest.
  private var parked: [Int32] = []
  private var nextParked = 0

  public init() {}

  deinit {
    for entry in polled where entry.fd >= 0 { _ = Glibc.close(entry.fd) }
    for descriptor in parked { _ = Glibc.close(descriptor) }
  }

  /// The number of sockets ever added, closed ones included.
  public var count: Int { polled.count }

  /// Connects to `port` on 127.0.0.1 and returns the new socket's index; fails after five seconds without an answer.
  public mutating func connect(port: UInt16) throws(LoadFailure) -> Int { add(try LoadSockets.connected(to: port)) }

  /// Connects to `port` on 127.0.0.1 and keeps the socket aside: it has no index and is not waited for until `exchange`
  /// brings it in.
  public mutating func connectParked(port: UInt16) throws(LoadFailure) {
    let descriptor = try LoadSockets.connected(to: port)
    LoadSockets.prepare(descriptor)
    parked.append(descriptor)
  }

  /// Parks the socket at `index` and puts there the one that has been parked longest; nothing without parked sockets.
  public mutating func exchange(_ index: Int) {
    guard !parked.isEmpty else { return }
    swap(&polled[index].fd, &parked[nextParked])
    polled[index].revents = 0
    nextParked = (nextParked + 1) % parked.count
  }

  private static func connected(to port: UInt16) throws(LoadFailure) -> Int32 {
    let descriptor = try LoadSockets.makeSocket()
    LoadSockets.setOption(descriptor, SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: 5, tv_usec: 0))
    LoadSockets.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    // Sound: the address is valid during the call.
    let status = unsafe LoadSockets.withAddress(port) { unsafe Glibc.connect(descriptor, $0, $1) }
    guard status == 0 else {
      let failure = LoadFailure(call: "connect to 127.0.0.1:\(port)")
      _ = Glibc.close(descriptor)
      throw failure
    }
    return descriptor
  }

  /// Listens on `port` of 127.0.0.1 and returns the listener's index.
  public mutating func listen(port: UInt16) throws(LoadFailure) -> Int {
    let descriptor = try LoadSockets.makeSocket()
    LoadSockets.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, Int32(1))
    // Sound: the address is valid during the call.
    let status = unsafe LoadSockets.withAddress(port) { unsafe bind(descriptor, $0, $1) }
    guard status == 0, Glibc.listen(descriptor, 1024) == 0 else {
      let failure = LoadFailure(call: "listen on 127.0.0.1:\(port)")
      _ = Glibc.close(descriptor)
      throw failure
    }
    return add(descriptor)
  }

  /// Takes one waiting client of the listener at `index`, or returns nil when there is none.
  public mutating func accept(_ index: Int) -> Int? {
    let descriptor = Glibc.accept(polled[index].fd, nil, nil)
    guard descriptor >= 0 else { return nil }
    LoadSockets.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    return add(descriptor)
  }

  /// Waits until a socket is ready; returns the number of ready sockets, 0 after the time-out or a signal.
  public mutating func wait(timeoutMilliseconds: Int32) throws(LoadFailure) -> Int {
    // Sound: the buffer is the array's own, valid for its count during the call.
    let ready = unsafe polled.withUnsafeMutableBufferPointer { entries in
      unsafe poll(entries.baseAddress, nfds_t(entries.count), timeoutMilliseconds)
    }
    if ready >= 0 { return Int(ready) }
    guard errno == EINTR else { throw LoadFailure(call: "poll") }
    return 0
  }

  /// The first socket at or after `index` that the last `wait` found ready, or nil.
  public func firstReady(from index: Int) -> Int? {
    var candidate = index
    while candidate < polled.count {
      if polled[candidate].fd >= 0 && polled[candidate].revents != 0 { return candidate }
      candidate += 1
    }
    return nil
  }

  /// Whether `wait` also watches for room to send on the socket at `index`.
  public mutating func watchWritable(_ index: Int, _ isWatched: Bool) {
    polled[index].events = Int16(isWatched ? POLLIN | POLLOUT : POLLIN)
  }

  /// Receives into `buffer` from `start` on and returns the byte count; 0 when nothing is there, nil when the peer has
  /// closed.
  public func receive(
    _ index: Int, into buffer: inout [UInt8], from start: Int = 0
  ) throws(LoadFailure) -> Int? {
    precondition(start >= 0 && start < buffer.count, "receive: no room in the buffer")
    // Sound: start was checked above, and recv writes at most to the end of the array's own storage.
    let received = unsafe buffer.withUnsafeMutableBytes { bytes in
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
      return unsafe recv(polled[index].fd, room.baseAddress, room.count, 0)
    }
    if received > 0 { return received }
    if received == 0 || errno == ECONNRESET { return nil }
    guard errno == EAGAIN || errno == EINTR else { throw LoadFailure(call: "recv") }
    return 0
  }

  /// Sends the bytes of `range` and returns how many the kernel took; 0 when there is no room, and when the peer has
  /// closed, which `receive` then tells.
  public func send(_ index: Int, _ bytes: [UInt8], in range: Range<Int>) throws(LoadFailure) -> Int {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "send: range outside of the bytes")
    // Sound: the range was checked against the array's count above.
    let sent = unsafe bytes.withUnsafeBytes { all in
      let part = unsafe UnsafeRawBufferPointer(rebasing: all[range])
      return unsafe Glibc.send(polled[index].fd, part.baseAddress, part.count, Int32(MSG_NOSIGNAL))
    }
    if sent >= 0 { return sent }
    guard [EAGAIN, EINTR, EPIPE, ECONNRESET].contains(errno) else { throw LoadFailure(call: "send") }
    return 0
  }

  /// Closes the socket at `index`; `wait` ignores it from now on.
  public mutating func close(_ index: Int) {
    guard polled[index].fd >= 0 else { return }
    _ = Glibc.close(polled[index].fd)
    polled[index].fd = -1
  }

  /// A port of 127.0.0.1 that was free a moment ago.
  public static func freePort() throws(LoadFailure) -> UInt16 {
    let descriptor = try makeSocket()
    defer { _ = Glibc.close(descriptor) }
    // Sound: the address is valid during the call.
    let bound = unsafe withAddress(0) { unsafe bind(descriptor, $0, $1) }
    guard bound == 0 else { throw LoadFailure(call: "bind a free port") }
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // Sound: address is a sockaddr_in, which sockaddr's callers may pass as sockaddr; length is its size.
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    guard status == 0 else { throw LoadFailure(call: "getsockname") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Makes the socket non-blocking and part of the set.
  private mutating func add(_ descriptor: Int32) -> Int {
    LoadSockets.prepare(descriptor)
    polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    return polled.count - 1
  }

  private static func prepare(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  private static func makeSocket() throws(LoadFailure) -> Int32 {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_INET, kind, 0)
    guard descriptor >= 0 else { throw LoadFailure(call: "socket") }
    return descriptor
  }

  private static func setOption<Value: BitwiseCopyable>(
    _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Value
  ) {
    // Sound: a bitwise-copyable value is read for exactly its size. A refused option only costs speed.
    _ = unsafe withUnsafeBytes(of: value) { bytes in
      unsafe setsockopt(descriptor, level, name, bytes.baseAddress, socklen_t(bytes.count))
    }
  }

  /// Calls `body` with the address of `port` on 127.0.0.1.
  private static func withAddress(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    // Sound: a sockaddr_in may be passed as sockaddr; the length is that of sockaddr_in.
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound in
        unsafe body(rebound, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}

// MARK: - Child processes

/// A child process whose error output is kept and whose processor time can be read; killed when the value goes away.
public struct LoadProcess: ~Copyable {
  public let processID: Int32
  private let errorLog: Int32
  private var isReaped = false

  deinit {
    if !isReaped {
      _ = kill(processID, SIGKILL)
      _ = waitpid(processID, nil, 0)
    }
    _ = close(errorLog)
  }

  /// Starts `words[0]` (searched in PATH when it has no slash) with the other words as arguments, its input and output
  /// on /dev/null. Throws when the program cannot be started.
  public init(_ words: [String]) throws(LoadFailure) { try self.init(words, output: nil) }

  /// The same with the descriptors `input` and `output` as the program's input and output.
  init(_ words: [String], input: Int32? = nil, output: Int32?) throws(LoadFailure) {
    let log = try LoadProcess.makeErrorLog()
    do {
      processID = try LoadProcess.spawn(words, input: input, output: output, errorLog: log)
    } catch {
      _ = close(log)
      throw error
    }
    errorLog = log
  }

  /// Starts the program and returns its process id.
  private static func spawn(
    _ words: [String], input: Int32?, output: Int32?, errorLog: Int32
  ) throws(LoadFailure) -> pid_t {
    // Sound: the strdup'd words live until the defer, after posix_spawnp has copied them; the list ends with nil.
    var list = unsafe words.map { unsafe strdup($0) }
    unsafe list.append(nil)
    defer { for index in unsafe list.indices { unsafe free(list[index]) } }
    // Sound: the actions are initialised here and destroyed once, after their only use.
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    if let output {
      unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, errorLog, 2)
    var child: pid_t = 0
    let status = unsafe posix_spawnp(&child, words[0], &actions, nil, list, environ)
    guard status == 0 else {
      throw LoadFailure(call: "start \(words[0]) (is it installed, and in PATH?)", code: status)
    }
    return child
  }

  /// Whether the process has not ended yet.
  public mutating func isRunning() -> Bool {
    guard !isReaped else { return false }
    isReaped = waitpid(processID, nil, WNOHANG) != 0
    return !isReaped
  }

  /// Waits for the process to end by itself and returns its exit status, or 128 and above when a signal ended it.
  mutating func waitForEnd() -> Int32 {
    var status: Int32 = 0
    // Sound: status is a local value that the call fills.
    while unsafe waitpid(processID, &status, 0) < 0 && errno == EINTR {}
    isReaped = true
    return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  }

  /// Asks the process to end (SIGTERM) and waits for it; kills it when it has not ended in time.
  public mutating func stop(graceMilliseconds: Int) {
    guard isRunning() else { return }
    _ = kill(processID, SIGTERM)
    for _ in 0..<graceMilliseconds where isRunning() { usleep(1000) }
    guard isRunning() else { return }
    _ = kill(processID, SIGKILL)
    _ = waitpid(processID, nil, 0)
    isReaped = true
  }

  /// The processor time the scheduler gave all threads of the process so far, ended ones included: the sum of what
  /// /proc/PID/task/*/schedstat says, but up to date for running threads.
  public func processorNanoseconds() throws(LoadFailure) -> UInt64 {
    var clock = clockid_t()
    // Sound: clock is a local value that the call fills.
    let status = unsafe clock_getcpuclockid(processID, &clock)
    guard status == 0 else { throw LoadFailure(call: "read the server's processor time", code: status) }
    return LoadHost.clockNanoseconds(clock)
  }

  /// What the process has written to its error output so far.
  public func errorText() -> String {
    var bytes = [UInt8](repeating: 0, count: 65536)
    // Sound: pread writes at most the array's count bytes into the array's own storage.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(errorLog, $0.baseAddress, $0.count, 0) }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  /// A temporary file without a name.
  private static func makeErrorLog() throws(LoadFailure) -> Int32 {
    var name = Array("/tmp/swiftcached-bench-XXXXXX".utf8CString)
    // Sound: mkstemp changes the X's of a null-terminated array in place; unlink reads the same array.
    let descriptor = unsafe name.withUnsafeMutableBufferPointer { buffer -> Int32 in
      guard let path = buffer.baseAddress else { return -1 }
      let opened = unsafe mkstemp(path)
      if opened >= 0 { _ = unsafe unlink(path) }
      return opened
    }
    guard descriptor >= 0 else { throw LoadFailure(call: "make a temporary file in /tmp") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }
}

// MARK: - The machine

/// Set by the handler of the signals that end a run; read by `LoadHost.isInterrupted`.
private let interruption = Atomic<Bool>(false)

/// The machine the load runs on: clock, processors, limits, files and signals.
public enum LoadHost {
  /// The monotonic clock.
  public static func nowNanoseconds() -> UInt64 { clockNanoseconds(CLOCK_MONOTONIC) }

  /// The processor time this process has used.
  public static func ownProcessorNanoseconds() -> UInt64 { clockNanoseconds(CLOCK_PROCESS_CPUTIME_ID) }

  /// The number of processors that are online.
  public static var processorCount: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

  public static var isRoot: Bool { geteuid() == 0 }

  /// The path of the running program.
  public static var programPath: String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    // Sound: readlink writes at most the array's count bytes, without a terminator.
    let count = unsafe bytes.withUnsafeMutableBytes { all -> Int in
      guard let start = all.baseAddress else { return 0 }
      return unsafe readlink("/proc/self/exe", start, all.count)
    }
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  /// The soft and hard limits of open files.
  public static var openFileLimits: (soft: Int, hard: Int) {
    var limits = rlimit()
    // Sound: limits is a local value of the type that getrlimit fills.
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return (1024, 1024) }
    return (Int(clamping: limits.rlim_cur), Int(clamping: limits.rlim_max))
  }

  /// Keeps this thread, and the children it starts from now on, on one processor; false when the system refuses.
  ///
  /// Looked up by name because the C library declares it for GNU sources only.
  public static func pin(toProcessor processor: Int) -> Bool {
    typealias SetAffinity = @convention(c) (Int32, Int, UnsafeRawPointer?) -> Int32
    // Sound: nil means the libraries of this program, and sched_setaffinity has this signature in every one for Linux.
    guard processor >= 0, processor < 1024, let symbol = unsafe dlsym(nil, "sched_setaffinity") else { return false }
    let setAffinity = unsafe unsafeBitCast(symbol, to: SetAffinity.self)
    var mask = [UInt64](repeating: 0, count: 16)
    mask[processor / 64] = 1 << UInt64(processor % 64)
    // Sound: the mask is read for its own byte count.
    return unsafe mask.withUnsafeBytes { unsafe setAffinity(0, $0.count, $0.baseAddress) } == 0
  }

  /// Turns SIGINT, SIGTERM, SIGHUP and SIGPIPE into `isInterrupted`, so that the caller can unwind and end children.
  public static func catchInterruptions() {
    for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] {
      // The handler only stores to an atomic, which is allowed in a signal handler.
      _ = signal(number) { _ in interruption.store(true, ordering: .relaxed) }
    }
  }

  /// Whether a signal caught by `catchInterruptions` has arrived.
  public static var isInterrupted: Bool { interruption.load(ordering: .relaxed) }

  /// Sleeps, or returns early on a signal.
  public static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

  public static func isExecutable(_ path: String) -> Bool {
    // Sound: Swift passes a null-terminated copy of the path.
    unsafe access(path, X_OK) == 0
  }

  /// Writes `text` to the standard output at once.
  public static func printOutput(_ text: String) { writeAll(text, to: 1) }

  /// Writes `text` to the standard error output at once.
  public static func printError(_ text: String) { writeAll(text, to: 2) }

  /// Adds `text` at the end of the file `path`, which is made when it is missing.
  public static func append(_ text: String, toFile path: String) throws(LoadFailure) {
    // Sound: Swift passes a null-terminated copy of the path.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw LoadFailure(call: "open \(path) for appending") }
    writeAll(text, to: descriptor)
    _ = close(descriptor)
  }

  static func writeAll(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      // Sound: write reads the array's own storage from start to its count.
      let written = unsafe bytes.withUnsafeBytes { all in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[start...])
        return unsafe write(descriptor, rest.baseAddress, rest.count)
      }
      if written < 0 && errno != EINTR { return }
      start += max(0, written)
    }
  }

  /// The time of a clock; 0 when the clock does not exist (any more).
  fileprivate static func clockNanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    // Sound: time is a local value of the type that clock_gettime fills.
    _ = unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
