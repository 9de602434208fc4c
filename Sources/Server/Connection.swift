// One client's socket and what is left over between events: a session, unconsumed input, unsent replies. An idle
// connection owns no buffer. The short way through is `ready`: fill, process (parse, execute, compose), flush.
// Docs/threads.md.
import CacheCore
import Events
import TLS

struct Connection: ~Copyable {
  let socket: Socket
  var session: Session
  /// Unconsumed input: part of a line, or a backlog that waits for its turn.
  var saved: ByteBuffer?
  /// Work is left that needs no further input: it goes first, before anything is received.
  var hasBacklog = false
  /// The worker has it on its list for another turn; events are ignored until then.
  var isPostponed = false
  /// Replies that the client has not taken yet. While there are any, nothing is read from it. Few connections ever have
  /// some, so the others do not keep room for them.
  var unsent: Boxed<ReplyBuffer>?
  var registration: Registration?
  var lastCommandSecond: UInt32
  /// The registration tells of room instead of input.
  var waitsForRoom = false
  let isUnix: Bool
  /// nil without TLS.
  let channel: TLSChannel?
  /// How it ends, for the log.
  var closeReason = CloseReason.normal
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
  /// It reads no more requests: the watchers take it over.
  case watch(WatchRequest)
  /// It will not come to speak TLS.
  case failedHandshake
}

extension Connection {
  /// One event may receive this many bytes and send this many replies before others have their turn.
  private static let bytesPerEvent = 1 << 20
  private static let flushesPerEvent = 16

