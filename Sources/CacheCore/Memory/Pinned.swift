// A value at a fixed address: the alternative to a class for state that many callers touch on the request path.
// It counts no references and checks no exclusivity, so it costs one pointer load. It is not a lock: what a Pinned
// value may be used for from several threads is said by the value's own type. Docs/memory.md, rules 1 and 2.

/// A heap cell for one `Value`, at the same address from `init` until `destroy()`.
///
/// Copies of a `Pinned` name the same cell. The owner calls `destroy()` once, after the last use.
@safe @frozen
public struct Pinned<Value: ~Copyable> {
  @usableFromInline let pointer: UnsafeMutablePointer<Value>

  @inlinable
  public init(_ value: consuming Value) {
    unsafe pointer = .allocate(capacity: 1)
    // Rule 1: freshly allocated for exactly one Value.
    unsafe pointer.initialize(to: value)
  }

  @inlinable @inline(__always)
  public var value: Value {
    // Rule 1: initialised in init, and destroy() is the owner's last use.
    @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer }
  }

  /// Ends the value's life and gives its memory back. No copy of this `Pinned` may be used afterwards.
  @inlinable
  public func destroy() {
    // Rule 1: the one owner says that nobody uses the cell any more.
    unsafe pointer.deinitialize(count: 1)
    unsafe pointer.deallocate()
  }
}

// Rule 2: sharing between threads is the business of Value, whose documentation names its locks.
extension Pinned: @unchecked Sendable where Value: ~Copyable {}
