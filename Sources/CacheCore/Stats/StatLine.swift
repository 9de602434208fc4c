// The bytes of a `stats` answer: STAT lines and the END. Reports are built as a whole, outside the request path.
// It knows no statistic: GeneralStats and StatsReport do.

struct StatLines {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ name: String, _ value: String) {
    bytes += Array("STAT \(name) \(value)\r\n".utf8)
  }

  mutating func add(_ name: StaticString, _ value: UInt64) { add("\(name)", String(value)) }
  mutating func add(_ name: String, _ value: UInt64) { add(name, String(value)) }

  mutating func end() { bytes += Array("END\r\n".utf8) }
}
