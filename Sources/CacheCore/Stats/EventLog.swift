// What `watch` shows: lines about single events, collected from all threads in one bounded buffer that the watchers'
// thread empties. Nobody waits for a watcher: when the buffer is full a line is counted and dropped. While nobody
// watches, the cost is one load. The lines themselves are in EventLines; who gets them is the server's business.

/// The streams of `watch`: one row each, by the word a client asks with.
public enum LogStream: UInt8, CaseIterable, Sendable {
  case fetchers, mutations, evictions, connevents, sysevents, deletions
  /// Accepted, and silent: raw commands are not logged (as in the reference), and there is no proxy.
  case rawcmds, proxyreqs, proxyevents, proxyuser

  public var wireName: String { "\(self)" }
}

/// A set of streams.
public struct LogStreams: OptionSet, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  @inline(__always)
  public init(_ stream: LogStream) { rawValue = 1 &<< UInt64(stream.rawValue) }
}

public struct EventLog: Sendable {
  private enum Cell: Int {
    /// Read for every request: on cache lines of their own, away from what every line changes.
    case streams = 0
    case isFull, watchers
    case dropped = 16
    case written, lastID, skipped, sent
  }

  static let longestLineByteCount = 1536
  public static let maximumWatcherCount = 20
  private let cells = AtomicCells(count: Cell.sent.rawValue + 1)
  /// How many watch each stream. Changed under `lock`.
  private let watcherCounts = AtomicCells(count: LogStream.allCases.count)
  private let lock = LockWords(count: 1)
  /// The lines nobody has taken yet, each behind a byte that names its stream. Guarded by `lock`.
  private let pending: Pinned<ByteBuffer>
  /// The watchers' thread reads the lines here, without a lock; it is exchanged with `pending` under the lock.
  private let taken: Pinned<ByteBuffer>
  /// Microseconds of the wall clock since 1970.
  private let wallClock: @Sendable @convention(c) () -> UInt64

  /// A log that keeps up to `byteCount` bytes of lines.
  public init(byteCount: Int, wallClock: @escaping @Sendable @convention(c) () -> UInt64) {
    let size = max(byteCount, 2 * EventLog.longestLineByteCount)
    pending = Pinned(ByteBuffer(capacity: size))
    taken = Pinned(ByteBuffer(capacity: size))
    self.wallClock = wallClock
  }

  public func destroy() {
    cells.destroy()
    watcherCounts.destroy()
    lock.destroy()
    pending.destroy()
    taken.destroy()
  }

  // Writing.

  /// Whether somebody watches anything.
  public var isWatched: Bool { cells.load(Cell.streams.rawValue) != 0 }

  @inline(__always)
  public func isWatched(_ stream: LogStream) -> Bool {
    cells.load(Cell.streams.rawValue) & LogStreams(stream).rawValue != 0
  }

  /// Whether a line would be dropped now: whoever has a counter of its own counts that there, and composes nothing.
  @inline(__always)
  var isFull: Bool { cells.load(Cell.isFull.rawValue) != 0 }

  /// Adds a line of a stream that somebody watches: time and number, then what `body` composes. Any thread.
  @inline(never)
  func append(_ stream: LogStream, _ body: (inout ReplyCursor) -> Void) {
    guard !isFull else { return drop() }
    let microseconds = wallClock()
    lock[0].lock()
    guard pending.value.room >= EventLog.longestLineByteCount else {
      cells.store(Cell.isFull.rawValue, 1)
      lock[0].unlock()
      return drop()
    }
    pending.value.compose(EventLog.longestLineByteCount) { cursor in
      cursor.append(stream.rawValue)
      cursor.append("ts=")
      cursor.append(decimal: microseconds / 1_000_000)
      cursor.append(UInt8(ascii: "."))
      cursor.append(decimal: microseconds % 1_000_000)
      cursor.append(" gid=")
      cursor.append(decimal: cells.add(Cell.lastID.rawValue, 1))
      cursor.append(" type=")
      body(&cursor)
      cursor.append(UInt8(0x0a))
    }
    lock[0].unlock()
    cells.add(Cell.written.rawValue, 1)
  }

  private func drop() { cells.add(Cell.dropped.rawValue, 1) }

  // Reading, by the one thread of the watchers.

  /// Takes all lines, and calls `body` with each: its stream and its bytes, the newline included.
  public func drain(_ body: (LogStream, RawSpan) -> Void) {
    lock[0].lock()
    swap(&pending.value, &taken.value)
    cells.store(Cell.isFull.rawValue, 0)
    lock[0].unlock()
    let bytes = taken.value.span
    var start = taken.value.start
    let end = taken.value.end
    while start < end, let newline = bytes.firstIndex(of: 0x0a, from: start, to: end) {
      if let stream = LogStream(rawValue: bytes.byte(at: start)) {
        body(stream, bytes.slice(ByteRange(start: start + 1, end: newline + 1)))
      }
      start = newline + 1
    }
    taken.value.removeAll()
  }

  // Watchers, and figures for `stats`.

  /// Counts one more watcher, for whom the streams are collected from this moment on. False when there are enough.
  /// Whoever was admitted is removed once, when it goes.
  public func admitWatcher(_ streams: LogStreams) -> Bool {
    lock[0].lock()
    defer { lock[0].unlock() }
    guard watcherCount < EventLog.maximumWatcherCount else { return false }
    cells.add(Cell.watchers.rawValue, 1)
    count(streams, by: 1)
    return true
  }

  public func removeWatcher(_ streams: LogStreams) {
    lock[0].lock()
    defer { lock[0].unlock() }
    cells.add(Cell.watchers.rawValue, UInt64.max)
    count(streams, by: UInt64.max)
    guard watcherCount == 0 else { return }
    // The next watcher is not told what was before it.
    pending.value.removeAll()
    cells.store(Cell.isFull.rawValue, 0)
  }

  private func count(_ streams: LogStreams, by difference: UInt64) {
    var watched: LogStreams = []
    for stream in LogStream.allCases {
      let index = Int(stream.rawValue)
      if streams.contains(LogStreams(stream)) { watcherCounts.add(index, difference) }
      if watcherCounts.load(index) > 0 { watched.insert(LogStreams(stream)) }
    }
    cells.store(Cell.streams.rawValue, watched.rawValue)
  }

  public func noteSent(lines: Int) { cells.add(Cell.sent.rawValue, UInt64(lines)) }
  public func noteSkipped(lines: UInt64) { cells.add(Cell.skipped.rawValue, lines) }

  public var watcherCount: Int { Int(cells.load(Cell.watchers.rawValue)) }
  /// Without those that the workers counted themselves (`Counter.logDropped`).
  public var droppedLineCount: UInt64 { cells.load(Cell.dropped.rawValue) }
  var writtenLineCount: UInt64 { cells.load(Cell.written.rawValue) }
  var skippedLineCount: UInt64 { cells.load(Cell.skipped.rawValue) }
  var sentLineCount: UInt64 { cells.load(Cell.sent.rawValue) }

  /// `stats reset`: the counters, not who watches what.
  func resetCounters() {
    for cell in [Cell.dropped, .written, .skipped, .sent] { cells.store(cell.rawValue, 0) }
  }
}
