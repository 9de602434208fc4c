// The verbs of a build with -DDEBUG_VERBS (make debug-server): misbehave, debugtime, debugitem. They make the moments
// that tests need and clients cannot bring about: another time, a busy lock, an item that is held. No other build knows
// them. Never to be offered to clients: whoever wants an item of a locked stripe waits for the unlock, be it the worker
// that would read it, or a stop of the server.
#if DEBUG_VERBS
  import Synchronization

  /// What debugtime does to the server's clock.
  public enum ClockChange: Sendable {
    case pause
    /// It goes on from where it stands.
    case resume
    case move(seconds: Int32)
  }

  /// An item lock that outlives its request; unlocks when dropped, by whichever thread.
  private final class KeptLock: Sendable {
    private let held: ItemLockHeld
    init(_ held: consuming ItemLockHeld) { self.held = held }
  }

  /// What debugitem has taken, on all connections together: only that can be given back, so no unref ends the hold of
  /// somebody who is sending the value.
  private struct KeptItems {
    /// By stripe.
    var locks: [Int: KeptLock] = [:]
    /// By key; an item stays held when another takes its place.
    var holds: [[UInt8]: [ItemRef]] = [:]
  }

  extension Session {
    private static let keptItems = Mutex(KeptItems())

    func debug(_ engine: inout Engine, _ verb: TextVerb, _ input: RawSpan, _ range: ByteRange) -> StaticString {
      var words = Tokenizer(start: range.start, end: range.end)
      let word = words.next(input)
      switch verb {
      // OK: the system would not let it.
      case .misbehave: return engine.host.canMisbehave ? "ERROR\r\n" : "OK\r\n"
      case .debugTime: return debugTime(&engine, input, word)
      default:
        let key = words.next(input)
        if !(1...TextParser.longestKeyByteCount).contains(key.count) { return "ERROR\r\n" }
        return debugItem(engine, String(decoding: input.bytes(word), as: UTF8.self), input.slice(key))
      }
    }

    private func debugTime(_ engine: inout Engine, _ input: RawSpan, _ word: ByteRange) -> StaticString {
      let change: ClockChange
      if input.equals(word, "p") {
        change = .pause
      } else if input.equals(word, "r") {
        change = .resume
      } else if let number = input.longNumber(word), let seconds = Int32(exactly: number) {
        change = .move(seconds: seconds)
      } else {
        return "ERROR\r\n"
      }
      engine.now = engine.host.changeClock(change)
      return "OK\r\n"
    }

    /// MISS: no such item, or none held. ERROR: the stripe is locked already (or, for unlock, is not): to wait for it
    /// here could be to wait for ever. Takes the item lock with the table's mutex held; no request does it the other
    /// way round.
    private func debugItem(_ engine: borrowing Engine, _ action: String, _ key: RawSpan) -> StaticString {
      let (store, now) = (engine.store, engine.now)
      let hash = store.value.hash(key)
      let name = Array(key.bytes(ByteRange(start: 0, end: key.byteCount)))
      let stripe = store.value.locks.stripe(hash)
      return Session.keptItems.withLock { kept in
        if action == "unlock" { return kept.locks.removeValue(forKey: stripe) == nil ? "ERROR\r\n" : "OK\r\n" }
        guard kept.locks[stripe] == nil else { return "ERROR\r\n" }
        switch action {
        case "lock":
          kept.locks[stripe] = KeptLock(store.value.locks.lock(stripe: stripe))
        case "ref":
          let held = store.value.locks.lock(stripe: stripe)
          guard let item = store.value.find(key, hash, now: now, held).item else { return "MISS\r\n" }
          guard store.value.hold(item) else { return "ERROR\r\n" }
          _ = consume held
          kept.holds[name, default: []].append(item.ref)
        case "unref":
          guard let ref = kept.holds[name]?.popLast() else { return "MISS\r\n" }
          store.value.release(ref)
        default: return "ERROR\r\n"
        }
        return "OK\r\n"
      }
    }
  }
#endif
