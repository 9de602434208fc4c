// What the machine allows this process: the kernel's backlog, the memory limits of control groups, the descriptor
// limit. Read from /proc and /sys, where it can be read; nil is unknown. It changes nothing but the descriptor limit.
import Glibc

public enum Machine {
  /// net.core.somaxconn.
  public static var longestBacklog: Int? { number(in: "/proc/sys/net/core/somaxconn") }

  /// The least memory limit among the control groups the process is in, of either version; nil when there is none.
  public static var groupMemoryBytes: Int? {
    guard let groups = SystemCalls.readFile("/proc/self/cgroup") else { return nil }
    let limits = groups.split(separator: "\n").flatMap { line -> [Int] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let isVersion2 = parts[0] == "0" && parts[1].isEmpty
      guard isVersion2 || parts[1].split(separator: ",").contains("memory") else { return [] }
      let (root, file) =
        isVersion2 ? ("/sys/fs/cgroup", "memory.max") : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      return ancestors(of: parts[2]).compactMap { number(in: "\(root)\($0)/\(file)") }
    }
    return limits.min()
  }

  /// The path itself and each folder above it, without the last slash: a limit of any of them holds. In a container the
  /// path may be one of the host's, of which only the root is there.
  private static func ancestors(of path: Substring) -> [Substring] {
    var found: [Substring] = []
    var path = path
    while path.count > 1 {
      found.append(path)
      path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
    }
    return found + [""]
  }

  /// A file that holds one number; nil for `max` and for what is missing.
  private static func number(in path: String) -> Int? {
    SystemCalls.readFile(path).flatMap { Int($0.prefix { $0 != "\n" }) }
  }

  /// Raises the soft limit of descriptors to `count`, and the hard one where the system lets us; otherwise as far as
  /// it goes. Returns the limit there is then.
  public static func raiseDescriptorLimit(to count: Int) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    if limit.rlim_cur >= UInt(count) { return Int(clamping: limit.rlim_cur) }
    var wanted = rlimit(rlim_cur: UInt(count), rlim_max: max(limit.rlim_max, UInt(count)))
    if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &wanted) == 0 { return count }
    wanted = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
    if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &wanted) == 0 {
      return Int(clamping: limit.rlim_max)
    }
    return Int(clamping: limit.rlim_cur)
  }
}
