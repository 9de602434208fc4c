// Elements at fixed addresses, named by tokens that outlive them: the connections of a worker. A token is a slot and a
// generation, so one that was taken down while an event for it was on its way is simply not found. One thread uses it.

@safe
public struct Slots<Element: ~Copyable>: ~Copyable {
  @safe @usableFromInline struct Slot {
    @usableFromInline var pointer: UnsafeMutablePointer<Element>?
    @usableFromInline var generation: UInt32 = 0
    @usableFromInline init() {}
  }
  @usableFromInline var slots: [Slot] = []
  @usableFromInline var free: [Int] = []
  public private(set) var count = 0

  public init() {}

  deinit {
    for slot in slots {
      if let pointer = unsafe slot.pointer {
        // Rule 1: allocated and initialised in insert, not removed since.
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
      }
    }
  }

  /// The token that the next `insert` will return.
  public var nextToken: UInt64 {
    if let index = free.last { return Slots.token(index, slots[index].generation) }
    return Slots.token(slots.count, 0)
  }

  @usableFromInline static func token(_ index: Int, _ generation: UInt32) -> UInt64 {
    UInt64(generation) << 32 | UInt64(index)
  }

  /// Keeps `element` until it is removed; returns its token.
  @discardableResult
  public mutating func insert(_ element: consuming Element) -> UInt64 {
    let index: Int
    if let reused = free.popLast() {
      index = reused
    } else {
      index = slots.count
      slots.append(Slot())
    }
    let pointer = UnsafeMutablePointer<Element>.allocate(capacity: 1)
    // Rule 1: freshly allocated for one element.
    unsafe pointer.initialize(to: element)
    unsafe slots[index].pointer = pointer
    count += 1
    return Slots.token(index, slots[index].generation)
  }

  /// Destroys the element of `token`; nothing happens when it is gone already.
  public mutating func remove(_ token: UInt64) {
    let index = Int(token & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(token >> 32), let pointer = unsafe slots[index].pointer
    else { return }
    unsafe slots[index].pointer = nil
    slots[index].generation &+= 1
    free.append(index)
    count -= 1
    // Rule 1: initialised in insert; the slot no longer names it.
    unsafe pointer.deinitialize(count: 1)
    unsafe pointer.deallocate()
  }

  /// Calls `body` with the element of `token`; nil when it is gone. `body` must not insert or remove.
  @inlinable @inline(__always)
  public func with<Result>(_ token: UInt64, _ body: (inout Element) -> Result) -> Result? {
    let index = Int(token & 0xffff_ffff)
    guard index < slots.count, slots[index].generation == UInt32(token >> 32), let pointer = unsafe slots[index].pointer
    else { return nil }
    // Rule 1: initialised in insert and not removed since, as the generation says.
    return unsafe body(&pointer.pointee)
  }

  /// The tokens of all elements at this moment.
  public var tokens: [UInt64] {
    slots.indices.compactMap { unsafe slots[$0].pointer == nil ? nil : Slots.token($0, slots[$0].generation) }
  }
}
