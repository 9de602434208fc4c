// Who gives a page and who gets it, asked with numbers alone: no store, no memory. What the rules are worth was
// measured (Docs/storage.md); here is what they must never do, and what they must do when there is no doubt.
import Testing

@testable import CacheCore

struct PageMoverTests {
  private func view(
    _ slabClass: Int, pages: Int = 10, free: Double = 0, gain: Double = 0, loss: Double = 0, hits: Double = 0,
    allocates: Bool = true, age: UInt32 = 0, evicted: UInt64 = 0
  ) -> PageView {
    PageView(
      slabClass: slabClass, pageCount: pages, freePages: free, gain: gain, loss: loss, hits: hits, evictedPages: 10,
      receivedPages: 0, allocates: allocates, tailAgeSeconds: age, evicted: evicted)
  }

  // By utility.

  @Test func nothingMovesWhereNothingIsGained() {
    #expect(PageMover.moves([], budget: 5) == [])
    #expect(PageMover.moves([view(1), view(2)], budget: 5) == [])
    #expect(PageMover.moves([view(1, gain: 1000)], budget: 5) == [])
    #expect(PageMover.moves([view(1, gain: 1000), view(2, pages: 0)], budget: 5) == [])
    #expect(PageMover.moves([view(1, gain: 1000), view(2)], budget: 0) == [])
  }

  @Test func theOneThatGainsMostGetsFromTheOneThatLosesLeast() {
    let views = [
      view(1, gain: 50, loss: 900, hits: 9000), view(2, gain: 1000, loss: 900, hits: 9000),
      view(3, gain: 10, loss: 100, hits: 20_000), view(4, gain: 200, loss: 800, hits: 9000),
    ]
    #expect(PageMover.moves(views, budget: 1) == [PageMove(source: 3, destination: 2)])
  }

  /// Counts are small numbers of events: two that differ by less than their noise differ by nothing.
  @Test func aDifferenceWithinChanceIsNone() {
    for (gain, loss) in [(5.0, 0.0), (12, 6), (110, 90), (1000, 930), (10_000, 9200)] {
      let views = [view(1, gain: gain, loss: 0, hits: 1e6), view(2, loss: loss, hits: 1e6)]
      if gain - loss < 2 * (gain + loss).squareRoot() {
        #expect(PageMover.moves(views, budget: 9) == [], "\(gain) against \(loss)")
      }
    }
    #expect(PageMover.moves([view(1, gain: 1000, hits: 1e6), view(2, loss: 500, hits: 1e6)], budget: 1).count == 1)
    #expect(PageMover.moves([view(1, gain: 500, hits: 1e6), view(2, loss: 1000, hits: 1e6)], budget: 1) == [])
  }

  @Test func emptyPagesGoFirst() {
    let views = [
      view(1, gain: 1000), view(2, gain: 0, loss: 0, hits: 0), view(3, free: 3, loss: 900, hits: 1e6),
    ]
    #expect(PageMover.moves(views, budget: 1).first == PageMove(source: 3, destination: 1))
    // Once none is empty any more, the class is as dear as any other.
    let moves = PageMover.moves(views, budget: 10).filter { $0.source == 3 }
    #expect(moves.count == 3)
  }

  /// A class that has just needed a chunk keeps its only page.
  @Test func theLastPageIsNotTaken() {
    #expect(PageMover.moves([view(1, gain: 1000), view(2, pages: 1, allocates: true)], budget: 9) == [])
    let idle = PageMover.moves([view(1, gain: 1000), view(2, pages: 1, allocates: false)], budget: 9)
    #expect(idle.count <= 1)
  }

  @Test func donorsFromTheCheapestToTheDearest() {
    let views = [
      view(1, gain: 0, loss: 50), view(2, pages: 1, gain: 0, loss: 0, allocates: true), view(3, gain: 70, loss: 5),
      view(4, pages: 0), view(5, free: 1.5, loss: 999), view(6, loss: 1), view(7, pages: 1, loss: 20, allocates: false),
    ]
    #expect(PageMover.donors(views, for: 6) == [5, 7, 1, 3, 2])
    #expect(PageMover.donors(views, for: 0) == [5, 6, 7, 1, 3, 2])
    #expect(PageMover.donors([], for: 0) == [])
  }

