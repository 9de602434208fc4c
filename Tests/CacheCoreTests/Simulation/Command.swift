// Commands as the simulation makes them: what they mean, beside the bytes that say it. The model reads the meaning and
// the server the bytes, so that the two share no parser. Only commands whose answer the model can know are here.
@testable import CacheCore

struct StoreCommand {
  var mode: StoreMode
  var key: [UInt8]
  var flags: UInt32 = 0
  var exptime: Int64 = 0
  var value: [UInt8]
  var cas: UInt64 = 0
  var noreply = false
  /// Ends in something else than CRLF.
  var isBroken = false

  var header: [UInt8] {
    var line = bytes("\(mode) ") + key + bytes(" \(flags) \(exptime) \(value.count)")
    if mode == .cas { line += bytes(" \(cas)") }
    return line + bytes(noreply ? " noreply\r\n" : "\r\n")
  }
  var wire: [UInt8] { header + value + bytes(isBroken ? "xy" : "\r\n") }
}

enum Command {
  case retrieve(keys: [[UInt8]], withCAS: Bool, touch: Int64?)
  case store(StoreCommand)
  case delete(key: [UInt8], noreply: Bool)
  case arithmetic(key: [UInt8], delta: UInt64, increments: Bool, noreply: Bool)
  case touch(key: [UInt8], exptime: Int64, noreply: Bool)
  case flush(exptime: Int64?, noreply: Bool)
  /// Bytes whose answer is always the same and which change nothing.
  case fixed(bytes: [UInt8], answer: [UInt8])

  var wire: [UInt8] {
    func line(_ text: String, _ noreply: Bool) -> [UInt8] { bytes(text + (noreply ? " noreply\r\n" : "\r\n")) }
    switch self {
    case .retrieve(let keys, let withCAS, let touch):
      let verb = (touch == nil ? "get" : "gat") + (withCAS ? "s" : "") + (touch.map { " \($0)" } ?? "")
      return bytes(verb) + keys.flatMap { [0x20] + $0 } + bytes("\r\n")
    case .store(let store): return store.wire
    case .delete(let key, let noreply): return bytes("delete ") + key + line("", noreply)
    case .arithmetic(let key, let delta, let increments, let noreply):
      return bytes(increments ? "incr " : "decr ") + key + line(" \(delta)", noreply)
    case .touch(let key, let exptime, let noreply): return bytes("touch ") + key + line(" \(exptime)", noreply)
    case .flush(let exptime, let noreply): return line("flush_all" + (exptime.map { " \($0)" } ?? ""), noreply)
    case .fixed(let bytes, _): return bytes
    }
  }
}

/// Draws commands over a small set of keys, so that they meet each other's values.
struct CommandGenerator {
  enum Sizes {
    /// Up to a few kilobytes: for long runs and for sending byte by byte.
    case small
    /// Now and then beyond the gather threshold, the largest chunk and the item limit.
    case large
    /// Many that take several chunks, to fill a small store.
    case crowding
  }
  var random: SeededRandom
  let keys: [[UInt8]]
  let sizes: Sizes
  let itemSizeMaxBytes: Int
  /// Without it only commands that leave nobody in doubt are muted.
  let mutesEverything: Bool
  /// Few flushes and expiration times.
  let keepsLong: Bool

  init(
    seed: UInt64, keyCount: Int, sizes: Sizes, itemSizeMaxBytes: Int, mutesEverything: Bool, keepsLong: Bool
  ) {
    random = SeededRandom(seed: seed)
    self.sizes = sizes
    self.itemSizeMaxBytes = itemSizeMaxBytes
    self.mutesEverything = mutesEverything
    self.keepsLong = keepsLong
    var keys = (0..<keyCount).map { bytes("key:\($0)") }
    // Legal, if strange: the longest, control and high bytes, a word of the protocol, one byte.
    keys += [
      [UInt8](repeating: 0x6b, count: 250), [0x09, 0x80, 0xff, 0x00, 0x0d, 0x7f], bytes("noreply"), bytes("x"),
    ]
    self.keys = keys
  }

  private mutating func key() -> [UInt8] { random.pick(keys) }

  private mutating func exptime() -> Int64 {
    if keepsLong, !random.isOne(in: 4) { return 0 }
    return switch random.number(0...9) {
    case 0...5: 0
    case 6: Int64(random.number(1...4))
    case 7: Int64(random.number(5...100))
    case 8: TestStore.startedAtUnixSeconds + Int64(random.number(-5...300))
    default: random.isOne(in: 4) ? -1 : 2_592_000
    }
  }

  private mutating func value() -> [UInt8] {
    if random.isOne(in: 3) {
      return random.pick(
        ["0", "9", "99", "1000", " 12", "12 ", "+7", "18446744073709551615", "12\r\n3", "-1", "a", ""].map(bytes))
    }
    let size: Int
    switch (sizes, random.number(0...19)) {
    case (.crowding, 6...18): size = random.number(3000...15_000)
    case (_, 0...11): size = random.number(0...200)
    case (_, 12...15): size = random.number(0...2000)
    case (.small, _): size = random.number(0...5000)
    case (_, 16...17): size = random.number(10_000...40_000)
    case (_, 18): size = random.number(0...itemSizeMaxBytes)
    case (_, _): size = random.isOne(in: 3) ? itemSizeMaxBytes - random.number(0...400) : 20_000
    }
    return pattern(size, salt: random.number(0...1000))
  }

