// The counters: sums over threads, resets that write into nobody's cells, counts by key prefix, and the lines of a
// report.
import Testing

@testable import CacheCore

struct CounterTests {
  @Test func sumsAllThreadsAndResets() {
    let sets = (0..<3).map { _ in CounterSet() }
    let registry = CounterRegistry(sets: sets)
    for (index, set) in sets.enumerated() {
      set.add(.getMisses)
      set.add(.bytesRead, UInt64(100 * (index + 1)))
      set.addGetHit(segmentNumber: index, slabClass: index + 1)
      set.addGetHit(segmentNumber: 3, slabClass: 63)
    }
    #expect(registry.value(.getMisses) == 3)
    #expect(registry.value(.getCommands) == 9)
    #expect(registry.value(.bytesRead) == 600)
    #expect(registry.value(.getHits, slabClass: 2) == 1)
    #expect(registry.value(.getHits, slabClass: 63) == 3)
    #expect(registry.total(.getHits) == 6)
    registry.reset()
    for counter in Counter.allCases { #expect(registry.value(counter) == 0) }
    for counter in ClassCounter.allCases { #expect(registry.total(counter) == 0) }
    sets[1].add(.bytesRead, 5)
    sets[2].addGetHit(segmentNumber: 0, slabClass: 2)
    #expect(registry.value(.bytesRead) == 5)
    #expect(registry.total(.getHits) == 1)
    #expect(registry.value(.getCommands) == 1)
    #expect(registry.value(.getMisses) == 0)
  }

  /// Every counter that is counted has cells of its own: adding to one changes no other.
  @Test func countersDoNotOverlap() {
    let set = CounterSet()
    let registry = CounterRegistry(sets: [set])
    let counted = Counter.allCases.filter { $0 != .getCommands }
    let countedByClass = ClassCounter.allCases.filter { $0 != .getHits }
    for (index, counter) in counted.enumerated() { set.add(counter, UInt64(index + 1)) }
    for counter in countedByClass {
      for slabClass in 0..<CounterSet.maximumClassCount {
        for _ in 0...(counter.rawValue + slabClass % 3) { set.add(counter, slabClass: slabClass) }
      }
    }
    for (index, counter) in counted.enumerated() { #expect(registry.value(counter) == UInt64(index + 1)) }
    for counter in countedByClass {
      for slabClass in 0..<CounterSet.maximumClassCount {
        #expect(registry.value(counter, slabClass: slabClass) == UInt64(counter.rawValue + slabClass % 3 + 1))
      }
    }
  }

  @Test func everyClassNumberFitsTheCells() { #expect(SlabClasses.maximumClass < CounterSet.maximumClassCount) }

  @Test func namesOnTheWireAreUnique() {
    let names = GeneralStat.rows(versionText: "x").map { "\($0.name)" }
    #expect(Set(names).count == names.count)
    let classNames = ClassCounter.allCases.map { "\($0.wireName)" }
    #expect(Set(classNames).count == classNames.count)
  }

  @Test func secondsHaveSixDigits() {
    #expect(GeneralStat.seconds(0) == "0.000000")
    #expect(GeneralStat.seconds(1) == "0.000001")
    #expect(GeneralStat.seconds(999_999) == "0.999999")
    #expect(GeneralStat.seconds(12_034_056) == "12.034056")
  }

  @Test func prefixesAreCountedUpToTheDelimiter() {
    let counts = PrefixCounts(delimiter: 0x3a)
    counts.noteGet(bytes("b:1"), isHit: true)
    counts.noteGet(bytes("b:2"), isHit: false)
    counts.noteSet(bytes("a:1:2"))
    counts.noteDelete(bytes("a:"))
    counts.noteGet(bytes("none"), isHit: true)
    counts.noteGet(bytes(":x"), isHit: true)
    #expect(
      String(decoding: counts.dump(), as: UTF8.self)
        == "PREFIX  get 1 hit 1 set 0 del 0\r\nPREFIX a get 0 hit 0 set 1 del 1\r\n"
        + "PREFIX b get 2 hit 1 set 0 del 0\r\nEND\r\n")
    counts.reset()
    #expect(counts.dump() == bytes("END\r\n"))
  }

  @Test func prefixesAreLimited() {
    let counts = PrefixCounts(delimiter: 0x3a)
    for number in 0..<(PrefixCounts.maximumPrefixCount + 10) { counts.noteSet(bytes("\(number):")) }
    counts.noteSet(bytes("0:"))
    let lines = String(decoding: counts.dump(), as: UTF8.self).split(separator: "\r\n")
    #expect(lines.count == PrefixCounts.maximumPrefixCount + 1)
    #expect(lines[0] == "PREFIX 0 get 0 hit 0 set 2 del 0")
  }

  @Test func resettingAStoreForgetsStatisticsNotItems() throws {
    let test = TestStore()
    try test.put("a", [], exptime: -1)
    #expect(!test.has("a"))
    try test.put("b", [])
    #expect(test.statistics.reclaimed == 1)
    test.store.value.resetStatistics()
    #expect(test.statistics.reclaimed == 0)
    #expect(test.store.value.figures().itemCount == 1)
  }
}
