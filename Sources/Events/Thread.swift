// Threads by name: start one, join it. No pool and no queue; the server has a fixed set of them.
// What a thread may share is said by the types it uses, not here.
import CSystem
import Glibc

@safe
public struct Thread {
  private let handle: pthread_t

  private final class Start {
    let name: String
    let body: () -> Void
    init(name: String, body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Runs `body` on a new thread. Returns nil when the system has none to give. `body` may use only what is safe to
  /// share.
  public init?(name: String, body: @escaping @Sendable () -> Void) {
    var handle = pthread_t()
    // Rule 8: the retained Start is released by the thread that was started, or below.
    let context = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    let result = unsafe pthread_create(
      &handle, nil,
      { context in
        let start = unsafe Unmanaged<Start>.fromOpaque(context.unsafelyUnwrapped).takeRetainedValue()
        unsafe csystem_name_thread(UInt(pthread_self()), String(start.name.prefix(15)))
        start.body()
        return nil
      }, context.toOpaque())
    guard result == 0 else {
      unsafe context.release()
      return nil
    }
    self.handle = handle
  }

  /// Lets other threads that want this processor run first.
  public static func letOthersRun() { sched_yield() }

  public func join() { pthread_join(handle, nil) }
}
