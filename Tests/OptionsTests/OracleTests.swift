// Bad command lines given to the memcached 1.6.18 of the system and to our parser: exit status and first line of stderr
// must agree, apart from a list of differences that has a reason for each. Skipped where there is no such program.
import Foundation
import Testing

@testable import Options

private let oracle = "/usr/bin/memcached"
private let isRoot = geteuid() == 0

private let agreeing: [[String]] = [
  ["-q"], ["-vq"], ["--foo"], ["--foo=3"], ["-u"], ["--user"], ["--p"], ["--slab"], ["--ver"], ["--m", "3"],
  ["--daemon=3"], ["-d=3"], ["--=3"], ["-v-"], ["-:"], ["--conn"], ["--conn-limit="], ["-c", "--"],
  ["-p", "65536"], ["-p70000"], ["-p 70000"], ["--por", "70000"], ["-U", "70000"], ["-c", "0"], ["-c", "abc"],
  ["word", "-c", "0"], ["-t", "65", "-c", "0"], ["-p", "70000", "-p", "1", "-c", "0"],
  ["-p", "70000", "-I", "10"], ["-p", "70000", "-o", "hot_lru_pct=79"], ["-f", "1"], ["-f", ".5"], ["-n", "0"],
  ["-D", ""], ["-t", "0"], ["-R", "0"], ["-B", "foo"], ["-B", "ASCII"], ["-I", "10"], ["-I", "2g"], ["-I", "600m"],
  ["-I", "1kk"], ["-m", "1"], ["-m", "abc"], ["-m", "4096", "-I", "2000m"], ["-I", "100k"], ["-I", "1000k"],
  ["-o", ","], ["-o", "nope=3"], ["-o", "track_sizes,,"], ["-o", "hashpower=20, track_sizes"], ["-o"],
  ["-o", "hashpower"], ["-o", "hashpower="], ["-o", "hashpower=33"], ["-o", "slab_automove=3"],
  ["-o", "slab_automove_ratio"], ["-o", "slab_automove_ratio=2"], ["-o", "tail_repair_time=9"],
  ["-o", "tail_repair_time"], ["-o", "hash_algorithm"], ["-o", "hash_algorithm=foo"], ["-o", "lru_crawler_sleep"],
  ["-o", "lru_crawler_sleep=-1"], ["-o", "lru_crawler_tocrawl"], ["-o", "lru_crawler_tocrawl=abc"],
  ["-o", "temporary_ttl"], ["-o", "temporary_ttl=5,no_lru_maintainer"], ["-o", "drop_privileges", "-c", "0"],
  ["-o", "hot_lru_pct"], ["-o", "hot_lru_pct=80"], ["-o", "hot_lru_pct=79"], ["-o", "warm_max_factor=0"],
  ["-o", "idle_timeout"], ["-o", "watcher_logbuf_size"], ["-o", "watcher_logbuf_size=abc"],
  ["-o", "read_buf_mem_limit=-1"], ["-o", "slab_sizes=200-100"], ["-o", "slab_sizes=100-108"],
  ["-o", "slab_sizes=10"], ["-o", "slab_sizes=10", "-I", "10"], ["-o", "hot_lru_pct=79,slab_sizes=10"],
  ["-S", "-c", "0"], ["-S", "-B", "ascii"], ["-S", "-B", "auto"], ["-S", "-U", "11211"],
  ["-S", "-B", "binary", "-U", "1"], ["-S", "-U", "1", "-B", "ascii"], ["-S", "-B", "ascii", "-I", "10"],
  ["-S", "-B", "ascii", "-o", "hot_lru_pct=79"], ["-S", "-p", "70000", "-B", "ascii"], ["-S", "-U", "70000"],
  ["-S", "-p", "70000"], ["-Y", "/nonexistent", "-c", "0"], ["-Y", "x", "-B", "binary"], ["-Y", "x", "-B", "auto"],
  ["-Y", "x", "-U", "1", "-B", "binary"], ["-Y", "x", "-S", "-B", "ascii"], ["-Y", "x", "-S", "-U", "1"],
  ["-Y", "x", "-p", "70000"], ["-Y", "x", "-U", "70000"], ["-u", "root", "-Y", "x", "-U", "1"],
  ["-u", "root", "-Y", "x", "-S", "-B", "binary"],
  ["-u", "root", "-l", "notls:127.0.0.1"], ["-u", "root", "-l", "proto[asc:127.0.0.1"],
  ["-u", "root", "-l", "127.0.0.1:12x"], ["-u", "root", "-l", "[::1]:abc"], ["-u", "root", "-l", "tag[]:127.0.0.1"],
  ["-e", "/nonexistent", "-c", "0"],
]

