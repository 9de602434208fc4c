// The binary protocol's packets before anything is done: the header's fields, which shapes each opcode has, what a lie
// in the header leads to, and what the fields of good packets become. The rules are written down here once more, from
// the reference (sections 4.1, 4.2 and 4.4), and compared for every opcode.
import Testing

@testable import CacheCore

struct BinaryParserTests {
  private func bigEndian(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
  }

  private func header(
    magic: UInt8 = 0x80, _ opcode: UInt8, key: Int = 0, extras: Int = 0, body: Int, cas: UInt64 = 0
  ) -> [UInt8] {
    [magic, opcode] + bigEndian(UInt64(key), 2) + [UInt8(extras), 0xab, 0xcd, 0xef] + bigEndian(UInt64(body), 4)
      + [1, 2, 3, 4] + bigEndian(cas, 8)
  }

  private func judge(_ bytes: [UInt8]) -> BinaryParser.Judgement {
    withInput([0xff, 0xff] + bytes) { input, _ in BinaryParser.judge(BinaryHeader(input, at: 2)) }
  }

  @Test func fields() {
    let all = bytes("x") + header(0x21, key: 0x1234, extras: 0x56, body: 0x789a_bcde, cas: 0xfedc_ba98_7654_3210)
    withInput(all) { input, _ in
      let header = BinaryHeader(input, at: 1)
      #expect(header.magic == 0x80 && header.opcode == 0x21)
      #expect(header.keyByteCount == 0x1234 && header.extrasByteCount == 0x56)
      #expect(header.bodyByteCount == 0x789a_bcde && header.valueByteCount == 0x789a_bcde - 0x1234 - 0x56)
      #expect(header.cas == 0xfedc_ba98_7654_3210)
      #expect(withUnsafeBytes(of: header.opaque) { Array($0) } == [1, 2, 3, 4])
    }
  }

  /// What the table of the reference says: sizes of extras, whether there is a key, whether there may be a value.
  private struct Rule {
    var extras: Set<Int>
    var key: Key
    var mayHaveValue: Bool
    enum Key { case none, one, any }

    func allows(key keyCount: Int, extras extrasCount: Int, value: Int) -> Bool {
      let isKeyRight =
        switch key {
        case .none: keyCount == 0
        case .one: keyCount > 0
        case .any: true
        }
      return isKeyRight && extras.contains(extrasCount) && (value == 0 || mayHaveValue)
    }
  }

  private func referenceRule(_ opcode: UInt8) -> Rule? {
    switch opcode {
    case 0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14: Rule(extras: [0], key: .one, mayHaveValue: false)
    case 0x01, 0x02, 0x03, 0x11, 0x12, 0x13: Rule(extras: [8], key: .one, mayHaveValue: true)
    case 0x05, 0x06, 0x15, 0x16: Rule(extras: [20], key: .one, mayHaveValue: false)
    case 0x0e, 0x0f, 0x19, 0x1a: Rule(extras: [0], key: .one, mayHaveValue: true)
    case 0x07, 0x17, 0x0a, 0x0b: Rule(extras: [0], key: .none, mayHaveValue: false)
    case 0x08, 0x18: Rule(extras: [0, 4], key: .none, mayHaveValue: false)
    case 0x10: Rule(extras: [0], key: .any, mayHaveValue: false)
    case 0x1c, 0x1d, 0x1e, 0x23, 0x24: Rule(extras: [4], key: .one, mayHaveValue: false)
    case 0x20: Rule(extras: [0], key: .none, mayHaveValue: false)
    case 0x21, 0x22: Rule(extras: [0], key: .one, mayHaveValue: true)
    default: nil
    }
  }

