// The administrative commands with sub-commands: slabs, lru, lru_crawler, watch, extstore (reference, section 2.8).
// Sub-commands are compared with the length of what was typed, so any beginning of a word is the word, the first that
// fits. Outside the request path: words are taken as strings.

extension Session {
  /// The words of a command, `noreply` at their end taken off.
  private struct Words {
    var words: [String]
    var isQuiet = false

    init(_ input: RawSpan, _ range: ByteRange) {
      var rest = Tokenizer(start: range.start, end: range.end)
      words = []
      while words.count < 24 {
        let word = rest.next(input)
        if word.isEmpty { break }
        words.append(String(decoding: input.bytes(word), as: UTF8.self))
      }
      if words.last == "noreply" {
        isQuiet = true
        words.removeLast()
      }
    }

    var count: Int { words.count }
    func isBeginning(_ index: Int, of text: String) -> Bool { text.hasPrefix(words[index]) }
    func number(_ index: Int) -> Int64? { Int64(words[index]) }
    func ratio(_ index: Int) -> Double? { Double(words[index]) }
  }

  mutating func administer(_ engine: inout Engine, _ verb: TextVerb, _ input: RawSpan, _ range: ByteRange) {
    let words = Words(input, range)
    if isDatagram, verb == .watch || verb == .lruCrawler { return engine.reply.append("ERROR\r\n") }
    let reply: StaticString? =
      switch verb {
      case .slabs: slabs(engine, words)
      case .lru: lru(engine, words)
      case .lruCrawler: crawler(&engine, words)
      case .watch: mayWatch ? watch(&engine, words) : "CLIENT_ERROR watch commands not allowed\r\n"
      case .extstore: extstore(words)
      case .refreshCertificates: refreshCertificates(&engine)
      #if DEBUG_VERBS
        case .misbehave, .debugTime, .debugItem: debug(&engine, verb, input, range)
      #endif
      default: "ERROR\r\n"
      }
    if let reply, !words.isQuiet { engine.reply.append(reply) }
  }

  private static let badFormat: StaticString = "CLIENT_ERROR bad command line format\r\n"

  /// Answered whatever the words are, noreply too, as the reference does.
  private func refreshCertificates(_ engine: inout Engine) -> StaticString? {
    switch engine.host.refreshCertificates() {
    case .done: engine.reply.append("OK\r\n")
    case .notEnabled: engine.reply.append("Error TLS not enabled\r\n")
    case .failed(let text):
      let line = text.utf8.prefix(400).map { $0 < 0x20 ? 0x20 : $0 }
      engine.reply.append(Array(line) + [0x0d, 0x0a])
    }
    return nil
  }

  // slabs.

  private func slabs(_ engine: borrowing Engine, _ words: Words) -> StaticString {
    guard words.count >= 1 else { return "ERROR\r\n" }
    if words.count == 3, words.isBeginning(0, of: "reassign") {
      return reassign(engine, words)
    }
    guard words.count >= 2, words.isBeginning(0, of: "automove") else { return "ERROR\r\n" }
    return automove(engine.store.value.tunables, words)
  }

  private func reassign(_ engine: borrowing Engine, _ words: Words) -> StaticString {
    guard engine.store.value.configuration.movesPages else { return "CLIENT_ERROR slab reassignment disabled\r\n" }
    guard let source = words.number(1), let destination = words.number(2), let source = Int32(exactly: source),
      let destination = Int32(exactly: destination)
    else { return Session.badFormat }
    return switch engine.store.value.requestMove(from: Int(source), to: Int(destination)) {
    case .accepted: "OK\r\n"
    case .busy: "BUSY currently processing reassign request\r\n"
    case .badClass: "BADCLASS invalid src or dst class id\r\n"
    case .noSparePage: "NOSPARE source class has no spare pages\r\n"
    case .same: "SAME src and dst class are identical\r\n"
    }
  }

