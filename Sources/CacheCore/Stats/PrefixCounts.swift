// `stats detail`: gets, hits, sets and deletes by key prefix, the part before the delimiter (-D). Off unless asked for;
// then each counted command takes one lock. At most 65,536 prefixes, so a client cannot make it grow without end.
import Synchronization

public final class PrefixCounts: Sendable {
  struct Counts {
    var gets: UInt64 = 0
    var hits: UInt64 = 0
    var sets: UInt64 = 0
    var deletes: UInt64 = 0
  }

  static let maximumPrefixCount = 65_536
  private let delimiter: UInt8
  private let counts = Mutex<[[UInt8]: Counts]>([:])

  public init(delimiter: UInt8) { self.delimiter = delimiter }

  private func note(_ key: [UInt8], _ change: (inout Counts) -> Void) {
    guard let end = key.firstIndex(of: delimiter) else { return }
    let prefix = Array(key[..<end])
    counts.withLock { counts in
      if counts[prefix] == nil, counts.count >= PrefixCounts.maximumPrefixCount { return }
      change(&counts[prefix, default: Counts()])
    }
  }

  func noteGet(_ key: [UInt8], isHit: Bool) {
    note(key) {
      $0.gets += 1
      if isHit { $0.hits += 1 }
    }
  }
  func noteSet(_ key: [UInt8]) { note(key) { $0.sets += 1 } }
  func noteDelete(_ key: [UInt8]) { note(key) { $0.deletes += 1 } }
  func reset() { counts.withLock { $0 = [:] } }

  /// The lines of `stats detail dump`, the END included.
  func dump() -> [UInt8] {
    var lines: [UInt8] = []
    // Only the copy is made under the lock: the workers wait for it.
    let counts = counts.withLock { $0 }
    for (prefix, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      lines += Array("PREFIX ".utf8)
      lines += prefix
      lines += Array(" get \(count.gets) hit \(count.hits) set \(count.sets) del \(count.deletes)\r\n".utf8)
    }
    return lines + Array("END\r\n".utf8)
  }
}
