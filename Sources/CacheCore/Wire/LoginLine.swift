// The one line that a client of a server with -Y may say before it is logged in: a set or ms whose value will be
// `user password` (reference, section 5.6). Key, flags and expiration time are read over: nothing is stored. It reads
// the line and judges no token.

enum LoginLine: Equatable {
  /// A token of this many bytes and a line end follow. A meta client is answered HD.
  case token(byteCount: Int, isMeta: Bool)
  /// The connection stays open.
  case refused(Refusal)
  /// Too short to be a command that is worth an answer: the connection ends.
  case tooShort

  /// Shorter lines, their ends not counted, end the connection.
  static let shortestByteCount = 6
  /// A longer token is not looked at.
  static let longestTokenByteCount = 16 << 10

  /// The line `start ..< end`, its end taken off.
  init(_ input: RawSpan, start: Int, end: Int) {
    guard end - start >= LoginLine.shortestByteCount else {
      self = .tooShort
      return
    }
    var words = Tokenizer(start: start, end: end)
    let verb = words.next(input)
    let isMeta = input.equals(verb, "ms")
    guard isMeta || input.equals(verb, "set"), verb.start == start else {
      self = .refused(.unauthenticated)
      return
    }
    // Key; for set also flags and expiration time.
    for _ in 0..<(isMeta ? 1 : 3) { _ = words.next(input) }
    guard let byteCount = input.unsigned32(words.next(input)) else {
      self = .refused(.unauthenticated)
      return
    }
    self = .token(byteCount: Int(byteCount), isMeta: isMeta)
  }
}
