// A walk over all items, a bucket at a time, while others go on storing: for dumps. Each step holds one item lock. Not
// the crawler, which walks the lists of the classes (Store+Upkeep).

/// How far a walk has come: stripe by stripe, and in each row by row. The rows are those the stripe had when the walk
/// came to it; what a row has been split into by growth meanwhile is visited with it.
struct HashWalk {
  fileprivate(set) var stripe = 0
  fileprivate(set) var row = 0
  /// 0: not yet known for this stripe.
  fileprivate(set) var rowCount = 0
  /// Of a row that did not fit at once, the items up to this hash were shown.
  fileprivate(set) var shownHash: UInt64?
}

/// What became of a step of a walk.
enum WalkStep {
  case more
  /// The row has more items than there is room for now.
  case wait
  case done
}

extension Store {
  /// Calls `body` with each item of the next row, under its lock, if there are at most `room`. A row with more is left
  /// for a time with more room; with the most there ever is (`isMost`), it is shown in parts, in the order of hashes,
  /// so that what comes and goes between the parts makes no other item appear twice or never.
  func walk(_ walk: inout HashWalk, room: Int, isMost: Bool, _ body: (Item) -> Void) -> WalkStep {
    guard walk.stripe < locks.count else { return .done }
    let held = locks.lock(stripe: walk.stripe)
    if walk.rowCount == 0 { walk.rowCount = table.rowCount(held) }
    var items: [(hash: UInt64, ref: ItemRef)] = []
    table.forEachItem(row: walk.row, of: walk.rowCount, held) { item in
      let hash = hash(item.key)
      if let shown = walk.shownHash, hash <= shown { return }
      items.append((hash, item.ref))
    }
    if items.count > room {
      guard isMost, room > 0 else { return .wait }
      items.sort { $0.hash < $1.hash }
      items.removeLast(items.count - room)
      walk.shownHash = items.last?.hash
    } else {
      walk.shownHash = nil
      walk.row += 1
      if walk.row == walk.rowCount {
        walk.stripe += 1
        walk.row = 0
        walk.rowCount = 0
      }
    }
    for (_, ref) in items { body(arena.item(ref)) }
    return items.count == room ? .wait : .more
  }
}
