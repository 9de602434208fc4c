// The table of cases: one row is one kind of load. Nothing here sends or measures; RequestPool turns a row into bytes.
// A new case is a row here and needs nothing else.

/// What the requests of a case do.
enum LoadOperation: Sendable {
  case get
  case set
  /// Nine gets to one set.
  case mixed
}

/// One row of the table.
struct LoadCase: Sendable {
  var name: String
  let summary: String
  let operation: LoadOperation
  /// The protocol of the gets.
  let form: WireForm
  /// Keys in one get; above 1 the figures are for one key.
  let keysPerGet: Int
  /// Requests sent in one write, before the first reply is read.
  let depth: Int
  /// Keys stored before the measuring starts; requests draw from them at random.
  let keyCount: Int
  let valueByteCount: Int
  /// The servers' `-m`: room for all keys, so that nothing is evicted.
  let memoryMegabytes: Int
  /// Writes of one round; a round takes about a second with a server like memcached.
  let batchesPerRound: Int
  /// Part of a run that names no cases; the others belong to a sub-command.
  let isRegular: Bool
  /// Part of a `--quick` run.
  let isQuick: Bool
  /// Part of a `--callgrind` run.
  let isInstructionCounted: Bool

  /// What a round divides its figures by, per batch: requests, or keys of a multiget.
  var requestsPerBatch: Int { keysPerGet * depth }
  var unit: String { keysPerGet > 1 ? "key" : "request" }

  init(
    _ name: String, _ summary: String, _ operation: LoadOperation, form: WireForm = .text, keysPerGet: Int = 1,
    depth: Int = 1, keyCount: Int = 100_000, valueByteCount: Int = 100, memoryMegabytes: Int = 1024,
    batchesPerRound: Int, isRegular: Bool = true, isQuick: Bool = true, isInstructionCounted: Bool = true
  ) {
    self.name = name
    self.summary = summary
    self.operation = operation
    self.form = form
    self.keysPerGet = keysPerGet
    self.depth = depth
    self.keyCount = keyCount
    self.valueByteCount = valueByteCount
    self.memoryMegabytes = memoryMegabytes
    self.batchesPerRound = batchesPerRound
    self.isRegular = isRegular
    self.isQuick = isQuick && isRegular
    self.isInstructionCounted = isInstructionCounted
  }

  static let all: [LoadCase] = [
    LoadCase("get1", "get of one key", .get, batchesPerRound: 150_000),
    LoadCase("mget100", "get of 100 keys", .get, keysPerGet: 100, batchesPerRound: 12_000),
    LoadCase("pget50", "50 gets in one write", .get, depth: 50, batchesPerRound: 4_000),
    LoadCase("pmg50", "50 meta gets in one write", .get, form: .meta, depth: 50, batchesPerRound: 4_000),
    LoadCase(
      "getkq50", "50 quiet binary gets in one write", .get, form: .binary, depth: 50, batchesPerRound: 10_000),
    LoadCase("set100", "set of 100 bytes", .set, batchesPerRound: 150_000),
    LoadCase("pset50", "50 sets of 100 bytes in one write", .set, depth: 50, batchesPerRound: 10_000),
    LoadCase(
      "set4k", "set of 4096 bytes", .set, keyCount: 10_000, valueByteCount: 4096, batchesPerRound: 120_000),
    LoadCase(
      "mix9010", "90 % get, 10 % set", .mixed, batchesPerRound: 150_000, isInstructionCounted: false),
    LoadCase(
      "get100k", "get of one key with 100 000 bytes", .get, keyCount: 1_000, valueByteCount: 100_000,
      batchesPerRound: 20_000, isInstructionCounted: false),
    LoadCase(
      "set100k", "set of 100 000 bytes", .set, keyCount: 1_000, valueByteCount: 100_000, batchesPerRound: 15_000,
      isInstructionCounted: false),
    LoadCase(
      "get1m", "get of one key with 1 000 000 bytes", .get, keyCount: 100, valueByteCount: 1_000_000,
      batchesPerRound: 2_000, isInstructionCounted: false),
    LoadCase(
      "mget100-2m", "get of 100 keys out of 2 million", .get, keysPerGet: 100, keyCount: 2_000_000,
      batchesPerRound: 10_000, isQuick: false, isInstructionCounted: false),
    .large("mget100-20m", "get of 100 keys out of 20 million", keysPerGet: 100, batchesPerRound: 10_000),
    .large("pget50-20m", "50 gets in one write, out of 20 million keys", depth: 50, batchesPerRound: 12_000),
    .large(
      "pmg50-20m", "50 meta gets in one write, out of 20 million keys", form: .meta, depth: 50,
      batchesPerRound: 12_000),
    LoadCase(
      "hotget50", "50 gets of the same key in one write", .get, depth: 50, keyCount: 1, batchesPerRound: 4_000,
      isRegular: false, isInstructionCounted: false),
    LoadCase(
      "hotset50", "50 sets of the same key in one write", .set, depth: 50, keyCount: 1, batchesPerRound: 10_000,
      isRegular: false, isInstructionCounted: false),
    LoadCase(
      "hotmix50", "50 gets or, one time in ten, sets of the same key", .mixed, depth: 50, keyCount: 1,
      batchesPerRound: 4_000, isRegular: false, isInstructionCounted: false),
    LoadCase(
      "pget500", "500 gets in one write", .get, depth: 500, batchesPerRound: 1_000, isRegular: false,
      isInstructionCounted: false),
  ]

  /// Gets out of so many keys that hardly a line of memory is in a cache when it is wanted: a round asks for 600,000 of
  /// them or more, whose buckets and items are 150 MB.
  private static func large(
    _ name: String, _ summary: String, form: WireForm = .text, keysPerGet: Int = 1, depth: Int = 1,
    batchesPerRound: Int
  ) -> LoadCase {
    LoadCase(
      name, summary, .get, form: form, keysPerGet: keysPerGet, depth: depth, keyCount: 20_000_000,
      memoryMegabytes: 5120, batchesPerRound: batchesPerRound, isRegular: false, isInstructionCounted: false)
  }
}
