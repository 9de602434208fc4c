// A walk over all items, a bucket at a time, while others go on storing: for dumps. Each step holds one item lock. Not
// the crawler, which walks the lists of the classes (Store+Upkeep).

/// How far a walk has come: stripe by stripe, and in each row by row. The rows are those the stripe had when the walk
/// came to it; what a row has been split into by growth meanwhile is visited with it.
struct HashWalk {
  fileprivate(set) var stripe = 0
  fileprivate(set) var row = 0
  /// 0: not yet known for this stripe.
  fileprivate(set) var rowCount = 0
  /// Items of the row that were shown already.
  fileprivate(set) var shown = 0
}

/// What became of a step of a walk.
enum WalkStep {
  case more
  /// The row has more items than there is room for now.
  case wait
  case done
}

extension Store {
  /// Calls `body` with each item of the next row, under its lock. A row that `canTake` says has too many items is left
  /// for later; of one that can never be taken as a whole (thousands in a bucket: a table that may not grow), `body`
  /// takes what it can and says false, and the next step goes on behind that.
  func walk(_ walk: inout HashWalk, canTake: (Int) -> Bool, _ body: (Item) -> Bool) -> WalkStep {
    guard walk.stripe < locks.count else { return .done }
    let held = locks.lock(stripe: walk.stripe)
    if walk.rowCount == 0 { walk.rowCount = table.rowCount(held) }
    var count = 0
    table.forEachItem(row: walk.row, of: walk.rowCount, held) { _ in count += 1 }
    guard canTake(count - walk.shown) else { return .wait }
    var index = 0
    var isComplete = true
    table.forEachItem(row: walk.row, of: walk.rowCount, held) { item in
      defer { index += 1 }
      guard isComplete, index >= walk.shown else { return }
      isComplete = body(item)
      if isComplete { walk.shown += 1 }
    }
    guard isComplete else { return .wait }
    walk.shown = 0
    walk.row += 1
    if walk.row == walk.rowCount {
      walk.stripe += 1
      walk.row = 0
      walk.rowCount = 0
    }
    return .more
  }
}
