// The bytes of the load: keys, values, requests and the exact replies a correct server gives. Keys and values follow
// from the key's number alone, so any reply can be rebuilt and compared. Not a parser: nothing here reads.

/// Writes requests and expected replies of the text protocol for values of one size.
struct WireText: Sendable {
  /// "key:" and ten digits.
  static let keyByteCount = 14
  static let stored = Array("STORED\r\n".utf8)
  static let end = Array("END\r\n".utf8)
  static let valueWord = Array("VALUE ".utf8)

  let valueByteCount: Int
  private let header: [UInt8]
  private let filler: [UInt8]

  init(valueByteCount: Int) {
    self.valueByteCount = valueByteCount
    header = Array(" 0 \(valueByteCount)\r\n".utf8)
    filler = (0..<valueByteCount + 26).map { UInt8(ascii: "a") + UInt8($0 % 26) }
  }

  /// The bytes of `VALUE key flags size`, the value and its line end.
  var hitByteCount: Int { Self.valueWord.count + Self.keyByteCount + header.count + valueByteCount + 2 }

  func appendGet(_ keys: ArraySlice<UInt32>, to bytes: inout [UInt8]) {
    bytes += "get".utf8
    for key in keys {
      bytes.append(UInt8(ascii: " "))
      appendKey(key, to: &bytes)
    }
    bytes += "\r\n".utf8
  }

  func appendSet(_ key: UInt32, to bytes: inout [UInt8]) {
    bytes += "set ".utf8
    appendKey(key, to: &bytes)
    bytes += " 0".utf8
    bytes += header
    appendValue(key, to: &bytes)
  }

  /// Appends what a get of the key answers before its `END`.
  func appendHit(_ key: UInt32, to bytes: inout [UInt8]) {
    bytes += Self.valueWord
    appendKey(key, to: &bytes)
    bytes += header
    appendValue(key, to: &bytes)
  }

  private func appendKey(_ key: UInt32, to bytes: inout [UInt8]) {
    bytes += "key:".utf8
    appendDigits(key, to: &bytes)
  }

  /// The key's digits as far as they fit, then the alphabet, then the line end.
  private func appendValue(_ key: UInt32, to bytes: inout [UInt8]) {
    let start = bytes.count
    if valueByteCount >= 10 { appendDigits(key, to: &bytes) }
    let offset = Int(key % 26)
    bytes += filler[offset..<offset + valueByteCount - (bytes.count - start)]
    bytes += "\r\n".utf8
  }

  private func appendDigits(_ key: UInt32, to bytes: inout [UInt8]) {
    var power: UInt32 = 1_000_000_000
    while power > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(key / power % 10))
      power /= 10
    }
  }
}
