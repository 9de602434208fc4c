// A fuzzer's input as a script: one byte of settings, then what is sent. 0xfe and a letter is a direction; everything
// else is sent as it stands, so mutations and dictionaries work on plain commands. It plays nothing: FuzzPeer does.
//
//   \xfec  cut: what follows comes in another piece     \xfeu  upkeep: a crawl and a growth step
//   \xfeo  the other client goes on                      \xfet? the clock moves on by ? & 63 seconds, \xfej by a month
//   \xfel  this client leaves; the next byte is a new one's
//   \xfes  this client does not read until it sends again
//   \xfev? sends ? times 64 bytes of value, line ends among them

struct FuzzScript {
  enum Step: Equatable {
    case send([UInt8])
    case cut
    case changeClient
    case leave
    case stopReading
    case upkeep
    case advance(seconds: UInt32)
    case jump
  }

  /// One bit each, from the lowest on.
  struct Settings: OptionSet {
    let rawValue: UInt8
    /// Replies of 4 KB at a time, values above 256 bytes sent from where they lie.
    static let smallReplies = Settings(rawValue: 1)
    /// A page a class, and any value above 512 bytes takes one of the 16 chunks of the last class: soon full.
    static let smallStore = Settings(rawValue: 2)
    static let withoutCAS = Settings(rawValue: 4)
    static let withoutEviction = Settings(rawValue: 8)
    static let countsPrefixes = Settings(rawValue: 16)
    /// Three requests at a time (-R).
    static let fewRequestsPerEvent = Settings(rawValue: 32)
    /// Large values are received straight into the item.
    static let directWindows = Settings(rawValue: 64)
    /// `shutdown` is allowed, `flush_all` and dumps are not.
    static let otherPermissions = Settings(rawValue: 128)
  }

  private(set) var settings: Settings
  private(set) var steps: [Step] = []
  static let marker: UInt8 = 0xfe
  /// All generated values together, so that an input does not take for ever.
  private static let generatedByteLimit = 512 << 10

  /// nil for no bytes at all.
  init?(_ input: [UInt8]) {
    guard let first = input.first else { return nil }
    settings = Settings(rawValue: first)
    var pending: [UInt8] = []
    var generated = 0
    var rest = input.dropFirst()
    func flush(_ script: inout FuzzScript) {
      if !pending.isEmpty { script.steps.append(.send(pending)) }
      pending = []
    }
    while let byte = rest.popFirst() {
      guard byte == FuzzScript.marker, let letter = rest.first else {
        pending.append(byte)
        continue
      }
      let argument = rest.dropFirst().first ?? 0
      let step: Step
      switch UnicodeScalar(letter) {
      case "v":
        let count = min(Int(argument) * 64, FuzzScript.generatedByteLimit - generated)
        generated += count
        pending += FuzzScript.value.prefix(count)
        rest = rest.dropFirst(2)
        continue
      case "c": step = .cut
      case "o": step = .changeClient
      case "l": step = .leave
      case "s": step = .stopReading
      case "u": step = .upkeep
      case "j": step = .jump
      case "t":
        step = .advance(seconds: UInt32(argument & 63))
        rest = rest.dropFirst()
      default:
        pending.append(byte)
        continue
      }
      rest = rest.dropFirst()
      flush(&self)
      steps.append(step)
    }
    flush(&self)
    if !steps.contains(.cut) { crumble() }
  }

  /// A script that does not say where to cut is torn into single bytes, if it is not too long for that.
  private mutating func crumble() {
    let byteCount = steps.reduce(0) { sum, step in if case .send(let bytes) = step { sum + bytes.count } else { sum } }
    guard byteCount <= 2000 else { return }
    steps = steps.flatMap { step -> [Step] in
      guard case .send(let bytes) = step else { return [step] }
      return bytes.flatMap { [.send([$0]), .cut] }
    }
  }

  /// The steps without the cuts, and with neighbouring bytes in one.
  var joinedSteps: [Step] {
    var joined: [Step] = []
    for step in steps where step != .cut && step != .stopReading {
      if case .send(let bytes) = step, case .send(let before)? = joined.last {
        joined[joined.count - 1] = .send(before + bytes)
      } else {
        joined.append(step)
      }
    }
    return joined
  }

  var sentBytes: [UInt8] {
    steps.flatMap { step -> [UInt8] in if case .send(let bytes) = step { bytes } else { [] } }
  }
  var mayBeBinary: Bool { sentBytes.contains(0x80) }
  var sentText: String { String(decoding: sentBytes, as: UTF8.self) }
  var longestLineByteCount: Int { sentBytes.split(separator: 0x0a).map(\.count).max() ?? 0 }

  /// Generated value bytes: a line end every 32 bytes, because a line without one may not be longer than 2048.
  private static let value: [UInt8] = (0..<510).flatMap { line -> [UInt8] in
    [UInt8](repeating: 0x61 + UInt8(line % 26), count: 31) + [0x0a]
  }
}
