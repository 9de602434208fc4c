// The primitives on spans of bytes: finding a byte, comparing with a text, loading words; each against plain array
// code.
import Testing

@testable import CacheCore

struct BytesTests {
  @Test func findsTheFirstByteOfEveryStretch() {
    let text = bytes("a\nbb\n\nc\n")
    withInput(text) { input, _ in
      for start in 0...text.count {
        for end in start...text.count {
          let plain = text[start..<end].firstIndex(of: 0x0a)
          #expect(input.firstIndex(of: 0x0a, from: start, to: end) == plain, "\(start)..<\(end)")
        }
      }
    }
  }

  @Test func comparesExactly() {
    func equals(_ start: Int, _ end: Int, _ text: StaticString) -> Bool {
      withInput(bytes("..noreply")) { input, _ in input.equals(ByteRange(start: start, end: end), text) }
    }
    func hasPrefix(_ start: Int, _ end: Int, _ text: StaticString) -> Bool {
      withInput(bytes("..noreply")) { input, _ in input.hasPrefix(ByteRange(start: start, end: end), text) }
    }
    #expect(equals(2, 9, "noreply"))
    #expect(!equals(2, 8, "noreply"))
    #expect(!equals(1, 9, "noreply"))
    #expect(!equals(2, 9, "Noreply"))
    #expect(hasPrefix(2, 9, "nor"))
    #expect(hasPrefix(2, 9, "noreply"))
    #expect(hasPrefix(2, 9, ""))
    #expect(!hasPrefix(2, 4, "nor"))
    #expect(!hasPrefix(1, 9, "nor"))
  }

  @Test func loadsWordsWhereverTheyLie() {
    let text = pattern(40)
    withInput(text) { input, _ in
      for offset in 0...32 {
        let plain = text[offset..<(offset + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect(input.word(at: offset) == plain)
        #expect(input.halfWord(at: offset) == UInt32(truncatingIfNeeded: plain))
        #expect(input.byte(at: offset) == text[offset])
      }
    }
  }

  @Test func writesNumbersOfEveryLength() {
    var ten: UInt64 = 1
    for digits in 1...20 {
      for value in [ten, ten &* 10 &- 1, UInt64.max] where value.decimalDigitCount == digits {
        var buffer = ByteBuffer(capacity: digits + 2)
        buffer.freeWindow.fill(0x2e)
        buffer.freeWindow.write(decimal: value, digits: digits)
        buffer.filled(digits + 2)
        let written = buffer.span.bytes(ByteRange(start: 0, end: digits + 2))
        #expect(written == bytes("\(value).."))
      }
      ten = ten &* 10
    }
  }

  @Test func windowsAreCutInsideTheirBounds() {
    let buffer = ByteBuffer(capacity: 10)
    let window = buffer.freeWindow
    #expect(window.prefix(4).count == 4)
    #expect(window.prefix(40).count == 10)
    #expect(window.dropFirst(4).count == 6)
    #expect(window.dropFirst(10).count == 0)
    #expect(window.span.byteCount == 10)
  }
}
