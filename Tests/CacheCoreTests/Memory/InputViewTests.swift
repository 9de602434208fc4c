// Looks at 64 bytes at a time: every byte value at every place, words that begin at the last byte, parts of the input.
// Traps outside are their contract; here is what they see inside.
import Testing

@testable import CacheCore

struct InputViewTests {
  @Test func everyByteIsSeenAtItsPlace() {
    for place in 0..<InputBlock.byteCount {
      for value in UInt8.min...UInt8.max {
        var input = [UInt8](repeating: value &+ 1, count: 3 + InputBlock.byteCount)
        input[3 + place] = value
        withInput(input) { span, range in
          let block = InputView(span, end: range.end).block(at: 3)
          let found = block.matches(value)
          #expect(found == 1 << UInt64(place))
          let byte = block.byte(at: place)
          #expect(byte == value)
          let (first, second) = (block.firstHalf(value), block.secondHalf(value))
          #expect(UInt64(first) | UInt64(second) << 32 == found)
        }
      }
    }
  }

  @Test func blanksAreSpacesAndControlCharactersInsideTheCount() {
    var random = SeededRandom(seed: 31)
    for _ in 0..<2000 {
      let input = (0..<64).map { _ in random.pick([0x00, 0x0d, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0x9f, 0xff] as [UInt8]) }
      let count = random.number(0...63)
      withInput(input) { span, range in
        let blanks = InputView(span, end: range.end).block(at: 0).blanks(count)
        let expected = (0..<count).reduce(UInt64(0)) { $0 | (input[$1] <= 0x20 ? 1 << UInt64($1) : 0) }
        #expect(blanks == expected)
      }
    }
  }

  @Test func wordsBeginAtAnyByte() {
    let input = pattern(100)
    withInput(input) { span, range in
      let view = InputView(span, end: range.end)
      let block = view.block(at: 20)
      for place in 0..<InputBlock.byteCount {
        let word = block.word(at: place)
        #expect(word == input[20 + place..<28 + place].reversed().reduce(0) { $0 << 8 | UInt64($1) })
      }
      let (half, pair) = (block.halfWord, view.pair(at: 98))
      #expect(half == input[20..<24].reversed().reduce(0) { $0 << 8 | UInt32($1) })
      #expect(pair == UInt16(input[99]) << 8 | UInt16(input[98]))
    }
  }

  @Test func partsOfTheInput() {
    let input = pattern(70)
    withInput(input) { span, range in
      let view = InputView(span, end: range.end)
      for start in stride(from: 0, through: 70, by: 7) {
        for end in stride(from: start, through: 70, by: 5) {
          let part = InputPart(start, to: end)
          let bytes = view[part].bytes(ByteRange(start: 0, end: end - start))
          #expect(bytes == Array(input[start..<end]) && part.range == ByteRange(start: start, end: end))
        }
      }
    }
  }

  /// A whole buffer, to its last byte: behind that is only slack.
  @Test func theEndOfTheBuffer() {
    withInput([0x41]) { span, range in
      let view = InputView(span, end: range.end)
      let first = view.block(at: 0).matches(0x41)
      #expect(first & 1 == 1)
      let last = view.block(at: 1).byte(at: 63)
      #expect(last == 0)
    }
  }
}
