// The table of cases: every case has room for its keys, the large ones run only when they are named, and a server that
// has lost a key is not measured. What the requests look like is checked by every run of the bench.
import Testing

@testable import Bench

struct LoadCaseTests {
  private static let large = LoadCase.all.filter { $0.keyCount >= 20_000_000 }

  @Test func namesAreUnique() {
    #expect(Set(LoadCase.all.map(\.name)).count == LoadCase.all.count)
  }

  /// memcached takes the most: 80 bytes beside key and value, and chunks that are up to a quarter too large.
  @Test func everyCaseHasRoomForItsKeys() {
    for row in LoadCase.all {
      let itemByteCount = WireText.keyByteCount + row.valueByteCount + 80
      #expect(row.keyCount * itemByteCount * 5 / 4 < row.memoryMegabytes << 20, "\(row.name)")
    }
  }

  @Test func largeCasesRunOnlyWhenTheyAreNamed() throws {
    #expect(Self.large.map(\.name) == ["mget100-20m", "pget50-20m", "pmg50-20m"])
    for words in [[], ["--quick"], ["--callgrind"]] {
      let names = try BenchOptions(words).cases.map(\.name)
      #expect(names.contains("get1") && names.allSatisfy { name in !Self.large.contains { $0.name == name } })
    }
    #expect(try BenchOptions(["--cases", "pget50-20m"]).cases.map(\.memoryMegabytes) == [5120])
  }

  /// Otherwise the keys of a round, asked for again in the next, would be in a cache by then.
  @Test func roundsOfLargeCasesAskForManyKeys() {
    for row in Self.large {
      let pool = RequestPool(row, keyCount: row.keyCount, batches: row.batchesPerRound)
      #expect(pool.count == row.batchesPerRound && pool.keyCount >= 600_000, "\(row.name)")
    }
  }

  @Test func aLostKeyIsNoticed() {
    #expect(ServerUnderTest.loss(of: 3, stats: ["curr_items": 3, "evictions": 0]) == nil)
    #expect(ServerUnderTest.loss(of: 3, stats: ["curr_items": 2]) != nil)
    #expect(ServerUnderTest.loss(of: 3, stats: ["curr_items": 3, "evictions": 1]) != nil)
    #expect(ServerUnderTest.loss(of: 3, stats: [:]) != nil)
  }
}