  /// Whatever the numbers are: no more pages than the budget and than the source has, none to itself, none from a class
  /// that must keep its only one, and the same answer for the same question.
  @Test func rulesForAnyNumbers() {
    var random = SeededRandom(seed: 4)
    var moved = 0
    for round in 0..<3000 {
      let views = (1...random.number(1...40)).map { slabClass in
        view(
          slabClass, pages: random.number(0...6), free: random.isOne(in: 5) ? Double(random.number(0...30)) / 10 : 0,
          gain: Double(random.number(0...5000)), loss: Double(random.number(0...5000)),
          hits: Double(random.number(0...50_000)), allocates: random.isOne(in: 2))
      }
      let budget = random.number(0...30)
      let moves = PageMover.moves(views, budget: budget)
      moved += moves.count
      #expect(moves.count <= budget)
      for source in Set(moves.map(\.source)) {
        let view = views[source - 1]
        let count = moves.count { $0.source == source }
        #expect(count <= view.pageCount, "round \(round)")
        if view.allocates, view.freePages < 1 { #expect(count < view.pageCount, "round \(round)") }
      }
      #expect(moves.allSatisfy { $0.source != $0.destination && views[$0.destination - 1].gain > 0 })
      #expect(moves == PageMover.moves(views, budget: budget))
      let donors = PageMover.donors(views, for: 3)
      #expect(Set(donors) == Set(views.filter { $0.pageCount > 0 && $0.slabClass != 3 }.map(\.slabClass)))
      #expect(donors.count == Set(donors).count)
    }
    #expect(moved > 1000)
  }

  @Test func goalsWeighItems() {
    #expect(MoveGoal.hits.weight(0.05) == MoveGoal.hits.weight(50))
    #expect(MoveGoal.bytes.weight(2) == 2 * MoveGoal.bytes.weight(1))
    // Of two classes that gain the same bytes, the one with the smaller items; of two with the same hits, the other.
    #expect(100 * MoveGoal.balanced.weight(0.1) > 10 * MoveGoal.balanced.weight(1))
    #expect(MoveGoal.balanced.weight(10) > MoveGoal.balanced.weight(1))
  }

  // By age, as the reference does.

  @Test func theYoungestGetsFromTheOldest() {
    let views = [
      view(1, age: 100, evicted: 5), view(2, age: 10, evicted: 5), view(3, age: 1000), view(4, age: 500, evicted: 5),
    ]
    #expect(PageMover.moveByAge(views, ratio: 0.8) == PageMove(source: 3, destination: 2))
    #expect(PageMover.moveByAge([view(1, age: 800, evicted: 1), view(2, age: 1000)], ratio: 0.8) == nil)
    #expect(
      PageMover.moveByAge([view(1, age: 799, evicted: 1), view(2, age: 1000)], ratio: 0.8)
        == PageMove(source: 2, destination: 1))
    #expect(PageMover.moveByAge([view(1, age: 100, evicted: 1), view(2, age: 1000)], ratio: 0.05) == nil)
  }

  @Test func ageAloneIsNoReason() {
    // Nobody has evicted; the old one has two pages only; it is alone.
    #expect(PageMover.moveByAge([view(1, age: 1), view(2, age: 1000)], ratio: 0.8) == nil)
    #expect(PageMover.moveByAge([view(1, age: 1, evicted: 1), view(2, pages: 2, age: 1000)], ratio: 0.8) == nil)
    #expect(PageMover.moveByAge([view(1, age: 1, evicted: 1)], ratio: 0.8) == nil)
    #expect(PageMover.moveByAge([], ratio: 0.8) == nil)
  }

  @Test func manyFreePagesGoToThePool() {
    let views = [view(1, age: 1, evicted: 1), view(2, free: 2.6, age: 1000)]
    #expect(PageMover.moveByAge(views, ratio: 0.8) == PageMove(source: 2, destination: 0))
  }
}
