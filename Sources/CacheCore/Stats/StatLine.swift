// The bytes of a `stats` answer, in either protocol: lines and an END, or packets and an empty one. Reports are built
// as a whole, outside the request path. It knows no statistic: GeneralStats and StatsReport do.

struct StatLines {
  /// How each statistic is put.
  enum Form {
    case text
    /// As the reply to this packet.
    case binary(BinaryHeader)
  }

  let form: Form
  private(set) var bytes: [UInt8] = []

  init(_ form: Form) { self.form = form }

  mutating func add(_ name: String, _ value: String) {
    switch form {
    case .text: bytes += Array("STAT \(name) \(value)\r\n".utf8)
    case .binary(let header): bytes += BinaryComposer.packet(header, key: Array(name.utf8), value: Array(value.utf8))
    }
  }

  mutating func add(_ name: StaticString, _ value: UInt64) { add("\(name)", String(value)) }
  mutating func add(_ name: String, _ value: UInt64) { add(name, String(value)) }

  mutating func end() {
    switch form {
    case .text: bytes += Array("END\r\n".utf8)
    case .binary(let header): bytes += BinaryComposer.packet(header, key: [], value: [])
    }
  }
}