  /// Input has come, or a backlog is to be worked on.
  @inline(__always)
  mutating func readable(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> ConnectionFate {
    var flushes = 0
    if let channel, !channel.isEstablished, let fate = handshake(channel) { return fate }
    if hasBacklog, let fate = processBacklog(&engine, &flushes) { return fate }
    if saved != nil { restore(&buffer) }
    var received = 0
    while received < Connection.bytesPerEvent {
      let (transfer, isFull) = receive(&engine, &buffer)
      switch transfer {
      case .wouldBlock: return finish(&buffer)
      case .closed: return .close
      case .bytes(let count):
        engine.counters.add(.bytesRead, UInt64(count))
        received &+= count
      }
      if let fate = process(&engine, &buffer, &flushes) {
        hasBacklog = true
        save(&buffer)
        return fate
      }
      // A short read has taken all there was.
      guard isFull else { return finish(&buffer) }
      buffer.compact()
    }
    // The sender is faster than its share: the event comes again at once, but not for what is decrypted already.
    let fate = finish(&buffer)
    return channel == nil ? fate : .yield
  }

  /// One step towards TLS. nil when it is spoken.
  @inline(never)
  private func handshake(_ channel: TLSChannel) -> ConnectionFate? {
    switch channel.handshake() {
    case .done: nil
    case .wantsInput: waitsForRoom ? .awaitInput : .keep
    case .wantsRoom: waitsForRoom ? .keep : .awaitRoom
    case .failed: .failedHandshake
    }
  }

  /// Works on what is saved, where it lies. nil when only input is missing now.
  @inline(never)
  private mutating func processBacklog(_ engine: inout Engine, _ flushes: inout Int) -> ConnectionFate? {
    var backlog = saved.take() ?? ByteBuffer(capacity: 0)
    let fate = process(&engine, &backlog, &flushes)
    hasBacklog = fate != nil
    if backlog.count == 0 { return fate }
    // A large buffer is not kept for the few bytes of a partial line.
    saved = backlog.count * 2 < backlog.capacity ? ByteBuffer(copyingRestOf: backlog) : consume backlog
    return fate
  }

  /// Receives into the value being uploaded, if it is large, and into the buffer. `isFull` when there may be more.
  @inline(__always)
  private mutating func receive(_ engine: inout Engine, _ buffer: inout ByteBuffer) -> (Transfer, isFull: Bool) {
    if let channel { return receiveDecrypted(channel, &buffer) }
    if session.isIdle || buffer.count > 0 {
      let room = buffer.room
      let transfer = socket.receive(into: &buffer)
      return (transfer, transfer == .bytes(room))
    }
    return receiveDirectly(&buffer)
  }

  /// A record at a time; that there is no more is known when there is none.
  @inline(never)
  private mutating func receiveDecrypted(
    _ channel: TLSChannel, _ buffer: inout ByteBuffer
  ) -> (Transfer, isFull: Bool) {
    if session.isIdle || buffer.count > 0 { return (channel.receive(into: &buffer), true) }
    let windows = session.directWindows().windows
    if windows.isEmpty { return (channel.receive(into: &buffer), true) }
    let transfer = channel.receive(into: windows[0])
    if case .bytes(let count) = transfer { session.directlyReceived(count) }
    return (transfer, true)
  }

  @inline(never)
  private mutating func receiveDirectly(_ buffer: inout ByteBuffer) -> (Transfer, isFull: Bool) {
    let (windows, isWhole) = session.directWindows()
    if windows.isEmpty {
      let room = buffer.room
      let transfer = socket.receive(into: &buffer)
      return (transfer, transfer == .bytes(room))
    }
    let room = windows.byteCount + (isWhole ? buffer.room : 0)
    let transfer =
      isWhole ? socket.receive(into: windows, then: &buffer) : socket.receive(into: windows)
    if case .bytes(let count) = transfer { session.directlyReceived(min(count, windows.byteCount)) }
    return (transfer, transfer == .bytes(room))
  }

  /// Works on the buffer until it wants input. A fate other than nil ends the turn; the rest of the buffer is a
  /// backlog.
  @inline(__always)
  private mutating func process(
    _ engine: inout Engine, _ buffer: inout ByteBuffer, _ flushes: inout Int
  ) -> ConnectionFate? {
    while true {
      let step = session.process(&engine, &buffer)
      if !engine.reply.isEmpty, let fate = flush(&engine) { return fate }
      switch step {
      case .awaitInput: return nil
      case .close: return .close
      case .watch(let request): return .watch(request)
      case .yield: break
      case .flushReply:
        flushes &+= 1
        if flushes < Connection.flushesPerEvent { continue }
      }
      engine.counters.add(.connectionYields)
      return .yield
    }
  }

  /// Sends the reply. nil when all of it went.
  @inline(__always)
  private mutating func flush(_ engine: inout Engine) -> ConnectionFate? {
    let (transfer, sentByteCount) = channel?.send(&engine.reply) ?? socket.send(&engine.reply)
    engine.counters.add(.bytesWritten, UInt64(sentByteCount))
    switch transfer {
    case .bytes: return nil
    case .closed:
      engine.reply.removeAll()
      return .close
    case .wouldBlock:
      unsent = Boxed(engine.reply.takeUnsent())
      return .awaitRoom
    }
  }

  /// The event is over; what is left of a line waits in a buffer of its own.
  @inline(__always)
  private mutating func finish(_ buffer: inout ByteBuffer) -> ConnectionFate {
    if buffer.count > 0 { save(&buffer) }
    return .keep
  }

  @inline(never)
  private mutating func save(_ buffer: inout ByteBuffer) {
    saved = buffer.count > 0 ? ByteBuffer(copyingRestOf: buffer) : nil
    buffer.removeAll()
  }

  @inline(never)
  private mutating func restore(_ buffer: inout ByteBuffer) {
    guard let rest = saved.take() else { return }
    buffer.refill(from: rest)
  }

  /// The socket has room again: what was left unsent goes first, then the backlog. A session that was told to close
  /// does so when its last reply is gone.
  mutating func writable(_ engine: inout Engine) -> ConnectionFate {
    if let channel, !channel.isEstablished { return handshake(channel) ?? .yield }
    guard let held = unsent.take() else { return .keep }
    var rest = held.take()
    let (transfer, sentByteCount) = channel?.send(&rest) ?? socket.send(&rest)
    engine.counters.add(.bytesWritten, UInt64(sentByteCount))
    switch transfer {
    case .closed: return .close
    case .wouldBlock:
      unsent = Boxed(rest)
      return .keep
    case .bytes: break
    }
    var flushes = 0
    if let fate = processBacklog(&engine, &flushes) { return fate }
    return channel?.hasPending == true ? .yield : .awaitInput
  }
}
