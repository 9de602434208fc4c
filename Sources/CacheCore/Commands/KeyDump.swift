// `lru_crawler metadump` and `mgdump`: every live key, a bucket of the hash table at a time, as far as the reply has
// room. The connection's own worker walks, in bounded steps, so a client that does not read stops its own dump and
// nothing else. Each key that is there from the beginning to the end is shown exactly once, also when the table grows
// meanwhile; the order means nothing.

struct KeyDump {
  enum Kind {
    /// `key=... exp=... la=... cas=... fetch=... cls=... size=... flags=... ` and a bare newline.
    case metadump
    /// `mg <key>`, to be sent back as commands.
    case mgdump
  }

  let kind: Kind
  /// The classes to be shown.
  let classes: ClassSet
  var walk = HashWalk()

  /// Looked at in one step when none is shown.
  static let bucketsPerStep = 4096
  /// A line: an encoded key of 250 bytes at three bytes each, and the numbers.
  static let longestLineByteCount = 1024
}

extension Session {
  /// Goes on with a dump. nil when it is complete.
  mutating func resumeDump(_ engine: inout Engine, _ dump: KeyDump) -> NextStep? {
    var dump = dump
    var buckets = 0
    while buckets < KeyDump.bucketsPerStep {
      buckets += 1
      switch engine.dumpBucket(&dump) {
      case .more: break
      // There was room for that many, but none of them is shown: nothing to send, so on with the walk.
      case .wait where engine.reply.isEmpty: break
      case .wait:
        begin(.dumping(dump))
        return .flushReply
      case .done:
        engine.reply.append(dump.kind == .metadump ? "END\r\n" : "EN\r\n")
        return nil
      }
    }
    begin(.dumping(dump))
    return .yield
  }
}

extension Engine {
  /// Shows the items of the next bucket.
  fileprivate mutating func dumpBucket(_ dump: inout KeyDump) -> WalkStep {
    let (classes, kind, clock, now) = (dump.classes, dump.kind, store.value.clockBase, now)
    // There is room for the last line in any case.
    let room = reply.room / KeyDump.longestLineByteCount - 1
    return store.value.walk(&dump.walk, room: room, isMost: reply.isEmpty) { item in
      let slabClass = store.value.slabs.slabClass(of: item.ref)
      if classes.contains(slabClass), store.value.isLive(item, now: now) {
        KeyDump.compose(item, slabClass, kind, clock, &reply)
      }
    }
  }
}

extension KeyDump {
  fileprivate static func compose(
    _ item: Item, _ slabClass: Int, _ kind: Kind, _ clock: ClockBase, _ reply: inout ReplyBuffer
  ) {
    // What only the binary protocol can name is no command.
    if kind == .mgdump, item.keyByteCount > longestEncodableKeyByteCount, !TextParser.canName(item.key) { return }
    reply.compose(KeyDump.longestLineByteCount) { line in
      switch kind {
      case .metadump:
        line.append("key=")
        line.append(uriEncoded: item.key)
        line.append(" exp=")
        if item.exptime == 0 {
          line.append("-1")
        } else {
          line.append(decimal: UInt64(clock.unixSeconds(exptime: item.exptime)))
        }
        line.append(" la=")
        line.append(decimal: UInt64(clock.unixSeconds(exptime: item.lastAccess)))
        line.append(" cas=")
        line.append(decimal: item.cas)
        line.append(item.flags.contains(.fetched) ? " fetch=yes cls=" : " fetch=no cls=")
        line.append(decimal: UInt64(slabClass))
        line.append(" size=")
        line.append(decimal: UInt64(item.totalByteCount))
        line.append(" flags=")
        line.append(decimal: UInt64(item.clientFlags))
        line.append(" \n")
      case .mgdump:
        line.append("mg ")
        if item.flags.contains(.keyIsEncoded) || !TextParser.canName(item.key) {
          Base64.encode(item.key, &line)
          line.append(" b\r\n")
        } else {
          line.append(item.key)
          line.append("\r\n")
        }
      }
    }
  }

  /// Keys longer than this have no base64 that a command could carry.
  private static let longestEncodableKeyByteCount = 186
}
