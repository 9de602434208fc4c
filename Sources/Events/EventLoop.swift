// One thread's libevent base. The loop does not call back into the server: callbacks note which sockets are ready, and
// the worker walks that list with ordinary, statically dispatched code. So nothing here is generic, boxed or reference
// counted, and an event that was removed while its turn was coming is told by its token. Raw events only, never
// bufferevents.
import CLibevent
import CSystem
import CacheCore
import Glibc

/// What a registration is told about.
public struct Readiness: OptionSet, Sendable {
  public let rawValue: Int16
  public init(rawValue: Int16) { self.rawValue = rawValue }
  public static let readable = Readiness(rawValue: Int16(EV_READ))
  public static let writable = Readiness(rawValue: Int16(EV_WRITE))
}

/// Something that happened, named by the token its registration was made with.
@frozen
public struct ReadyEvent: Sendable {
  public let token: UInt64
  /// There is room to write; else there is input, or time has passed.
  public let isWritable: Bool
}

/// The list that callbacks append to; one per loop, at a fixed address.
@safe @usableFromInline
struct ReadyList {
  @usableFromInline var events: UnsafeMutablePointer<ReadyEvent>
  @usableFromInline var count = 0
  var capacity: Int

  init() {
    capacity = 64
    unsafe events = .allocate(capacity: capacity)
  }

  @inline(__always)
  mutating func append(_ event: ReadyEvent) {
    if count == capacity { grow() }
    // Rule 3: count < capacity.
    unsafe (events + count).initialize(to: event)
    count &+= 1
  }

  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<ReadyEvent>.allocate(capacity: capacity * 2)
    // Rule 3: the first `count` elements exist in both.
    unsafe larger.moveInitialize(from: events, count: count)
    unsafe events.deallocate()
    unsafe events = larger
    capacity *= 2
  }
}

/// Runs on one thread. Registrations are made and dropped on that thread only.
@safe
public struct EventLoop: ~Copyable {
  fileprivate let base: OpaquePointer
  @usableFromInline let ready: Pinned<ReadyList>

  /// A base without locks. Returns nil when libevent cannot make one (no descriptors left).
  public init?() {
    guard let configuration = unsafe event_config_new() else { return nil }
    defer { unsafe event_config_free(configuration) }
    unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
    // The time is asked for when a timer needs it, and not once a turn for nobody: most workers have no timer.
    unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NO_CACHE_TIME.rawValue))
    guard let base = unsafe event_base_new_with_config(configuration) else { return nil }
    unsafe self.base = base
    ready = Pinned(ReadyList())
  }

  deinit {
    // Rule 8: the loop is dropped last, after its registrations.
    unsafe event_base_free(base)
    unsafe ready.value.events.deallocate()
    ready.destroy()
  }

  /// Waits until something happens (or, without `blocking`, looks once) and collects all that did.
  @inline(__always)
  public func wait(blocking: Bool = true) {
    ready.value.count = 0
    // Once, also without blocking: nothing is received meanwhile, so sockets stay ready and a loop that goes on until
    // none is would never come back.
    unsafe event_base_loop(base, blocking ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK)
  }

  @inlinable @inline(__always)
  public var readyCount: Int { ready.value.count }

  /// What was collected, 0 ..< readyCount; traps outside.
  @inlinable @inline(__always)
  public func readyEvent(_ index: Int) -> ReadyEvent {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: ready.value.count))
    // Rule 3: index checked above.
    return unsafe ready.value.events[index]
  }

  /// Tells of `readiness` on `descriptor`, again and again, until the registration is dropped.
  public func register(_ descriptor: Int32, _ readiness: Readiness, token: UInt64) -> Registration? {
    Registration(self, ready, descriptor, readiness.rawValue | Int16(EV_PERSIST), token: token, everyMilliseconds: nil)
  }

  /// Tells every `milliseconds` that they have passed.
  public func registerTimer(everyMilliseconds milliseconds: Int, token: UInt64) -> Registration? {
    Registration(self, ready, -1, Int16(EV_PERSIST), token: token, everyMilliseconds: milliseconds)
  }

  /// Tells of a signal; one loop of the process only.
  public func registerSignal(_ signal: Int32, token: UInt64) -> Registration? {
    Registration(self, ready, signal, Int16(EV_SIGNAL | EV_PERSIST), token: token, everyMilliseconds: nil)
  }

  public static var libeventVersion: String {
    // Rule 8: a static string of the library.
    unsafe String(cString: event_get_version())
  }
}

/// One event in a loop; dropping it removes the event.
@safe
public struct Registration: ~Copyable {
  /// libevent's event with what its callback needs, in one allocation.
  @safe private struct Cell {
    var event: CLibevent.event
    let ready: Pinned<ReadyList>
    let token: UInt64
  }
  private let cell: UnsafeMutablePointer<Cell>

  fileprivate init?(
    _ loop: borrowing EventLoop, _ ready: Pinned<ReadyList>, _ descriptor: Int32, _ flags: Int16, token: UInt64,
    everyMilliseconds: Int?
  ) {
    unsafe cell = .allocate(capacity: 1)
    unsafe cell.initialize(to: Cell(event: CLibevent.event(), ready: ready, token: token))
    // Rule 8: the cell outlives the event, which deinit removes first; the callback runs on the loop's thread.
    let eventPointer = unsafe Registration.eventPointer(cell)
    unsafe event_assign(
      eventPointer, loop.base, descriptor, flags,
      { _, what, context in
        // Rule 8: the context is the cell of a live event.
        let cell = unsafe context.unsafelyUnwrapped.assumingMemoryBound(to: Cell.self)
        unsafe cell.pointee.ready.value.append(
          ReadyEvent(token: cell.pointee.token, isWritable: what & Readiness.writable.rawValue != 0))
      }, cell)
    var result: Int32
    if let everyMilliseconds {
      var interval = timeval(tv_sec: everyMilliseconds / 1000, tv_usec: everyMilliseconds % 1000 * 1000)
      result = unsafe event_add(eventPointer, &interval)
    } else {
      result = unsafe event_add(eventPointer, nil)
    }
    guard result == 0 else {
      unsafe cell.deallocate()
      return nil
    }
  }

  deinit {
    // Rule 8: removed before its memory goes; both on the loop's thread.
    unsafe event_del(Registration.eventPointer(cell))
    unsafe cell.deallocate()
  }

  @unsafe private static func eventPointer(_ cell: UnsafeMutablePointer<Cell>) -> UnsafeMutablePointer<CLibevent.event>
  {
    // Rule 4: the event is the cell's first field.
    unsafe UnsafeMutableRawPointer(cell).assumingMemoryBound(to: CLibevent.event.self)
  }
}
