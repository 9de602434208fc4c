// One value in memory of its own, for what is large and seldom there: where it is not, its owner holds a pointer's room
// for it. It has one owner and is shared with nobody; see Pinned for that. Docs/memory.md, rule 1.

/// Holds one `Value` until `take()` or its own end.
@safe
public struct Boxed<Value: ~Copyable>: ~Copyable {
  private let pointer: UnsafeMutablePointer<Value>

  public init(_ value: consuming Value) {
    unsafe pointer = .allocate(capacity: 1)
    // Rule 1: freshly allocated for exactly one Value.
    unsafe pointer.initialize(to: value)
  }

  deinit {
    // Rule 1: initialised in init, and not taken.
    unsafe pointer.deinitialize(count: 1)
    unsafe pointer.deallocate()
  }

  /// Gives the value back, and its memory.
  public consuming func take() -> Value {
    // Rule 1: initialised in init; without deinit nobody uses it afterwards.
    let value = unsafe pointer.move()
    unsafe pointer.deallocate()
    discard self
    return value
  }
}
