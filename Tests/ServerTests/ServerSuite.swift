// The suite that all server tests belong to: one after the other, because they measure memory, CPU and latencies of a
// process, and each starts servers of its own. Real processes and real sockets only; the core's own tests are
// elsewhere. What the kernel says about a server process stands here too.
import Foundation
import TestSupport
import Testing

@Suite(.serialized) enum ServerSuite {}

/// Figures of a process from /proc.
struct ProcessFacts {
  let identifier: pid_t

  init(_ server: ServerProcess) { identifier = server.process.processIdentifier }
  init(_ identifier: pid_t) { self.identifier = identifier }

  static func read(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  private func kilobytes(_ key: String) -> Int {
    let line = ProcessFacts.read("/proc/\(identifier)/status").split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return line.flatMap { Int($0.split(separator: " ").dropLast().last.map(String.init) ?? "") }
      ?? line.flatMap { Int($0.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "") } ?? 0
  }

  var residentKilobytes: Int { kilobytes("VmRSS") }
  /// The most memory the process has had so far.
  var peakKilobytes: Int { kilobytes("VmHWM") }
  var descriptorCount: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/fd").count) ?? 0
  }
  /// Descriptors that are sockets; sanitizers open others of their own.
  var socketCount: Int {
    let links = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/fd").map {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(identifier)/fd/\($0)")) ?? ""
    }
    return links?.filter { $0.hasPrefix("socket:") }.count ?? 0
  }
  var name: String { ProcessFacts.read("/proc/\(identifier)/comm").trimmingCharacters(in: .whitespacesAndNewlines) }
  /// Sanitizers map terabytes and keep freed memory: memory cannot be measured with them, and all is slower.
  var isSanitized: Bool { kilobytes("VmSize") > 1 << 30 }

  /// User and system time so far.
  var cpuSeconds: Double {
    let fields = ProcessFacts.read("/proc/\(identifier)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}

/// Asks until the answer is yes; false when it is still no after `seconds`.
func eventually(within seconds: Double = 5, _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Date().addingTimeInterval(seconds)
  while true {
    if try condition() { return true }
    if Date() >= deadline { return false }
    usleep(2_000)
  }
}

extension TextClient {
  /// The lines of `stats`, by name.
  func stats(_ form: String = "") throws -> [String: String] {
    var result: [String: String] = [:]
    for line in try report(form.isEmpty ? "stats" : "stats \(form)") {
      let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      if words.count == 3 { result[words[1]] = words[2] }
    }
    return result
  }

  func stat(_ name: String) throws -> Int { Int(try stats()[name] ?? "") ?? -1 }

  /// Stores the value; the answering line.
  func set(_ key: String, _ value: [UInt8]) throws -> String {
    try send("set \(key) 0 0 \(value.count)\r\n")
    try send(value)
    try send("\r\n")
    return try readLine()
  }

  /// The value; nil for a miss.
  func get(_ key: String) throws -> [UInt8]? {
    let line = try command("get \(key)")
    if line == "END" { return nil }
    let value = try read(Int(line.split(separator: " ").last ?? "") ?? 0)
    _ = try read(2)
    let end = try readLine()
    return line.hasPrefix("VALUE \(key) ") && end == "END" ? value : []
  }

  /// How long one request takes, in seconds.
  func latency(_ line: String = "get nothing") throws -> Double {
    let start = Date()
    _ = try command(line)
    return Date().timeIntervalSince(start)
  }
}
