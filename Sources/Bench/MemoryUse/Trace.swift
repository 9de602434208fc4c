// A recorded sequence of requests and the reader of its form: `time,key,value_size,op[,ttl]`, one request a line, `#`
// starts a comment. An empty size is not recorded, an empty op is a get, `s` a write; empty fields at the end are left
// out. Times are not replayed.

struct TraceRequest: Sendable, Equatable {
  let key: UInt32
  /// -1 when the trace does not say.
  let valueByteCount: Int32
  /// 0 when the trace does not say: the item does not expire.
  let ttlSeconds: Int32
  let isWrite: Bool
}

struct Trace: Sendable {
  var keys = KeyTable()
  var requests: [TraceRequest] = []

  init() {}

  /// Reads the first `limit` requests of a trace. Throws `BenchFailure.failed` with the number of a wrong line.
  init(_ text: [UInt8], limit: Int = .max) throws {
    var position = 0
    var lineNumber = 0
    while position < text.count && requests.count < limit {
      let end = text[position...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
      lineNumber += 1
      if end > position && text[position] != UInt8(ascii: "#") {
        guard appendRequest(text[position..<end]) else {
          let line = String(decoding: text[position..<end], as: UTF8.self)
          throw BenchFailure.failed("line \(lineNumber) of the trace is no request: \(line)")
        }
      }
      position = end + 1
    }
  }

  private mutating func appendRequest(_ line: ArraySlice<UInt8>) -> Bool {
    var fields = TraceFields(rest: line)
    guard fields.next() != nil, let key = fields.next(), Self.isKey(key), let byteCount = Self.number(fields.next()),
      let isWrite = Self.isWrite(fields.next()), let ttl = Self.number(fields.next()), fields.next() == nil
    else { return false }
    let request = TraceRequest(
      key: UInt32(keys.number(of: key)), valueByteCount: byteCount, ttlSeconds: max(ttl, 0),
      isWrite: isWrite)
    requests.append(request)
    return true
  }

  private static func isKey(_ bytes: ArraySlice<UInt8>) -> Bool {
    (1...240).contains(bytes.count) && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f }
  }

  private static func isWrite(_ operation: ArraySlice<UInt8>?) -> Bool? {
    guard let operation, let first = operation.first else { return false }
    return operation.count == 1 && first == UInt8(ascii: "s") ? true : nil
  }

  /// The number the digits give, -1 for none, nil for anything else.
  private static func number(_ digits: ArraySlice<UInt8>?) -> Int32? {
    guard let digits, !digits.isEmpty else { return -1 }
    var value: Int32 = 0
    for byte in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), value < 200_000_000 else { return nil }
      value = value * 10 + Int32(byte - UInt8(ascii: "0"))
    }
    return value
  }
}

/// The fields of a line, between commas.
private struct TraceFields {
  var rest: ArraySlice<UInt8>
  private var isDone = false

  init(rest: ArraySlice<UInt8>) { self.rest = rest }

  mutating func next() -> ArraySlice<UInt8>? {
    guard !isDone else { return nil }
    guard let comma = rest.firstIndex(of: UInt8(ascii: ",")) else {
      isDone = true
      return rest
    }
    defer { rest = rest[(comma + 1)...] }
    return rest[..<comma]
  }
}

/// Lines of two numbers, `#` starts a comment: the form of the distributions beside the traces.
struct NumberPairs: Sendable {
  let rows: [(first: Int, second: Int)]

  init(_ text: [UInt8]) throws {
    rows = try String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
      let numbers = line.split(separator: ",").compactMap { Int($0) }
      guard numbers.count == 2 else { throw BenchFailure.failed("no two numbers: \(line)") }
      return (numbers[0], numbers[1])
    }
  }
}
