// The cutter of command lines against a naive one: every length around the eight-byte steps, every place of a space,
// ends of lines with foreign bytes behind them, random bytes. Only the space separates.
import Testing

@testable import CacheCore

struct TokenizerTests {
  /// The same by the scanner of long lists, whose words must be the tokenizer's.
  private func scan(_ line: [UInt8], before: Int, behind: [UInt8]) -> [[UInt8]] {
    withInput([UInt8](repeating: 0x2e, count: before) + line + behind) { input, _ in
      let view = InputView(input, end: before + line.count)
      var words = WordScanner(view, from: before)
      var cut: [[UInt8]] = []
      while true {
        let word = words.next(view)
        if word.count == 0 { break }
        cut.append(input.bytes(word.range))
      }
      let another = words.next(view)
      #expect(another.count == 0)
      return cut
    }
  }

  /// Cuts the middle of `bytes`, with `behind` standing after the line as the next request would.
  private func cut(_ line: [UInt8], before: Int = 0, behind: [UInt8] = []) -> [[UInt8]] {
    let all = [UInt8](repeating: 0x2e, count: before) + line + behind
    let cut = withInput(all) { input, _ in
      var words = Tokenizer(start: before, end: before + line.count)
      var cut: [[UInt8]] = []
      while true {
        let word = words.next(input)
        if word.isEmpty { break }
        cut.append(input.bytes(word))
      }
      return cut
    }
    #expect(scan(line, before: before, behind: behind) == cut)
    return cut
  }

  private func naive(_ line: [UInt8]) -> [[UInt8]] { line.split(separator: 0x20).map(Array.init) }

  @Test func everyLengthAndPlaceOfOneSpace() {
    for count in 0...40 {
      #expect(cut(pattern(count).map { $0 | 0x80 }) == (count == 0 ? [] : [pattern(count).map { $0 | 0x80 }]))
      for place in 0..<count {
        var line = [UInt8](repeating: 0x61, count: count)
        line[place] = 0x20
        #expect(cut(line) == naive(line), "space at \(place) of \(count)")
      }
    }
  }

  @Test func everyPairOfSpaces() {
    for count in 2...26 {
      for first in 0..<count {
        for second in first..<count {
          var line = [UInt8](repeating: 0x62, count: count)
          line[first] = 0x20
          line[second] = 0x20
          #expect(cut(line) == naive(line), "spaces at \(first) and \(second) of \(count)")
        }
      }
    }
  }

  @Test func whatStandsBehindTheLineIsNotRead() {
    for count in 0...20 {
      let line = [UInt8](repeating: 0x63, count: count)
      for behind in [[0x63, 0x63], [0x20, 0x63], [0x0d, 0x0a, 0x63]] as [[UInt8]] {
        #expect(cut(line, before: 3, behind: behind) == naive(line))
      }
    }
  }

  /// The bytes that eight-at-a-time tricks confuse with a space: one away from it, with the high bit, beside one.
  @Test func bytesThatResembleASpace() {
    let suspects: [UInt8] = [0x20, 0x21, 0x1f, 0xa0, 0xa1, 0x9f, 0x00, 0x80, 0xff, 0x09, 0x0d]
    var random = SeededRandom(seed: 21)
    for round in 0..<4000 {
      let line = (0..<random.number(0...40)).map { _ in random.pick(suspects) }
      #expect(cut(line, before: round % 9) == naive(line), "round \(round)")
    }
  }

  @Test func randomBytes() {
    var random = SeededRandom(seed: 22)
    for round in 0..<1000 {
      let line = random.bytes(random.number(0...300))
      #expect(cut(line) == naive(line), "round \(round)")
    }
  }

  /// Long words and long gaps, about the ends of the blocks that the scanner looks at.
  @Test func wordsAcrossBlocks() {
    for count in [62, 63, 64, 65, 127, 128, 129, 300] {
      for place in 0..<count {
        for width in [1, 2, 64, 70] where place + width <= count {
          var line = [UInt8](repeating: 0x64, count: count)
          for gap in place..<place + width { line[gap] = 0x20 }
          #expect(cut(line, before: place % 3, behind: [0x64]) == naive(line), "\(width) at \(place) of \(count)")
        }
      }
    }
  }

  @Test func lastAndRest() {
    for (line, last) in [
      ("", ""), ("a", "a"), ("a ", "a"), ("a b", "b"), (" a  bc  ", "bc"), ("   ", ""), ("get noreply", "noreply"),
    ] {
      withInput(bytes(line)) { input, range in
        let words = Tokenizer(start: range.start, end: range.end)
        let found = input.bytes(words.last(input))
        #expect(found == bytes(last), "\(line)")
        #expect(words.rest == range)
      }
    }
  }

  @Test func lastLooksNoFurtherBackThanTheRest() {
    withInput(bytes("delete key")) { input, range in
      var words = Tokenizer(start: range.start, end: range.end)
      _ = words.next(input)
      _ = words.next(input)
      #expect(words.last(input).isEmpty)
      #expect(words.next(input).isEmpty)
      #expect(words.position == range.end)
    }
  }
}
