// The keys of a load: their bytes one after the other, named by number, and found again by their bytes. Nothing is ever
// taken out.

struct KeyTable: Sendable {
  private(set) var bytes: [UInt8] = []
  private var starts: [Int] = [0]
  /// Key numbers plus 1, 0 where there is none; a power of two of them, at most half used.
  private var slots = [UInt32](repeating: 0, count: 1 << 10)

  var count: Int { starts.count - 1 }

  /// Where the key's bytes are in `bytes`.
  func range(_ key: Int) -> Range<Int> { starts[key]..<starts[key + 1] }

  /// A number that follows from the key's bytes alone, for what is drawn by key.
  func seed(_ key: Int) -> UInt64 { Self.hash(bytes[range(key)]) }

  /// The number of the key with these bytes, which is new when they are.
  mutating func number(of text: ArraySlice<UInt8>) -> Int {
    var slot = Int(truncatingIfNeeded: Self.hash(text)) & (slots.count - 1)
    while slots[slot] != 0 {
      let key = Int(slots[slot]) - 1
      if bytes[range(key)] == text { return key }
      slot = (slot + 1) & (slots.count - 1)
    }
    bytes += text
    starts.append(bytes.count)
    slots[slot] = UInt32(count)
    if count * 2 > slots.count { grow() }
    return count - 1
  }

  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for key in 0..<count {
      var slot = Int(truncatingIfNeeded: seed(key)) & (slots.count - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = UInt32(key + 1)
    }
  }

  /// FNV-1a, its bits mixed once more because the low ones choose the slot.
  private static func hash(_ text: ArraySlice<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 32)
  }
}
