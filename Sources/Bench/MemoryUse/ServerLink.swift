// One connection to a server, read line by line and value by value while requests are still being sent. It knows lines
// and values and no commands but `stats`; see CacheAside for a load.
import Events

struct ServerLink: ~Copyable {
  let label: String
  private var sockets = LoadSockets()
  private var outgoing: [UInt8] = []
  private var sentByteCount = 0
  /// What has been received; `start..<end` is not read yet.
  private(set) var buffer = [UInt8](repeating: 0, count: 256 << 10)
  private var start = 0
  private var end = 0

  private static let stallSeconds = 30

  init(label: String, port: UInt16) throws {
    self.label = label
    _ = try sockets.connect(port: port)
  }

  // MARK: - Sending

  /// Adds bytes to what is sent while replies are read.
  mutating func send(_ bytes: some Collection<UInt8>) { outgoing += bytes }

  /// Adds the digits of a number that is not negative.
  mutating func send(number: Int) {
    var power = 1
    while number / power >= 10 { power *= 10 }
    while power > 0 {
      outgoing.append(UInt8(ascii: "0") + UInt8(number / power % 10))
      power /= 10
    }
  }

  mutating func sendByte(_ byte: UInt8) { outgoing.append(byte) }

  // MARK: - Reading

  /// The next line without its end, as a range of `buffer`; valid until the next read.
  mutating func line() throws -> Range<Int> {
    var place = start
    while true {
      while place < end {
        if buffer[place] == UInt8(ascii: "\n") {
          let line = start..<(place > start && buffer[place - 1] == UInt8(ascii: "\r") ? place - 1 : place)
          start = place + 1
          return line
        }
        place += 1
      }
      place -= start
      try receive()
      place += start
    }
  }

  /// Reads `byteCount` bytes of a value and the line end after them; the value's first and last byte.
  mutating func value(byteCount: Int) throws -> (first: UInt8, last: UInt8) {
    var rest = byteCount
    var ends: (first: UInt8, last: UInt8) = (0, 0)
    while rest > 0 {
      if start == end { try receive() }
      let count = min(rest, end - start)
      if rest == byteCount { ends.first = buffer[start] }
      ends.last = buffer[start + count - 1]
      start += count
      rest -= count
    }
    guard try line().isEmpty else { throw wrong("no line end after a value of \(byteCount) bytes") }
    return ends
  }

  func isLine(_ line: Range<Int>, _ text: [UInt8]) -> Bool { buffer[line] == text[...] }

  func text(_ line: Range<Int>) -> String { String(decoding: buffer[line].prefix(120), as: UTF8.self) }

  func wrong(_ reason: String) -> BenchFailure { .wrongReply("\(label): wrong reply: \(reason)") }

  /// The numbers among what `stats` says, or one of its sections.
  mutating func stats(_ section: String = "") throws -> [String: Int] {
    send((section.isEmpty ? "stats\r\n" : "stats \(section)\r\n").utf8)
    var numbers: [String: Int] = [:]
    while true {
      let words = text(try line()).split(separator: " ")
      if words == ["END"] { return numbers }
      guard words.count >= 3, words[0] == "STAT" else { throw wrong("to stats: \(words)") }
      numbers[String(words[1])] = Int(words[2])
    }
  }

  /// Waits until more bytes are there, sending what the kernel takes.
  private mutating func receive() throws {
    if start > 0 {
      buffer.replaceSubrange(0..<end - start, with: Array(buffer[start..<end]))
      end -= start
      start = 0
    }
    guard end < buffer.count else { throw wrong("a line without an end") }
    var waitedSeconds = 0
    while waitedSeconds < Self.stallSeconds {
      try sendMore()
      waitedSeconds += try sockets.wait(timeoutMilliseconds: 1000) == 0 ? 1 : 0
      if LoadHost.isInterrupted { throw BenchFailure.interrupted }
      guard let count = try sockets.receive(0, into: &buffer, from: end) else {
        throw wrong("the server closed the connection")
      }
      end += count
      if count > 0 { return }
    }
    throw wrong("no more bytes for \(Self.stallSeconds) seconds")
  }

  private mutating func sendMore() throws {
    guard sentByteCount < outgoing.count else { return }
    sentByteCount += try sockets.send(0, outgoing, in: sentByteCount..<outgoing.count)
    let isDone = sentByteCount == outgoing.count
    sockets.watchWritable(0, !isDone)
    if isDone {
      outgoing.removeAll(keepingCapacity: true)
      sentByteCount = 0
    }
  }
}
