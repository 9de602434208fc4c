// Seeded changes of kept inputs, for the replay in test runs: a poor relation of libFuzzer's, without feedback from the
// code, but the same on every machine. The seed and the number of the input name it.

struct Mutator {
  private var state: UInt64
  private let inputs: [[UInt8]]
  private let words: [[UInt8]]

  init(seed: UInt64, inputs: [[UInt8]], words: [[UInt8]]) {
    state = seed
    self.inputs = inputs
    self.words = words
  }

  /// SplitMix64.
  private mutating func number(below limit: Int) -> Int {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return Int((mixed ^ (mixed >> 31)).multipliedFullWidth(by: UInt64(limit)).high)
  }

  /// A kept input with one to four changes.
  mutating func next() -> [UInt8] {
    var input = inputs[number(below: inputs.count)]
    for _ in 0...number(below: 4) {
      let place = number(below: input.count + 1)
      switch number(below: 7) {
      case 0 where place < input.count: input[place] ^= 1 << number(below: 8)
      case 1 where place < input.count: input[place] = UInt8(number(below: 256))
      case 2: input.removeSubrange(place..<min(input.count, place + 1 + number(below: 8)))
      case 3 where !words.isEmpty: input.insert(contentsOf: words[number(below: words.count)], at: place)
      case 4:
        // The end of another input.
        let other = inputs[number(below: inputs.count)]
        input = Array(input[..<place] + other[number(below: other.count + 1)...])
      case 5: input.insert(contentsOf: [0xfe, UInt8(ascii: "c")], at: place)
      default:
        let end = min(input.count, place + 1 + number(below: 40))
        input.insert(contentsOf: Array(input[place..<end]), at: place)
      }
      input = Array(input.prefix(4096))
    }
    return input
  }
}