  private func automove(_ tunables: Tunables, _ words: Words) -> StaticString {
    guard words.count == 2 else { return automoveSetting(tunables, words) }
    if ["ratio", "freeratio", "window"].contains(words.words[1]) { return "ERROR\r\n" }
    guard let level = words.number(1), level >= 0, level <= Int64(UInt32.max) else { return Session.badFormat }
    guard level <= 2 else { return "ERROR\r\n" }
    tunables[.automove] = UInt64(level)
    return "OK\r\n"
  }

  private func automoveSetting(_ tunables: Tunables, _ words: Words) -> StaticString {
    if words.isBeginning(1, of: "ratio") {
      guard let ratio = words.ratio(2) else { return "ERROR\r\n" }
      tunables.set(.automoveRatio, ratio: ratio)
    } else if words.isBeginning(1, of: "freeratio") {
      guard let ratio = words.ratio(2) else { return "ERROR\r\n" }
      tunables.set(.automoveFreeRatio, ratio: ratio)
    } else if words.isBeginning(1, of: "window") {
      guard let window = words.number(2), (3...1800).contains(window) else {
        return "CLIENT_ERROR automove window too low or too high\r\n"
      }
      tunables[.automoveWindow] = UInt64(window)
    } else {
      return Session.badFormat
    }
    return "OK\r\n"
  }

  // lru.

  private func lru(_ engine: borrowing Engine, _ words: Words) -> StaticString {
    let tunables = engine.store.value.tunables
    if words.count == 5, words.isBeginning(0, of: "tune") { return tune(tunables, words) }
    guard words.count == 2 else { return "ERROR\r\n" }
    if words.isBeginning(0, of: "mode") {
      guard let order = [EvictionOrder.flat, .segmented, .s3fifo].first(where: { words.isBeginning(1, of: $0.name) })
      else { return "ERROR\r\n" }
      tunables[.order] = UInt64(order.rawValue)
      return "OK\r\n"
    }
    guard words.isBeginning(0, of: "temp_ttl"), let seconds = words.number(1) else { return "ERROR\r\n" }
    tunables[.temporaryLRU] = seconds < 0 ? 0 : 1
    if seconds >= 0 { tunables[.temporaryTTLSeconds] = UInt64(seconds) }
    return "OK\r\n"
  }

  private func tune(_ tunables: Tunables, _ words: Words) -> StaticString {
    guard let hot = words.number(1), let warm = words.number(2), hot >= 0, warm >= 0, let hotFactor = words.ratio(3),
      let warmFactor = words.ratio(4)
    else { return "ERROR\r\n" }
    if hot > 80 || warm > 80 || hot + warm > 80 { return "ERROR hot and warm pcts must not exceed 80\r\n" }
    if hotFactor <= 0 || warmFactor <= 0 { return "ERROR hot/warm age factors must be greater than 0\r\n" }
    tunables[.hotPercent] = UInt64(hot)
    tunables[.warmPercent] = UInt64(warm)
    tunables.set(.hotMaxFactor, ratio: hotFactor)
    tunables.set(.warmMaxFactor, ratio: warmFactor)
    return "OK\r\n"
  }

  // lru_crawler.

