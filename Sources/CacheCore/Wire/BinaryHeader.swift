// The binary protocol's packet header and its table of opcodes (reference, sections 4.1 and 4.2). A packet is 24 bytes
// of header, then extras, key and value; all numbers are big-endian. It reads and checks shapes; what a packet asks for
// is BinaryParser's business.
//
//   byte 0      1        2           4             5           6                 8              12       16
//        +------+--------+-----------+-------------+-----------+-----------------+--------------+--------+-----+
//        |magic | opcode | key bytes | extras bytes| data type | vbucket, status | body bytes   | opaque | CAS |
//        +------+--------+-----------+-------------+-----------+-----------------+--------------+--------+-----+

struct BinaryHeader: Equatable {
  static let byteCount = 24
  static let requestMagic: UInt8 = 0x80
  static let responseMagic: UInt8 = 0x81
  /// A longer body is not believed.
  static let largestBodyByteCount = 1 << 30

  let magic: UInt8
  let opcode: UInt8
  let keyByteCount: Int
  let extrasByteCount: Int
  /// Extras, key and value together.
  let bodyByteCount: Int
  /// As it stands on the wire: the reply repeats it byte for byte.
  let opaque: UInt32
  let cas: UInt64

  /// The header at `start`; traps when 24 bytes are not there.
  @inline(__always)
  init(_ input: RawSpan, at start: Int) {
    let first = input.word(at: start)
    magic = UInt8(truncatingIfNeeded: first)
    opcode = UInt8(truncatingIfNeeded: first &>> 8)
    keyByteCount = Int(UInt16(truncatingIfNeeded: first &>> 16).byteSwapped)
    extrasByteCount = Int(first &>> 32 & 0xff)
    let second = input.word(at: start &+ 8)
    bodyByteCount = Int(UInt32(truncatingIfNeeded: second).byteSwapped)
    opaque = UInt32(truncatingIfNeeded: second &>> 32)
    cas = input.word(at: start &+ 16).byteSwapped
  }

  /// How long the key is of a packet that is a get and nothing else, whose header begins the block; 0 for any other.
  @inline(__always)
  static func plainKeyByteCount(_ block: borrowing InputBlock) -> Int {
    let first = block.word(at: 0)
    let opcode = UInt8(truncatingIfNeeded: first &>> 8)
    let keyByteCount = UInt16(truncatingIfNeeded: first &>> 16).byteSwapped
    guard UInt8(truncatingIfNeeded: first) == requestMagic, opcode < 16, plainOpcodes &>> UInt16(opcode) & 1 != 0,
      // No extras.
      first &>> 32 & 0xff == 0, keyByteCount <= TextParser.longestKeyByteCount,
      UInt32(truncatingIfNeeded: block.word(at: 8)).byteSwapped == keyByteCount
    else { return 0 }
    return Int(keyByteCount)
  }

  /// A bit for each of the gets. The compiler makes a constant of it.
  @inline(__always)
  private static var plainOpcodes: UInt16 {
    func bit(_ opcode: BinaryOpcode) -> UInt16 { 1 &<< UInt16(opcode.rawValue) }
    return bit(.get) | bit(.getQ) | bit(.getK) | bit(.getKQ)
  }

  /// Negative when the header lies.
  @inline(__always)
  var valueByteCount: Int { bodyByteCount &- keyByteCount &- extrasByteCount }

  @inline(__always)
  var knownOpcode: BinaryOpcode? { BinaryOpcode(rawValue: opcode) }
}

/// The opcodes that are carried out. Quiet ones hide what their clients expect: success, or for look-ups a miss.
enum BinaryOpcode: UInt8, CaseIterable {
  case get = 0x00
  case set = 0x01
  case add = 0x02
  case replace = 0x03
  case delete = 0x04
  case increment = 0x05
  case decrement = 0x06
  case quit = 0x07
  case flush = 0x08
  case getQ = 0x09
  case noop = 0x0a
  case version = 0x0b
  case getK = 0x0c
  case getKQ = 0x0d
  case append = 0x0e
  case prepend = 0x0f
  case stat = 0x10
  case setQ = 0x11
  case addQ = 0x12
  case replaceQ = 0x13
  case deleteQ = 0x14
  case incrementQ = 0x15
  case decrementQ = 0x16
  case quitQ = 0x17
  case flushQ = 0x18
  case appendQ = 0x19
  case prependQ = 0x1a
  case touch = 0x1c
  case getAndTouch = 0x1d
  case getAndTouchQ = 0x1e
  case saslMechanisms = 0x20
  case saslAuthenticate = 0x21
  case saslStep = 0x22
  case getAndTouchK = 0x23
  case getAndTouchKQ = 0x24

  /// What a packet of the opcode looks like.
  enum Shape {
    /// A key and nothing else.
    case key
    /// Extras of this size, and a key.
    case extrasAndKey(Int)
    /// Extras of this size, a key, and any value.
    case extrasKeyAndValue(Int)
    /// Nothing.
    case empty
    /// Nothing, or four bytes of extras.
    case delay
    /// A key or none.
    case optionalKey
  }

  var shape: Shape {
    switch self {
    case .get, .getQ, .getK, .getKQ, .delete, .deleteQ: .key
    case .touch, .getAndTouch, .getAndTouchQ, .getAndTouchK, .getAndTouchKQ: .extrasAndKey(4)
    case .increment, .incrementQ, .decrement, .decrementQ: .extrasAndKey(20)
    case .set, .setQ, .add, .addQ, .replace, .replaceQ: .extrasKeyAndValue(8)
    case .append, .appendQ, .prepend, .prependQ: .extrasKeyAndValue(0)
    case .quit, .quitQ, .noop, .version, .saslMechanisms: .empty
    case .flush, .flushQ: .delay
    case .stat: .optionalKey
    case .saslAuthenticate, .saslStep: .extrasKeyAndValue(0)
    }
  }

  /// Served before the login: without these nobody could log in, or ask whom he talks to.
  var needsNoLogin: Bool {
    switch self {
    case .version, .saslMechanisms, .saslAuthenticate, .saslStep: true
    default: false
    }
  }

  @inline(__always)
  var isQuiet: Bool {
    switch self {
    case .getQ, .getKQ, .setQ, .addQ, .replaceQ, .deleteQ, .incrementQ, .decrementQ, .quitQ, .flushQ, .appendQ,
      .prependQ, .getAndTouchQ, .getAndTouchKQ:
      true
    default: false
    }
  }

  /// Whether the reply to a look-up repeats the key.
  @inline(__always)
  var repeatsKey: Bool {
    switch self {
    case .getK, .getKQ, .getAndTouchK, .getAndTouchKQ: true
    default: false
    }
  }
}
