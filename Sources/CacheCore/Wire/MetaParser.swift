// The meta protocol's command lines into Requests (protocol.txt, meta commands; reference, section 3). All of a line is
// checked before a Request leaves here, so a refused command has no effect. What the reply repeats of the line is named
// in a MetaEcho; MetaComposer writes it. It executes nothing.

enum MetaParser {
  /// A line and what its reply repeats.
  struct Line {
    var request: Request
    var echo: MetaEcho
    /// Of a look-up; the other requests carry it themselves.
    var isQuiet = false
  }

  /// What the flags of a line say.
  private struct Flags {
    /// A bit for each letter from `A` on.
    var seen: UInt64 = 0
    var exptime: Int64 = 0
    var vivifyExptime: Int64 = 0
    /// What an item gets that mg or ma makes: the later of T and N.
    var createdExptime: Int64 = 0
    var recacheExptime: Int64 = 0
    var recachesAfterTouch = false
    var compareCAS: UInt64 = 0
    var newCAS: UInt64 = 0
    var clientFlags: UInt32 = 0
    var delta: UInt64 = 1
    var initial: UInt64 = 0
    var mode: UInt8 = 0

    @inline(__always)
    func has(_ letter: Unicode.Scalar) -> Bool { seen & Flags.bit(UInt8(truncatingIfNeeded: letter.value)) != 0 }

    @inline(__always)
    static func bit(_ letter: UInt8) -> UInt64 { 1 &<< UInt64(letter &- 0x41) }
  }

  static let longestOpaqueByteCount = 31
  private static let largestValueByteCount: Int32 = 2_147_483_645

  /// The command of a line that begins with `m`; nil when it is none of the meta protocol.
  @inline(__always)
  static func command(_ input: RawSpan, start: Int, end: Int) -> MetaCommand? {
    guard end &- start >= 2, input.byte(at: start) == 0x6d, end &- start == 2 || input.byte(at: start &+ 2) == 0x20
    else {
      return nil
    }
    return MetaCommand(rawValue: input.byte(at: start &+ 1))
  }

  /// The request in the line at `start ..< end`, terminator excluded. A decoded key is left in `decodedKey`.
  @inline(__always)
  static func parse(
    _ command: MetaCommand, _ input: RawSpan, start: Int, end: Int, decodedKey: FixedArray<UInt8>
  ) -> Line {
    var words = Tokenizer(start: start &+ 2, end: end)
    var line = Line(request: .noop, echo: MetaEcho(command: command, key: .none, flags: .none))
    if command == .noop { return line }
    line.echo.key = words.next(input)
    guard line.echo.key.count > 0, line.echo.key.count <= TextParser.longestKeyByteCount else {
      // The value of an ms is swallowed, if the line says how long it is.
      let size = command == .set ? valueByteCount(input, words.next(input)) : nil
      line.request = .refused(.badFormat, isQuiet: false, swallow: size.map { $0 + 2 } ?? 0)
      return line
    }
    switch command {
    case .get: get(input, words, decodedKey, &line)
    case .set: set(input, &words, decodedKey, &line)
    case .delete: delete(input, words, decodedKey, &line)
    case .arithmetic: arithmetic(input, words, decodedKey, &line)
    case .debug: describe(input, words, decodedKey, &line)
    case .noop: break
    }
    return line
  }

  /// What the flags of an mg, which stand at `start ..< end` of its line, ask for, if they are plain: each a single
  /// letter behind a space, once, that asks for something and changes nothing; nil for others.
  @inline(__always)
  static func plainFlags(
    _ line: borrowing InputBlock, from start: Int, to end: Int
  ) -> (wantsValue: Bool, isQuiet: Bool)? {
    // Nearly always it is the value that is wanted.
    if end &- start == 2, line.word(at: start) & 0xffff == 0x7620 { return (true, false) }
    var position = start
    var seen: UInt32 = 0
    while position < end {
      guard end &- position >= 2, line.byte(at: position) == 0x20 else { return nil }
      let bit = plainBit(line.byte(at: position &+ 1))
      guard plainFlags & bit != 0, seen & bit == 0 else { return nil }
      seen |= bit
      position &+= 2
    }
    return (seen & plainBit(.value) != 0, seen & plainBit(.quiet) != 0)
  }

  /// A bit for each lower-case letter, none for anything else.
  @inline(__always)
  private static func plainBit(_ letter: UInt8) -> UInt32 {
    letter &- 0x61 < 26 ? 1 &<< UInt32(letter &- 0x61) : 0
  }

  @inline(__always)
  private static func plainBit(_ flag: MetaFlag) -> UInt32 { plainBit(flag.rawValue) }

  /// Without argument and without effect on the item. The compiler makes a constant of it.
  @inline(__always)
  private static var plainFlags: UInt32 {
    plainBit(.cas) | plainBit(.clientFlags) | plainBit(.hitBefore) | plainBit(.key) | plainBit(.lastAccess)
      | plainBit(.quiet) | plainBit(.size) | plainBit(.timeLeft) | plainBit(.value)
  }

