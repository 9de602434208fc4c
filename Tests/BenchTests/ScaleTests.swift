// What several load processes tell each other, how options and bars are read, what strace says.
import Testing

@testable import Bench

struct ScaleTests {
  private func histogram(_ latencies: [UInt64]) -> LatencyHistogram {
    var histogram = LatencyHistogram()
    for latency in latencies { histogram.record(nanoseconds: latency) }
    return histogram
  }

  @Test func histogramsAreAdded() {
    var sum = histogram([1, 100, 1000, 1_000_000])
    sum.merge(histogram([1, 7, 90_000_000_000]))
    #expect(sum == histogram([1, 1, 7, 100, 1000, 1_000_000, 90_000_000_000]))
    #expect(sum.nanoseconds(quantile: 2.0 / 7) == 1 && sum.nanoseconds(quantile: 3.0 / 7) == 7)
    var same = sum
    same.merge(LatencyHistogram())
    #expect(same == sum)
  }

  @Test func histogramsGoAsAWord() {
    for latencies in [[], [0], [31, 32, 33, 33], [UInt64.max, 5]] {
      #expect(LatencyHistogram(word: histogram(latencies).word[...]) == histogram(latencies))
    }
    #expect(histogram([3, 3, 9]).word == "3:2,9:1" && LatencyHistogram().word == "-")
    for wrong in ["", "3", "3:2,", "3:2:1", "1920:1", "a:1", "3:-1"] {
      #expect(LatencyHistogram(word: wrong[...]) == nil, "\(wrong)")
    }
  }

  @Test func resultsAreAdded() throws {
    var first = LoadResult()
    first.wallNanoseconds = 1000
    first.processorNanoseconds = 600
    first.batchCount = 3
    first.latency = histogram([10, 20, 30])
    var second = try #require(LoadResult(line: "900 500 1 12:1"))
    #expect(LoadResult(line: first.line) == first)
    second.merge(first)
    #expect(second.line == "1000 1100 4 10:1,12:1,20:1,30:1")
    #expect(LoadResult(line: "1 2 3") == nil && LoadResult(line: "ready") == nil)
  }

  @Test func theLoadIsShared() throws {
    var options = try BenchOptions(["--loads", "3", "--connections", "50", "--open", "100"])
    let shares = (0..<3).map { LoadShare(LoadCase.all[0], options, number: $0) }
    #expect(shares.map(\.connectionCount) == [17, 17, 16] && shares.map(\.openCount) == [34, 33, 33])
    for share in shares { #expect(try LoadShare(share.words[...]) == share) }
    options.openCount = nil
    #expect(LoadShare(LoadCase.all[0], options, number: 2).openCount == 16)
    #expect(throws: BenchFailure.self) { try LoadShare(["get1", "3"]) }
  }

  @Test func optionsOfLoads() throws {
    #expect(try BenchOptions([]).loadCount == 1)
    #expect(throws: BenchFailure.self) { try BenchOptions(["--loads", "51"]) }
    #expect(throws: BenchFailure.self) { try BenchOptions(["--loads", "2", "--server", "floor=floor"]) }
    #expect(try BenchOptions(["--open", "500"]).connectionArguments.isEmpty)
    #expect(try BenchOptions(["--open", "501"]).connectionArguments.first == "-c")
  }

  @Test func listsOfNumbers() throws {
    let servers = ["--server", "a=true", "--server", "b=true"]
    let scale = try ScaleOptions(["scale", "--threads", "1,16"] + servers)
    #expect(scale.threadCounts == [1, 16] && scale.bench.loadCount == 2 && scale.bench.cases.count == 9)
    #expect(!scale.bench.isPinned && scale.bench(threads: 16).threadCount == 16)
    let connections = try ScaleOptions(["connections", "--open", "7", "--cases", "set100"] + servers)
    #expect(connections.openCounts == [7] && connections.bench.cases.map(\.name) == ["set100"])
    #expect(try ScaleOptions(["quiet"] + servers).bench.connectionCount == 8)
    for words in [["scale", "--threads", "1,"], ["scale", "--threads", "0"], ["quiet", "--callgrind"], ["other"]] {
      #expect(throws: BenchFailure.self) { try ScaleOptions(words + servers) }
    }
  }

  @Test func everyRunHasItsCases() throws {
    #expect(try !BenchOptions([]).cases.contains { $0.name == "pget500" })
    #expect(try BenchOptions([]).servers.contains(where: \.isFloor))
    #expect(try !BenchOptions(["--loads", "2"]).servers.contains(where: \.isFloor))
    for run in ScaleRun.allCases { #expect(try !BenchOptions(run.defaults).cases.isEmpty) }
  }

  @Test func barsAreMetOrNot() throws {
    let least = Bar(title: "a", value: 1, limit: .atLeast(1))
    let most = Bar(title: "b", value: 1.11, limit: .atMost(1.1))
    #expect(least.isMet && !most.isMet && !Bar(title: "c", value: .nan, limit: .atMost(1)).isMet)
    #expect(most.text == "b: 1.110, must be at most 1.10")
    try Bar.check([least])
    let failure = #expect(throws: BenchFailure.self) { try Bar.check([least, most]) }
    #expect(failure?.exitStatus == 3 && failure?.message == "MISSED " + most.text)
  }

  @Test func whatStraceCounts() throws {
    let head = "% time     seconds  usecs/call     calls    errors syscall\n"
    let row = "100.00    0.000321          13        24         8 futex\n"
    #expect(try FutexCount.calls(inSummary: "noise\n" + head + row + "100.00 total\n", of: "a") == 24)
    #expect(try FutexCount.calls(inSummary: head, of: "a") == 0)
    #expect(throws: BenchFailure.self) { try FutexCount.calls(inSummary: "killed", of: "a") }
  }
}
