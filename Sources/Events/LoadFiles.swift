// What the benchmark reads from the system's files: whole files, the output of a program (xz), names that match a
// pattern, and a child's resident memory. Used by the Bench target only, as LoadSockets.
import Glibc

extension LoadHost {
  /// The whole contents of a file.
  public static func contents(ofFile path: String) throws(LoadFailure) -> [UInt8] {
    // Sound: Swift passes a null-terminated copy of the path.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LoadFailure(call: "open \(path)") }
    defer { _ = close(descriptor) }
    return try readToEnd(descriptor, path)
  }

  /// Takes a file away, if it is there.
  public static func remove(file path: String) {
    // Sound: Swift passes a null-terminated copy of the path.
    _ = unsafe unlink(path)
  }

  /// What the program `words[0]` (searched in PATH) writes to its output until it ends; throws when it fails.
  public static func output(of words: [String]) throws(LoadFailure) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    // Sound: pipe writes two descriptors into an array of two.
    guard unsafe ends.withUnsafeMutableBufferPointer({ unsafe pipe($0.baseAddress) }) == 0 else {
      throw LoadFailure(call: "pipe")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { _ = close(ends[0]) }
    let started = Result { () throws(LoadFailure) in try LoadProcess(words, output: ends[1]) }
    _ = close(ends[1])
    var process = try started.get()
    let bytes = try readToEnd(ends[0], words[0])
    let status = process.waitForEnd()
    guard status == 0 else {
      throw LoadFailure("\(words.joined(separator: " ")): status \(status)\n  \(process.errorText().suffix(400))")
    }
    return bytes
  }

  /// The paths that match a shell pattern, sorted; none when nothing does.
  public static func paths(matching pattern: String) -> [String] {
    var found = unsafe glob_t()
    // Sound: glob fills the local value, whose vector of gl_pathc C strings lives until globfree.
    guard unsafe glob(pattern, 0, nil, &found) == 0 else { return [] }
    defer { unsafe globfree(&found) }
    return unsafe (0..<Int(found.gl_pathc)).compactMap { index in
      unsafe found.gl_pathv[index].map { unsafe String(cString: $0) }
    }
  }

  /// The processor time that everything on this machine has used since it started, in steps of a scheduler's tick for
  /// each processor; time that a host took from a guest counts as used.
  public static func machineNanoseconds() throws(LoadFailure) -> UInt64 {
    let text = String(decoding: try contents(ofFile: "/proc/stat"), as: UTF8.self)
    // cpu user nice system idle iowait irq softirq steal; guest time is in user.
    let ticks = text.prefix { $0 != "\n" }.split(separator: " ").compactMap { UInt64($0) }
    guard ticks.count >= 8 else { throw LoadFailure("no processor time in /proc/stat") }
    let used = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]
    return used * 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
  }

  private static func readToEnd(_ descriptor: Int32, _ name: String) throws(LoadFailure) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      // Sound: read writes at most the array's count bytes into the array's own storage.
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count < 0 && (errno != EINTR || isInterrupted) { throw LoadFailure(call: "read \(name)") }
      if count > 0 { bytes += buffer[..<count] }
    }
  }
}

extension LoadProcess {
  /// The resident memory of the process: VmRSS of /proc/PID/status.
  public func residentByteCount() throws(LoadFailure) -> Int {
    let path = "/proc/\(processID)/status"
    let text = String(decoding: try LoadHost.contents(ofFile: path), as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
      if let kilobytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ Int($0) })
      {
        return kilobytes << 10
      }
    }
    throw LoadFailure("no VmRSS in \(path)")
  }
}