  /// Reads the flags up to the end of the line, and the key if it is encoded. Returns what is wrong with them.
  @inline(__always)
  private static func flags(
    _ input: RawSpan, _ words: Tokenizer, _ line: inout Line, _ key: inout RequestKey, _ decodedKey: FixedArray<UInt8>,
    _ flags: inout Flags
  ) -> Refusal? {
    line.echo.flags = words.rest
    var words = words
    var count = 0
    var refusal: Refusal?
    while true {
      let word = words.next(input)
      if word.isEmpty { break }
      count &+= 1
      if let found = flag(input, word, &flags) {
        // Letters are looked at before arguments; of each kind the first fault is told.
        if refusal == nil || refusal?.isOfArgument == true && !found.isOfArgument { refusal = found }
      }
    }
    if count > line.echo.command.flagLimit { return .flagsTooLong }
    if let refusal { return refusal }
    if flags.has("b") {
      line.echo.isKeyEncoded = true
      guard let decoded = Base64.decode(input, key.range, into: decodedKey) else { return .undecodableKey }
      key.decodedByteCount = decoded
    }
    return nil
  }

  /// As above; whether nothing is wrong. Otherwise the line's request is the refusal.
  @inline(__always)
  private static func readsFlags(
    _ input: RawSpan, _ words: Tokenizer, _ line: inout Line, _ key: inout RequestKey, _ decodedKey: FixedArray<UInt8>,
    _ flags: inout Flags
  ) -> Bool {
    guard let refusal = self.flags(input, words, &line, &key, decodedKey, &flags) else { return true }
    line.request = .refused(refusal, isQuiet: false)
    return false
  }

  /// Reads one flag; returns what is wrong with it.
  @inline(__always)
  private static func flag(_ input: RawSpan, _ word: ByteRange, _ flags: inout Flags) -> Refusal? {
    let letter = input.byte(at: word.start)
    guard letter >= 0x41, letter <= 0x7a else { return letter &- 0x30 < 10 ? .invalidFlag : .badFormat }
    let bit = Flags.bit(letter)
    if flags.seen & bit != 0 { return .duplicateFlag }
    flags.seen |= bit
    guard let flag = MetaFlag(rawValue: letter) else { return .invalidFlag }
    if flag.argument == .none { return nil }
    return argument(input, ByteRange(start: word.start &+ 1, end: word.end), flag, &flags)
  }

  @inline(never)
  private static func argument(
    _ input: RawSpan, _ word: ByteRange, _ flag: MetaFlag, _ flags: inout Flags
  ) -> Refusal? {
    switch flag.argument {
    case .none: return nil
    case .exptime:
      guard let exptime = input.signed32(word) else { return flag.refusal }
      if flag == .exptime { flags.exptime = Int64(exptime) }
      if flag == .vivify { flags.vivifyExptime = Int64(exptime) }
      if flag != .recache { flags.createdExptime = Int64(exptime) }
      if flag == .recache {
        flags.recacheExptime = Int64(exptime)
        flags.recachesAfterTouch = flags.has("T")
      }
    case .number:
      guard let number = input.unsigned64(word) else { return flag.refusal }
      if flag == .compare { flags.compareCAS = number }
      if flag == .newCAS { flags.newCAS = number }
      if flag == .delta { flags.delta = number }
      if flag == .initial { flags.initial = number }
    case .clientFlags:
      guard let number = input.unsigned32(word) else { return flag.refusal }
      flags.clientFlags = number
    case .letter:
      flags.mode = word.isEmpty ? 0 : input.byte(at: word.start)
    case .opaque:
      if word.count > longestOpaqueByteCount { return flag.refusal }
    }
    return nil
  }

  // The commands.

  @inline(__always)
  private static func get(
    _ input: RawSpan, _ words: Tokenizer, _ decodedKey: FixedArray<UInt8>, _ line: inout Line
  ) {
    var flags = Flags()
    var fetch = FetchRequest(key: RequestKey(range: line.echo.key))
    guard readsFlags(input, words, &line, &fetch.key, decodedKey, &flags) else { return }
    line.isQuiet = flags.has("q")
    if flags.has("v") { fetch.options.insert(.value) }
    if flags.has("u") { fetch.options.insert(.withoutBump) }
    if flags.has("T") {
      fetch.options.insert(.touches)
      fetch.exptime = flags.exptime
    }
    if flags.has("N") {
      fetch.options.insert(.vivifies)
      fetch.vivifyExptime = flags.createdExptime
      fetch.newCAS = flags.newCAS
    }
    if flags.has("R") {
      fetch.options.insert(.recaches)
      if flags.recachesAfterTouch { fetch.options.insert(.recachesAfterTouch) }
      fetch.recacheExptime = flags.recacheExptime
    }
    if flags.has("C") {
      fetch.options.insert(.comparesCAS)
      fetch.knownCAS = flags.compareCAS
    }
    line.request = .fetch(fetch)
  }

