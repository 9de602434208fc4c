// What a run of the load has counted, and how it goes as a line from one process to another. Not the figures people
// read: see RoundFigures.

struct LoadResult: Equatable {
  var wallNanoseconds: UInt64 = 0
  /// What the load itself used.
  var processorNanoseconds: UInt64 = 0
  var batchCount = 0
  var latency = LatencyHistogram()

  init() {}

  /// Adds what another process has counted in the same time.
  mutating func merge(_ other: LoadResult) {
    wallNanoseconds = max(wallNanoseconds, other.wallNanoseconds)
    processorNanoseconds += other.processorNanoseconds
    batchCount += other.batchCount
    latency.merge(other.latency)
  }

  var line: String { "\(wallNanoseconds) \(processorNanoseconds) \(batchCount) \(latency.word)" }

  /// Reads a `line`; nil when it is none.
  init?(line: some StringProtocol) {
    let words = line.split(separator: " ")
    guard words.count == 4, let wall = UInt64(words[0]), let processor = UInt64(words[1]), let batches = Int(words[2]),
      let latency = LatencyHistogram(word: Substring(words[3]))
    else { return nil }
    wallNanoseconds = wall
    processorNanoseconds = processor
    batchCount = batches
    self.latency = latency
  }
}
