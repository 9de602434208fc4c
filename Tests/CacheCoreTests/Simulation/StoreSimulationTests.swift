// Random runs over the store with the tables and limits that make trouble: few pages, many classes, small chunks, no
// CAS, no eviction, pages that may not move. SIM_SEED chooses one seed, SIM_STEPS a longer run.
import Testing

@testable import CacheCore

struct StoreSimulationTests {
  private static let seeds: [UInt64] = environmentNumber("SIM_SEED").map { [$0] } ?? [1, 2, 3]
  private static let steps = environmentNumber("SIM_STEPS").map { Int($0) } ?? 600

  static let all: [StoreSimulationSettings] = [
    StoreSimulationSettings(
      name: "fitted, 1 MB", change: { $0.slabs.rule = .fitted(memoryByteCount: 1 << 20) },
      limits: [1 << 20, 512 << 10, 1 << 20, 3 << 20]),
    StoreSimulationSettings(
      name: "fitted, 4 MB, large values", change: { $0.slabs.rule = .fitted(memoryByteCount: 4 << 20) }, keyCount: 60,
      sizes: [100...3000, 20_000...120_000, 100_000...400_000], limits: [4 << 20, 2 << 20, 4 << 20]),
    StoreSimulationSettings(
      name: "fitted, 1 MB, one size", change: { $0.slabs.rule = .fitted(memoryByteCount: 1 << 20) }, keyCount: 1000,
      sizes: [1000...1010, 1000...1010, 1000...1010, 0...9000], limits: [1 << 20, 700 << 10], stepsPerCheck: 5),
    StoreSimulationSettings(
      name: "fitted, many pages a class",
      change: { $0.slabs.rule = .fitted(memoryByteCount: 1 << 20) }, keyCount: 2000,
      sizes: [1000...1010, 3000...3050, 3000...3050, 5000...5050], limits: [3 << 20, 1 << 20, 2 << 20],
      stepsPerCheck: 20),
    StoreSimulationSettings(
      name: "fitted, without CAS",
      change: {
        $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
        $0.casEnabled = false
      }, limits: [1 << 20, 600 << 10]),
    StoreSimulationSettings(
      name: "reference, 3 MB", sizes: [0...400, 300...30_000], limits: [3 << 20, 1 << 20, 8 << 20]),
    StoreSimulationSettings(
      name: "reference, small chunks",
      change: {
        $0.slabs.explicitSizes = [100, 200, 500, 1000]
        $0.slabs.chunkMaxByteCount = 2048
      }, sizes: [0...300, 1000...60_000], limits: [3 << 20, 1 << 20]),
    StoreSimulationSettings(
      name: "reference, one class of chunks",
      change: {
        $0.slabs.explicitSizes = [100]
        $0.slabs.chunkMaxByteCount = 4096
      }, keyCount: 60,
      sizes: [2000...4000, 10_000...100_000], limits: [3 << 20, 1 << 20, 2 << 20]),
    StoreSimulationSettings(
      name: "without eviction",
      change: {
        $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
        $0.evictionsEnabled = false
      }, limits: [1 << 20, 600 << 10, 2 << 20]),
    StoreSimulationSettings(
      name: "pages stay",
      change: {
        $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
        $0.movesPages = false
      }, sizes: [0...1500], limits: [1 << 20]),
    StoreSimulationSettings(
      name: "pages by age",
      change: {
        $0.slabs.rule = .fitted(memoryByteCount: 1 << 20)
        $0.movesByAge = true
        $0.order = .segmented
      }, limits: [1 << 20]),
  ]

  @Test(arguments: all.indices, seeds) func forgetsButNeverLies(_ index: Int, _ seed: UInt64) {
    let simulation = StoreSimulation(StoreSimulationTests.all[index], seed: seed)
    simulation.run(steps: StoreSimulationTests.steps)
    #expect(simulation.failure == nil, "play again with SIM_SEED=\(seed)")
    #expect(simulation.stored > simulation.step / 8 && simulation.hits > simulation.step / 300)
  }
}