  @Test(arguments: BinaryOpcode.allCases)
  func shapes(opcode: BinaryOpcode) throws {
    let rule = try #require(referenceRule(opcode.rawValue), "an opcode that the reference does not have")
    var (right, wrong) = (0, 0)
    for key in [0, 1, 2, 249, 250] {
      for extras in [0, 1, 3, 4, 5, 7, 8, 9, 19, 20, 21, 24, 255] {
        for value in [0, 1, 8, 1 << 20] {
          let isRight = rule.allows(key: key, extras: extras, value: value)
          let judgement = judge(header(opcode.rawValue, key: key, extras: extras, body: key + extras + value))
          #expect(
            judgement == (isRight ? .valid(opcode) : .fatal(.badFormat)), "key \(key) extras \(extras) value \(value)")
          if isRight { right += 1 } else { wrong += 1 }
        }
      }
    }
    #expect(right > 0 && wrong > 0)
  }

  /// 35 opcodes are known, whatever their shape; all others are unknown, whatever theirs.
  @Test func theOthersAreUnknown() {
    var known = 0
    for opcode in UInt8.min...UInt8.max {
      if referenceRule(opcode) != nil {
        known += 1
        #expect(BinaryOpcode(rawValue: opcode) != nil)
        continue
      }
      for (key, extras, body) in [(0, 0, 0), (3, 0, 3), (3, 8, 20), (0, 0, 100)] {
        #expect(judge(header(opcode, key: key, extras: extras, body: body)) == .unknown)
      }
    }
    #expect(known == 35 && BinaryOpcode.allCases.count == 35)
  }

  @Test func lies() {
    for opcode in UInt8.min...UInt8.max {
      // Longer parts than the whole, key too long, body too long: before the opcode matters.
      #expect(judge(header(opcode, key: 4, body: 3)) == .fatal(.unknownCommand))
      #expect(judge(header(opcode, key: 2, extras: 2, body: 3)) == .fatal(.unknownCommand))
      #expect(judge(header(opcode, key: 65_535, extras: 255, body: 0)) == .fatal(.unknownCommand))
      #expect(judge(header(opcode, key: 251, body: 251)) == .fatal(.badFormat))
      #expect(judge(header(opcode, key: 65_535, body: 70_000)) == .fatal(.badFormat))
      #expect(judge(header(opcode, key: 1, body: (1 << 30) + 1)) == .fatal(.badFormat))
      #expect(judge(header(opcode, key: 1, body: 0xffff_ffff)) == .fatal(.badFormat))
    }
    #expect(judge(header(0x01, key: 1, extras: 8, body: 1 << 30)) == .valid(.set))
  }

  @Test func anotherMagicIsNoRequest() {
    for magic in UInt8.min...UInt8.max where magic != 0x80 {
      #expect(judge(header(magic: magic, 0x00, key: 1, body: 1)) == .notARequest)
      #expect(judge(header(magic: magic, 0xff, key: 9, body: 1)) == .notARequest)
    }
  }

  /// Quiet opcodes are those that the reference writes with a q, and those that repeat the key have a k.
  @Test func quietAndKeys() {
    let quiet: Set<UInt8> = [
      0x09, 0x0d, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1e, 0x24,
    ]
    let withKey: Set<UInt8> = [0x0c, 0x0d, 0x23, 0x24]
    for opcode in BinaryOpcode.allCases {
      #expect(opcode.isQuiet == quiet.contains(opcode.rawValue), "\(opcode)")
      #expect(opcode.repeatsKey == withKey.contains(opcode.rawValue), "\(opcode)")
    }
  }

  // From packets to requests.

  private func parse(
    _ opcode: BinaryOpcode, extras: [UInt8] = [], key: String = "key", value: Int = 0, cas: UInt64 = 0,
    casEnabled: Bool = true
  ) -> Request {
    let head = header(
      opcode.rawValue, key: key.utf8.count, extras: extras.count, body: extras.count + key.utf8.count + value, cas: cas)
    return withInput(bytes("ab") + head + extras + bytes(key)) { input, _ in
      BinaryParser.parse(opcode, BinaryHeader(input, at: 2), input, at: 2, casEnabled: casEnabled)
    }
  }

  private func key(behind extras: Int) -> RequestKey {
    RequestKey(range: ByteRange(start: 26 + extras, end: 29 + extras))
  }

  @Test func lookUps() {
    for opcode in [BinaryOpcode.get, .getQ, .getK, .getKQ] {
      #expect(parse(opcode) == .fetch(FetchRequest(key: key(behind: 0), options: .value)))
    }
    for opcode in [BinaryOpcode.getAndTouch, .getAndTouchQ, .getAndTouchK, .getAndTouchKQ] {
      #expect(
        parse(opcode, extras: [0, 0, 1, 0])
          == .fetch(FetchRequest(key: key(behind: 4), options: [.value, .touches], exptime: 256)))
    }
    // Unsigned: there is no negative time.
    #expect(
      parse(.touch, extras: [0xff, 0xff, 0xff, 0xff])
        == .fetch(FetchRequest(key: key(behind: 4), options: .touches, exptime: 0xffff_ffff)))
  }

  @Test(arguments: [
    (BinaryOpcode.set, StoreMode.set), (.setQ, .set), (.add, .add), (.addQ, .add), (.replace, .replace),
    (.replaceQ, .replace), (.append, .append), (.appendQ, .append), (.prepend, .prepend), (.prependQ, .prepend),
  ])
  func stores(opcode: BinaryOpcode, mode: StoreMode) {
    let joins = mode == .append || mode == .prepend
    let extras: [UInt8] = joins ? [] : [0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 9]
    func expected(_ terms: StoreTerms) -> Request {
      .store(
        StoreRequest(
          terms: terms, key: key(behind: extras.count), clientFlags: joins ? 0 : 0xdead_beef, exptime: joins ? 0 : 9,
          valueByteCount: 5, isQuiet: opcode.isQuiet))
    }
    #expect(parse(opcode, extras: extras, value: 5) == expected(StoreTerms(mode: mode)))
    // A CAS unique makes compare-and-swap of set, add and replace, unless the server has none.
    #expect(
      parse(opcode, extras: extras, value: 5, cas: 77)
        == expected(StoreTerms(mode: joins ? mode : .cas, expectedCAS: 77)))
    #expect(
      parse(opcode, extras: extras, value: 5, cas: 77, casEnabled: false) == expected(StoreTerms(mode: mode)))
  }

  @Test func arithmetic() {
    let extras = bigEndian(7, 8) + bigEndian(1 << 40, 8) + bigEndian(60, 4)
    let never = bigEndian(7, 8) + bigEndian(9, 8) + [0xff, 0xff, 0xff, 0xff]
    for (opcode, increments) in [
      (BinaryOpcode.increment, true), (.incrementQ, true), (.decrement, false), (.decrementQ, false),
    ] {
      #expect(
        parse(opcode, extras: extras, cas: 5)
          == .arithmetic(
            ArithmeticRequest(
              key: key(behind: 20), delta: 7, increments: increments, isQuiet: opcode.isQuiet, vivifyExptime: 60,
              initial: 1 << 40, expectedCAS: 5)))
      guard case .arithmetic(let request) = parse(opcode, extras: never) else {
        Issue.record("no arithmetic")
        continue
      }
      #expect(request.vivifyExptime == nil && request.expectedCAS == 0)
    }
  }

  @Test func theRest() {
    #expect(parse(.delete) == .delete(DeleteRequest(key: key(behind: 0))))
    #expect(parse(.deleteQ, cas: 9) == .delete(DeleteRequest(key: key(behind: 0), isQuiet: true, expectedCAS: 9)))
    #expect(parse(.flush, key: "") == .flushAll(exptime: 0, isQuiet: false))
    #expect(parse(.flushQ, extras: [0, 0, 0, 60], key: "") == .flushAll(exptime: 60, isQuiet: true))
    #expect(parse(.quit, key: "") == .quit(isQuiet: false))
    #expect(parse(.quitQ, key: "") == .quit(isQuiet: true))
    #expect(parse(.noop, key: "") == .noop)
    #expect(parse(.version, key: "") == .version)
    #expect(parse(.stat) == .stats(words: ByteRange(start: 26, end: 29)))
    #expect(parse(.saslMechanisms, key: "") == .login(.mechanisms))
    #expect(parse(.saslAuthenticate, value: 8) == .login(.start(mechanism: ByteRange(start: 26, end: 29))))
    #expect(parse(.saslStep, value: 8) == .login(.step))
  }
}
