// Arrays whose size is settled at start: bounds-checked, never moved, never reference counted. For state that several
// places change in place (slab classes, counters, key scratch). They do not grow and they lock nothing.

import Glibc

/// `count` values at fixed addresses, alive until the process ends or `destroy()`.
@safe @frozen
public struct FixedArray<Element> {
  @usableFromInline let pointer: UnsafeMutablePointer<Element>
  public let count: Int

  @inlinable
  public init(repeating element: Element, count: Int) {
    self.count = count
    unsafe pointer = .allocate(capacity: max(count, 1))
    // Rule 1: allocated for count elements just above.
    unsafe pointer.initialize(repeating: element, count: count)
  }

  /// Element `index`, 0 ..< count; traps outside.
  @inlinable
  public subscript(index: Int) -> Element {
    @inline(__always) _read {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked on the line above.
      yield unsafe pointer[index]
    }
    @inline(__always) nonmutating _modify {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked on the line above.
      yield unsafe &pointer[index]
    }
  }

  /// The first `count` elements, in the same place, as long as the array lives; traps when there are fewer.
  @inline(__always)
  func prefix(_ count: Int) -> FixedArray {
    precondition(UInt(bitPattern: count) <= UInt(bitPattern: self.count))
    // Rule 3: count checked above.
    return unsafe FixedArray(pointer: pointer, count: count)
  }

  @unsafe @inline(__always)
  private init(pointer: UnsafeMutablePointer<Element>, count: Int) {
    unsafe self.pointer = unsafe pointer
    self.count = count
  }

  public func destroy() {
    // Rule 1: the one owner says that nobody uses the array any more.
    unsafe pointer.deinitialize(count: count)
    unsafe pointer.deallocate()
  }
}

// Rule 2: each user's documentation names the lock or the thread that owns the elements.
extension FixedArray: @unchecked Sendable {}

extension FixedArray where Element == UInt8 {
  /// The first `count` bytes; traps when there are fewer.
  @_lifetime(borrow self)
  func bytes(_ count: Int) -> RawSpan {
    precondition(count >= 0 && count <= self.count)
    // Rule 3: count checked on the line above; every element was initialised.
    return unsafe _overrideLifetime(UnsafeRawBufferPointer(start: pointer, count: count).bytes, borrowing: self)
  }
}

/// As FixedArray, for plain values whose zero bits are their beginning: memory that nobody touches costs nothing.
@safe
struct ZeroedArray<Element: BitwiseCopyable> {
  private let pointer: UnsafeMutablePointer<Element>
  let count: Int

  init(count: Int) {
    self.count = count
    // Rule 1: fresh memory for count elements; the process ends when there is none, as it does in allocate().
    let memory = unsafe calloc(max(count, 1), MemoryLayout<Element>.stride)
    guard let memory = unsafe memory else { preconditionFailure("out of memory") }
    unsafe pointer = unsafe memory.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  /// Element `index`, 0 ..< count; traps outside.
  subscript(index: Int) -> Element {
    @inline(__always) _read {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked on the line above.
      yield unsafe pointer[index]
    }
    @inline(__always) nonmutating _modify {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      // Rule 3: index checked on the line above.
      yield unsafe &pointer[index]
    }
  }

  func destroy() {
    // Rule 1: the one owner says that nobody uses the array any more.
    unsafe free(pointer)
  }
}

// Rule 2: each user's documentation names the lock or the thread that owns the elements.
extension ZeroedArray: @unchecked Sendable {}
