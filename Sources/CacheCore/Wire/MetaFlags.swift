// The tables of the meta protocol: its commands and its flags, one row each. A flag is one letter, perhaps with an
// argument behind it; which commands make use of it is said where they are parsed, because all commands accept all
// flags (reference, section 3.1). Walked by the parser's tests.

enum MetaCommand: UInt8, CaseIterable {
  case get = 0x67  // mg
  case set = 0x73  // ms
  case delete = 0x64  // md
  case arithmetic = 0x61  // ma
  case debug = 0x65  // me
  case noop = 0x6e  // mn

  /// How many flags a line may have: 20 words in all.
  var flagLimit: Int { self == .set ? 17 : 18 }
}

enum MetaFlag: UInt8, CaseIterable {
  case base64 = 0x62  // b
  case cas = 0x63  // c
  case clientFlags = 0x66  // f
  case hitBefore = 0x68  // h
  case key = 0x6b  // k
  case lastAccess = 0x6c  // l
  case quiet = 0x71  // q
  case size = 0x73  // s
  case timeLeft = 0x74  // t
  case withoutBump = 0x75  // u
  case value = 0x76  // v
  case dropValue = 0x78  // x
  case compare = 0x43  // C
  case delta = 0x44  // D
  case newCAS = 0x45  // E
  case newClientFlags = 0x46  // F
  case invalidate = 0x49  // I
  case initial = 0x4a  // J
  case proxyHint = 0x4c  // L
  case mode = 0x4d  // M
  case vivify = 0x4e  // N
  case opaque = 0x4f  // O
  case path = 0x50  // P
  case recache = 0x52  // R
  case exptime = 0x54  // T

  /// What follows the letter.
  enum Argument {
    /// Nothing; what stands there is ignored.
    case none
    /// A signed 32-bit expiration time.
    case exptime
    /// An unsigned 64-bit number.
    case number
    /// An unsigned 32-bit number.
    case clientFlags
    /// One letter.
    case letter
    /// Up to 31 bytes that the reply repeats.
    case opaque
  }

  var argument: Argument {
    switch self {
    case .exptime, .vivify, .recache: .exptime
    case .compare, .newCAS, .delta, .initial: .number
    case .newClientFlags: .clientFlags
    case .mode: .letter
    case .opaque: .opaque
    default: .none
    }
  }

  /// What is wrong when the argument is. See `Refusal.isOfArgument`.
  var refusal: Refusal {
    switch self {
    case .delta: .invalidDeltaToken
    case .initial: .invalidInitialToken
    case .newClientFlags: .badFormat
    case .opaque: .opaqueTooLong
    default: .badToken
    }
  }
}

extension Refusal {
  /// Whether a flag's argument is at fault, not its letter.
  var isOfArgument: Bool {
    switch self {
    case .duplicateFlag, .invalidFlag: false
    default: true
    }
  }
}
