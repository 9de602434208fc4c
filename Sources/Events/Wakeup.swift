// A bell between threads: one rings, the other's event loop wakes. It carries no message; those lie in a mailbox.
// Ringing twice before the other side looked wakes it once.
import CSystem
import Glibc

public struct Wakeup: Sendable {
  /// Becomes readable when rung.
  public let descriptor: Int32

  /// Returns nil when no descriptor is left.
  public init?() {
    descriptor = csystem_eventfd()
    if descriptor < 0 { return nil }
  }

  public func ring() {
    var one: UInt64 = 1
    // Rule 3: the size given is that of the variable.
    _ = unsafe write(descriptor, &one, 8)
  }

  /// Silences the bell before the mailbox is emptied.
  public func clear() {
    var count: UInt64 = 0
    // Rule 3: the size given is that of the variable.
    _ = unsafe read(descriptor, &count, 8)
  }

  public func close() { _ = Glibc.close(descriptor) }
}
