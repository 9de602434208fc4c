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

  /// Shorter lines end the connection. A carriage return counts, the newline does not.
  static let shortestByteCount = 6
  /// A longer token is not looked at.
  static let longestTokenByteCount = 16 << 10

  /// The line that begins at `start` and ends with the newline.
  init(_ input: RawSpan, start: Int, newline: Int) {
    guard newline - start >= LoginLine.shortestByteCount else {
      self = .tooShort
      return
    }
    var words = Tokenizer(start: start, end: input.byte(at: newline - 1) == 0x0d ? newline - 1 : newline)
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