/// Lines on which the two must not agree. `-c 0` at the end stops the other program where it accepts what we refuse.
private let differing: [(words: [String], reason: String)] = [
  (["-p", "99999999999"], "a number out of range is clamped, not wrapped"),
  (["-D", " ", "-c", "0"], "blanks before values are stripped since"),
  (["-o", "slab_automove_window=2"], "the message names the upper bound since"),
  (["-o", "slab_automove_window=1801", "-c", "0"], "the upper bound is checked since"),
  (["-o", "slab_chunk_max=300"], "the value is in kilobytes since"),
  (["-o", "slab_chunk_max=1025"], "the value is in kilobytes since"),
  (["-o", "lru_crawler_tocrawl=99999999999", "-c", "0"], "a number out of range is refused, not cut to 32 bits"),
  (["-o", "worker_logbuf_size=5"], "it reads the value as slab_sizes too"),
  (["-o", "slab_sizes="], "it says nothing at all"),
  (["-o", "relaxed_privileges"], "known to debug builds only there: accepted for test suites that pass it"),
  (["-u", "root", "-Y", "x", "-S"], "it begins to start, and then one of the two is not asked"),
  (["-N", "0"], "not built here"),
  (["-o", "ext_path=x"], "not built here"),
  (["-o", "proxy_config=x"], "not built there either, but refused by name here"),
  (["-u", "root", "-l", "[::1"], "its message has no newline"),
  (["-u", "root", "-l", "btls:127.0.0.1"], "the prefix came later"),
  (["-u", "root", "-l", "tag_123456789_:127.0.0.1"], "the form came later"),
  (["-u", "root", "-p", "-5"], "refused here, by the name service there"),
]

private struct Answer: Equatable {
  var exitStatus: Int32
  var firstLine: Substring
}

private func firstLine(_ text: String) -> Substring { text.prefix { $0 != "\n" } }

private func ours(_ words: [String]) -> Answer? {
  guard
    case .stop(let text, _, let status) = CommandLineParser.parse(words, programName: oracle, isRoot: isRoot)
  else { return nil }
  return Answer(exitStatus: status, firstLine: firstLine(text))
}

/// Runs the other program; every line of the lists stops it by itself, the deadline is for the day one does not.
private func theirs(_ words: [String]) throws -> Answer {
  let process = Process()
  let errors = Pipe()
  process.executableURL = URL(fileURLWithPath: oracle)
  process.arguments = words
  process.standardError = errors
  process.standardOutput = FileHandle.nullDevice
  try process.run()
  let deadline = DispatchWorkItem { process.terminate() }
  DispatchQueue.global().asyncAfter(deadline: .now() + 10, execute: deadline)
  let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  deadline.cancel()
  return Answer(exitStatus: process.terminationStatus, firstLine: firstLine(text))
}

@Suite(
  .serialized, .enabled(if: FileManager.default.isExecutableFile(atPath: oracle), "no memcached to compare with"))
struct OracleTests {
  @Test(arguments: agreeing)
  func agrees(words: [String]) throws {
    let expected: Answer? = try theirs(words)
    #expect(ours(words) == expected)
  }

  @Test(arguments: differing)
  func differs(words: [String], reason: String) throws {
    let unexpected: Answer? = try theirs(words)
    #expect(ours(words) != unexpected, "\(reason): no longer so")
  }

  @Test(.enabled(if: isRoot, "not root"))
  func rootWithoutUserDiffersInWordsOnly() throws {
    #expect(ours([]) == Answer(exitStatus: 64, firstLine: "must add '-u root' to start as root"))
    #expect(try theirs([]) == Answer(exitStatus: 64, firstLine: "can't run as root without the -u switch"))
  }
}
