// One client's socket and what is left over between events: a session, unconsumed input, unsent replies. An idle connection
// owns no buffer. The short way through is `ready`: fill, process (parse, execute, compose), flush. Docs/threads.md.
import CacheCore
import Events

struct Connection: ~Copyable {
  let socket: Socket
  var session: Session
  /// Unconsumed input: part of a line, or a backlog that waits for its turn.
  var saved: ByteBuffer?
  /// The saved input may hold whole requests: they go first, before anything is received.
  var hasBacklog = false
  /// Replies that the client has not taken yet. While there are any, nothing is read from it.
  var unsent: ReplyBuffer?
  var registration: Registration?
  var lastCommandSecond: UInt32
  /// The registration tells of room instead of input.
  var waitsForRoom = false
  let isUnix: Bool
}

/// What becomes of a connection after an event.
enum ConnectionFate {
  case keep
  /// Its turn is over but it has more to do.
  case yield
  /// Waiting for room in the socket, no longer for input.
  case awaitRoom
  /// Waiting for input again.
  case awaitInput
  case close
}

extension Connection {
  /// One event may receive this many buffers' worth and send this many replies before others have their turn.
  private static let receivesPerEvent = 16
  private static let flushesPerEvent = 16

  /// Input has come, or a backlog is to be worked on.
  @inline(__always)
  mutating func readable(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> ConnectionFate {
    var flushes = 0
    if saved != nil { restore(&buffer) }
    if hasBacklog {
      hasBacklog = false
      if let fate = process(&engine, &buffer, &flushes) { return fate }
    }
    for _ in 0..<Connection.receivesPerEvent {
      let (transfer, isFull) = receive(&engine, &buffer)
      switch transfer {
      case .wouldBlock: return finish(&buffer)
      case .closed: return .close
      case .bytes(let count): engine.counters.add(.bytesRead, UInt64(count))
      }
      if let fate = process(&engine, &buffer, &flushes) { return fate }
      // A short read has taken all there was.
      guard isFull else { return finish(&buffer) }
      buffer.compact()
    }
    // The sender is faster than its share: the event comes again at once.
    return finish(&buffer)
  }

  /// Receives into the value being uploaded, if it is large, and into the buffer. `isFull` when there may be more.
  @inline(__always)
  private mutating func receive(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> (Transfer, isFull: Bool) {
    if session.isIdle || buffer.count > 0 {
      let room = buffer.room
      let transfer = socket.receive(into: &buffer)
      return (transfer, transfer == .bytes(room))
    }
    return receiveDirectly(&buffer)
  }

  @inline(never)
  private mutating func receiveDirectly(_ buffer: inout ByteBuffer) -> (Transfer, isFull: Bool) {
    guard let window = session.directWindow(largerThan: 0) else {
      let room = buffer.room
      let transfer = socket.receive(into: &buffer)
      return (transfer, transfer == .bytes(room))
    }
    let room = window.count + buffer.room
    let transfer = socket.receive(into: window, then: &buffer)
    if case .bytes(let count) = transfer { session.directlyReceived(min(count, window.count)) }
    return (transfer, transfer == .bytes(room))
  }

  /// Works on the buffer until it wants input. A fate other than nil ends the event.
  @inline(__always)
  private mutating func process(
    _ engine: inout Engine, _ buffer: inout ByteBuffer, _ flushes: inout Int
  ) -> ConnectionFate? {
    while true {
      let step = session.process(&engine, &buffer)
      if !engine.reply.isEmpty {
        if let fate = flush(&engine, &buffer) { return step == .close && fate != .awaitRoom ? .close : fate }
      }
      switch step {
      case .awaitInput: return nil
      case .close: return .close
      case .yield: return postpone(&engine, &buffer)
      case .flushReply:
        flushes &+= 1
        if flushes >= Connection.flushesPerEvent { return postpone(&engine, &buffer) }
      }
    }
  }

  /// Sends the reply. nil when all of it went.
  @inline(__always)
  private mutating func flush(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> ConnectionFate? {
    let before = engine.reply.unsentByteCount
    let transfer = socket.send(&engine.reply)
    engine.counters.add(.bytesWritten, UInt64(before &- engine.reply.unsentByteCount))
    switch transfer {
    case .bytes: return nil
    case .closed:
      engine.reply.removeAll()
      return .close
    case .wouldBlock:
      unsent = engine.reply.takeUnsent()
      save(&buffer, isBacklog: true)
      return .awaitRoom
    }
  }

  private mutating func postpone(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> ConnectionFate {
    engine.counters.add(.connectionYields)
    save(&buffer, isBacklog: true)
    return .yield
  }

  /// The event is over; what is left of a line waits in a buffer of its own.
  @inline(__always)
  private mutating func finish(_ buffer: inout ByteBuffer) -> ConnectionFate {
    if buffer.count > 0 { save(&buffer, isBacklog: false) }
    return .keep
  }

  @inline(never)
  private mutating func save(_ buffer: inout ByteBuffer, isBacklog: Bool) {
    hasBacklog = isBacklog
    saved = buffer.count > 0 ? ByteBuffer(copyingRestOf: buffer) : nil
    buffer.removeAll()
  }

  @inline(never)
  private mutating func restore(_ buffer: inout ByteBuffer) {
    guard let rest = saved.take() else { return }
    buffer.refill(from: rest)
  }

  /// The socket has room again: what was left unsent goes first, then the backlog.
  mutating func writable(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> ConnectionFate {
    guard var rest = unsent.take() else { return .keep }
    let before = rest.unsentByteCount
    let transfer = socket.send(&rest)
    engine.counters.add(.bytesWritten, UInt64(before - rest.unsentByteCount))
    switch transfer {
    case .closed: return .close
    case .wouldBlock:
      unsent = consume rest
      return .keep
    case .bytes: break
    }
    var flushes = 0
    if saved != nil { restore(&buffer) }
    hasBacklog = false
    if let fate = process(&engine, &buffer, &flushes) { return fate }
    _ = finish(&buffer)
    return .awaitInput
  }
}
