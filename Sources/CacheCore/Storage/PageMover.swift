// Which class gives a page and which gets it: decisions over numbers, without locks or memory, so that tests can ask
// them anything. The rule is that of marginal utility: a page goes where it earns most hits from where it earns least
// (LAMA, ATC '15; Cliffhanger, NSDI '16). The clock is evictions, not seconds. The reference's rule of ages is the
// other choice (section 7.8). What was measured: Docs/storage.md.

/// What the mover sees of a class.
struct PageView {
  var slabClass: Int
  var pageCount: Int
  /// Free chunks in pages.
  var freePages: Double
  /// Hits that one page more would have been, and that one page less would have lost, by their worth.
  var gain: Double
  var loss: Double
  /// Hits on the class, scaled as gain is: what all its pages earn together, never less than what one of them does.
  var hits: Double
  /// Pages' worth of chunks it has evicted since the last decision.
  var evictedPages: Double
  /// Pages it was given in this decision; who receives does not give.
  var receivedPages = 0.0
  /// Whether it needed a chunk since the last decision.
  var allocates: Bool
  var tailAgeSeconds: UInt32
  var evicted: UInt64
}

/// What the page mover wants more of.
public enum MoveGoal: String, Sendable, CaseIterable {
  /// Hits, whatever their size: small items win, and more bytes are missed.
  case hits
  /// Between the two: a hit counts for itself, and half as much again for an item of mean size.
  case balanced
  /// Bytes hit.
  case bytes

  /// What a hit on an item is worth, whose size is given as a multiple of that of the mean item hit. Every mixture of
  /// hits and bytes that is best for something is a line like these.
  func weight(_ relativeSize: Double) -> Double {
    switch self {
    case .hits: 1
    case .balanced: 1 + relativeSize / 2
    case .bytes: relativeSize
    }
  }
}

struct PageMove: Equatable {
  var source: Int
  var destination: Int
}

enum PageMover {
  /// The mover decides once in this part of the memory evicted.
  static let decisionsPerCache = 64
  /// Pages given to a class for one that it has evicted, while there are classes that can spare them.
  static let haste = 4.0
  /// What a count is worth after each decision; hits on a class are judged by the last few alone.
  static let fading = 0.95
  static let hitsFading = 0.7

  /// The classes that can give a page, those that lose least first. One that holds a single page gives it only when it
  /// has not needed a chunk lately, or when nobody else can.
  static func donors(_ views: [PageView], for destination: Int) -> [Int] {
    views.filter { $0.pageCount > 0 && $0.slabClass != destination }
      .sorted { (cost($0), -$0.pageCount) < (cost($1), -$1.pageCount) }
      .map(\.slabClass)
  }

  private static func cost(_ view: PageView) -> Double {
    if view.freePages >= 1 { return -1 }
    if view.pageCount == 1, view.allocates { return .greatestFiniteMagnitude }
    // Where nothing is evicted the queue stands still, and hits on its end come by chance: any page may be the next.
    return max(view.gain, view.loss, view.evictedPages == 0 ? average(view) : 0)
  }

  /// The pages to move now, at most `budget`, always from the class that loses least to the one that gains most. One
  /// that has pages of free chunks, or earns less with an average page than another gains, gives page after page; any
  /// other a single one, if the difference is more than chance.
  static func moves(_ views: [PageView], budget: Int) -> [PageMove] {
    var views = views
    var moves: [PageMove] = []
    while moves.count < budget {
      guard let destination = destination(views), let source = source(views, for: destination)
      else { break }
      let isSpare = isSpare(views[source], gain: views[destination].gain)
      if !isSpare, !moves.isEmpty || !isWorthIt(views[destination].gain, cost(views[source])) { break }
      moves.append(PageMove(source: views[source].slabClass, destination: views[destination].slabClass))
      if !isSpare { break }
      // What a further page earns is less.
      let pages = Double(views[destination].pageCount + 1)
      views[destination].gain *= pages / (pages + 1)
      views[destination].pageCount += 1
      views[destination].receivedPages += 1
      views[source].pageCount -= 1
      views[source].freePages -= 1
    }
    return moves
  }

  /// Nobody needs much more room than he has evicted; who has that already needs none.
  private static func destination(_ views: [PageView]) -> Int? {
    views.indices.filter { index in
      let view = views[index]
      return view.gain > 0 && view.freePages + view.receivedPages < max(1, haste * view.evictedPages)
    }
    .max { views[$0].gain < views[$1].gain }
  }

  /// One that can spare it, if there is any; else the one that loses least.
  private static func source(_ views: [PageView], for destination: Int) -> Int? {
    let candidates = views.indices.filter { index in
      index != destination && views[index].pageCount > 0 && views[index].receivedPages == 0
        && cost(views[index]) < .greatestFiniteMagnitude
    }
    let spare = candidates.filter { isSpare(views[$0], gain: views[destination].gain) }
    if let best = spare.min(by: { average(views[$0]) < average(views[$1]) }) { return best }
    return candidates.min { (cost(views[$0]), -views[$0].pageCount) < (cost(views[$1]), -views[$1].pageCount) }
  }

  /// What a page of the class earns on average.
  private static func average(_ view: PageView) -> Double {
    view.freePages >= 1 ? -1 : view.hits / Double(max(view.pageCount, 1))
  }

  private static func isSpare(_ view: PageView, gain: Double) -> Bool {
    view.pageCount > 1 && (view.freePages >= 1 || isWorthIt(gain, 2 * average(view)))
  }

  private static func isWorthIt(_ gain: Double, _ cost: Double) -> Bool {
    gain > 1.1 * cost + 2 * (gain + cost).squareRoot()
  }

  /// The reference's rule (b): to the class whose oldest item is youngest, from the one whose is oldest, if the first
  /// is below `ratio` of the second.
  static func moveByAge(_ views: [PageView], ratio: Double) -> PageMove? {
    if let free = views.first(where: { $0.freePages > 2.5 }) { return PageMove(source: free.slabClass, destination: 0) }
    let evicting = views.filter { $0.allocates && $0.evicted > 0 }
    guard let youngest = evicting.min(by: { $0.tailAgeSeconds < $1.tailAgeSeconds }),
      let oldest = views.filter({ $0.pageCount > 2 }).max(by: { $0.tailAgeSeconds < $1.tailAgeSeconds }),
      youngest.slabClass != oldest.slabClass,
      Double(youngest.tailAgeSeconds) < Double(oldest.tailAgeSeconds) * ratio
    else { return nil }
    return PageMove(source: oldest.slabClass, destination: youngest.slabClass)
  }
}

/// Counts of pages moved and of what was met on the way. From any thread.
struct MoveCounts: Sendable {
  private let cells = AtomicCells(count: PageMoveCount.allCases.count)
  func addOne(_ count: PageMoveCount) { cells.add(count.rawValue, 1) }
  subscript(_ count: PageMoveCount) -> Int { Int(cells.load(count.rawValue)) }
  func reset() { for count in PageMoveCount.allCases { cells.store(count.rawValue, 0) } }
  func destroy() { cells.destroy() }
}
