// A trace made ready to be replayed: every key with its size, in as many copies as it takes, and what it all weighs.
// Where traces come from is TraceFolder's.

struct Workload: Sendable {
  let name: String
  /// How the sizes that the trace does not say were drawn.
  let sizes: String
  let requestCount: Int
  /// The trace is replayed as this many copies of itself side by side, each with keys and sizes of its own.
  let copyCount: Int
  let keys: KeyTable
  /// Keys and values of all keys, each once, with its largest value.
  let footprintByteCount: Int
  private let requests: [TraceRequest]
  private let keyByteCounts: [Int32]

  /// Makes as many copies as bring `part` of the footprint to `leastByteCount`.
  init(_ name: String, _ trace: Trace, _ sizes: SizeModel, part: Double, leastByteCount: Int) {
    var sized = Sized(trace, sizes, copyCount: 1)
    var copyCount = 1
    while part * Double(sized.footprintByteCount) < Double(leastByteCount) {
      let wanted = Double(copyCount * leastByteCount) / (part * Double(sized.footprintByteCount))
      // Further copies have other sizes, so the first guess may be too small.
      copyCount = max(copyCount + 1, Int(wanted.rounded(.up)))
      sized = Sized(trace, sizes, copyCount: copyCount)
    }
    self.name = name
    self.copyCount = copyCount
    self.sizes = trace.requests.contains { $0.valueByteCount < 0 } ? sizes.description : "as recorded"
    keys = sized.keys
    keyByteCounts = sized.byteCounts
    footprintByteCount = sized.footprintByteCount
    requests = trace.requests
    requestCount = trace.requests.count * copyCount
  }

  /// Gives every request to `body`, each copy's in turn.
  func replay(_ body: (CacheRequest) throws -> Void) rethrows {
    for request in requests {
      for copy in 0..<copyCount {
        let key = Int(request.key) * copyCount + copy
        let byteCount = request.valueByteCount < 0 ? keyByteCounts[key] : request.valueByteCount
        try body(
          CacheRequest(
            key: key, valueByteCount: min(Int(byteCount), SizeModel.longestByteCount),
            ttlSeconds: Int(request.ttlSeconds), isWrite: request.isWrite))
      }
    }
  }

  /// `part` of the footprint in MiB, rounded up.
  func memoryMegabytes(part: Double) -> Int {
    Int((part * Double(footprintByteCount) / Double(1 << 20)).rounded(.up))
  }
}

/// The keys of all copies, with sizes.
private struct Sized {
  var keys = KeyTable()
  var byteCounts: [Int32] = []
  var footprintByteCount = 0

  init(_ trace: Trace, _ sizes: SizeModel, copyCount: Int) {
    var recorded = [Int32](repeating: -1, count: trace.keys.count)
    for request in trace.requests {
      recorded[Int(request.key)] = max(recorded[Int(request.key)], request.valueByteCount)
    }
    byteCounts.reserveCapacity(trace.keys.count * copyCount)
    for key in 0..<trace.keys.count {
      for copy in 0..<copyCount {
        let suffix = copyCount == 1 ? "" : "-\(copy)"
        let number = keys.number(of: trace.keys.bytes[trace.keys.range(key)] + suffix.utf8)
        let byteCount = recorded[key] < 0 ? Int32(sizes.byteCount(seed: keys.seed(number))) : recorded[key]
        byteCounts.append(byteCount)
        footprintByteCount += keys.range(number).count + min(Int(byteCount), SizeModel.longestByteCount)
      }
    }
    precondition(keys.count == byteCounts.count, "a key and a copy of another one have the same text")
  }
}