  private mutating func crawler(_ engine: inout Engine, _ words: Words) -> StaticString? {
    let tunables = engine.store.value.tunables
    let isEnabled = tunables.crawlerEnabled
    if words.count == 2 {
      if words.isBeginning(0, of: "crawl") {
        guard isEnabled else { return "CLIENT_ERROR lru crawler disabled\r\n" }
        return crawl(engine, words)
      }
      if words.isBeginning(0, of: "metadump") { return dump(&engine, .metadump, words, isEnabled: isEnabled) }
      if words.isBeginning(0, of: "mgdump") { return dump(&engine, .mgdump, words, isEnabled: isEnabled) }
      if words.isBeginning(0, of: "tocrawl") {
        guard let count = words.number(1), let bits = UInt32(exactly: count) else { return Session.badFormat }
        tunables[.crawlerToCrawl] = UInt64(bits)
        return "OK\r\n"
      }
      if words.isBeginning(0, of: "sleep") {
        guard let sleep = words.number(1), let bits = UInt32(exactly: sleep) else { return Session.badFormat }
        guard bits <= 1_000_000 else { return "CLIENT_ERROR sleep must be one second or less\r\n" }
        tunables[.crawlerSleepMicroseconds] = UInt64(bits)
        return "OK\r\n"
      }
    }
    guard words.count == 1 else { return "ERROR\r\n" }
    if words.isBeginning(0, of: "enable") {
      guard !isEnabled else { return "ERROR failed to start lru crawler thread\r\n" }
      tunables[.crawler] = 1
      return "OK\r\n"
    }
    guard words.isBeginning(0, of: "disable") else { return "ERROR\r\n" }
    tunables[.crawler] = 0
    return "OK\r\n"
  }

  /// The classes that a word names. nil when it names what is no class.
  private func classes(_ engine: borrowing Engine, _ word: String) -> ClassSet? {
    if word == "all" { return .all }
    var classes = ClassSet()
    let last = max(SlabClasses.maximumClass, engine.store.value.slabClassCount - 1)
    for part in word.split(separator: ",", omittingEmptySubsequences: false) {
      guard let number = Int(part), (1...last).contains(number) else { return nil }
      classes.insert(number)
    }
    return classes
  }

  private func crawl(_ engine: borrowing Engine, _ words: Words) -> StaticString {
    if words.words[1] == "hash" { return "ERROR an unknown error happened\r\n" }
    guard let classes = classes(engine, words.words[1]) else { return "BADCLASS invalid class id\r\n" }
    engine.store.value.demandCrawl(classes)
    return "OK\r\n"
  }

  private mutating func dump(
    _ engine: inout Engine, _ kind: KeyDump.Kind, _ words: Words, isEnabled: Bool
  ) -> StaticString? {
    guard isEnabled else { return "CLIENT_ERROR lru crawler disabled\r\n" }
    guard engine.configuration.permissions.dump else {
      return kind == .metadump ? "ERROR metadump not allowed\r\n" : "ERROR key dump not allowed\r\n"
    }
    let classes = words.words[1] == "hash" ? ClassSet.all : classes(engine, words.words[1])
    guard let classes else { return "BADCLASS invalid class id\r\n" }
    guard engine.reply.isEmpty else {
      return kind == .metadump
        ? "ERROR cannot pipeline other commands before metadump\r\n"
        : "ERROR cannot pipeline other commands before mgdump\r\n"
    }
    begin(.dumping(KeyDump(kind: kind, classes: classes)))
    return "OK\r\n"
  }

  // watch.

  private mutating func watch(_ engine: inout Engine, _ words: Words) -> StaticString? {
    guard engine.configuration.permissions.watch else { return "CLIENT_ERROR watch commands not allowed\r\n" }
    guard engine.reply.isEmpty else { return "ERROR cannot pipeline other commands before watch\r\n" }
    var streams: LogStreams = words.count == 0 ? LogStreams(.fetchers) : []
    for word in words.words {
      guard let stream = LogStream.allCases.first(where: { $0.wireName == word }) else { return "ERROR\r\n" }
      streams.insert(LogStreams(stream))
    }
    guard engine.store.value.eventLog.admitWatcher(streams) else {
      return "WATCHER_TOO_MANY log watcher limit reached\r\n"
    }
    // The watchers say OK: nothing may fail between the admission and the hand-over.
    begin(.watching(WatchRequest(streams: streams, isQuiet: words.isQuiet)))
    return nil
  }

  // extstore.

  /// There is no external storage to be tuned in this build: the client is told so by name.
  private func extstore(_ words: Words) -> StaticString {
    "CLIENT_ERROR extstore is not built into this server\r\n"
  }
}
