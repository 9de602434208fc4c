// Whether bytes are replies of the protocols, one after the other and nothing else. It does not know what was
// asked, so it accepts any reply anywhere; what it finds is a value of the wrong length, a torn line, memory that was
// not meant to be sent.

enum ReplyGrammar {
  /// Whole lines.
  private static let lines: Set<String> = [
    "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "OK", "END", "ERROR", "RESET",
    "MN",
  ]
  /// Lines with something after the first word.
  private static let beginnings = [
    "CLIENT_ERROR ", "SERVER_ERROR ", "SERVER_ERROR: ", "MEMLIMIT_TOO_SMALL ", "MEMLIMIT_ADJUST_FAILED ", "STAT ",
    "PREFIX ", "ITEM ", "VERSION ", "ERROR ", "ME ", "key=", "mg ",
    "BADCLASS ", "BUSY ", "WATCHER_TOO_MANY ", "NOSPARE ", "SAME ",
  ]
  /// Return codes of the meta protocol; flags may follow. `VA` has a value.
  private static let codes: Set<String> = ["HD", "EN", "NF", "NS", "EX"]

  /// What is wrong; nil when nothing is.
  static func objection(to reply: [UInt8]) -> String? {
    if reply.first == 0x81 { return packetsObjection(to: reply) }
    var position = 0
    while position < reply.count {
      // The lines of a metadump have no carriage return.
      let isDumped = reply[position...].starts(with: Array("key=".utf8))
      guard let newline = reply[position...].firstIndex(of: 0x0a), newline > position,
        isDumped || reply[newline - 1] == 0x0d
      else { return "no line end after \(shown(reply, position))" }
      let line = reply[position..<(newline - 1)]
      let start = position
      position = newline + 1
      let text = String(decoding: line, as: UTF8.self)
      if text.hasPrefix("VALUE ") {
        let words = line.split(separator: 0x20)
        guard words.count == 4 || words.count == 5, words.dropFirst(2).allSatisfy(isNumber),
          let byteCount = Int(String(decoding: words[3], as: UTF8.self)), (1...250).contains(words[1].count)
        else { return "\(shown(reply, start)) is no line of a value" }
        position += byteCount + 2
        guard position <= reply.count, reply[position - 2] == 0x0d, reply[position - 1] == 0x0a else {
          return "no line end after the value of \(shown(reply, start))"
        }
      } else if text.hasPrefix("VA ") {
        let size = line.dropFirst(3).prefix { $0 != 0x20 }
        guard isNumber(size), let byteCount = Int(String(decoding: size, as: UTF8.self)) else {
          return "\(shown(reply, start)) is no line of a value"
        }
        position += byteCount + 2
        guard position <= reply.count, reply[position - 2] == 0x0d, reply[position - 1] == 0x0a else {
          return "no line end after the value of \(shown(reply, start))"
        }
      } else if codes.contains(String(text.prefix(2))), line.count == 2 || line.dropFirst(2).first == 0x20 {
        continue
      } else if !lines.contains(text), !isNumber(line), !beginnings.contains(where: text.hasPrefix) {
        return "\(shown(reply, start)) is no reply"
      }
    }
    return nil
  }

  /// Packets whose lengths add up; all the replies of a connection are of one protocol.
  static func packetsObjection(to reply: [UInt8]) -> String? {
    var position = 0
    while position < reply.count {
      guard reply.count - position >= 24, reply[position] == 0x81, reply[position + 5] == 0 else {
        return "\(shown(reply, position)) is no header"
      }
      func number(_ offset: Int, _ count: Int) -> Int {
        reply[(position + offset)..<(position + offset + count)].reduce(0) { $0 << 8 | Int($1) }
      }
      let byteCount = number(8, 4)
      if number(2, 2) + number(4, 1) > byteCount { return "\(shown(reply, position)): lengths do not add up" }
      if position + 24 + byteCount > reply.count { return "the body of \(shown(reply, position)) is torn" }
      position += 24 + byteCount
    }
    return nil
  }

  private static func isNumber(_ bytes: ArraySlice<UInt8>) -> Bool {
    (1...20).contains(bytes.count) && bytes.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func shown(_ reply: [UInt8], _ position: Int) -> String {
    "\"\(FuzzCorpus.escaped(Array(reply[position...].prefix(80))))\""
  }
}
