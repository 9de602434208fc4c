// The locks that guard items: striped by key hash, a few thousand of them, each with the growth state of its share of
// the hash table beside it. Whoever changes a chain or an item's fields shows an ItemLockHeld, which only this file
// makes. Order: item lock, then class lock, then page lock. With a class lock held, item locks are only tried.

/// The item lock of one stripe, held until this value's life ends.
struct ItemLockHeld: ~Copyable {
  private let word: LockWord
  let stripe: Int
  /// False when an outer ItemLockHeld of the same thread will unlock.
  private let unlocks: Bool

  @inline(__always)
  fileprivate init(_ word: LockWord, stripe: Int, unlocks: Bool = true) {
    self.word = word
    self.stripe = stripe
    self.unlocks = unlocks
  }

  @inline(__always)
  deinit { if unlocks { word.unlock() } }
}

struct ItemLocks: Sendable {
  private let words: LockWords
  let power: Int
  private let mask: Int

  /// 2^power stripes.
  init(power: Int) {
    self.power = power
    mask = (1 << power) - 1
    words = LockWords(count: 1 << power)
  }

  /// The reference's table of item lock counts by worker count (section 8.1).
  static func power(workers: Int) -> Int {
    switch workers {
    case ..<3: 10
    case ..<4: 11
    case ..<5: 12
    case ...10: 13
    case ...20: 14
    default: 15
    }
  }

  var count: Int { mask + 1 }
  @inline(__always)
  func stripe(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & mask }

  @inline(__always)
  func lock(_ hash: UInt64) -> ItemLockHeld {
    let word = words[lowBitsOf: hash]
    word.lock()
    return ItemLockHeld(word, stripe: stripe(hash))
  }

  @inline(__always)
  func lock(stripe: Int) -> ItemLockHeld {
    words[stripe].lock()
    return ItemLockHeld(words[stripe], stripe: stripe)
  }

  @inline(__always)
  func tryLock(stripe: Int) -> ItemLockHeld? {
    words[stripe].tryLock() ? ItemLockHeld(words[stripe], stripe: stripe) : nil
  }

  /// As `tryLock`, but a stripe that the calling thread holds already counts as had, and stays locked afterwards.
  @inline(__always)
  func tryLock(stripe: Int, alreadyHolding heldStripe: Int) -> ItemLockHeld? {
    stripe == heldStripe ? ItemLockHeld(words[stripe], stripe: stripe, unlocks: false) : tryLock(stripe: stripe)
  }

  /// The growth state of a stripe; exact under its lock, a hint without.
  @inline(__always)
  func growth(_ stripe: Int) -> UInt32 { words.state(stripe) }
  func setGrowth(_ growth: UInt32, _ held: borrowing ItemLockHeld) { words.setState(held.stripe, growth) }
  /// Before any thread runs.
  func setInitialGrowth(_ growth: UInt32) {
    for stripe in 0..<count { words.setState(stripe, growth) }
  }
  @inline(__always)
  func prefetch(_ hash: UInt64) { words[lowBitsOf: hash].prefetch() }

  func destroy() { words.destroy() }
}
