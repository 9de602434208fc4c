// A doubly linked list of items through their own header: newest at the head, eviction at the tail. One per slab class
// and segment, guarded by the class lock. It orders; what the order means is the policy's business (Store+Eviction).

struct ItemList: Sendable {
  private(set) var head = ItemRef.none
  private(set) var tail = ItemRef.none
  private(set) var count = 0
  /// Bytes of the listed items, headers included.
  private(set) var byteCount = 0

  init() {}

  /// A list whose items are linked already (a warm restart has followed every link).
  init(head: ItemRef, tail: ItemRef, count: Int, byteCount: Int) {
    self.head = head
    self.tail = tail
    self.count = count
    self.byteCount = byteCount
  }

  /// One of the items that are linked already was met.
  mutating func noteRestored(_ item: Item) {
    count &+= 1
    byteCount &+= item.totalByteCount
  }

  @inline(__always)
  mutating func pushHead(_ item: Item, arena: Arena) {
    item.previous = .none
    item.next = head
    if head.isNone { tail = item.ref } else { arena.item(head).previous = item.ref }
    head = item.ref
    count &+= 1
    byteCount &+= item.totalByteCount
  }

  /// An item on the list has become `delta` bytes larger (smaller when negative).
  mutating func noteGrowth(_ delta: Int) { byteCount &+= delta }

  /// Traps (in the arena) when the item's links lead nowhere; the item must be on this list.
  @inline(__always)
  mutating func remove(_ item: Item, arena: Arena) {
    let next = item.next
    let previous = item.previous
    if previous.isNone { head = next } else { arena.item(previous).next = next }
    if next.isNone { tail = previous } else { arena.item(next).previous = previous }
    item.next = .none
    item.previous = .none
    count &-= 1
    byteCount &-= item.totalByteCount
  }

  /// `item` is a copy of one on the list, links included, and takes its place.
  mutating func adopt(_ item: Item, arena: Arena) {
    if item.previous.isNone { head = item.ref } else { arena.item(item.previous).next = item.ref }
    if item.next.isNone { tail = item.ref } else { arena.item(item.next).previous = item.ref }
  }
}
