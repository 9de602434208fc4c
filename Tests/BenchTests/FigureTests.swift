// The arithmetic of the reports: medians, ratios, means, and when a phase counts as settled.
import Testing

@testable import Bench

struct FigureTests {
  private let column = FigureColumn<Double>("figure", "figure", digits: 1) { $0 }

  @Test func ratiosAreTakenRoundByRound() {
    let ours = ServerRounds(name: "a", rounds: [1.0, 4, 9])
    let theirs = ServerRounds(name: "b", rounds: [2.0, 4, 3])
    #expect(ours.median(column) == 4 && ours.ratio(to: theirs, column) == 1)
  }

  @Test func theGeometricMean() {
    #expect(abs([0.5, 2, 8].geometricMean - 2) < 1e-9)
  }

  @Test func aLineOfJSON() {
    let servers = [ServerRounds(name: "a", rounds: [1.5, 3]), ServerRounds(name: "b\"", rounds: [3.0, 6])]
    let line = FigureTable(columns: [column]).json([("case", .string("x")), ("n", .numbers([1, .nan]))], servers)
    #expect(
      line == #"{"case":"x","n":[1,null],"servers":[{"name":"a","figure":{"median":2.250000,"rounds":[1.500000,3]}},"#
        + #"{"name":"b\"","figure":{"median":4.500000,"rounds":[3,6]}}],"#
        + #""ratios":[{"ours":"a","theirs":"b\"","figure":0.500000}]}"# + "\n")
  }

  @Test func aPhaseIsSettledFromTheLastSliceThatIsOff() {
    let figures = ShiftFigures(missRatios: [0.5, 0.31, 0.4, 0.31, 0.3, 0.3, 0.3, 0.3, 0.3])
    #expect(figures.unsettledSliceCount == 3 && abs(figures.finalLevel - 0.3) < 1e-9)
    #expect(ShiftFigures(missRatios: [0.3, 0.3]).unsettledSliceCount == 0)
  }

  @Test func slicesAreLateBesideThoseOfANewServer() {
    let figures = ShiftFigures(missRatios: [0.5, 0.4, 0.3], freshMissRatios: [0.5, 0.3, 0.29])
    #expect(figures.lateSliceCount == 1)
  }

  @Test func whatIsCountedSince() {
    var earlier = CacheAsideFigures()
    earlier.getCount = 10
    earlier.hitCount = 2
    var later = earlier
    later.getCount = 20
    later.hitCount = 10
    #expect(abs(later.since(earlier).missRatio - 0.2) < 1e-9)
    #expect(CacheAsideFigures().missRatio == 0 && CacheAsideFigures().byteMissRatio == 0)
  }
}