  /// A command for a store whose items have the CAS uniques that `cas` tells.
  mutating func next(cas: ([UInt8]) -> UInt64?) -> Command {
    let noreply = mutesEverything && random.isOne(in: 4)
    switch random.number(0...99) {
    case 0...34:
      let count = random.isOne(in: 10) ? random.number(30...70) : random.number(1...4)
      let keys = (0..<count).map { _ in key() }
      return .retrieve(keys: keys, withCAS: random.isOne(in: 2), touch: nil)
    case 35...39:
      let keys = (0..<random.number(1...4)).map { _ in key() }
      return .retrieve(keys: keys, withCAS: random.isOne(in: 2), touch: exptime())
    case 40...76: return .store(store(noreply, cas))
    case 77...82: return .delete(key: key(), noreply: random.isOne(in: 4))
    case 83...91:
      let delta = random.isOne(in: 5) ? UInt64.max - UInt64(random.number(0...100)) : UInt64(random.number(0...1000))
      return .arithmetic(key: key(), delta: delta, increments: random.isOne(in: 2), noreply: noreply)
    case 92...95: return .touch(key: key(), exptime: exptime(), noreply: random.isOne(in: 4))
    case 96 where random.isOne(in: keepsLong ? 30 : 4):
      return .flush(exptime: random.pick([nil, 0, 1, 3, 10, -1]), noreply: random.isOne(in: 4))
    default:
      let (wire, answer) = random.pick(CommandGenerator.exchanges)
      return .fixed(bytes: bytes(wire), answer: bytes(answer))
    }
  }

  private mutating func store(_ noreply: Bool, _ cas: ([UInt8]) -> UInt64?) -> StoreCommand {
    let mode = random.pick([StoreMode.set, .set, .set, .add, .replace, .append, .prepend, .cas])
    var command = StoreCommand(mode: mode, key: key(), value: value())
    command.flags = random.pick([0, 0, 1, 65_536, .max])
    command.exptime = exptime()
    command.noreply = mode == .set ? random.isOne(in: 4) : noreply
    if mode == .cas {
      let current = cas(command.key) ?? 1
      command.cas = random.isOne(in: 4) ? current &+ 1 : current
    }
    command.isBroken = random.isOne(in: 50)
    return command
  }

  private static let badFormat = "CLIENT_ERROR bad command line format\r\n"
  private static let longKey = String(repeating: "l", count: 251)

  static let exchanges: [(String, String)] = [
    ("version\r\n", "VERSION 1.6.45\r\n"), ("version noreply\r\n", "VERSION 1.6.45\r\n"),
    ("verbosity 1\r\n", "OK\r\n"), ("verbosity 0 noreply\r\n", ""), ("verbosity x\r\n", badFormat),
    ("bogus\r\n", "ERROR\r\n"), ("bogus noreply\r\n", ""), (" get key:1\r\n", "ERROR\r\n"), ("\r\n", badFormat),
    ("get\r\n", badFormat), ("gets \n", badFormat), ("gat 10\r\n", badFormat), ("get \(longKey)\r\n", badFormat),
    ("get key:1 \(longKey) key:2\r\n", badFormat), ("gat 10 key:1 \(longKey)\r\n", badFormat),
    ("gat x key:1\r\n", "CLIENT_ERROR invalid exptime argument\r\n"),
    ("set key:1 0 0\r\n", badFormat), ("set key:1 x 0 2\r\nab\r\n", badFormat),
    ("set \(longKey) 0 0 2\r\nab\r\n", badFormat), ("set \(longKey) 0 0 2 noreply\r\nab\r\n", ""),
    ("cas key:1 0 0 2\r\nab\r\n", badFormat), ("set key:1 0 0 -1\r\n", badFormat),
    ("set key:1 0 0 2\r\nabcd", "CLIENT_ERROR bad data chunk\r\n"),
    ("delete\r\n", badFormat), ("delete key:1 0 0 0 0\r\n", "ERROR\r\n"), ("incr key:1\r\n", badFormat),
    ("incr key:1 x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"), ("decr key:1 -1 noreply\r\n", ""),
    ("touch key:1 x\r\n", "CLIENT_ERROR invalid exptime argument\r\n"),
    ("flush_all x\r\n", "CLIENT_ERROR invalid exptime argument\r\n"),
    ("cache_memlimit\r\n", "ERROR\r\n"),
    ("cache_memlimit 7\r\n", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"),
    ("cache_memlimit 2000000000\r\n", "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"),
    ("shutdown\r\n", "SERVER_ERROR: shutdown not enabled\r\n"),
    ("stats detail on\r\n", "OK\r\n"), ("stats detail off\r\n", "OK\r\n"), ("stats bogus\r\n", "ERROR\r\n"),
  ]
}
