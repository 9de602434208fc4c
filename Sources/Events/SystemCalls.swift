// The rest of what the server asks of the system: time, limits, users, memory, processes, standard error. One function
// a question, outcomes as values. Nothing here is on the request path.
import CSystem
import Glibc

public enum SystemCalls {
  public static func errorText(_ number: Int32) -> String {
    // Rule 8: strerror's text is copied before anybody can change it.
    unsafe String(cString: strerror(number))
  }

  /// Writes to standard error at once; what does not fit is lost, as with any log.
  public static func printError(_ text: String) { printAll(text, to: 2) }
  public static func printOutput(_ text: String) { printAll(text, to: 1) }

  @discardableResult
  private static func printAll(_ text: String, to descriptor: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      // Rule 3: the slice's own bounds.
      let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if count <= 0 { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  // Time.

  public static var monotonicMilliseconds: Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// What changes when a file does; nil when it cannot be looked at.
  public static func fileStamp(_ path: String) -> FileStamp? {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return nil }
    return FileStamp(
      inode: UInt64(facts.st_ino), byteCount: Int64(facts.st_size), seconds: Int64(facts.st_mtim.tv_sec),
      nanoseconds: Int64(facts.st_mtim.tv_nsec))
  }

  public static var unixSeconds: Int64 { Int64(time(nil)) }

  /// Microseconds since 1970, as a plain function for those who know no clock.
  public static let wallClock: @Sendable @convention(c) () -> UInt64 = {
    var now = timespec()
    // Rule 3: the kernel fills one timespec.
    unsafe clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
  }

  public static func sleep(microseconds: Int) { usleep(UInt32(clamping: microseconds)) }

  /// CPU time of the process so far.
  public static var cpuMicroseconds: (user: UInt64, system: UInt64) {
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func microseconds(_ time: timeval) -> UInt64 { UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_usec) }
    return (microseconds(usage.ru_utime), microseconds(usage.ru_stime))
  }

  // Limits and privileges.

  public static var isRoot: Bool { getuid() == 0 || geteuid() == 0 }
  public static var processID: Int32 { getpid() }

  /// Whether one more descriptor can be had right now.
  public static var hasFreeDescriptor: Bool {
    let descriptor = csystem_eventfd()
    guard descriptor >= 0 else { return false }
    close(descriptor)
    return true
  }

  #if DEBUG_VERBS
    /// Whether the process may still open network connections.
    public static var canOpenSocket: Bool {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      guard descriptor >= 0 else { return false }
      close(descriptor)
      return true
    }
  #endif

  /// Allows core dumps of any size, or as large as the hard limit lets them be; false when they stay forbidden.
  public static func allowCoreDumps() -> Bool {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return false }
    var wanted = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
    if unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &wanted) != 0 {
      wanted = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &wanted)
    }
    return unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 && limit.rlim_cur != 0
  }

  /// The same once the user was changed, which takes the right to leave a core file away.
  public static func allowCoreDumpsAgain() { csystem_allow_dump() }

  public enum UserChange: Sendable {
    case changed
    case unknownUser
    case refused
  }

  /// Becomes `user` for good: supplementary groups dropped, group, then user.
  public static func becomeUser(_ user: String) -> UserChange {
    // Rule 8: getpwnam's record is used before any other call could change it; no other thread runs yet.
    guard let entry = unsafe getpwnam(user) else { return .unknownUser }
    let (uid, gid) = unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
    if setgroups(0, nil) != 0, errno != EPERM { return .refused }
    return setgid(gid) == 0 && setuid(uid) == 0 ? .changed : .refused
  }

  public static func userExists(_ name: String) -> Bool {
    // Rule 8: only whether there is a record is looked at.
    unsafe getpwnam(name) != nil
  }

  /// Lets the process lock any amount of memory, also once it is no longer root; without the right to, nothing changes.
  public static func allowMemoryLocking() {
    var limit = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
    // RLIMIT_MEMLOCK, which glibc's headers define as a macro of an enumerator.
    unsafe setrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit)
  }

  /// Locks what is mapped and touched, and what will be; nil or the system's reason.
  public static func lockMemory() -> String? {
    // MCL_ONFAULT: reserved address space is locked as it is touched instead of being filled at once.
    mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | Int32(MCL_ONFAULT)) == 0 ? nil : errorText(errno)
  }

  public static var physicalMemoryBytes: Int {
    sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
  }

  // Processes and signals.

  /// Detaches from the terminal: the parent exits 0 at once. False when the system refuses to fork.
  public static func daemonize(keepingDirectory: Bool, keepingOutput: Bool) -> Bool {
    switch csystem_fork() {
    case -1: return false
    case 0: break
    default: exit(0)
    }
    guard setsid() != -1 else { return false }
    if !keepingDirectory { _ = unsafe chdir("/") }
    guard !keepingOutput else { return true }
    let null = unsafe open("/dev/null", O_RDWR)
    guard null >= 0 else { return true }
    for descriptor in Int32(0)...2 { dup2(null, descriptor) }
    if null > 2 { close(null) }
    return true
  }

  public static func raiseSignal(_ signal: Int32) { kill(getpid(), signal) }
  public static func isRunning(_ processID: Int32) -> Bool { kill(processID, 0) == 0 }

  // Small files.

  /// Writes `text` to `path` by way of a temporary file beside it, so that nobody reads half of it; nil or the system's
  /// reason. A link in the temporary file's place is not followed.
  public static func replaceFile(_ path: String, temporary: String, text: String) -> String? {
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return errorText(errno) }
    let isWritten = printAll(text, to: descriptor)
    let error = errno
    close(descriptor)
    if isWritten, unsafe rename(temporary, path) == 0 { return nil }
    let reason = errorText(isWritten ? errno : error)
    removeFile(temporary)
    return reason
  }

  /// The first bytes of a small file; nil when it cannot be read.
  public static func readFile(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    // Rule 3: the array's own bounds.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  public static func removeFile(_ path: String) { _ = unsafe unlink(path) }

  /// The machine's name, "localhost" when it has none.
  public static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    // Rule 3: the array's own bounds; the last byte stays 0.
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  public static func environment(_ name: String) -> String? {
    // Rule 8: copied at once; nothing changes the environment.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
}

/// Which state of a file it is.
public struct FileStamp: Equatable, Sendable {
  let inode: UInt64
  let byteCount: Int64
  let seconds: Int64
  let nanoseconds: Int64
}