  @inline(__always)
  private static func set(
    _ input: RawSpan, _ words: inout Tokenizer, _ decodedKey: FixedArray<UInt8>, _ line: inout Line
  ) {
    // Without a size nobody knows what follows: nothing is swallowed.
    guard let size = valueByteCount(input, words.next(input)) else {
      line.request = .refused(.badFormat, isQuiet: false)
      return
    }
    var flags = Flags()
    var store = StoreRequest(
      terms: StoreTerms(mode: .set), key: RequestKey(range: line.echo.key), valueByteCount: size)
    var refusal = self.flags(input, words, &line, &store.key, decodedKey, &flags)
    if refusal == nil { refusal = storeTerms(flags, &store) }
    if let refusal {
      line.request = .refused(refusal, isQuiet: false, swallow: size + 2)
      return
    }
    store.isQuiet = flags.has("q")
    store.clientFlags = flags.clientFlags
    if flags.has("b") { store.terms.isKeyEncoded = true }
    line.request = .store(store)
  }

  @inline(__always)
  private static func valueByteCount(_ input: RawSpan, _ word: ByteRange) -> Int? {
    // A lone minus, which is 0 elsewhere, is no size.
    guard word.count > 0, input.byte(at: word.start) != 0x2d, let size = input.signed32(word),
      size <= largestValueByteCount
    else { return nil }
    return Int(size)
  }

  @inline(__always)
  private static func storeTerms(_ flags: Flags, _ store: inout StoreRequest) -> Refusal? {
    store.exptime = flags.exptime
    store.terms.newCAS = flags.newCAS
    if flags.has("M") {
      switch flags.mode {
      case UInt8(ascii: "S"): break
      case UInt8(ascii: "E"): store.terms.mode = .add
      case UInt8(ascii: "R"): store.terms.mode = .replace
      case UInt8(ascii: "A"): store.terms.mode = .append
      case UInt8(ascii: "P"): store.terms.mode = .prepend
      default: return .invalidStoreMode
      }
    }
    switch store.terms.mode {
    case .set, .replace, .cas:
      // A replace that compares is a set that compares: both need the item to be there.
      if flags.has("C") {
        store.terms.mode = .cas
        store.terms.expectedCAS = flags.compareCAS
        store.terms.acceptsOlder = flags.has("I")
      }
    case .append, .prepend:
      store.terms.expectedCAS = flags.compareCAS
      store.terms.vivifies = flags.has("N")
      store.exptime = flags.vivifyExptime
    case .add: break
    }
    return nil
  }

  private static func delete(
    _ input: RawSpan, _ words: Tokenizer, _ decodedKey: FixedArray<UInt8>, _ line: inout Line
  ) {
    var flags = Flags()
    var delete = DeleteRequest(key: RequestKey(range: line.echo.key))
    guard readsFlags(input, words, &line, &delete.key, decodedKey, &flags) else { return }
    delete.isQuiet = flags.has("q")
    delete.isMeta = true
    if flags.has("C") { delete.expectedCAS = flags.compareCAS }
    delete.marksStale = flags.has("I")
    delete.dropsValue = flags.has("x")
    if flags.has("T") { delete.exptime = flags.exptime }
    delete.newCAS = flags.newCAS
    delete.clientFlags = flags.clientFlags
    line.request = .delete(delete)
  }

  private static func arithmetic(
    _ input: RawSpan, _ words: Tokenizer, _ decodedKey: FixedArray<UInt8>, _ line: inout Line
  ) {
    var flags = Flags()
    var arithmetic = ArithmeticRequest(key: RequestKey(range: line.echo.key))
    if let refusal = self.flags(input, words, &line, &arithmetic.key, decodedKey, &flags) {
      // One text for nearly everything that can be wrong with the flags (reference, section 3.1).
      let isTold = refusal == .flagsTooLong || refusal == .opaqueTooLong
      line.request = .refused(isTold ? refusal : .invalidOrDuplicateFlag, isQuiet: false)
      return
    }
    if flags.has("M") {
      switch flags.mode {
      case UInt8(ascii: "I"), UInt8(ascii: "+"): break
      case UInt8(ascii: "D"), UInt8(ascii: "-"): arithmetic.increments = false
      default:
        line.request = .refused(.invalidArithmeticMode, isQuiet: false)
        return
      }
    }
    arithmetic.isQuiet = flags.has("q")
    arithmetic.delta = flags.delta
    if flags.has("T") { arithmetic.exptime = flags.exptime }
    if flags.has("N") { arithmetic.vivifyExptime = flags.createdExptime }
    arithmetic.initial = flags.initial
    arithmetic.expectedCAS = flags.compareCAS
    arithmetic.newCAS = flags.newCAS
    line.request = .arithmetic(arithmetic)
  }

  /// me takes one flag, as the first word after the key, and ignores whatever else stands there.
  private static func describe(
    _ input: RawSpan, _ words: Tokenizer, _ decodedKey: FixedArray<UInt8>, _ line: inout Line
  ) {
    var words = words
    var key = RequestKey(range: line.echo.key)
    if input.equals(words.next(input), "b") {
      guard let decoded = Base64.decode(input, key.range, into: decodedKey) else {
        line.request = .refused(.badFormat, isQuiet: false)
        return
      }
      key.decodedByteCount = decoded
    }
    line.request = .describe(key)
  }
}
