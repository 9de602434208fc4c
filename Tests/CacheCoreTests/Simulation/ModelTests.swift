// Random runs against the model: with room for everything and byte-exact, with little memory and forgetting allowed,
// and the same bytes whole, byte by byte and in random pieces. SIM_SEED chooses one seed, SIM_STEPS a longer run.
import InProcess
import Testing

@testable import CacheCore

struct ModelTests {
  private static let seeds: [UInt64] = environmentNumber("SIM_SEED").map { [$0] } ?? [1, 2, 3, 4]
  private static let steps = environmentNumber("SIM_STEPS").map { Int($0) }

  @discardableResult
  private func run(_ settings: SimulationSettings, seed: UInt64, steps: Int, keepsEvents: Bool = false) -> Simulation {
    let simulation = Simulation(settings, seed: seed, keepsEvents: keepsEvents)
    simulation.run(steps: ModelTests.steps ?? steps)
    #expect(simulation.failure == nil, "play again with SIM_SEED=\(seed)")
    return simulation
  }

  @Test(arguments: seeds) func answersExactlyWithRoomForEverything(_ seed: UInt64) {
    let simulation = run(SimulationSettings(), seed: seed, steps: 2000)
    #expect(simulation.commandCount > simulation.step / 2)
  }

  /// Chains of chunks everywhere, replies that do not fit their buffer, values gathered from one byte on.
  @Test(arguments: seeds) func answersExactlyWithSmallChunksAndBuffers(_ seed: UInt64) {
    var settings = SimulationSettings()
    settings.chunkMaxBytes = 1024
    settings.itemSizeMaxBytes = 64 << 10
    settings.replyByteCount = 4096
    settings.gatherThresholdByteCount = 256
    settings.hashPower = 3
    run(settings, seed: seed, steps: 2000)
  }

  @Test(arguments: seeds) func forgetsButNeverLies(_ seed: UInt64) {
    var settings = SimulationSettings()
    settings.isExact = false
    settings.memoryLimitBytes = 1 << 20
    settings.itemSizeMaxBytes = 128 << 10
    settings.explicitChunkBytes = [256, 1024]
    settings.chunkMaxBytes = 4 << 10
    settings.keyCount = 600
    settings.sizes = .crowding
    settings.keepsLong = true
    let simulation = run(settings, seed: seed, steps: 4000)
    // Otherwise the run was too small to mean anything.
    #expect(simulation.server.store.value.figures().statistics.evicted > 50)
    #expect(simulation.model.forgottenCount > 5)
  }

  @Test(arguments: seeds) func piecesMakeNoDifference(_ seed: UInt64) {
    var settings = SimulationSettings()
    settings.chunkMaxBytes = 1024
    settings.replyByteCount = 4096
    settings.gatherThresholdByteCount = 512
    settings.sizes = .small
    let whole = run(settings, seed: seed, steps: 250, keepsEvents: true)
    var random = SeededRandom(seed: seed)
    let ways: [(String, (Int) -> Int)] = [
      ("byte by byte", { _ in 1 }), ("in threes", { _ in 3 }), ("in random pieces", { random.number(1...max(1, $0)) }),
    ]
    for (name, pieceByteCount) in ways {
      let server = settings.server()
      for (index, event) in whole.events.enumerated() {
        switch event {
        case .advanced(let seconds): server.advanceClock(seconds: seconds)
        case .left(let client): server.disconnect(client)
        case .sent(let client, let bytes, let answer):
          let other = server.send(bytes, client: client, pieceByteCount: pieceByteCount(bytes.count))
          guard isSame(other, answer) else {
            Issue.record("seed \(seed), \(name), event \(index): \(Model.difference(other, answer))")
            return
          }
        }
      }
    }
  }

  // The checkers themselves: each kind of lie must be seen.

  private func model(isExact: Bool) -> Model {
    var model = Model(isExact: isExact, itemSizeMaxBytes: 1 << 20, chunkMaxBytes: 512 << 10)
    var command = StoreCommand(mode: .set, key: bytes("a"), value: bytes("one"))
    command.exptime = 5
    command.flags = 3
    #expect(model.objection(to: bytes("STORED\r\n"), of: .store(command)) == nil)
    return model
  }

  private let get = Command.retrieve(keys: [bytes("a")], withCAS: false, touch: nil)

  @Test func theForgettingModelTakesTheTruthAndAMiss() {
    var model = model(isExact: false)
    #expect(model.objection(to: bytes("VALUE a 3 3\r\none\r\nEND\r\n"), of: get) == nil)
    #expect(model.objection(to: bytes("END\r\n"), of: get) == nil)
    #expect(model.forgottenCount == 1)
    // What was forgotten does not come back.
    #expect(model.objection(to: bytes("VALUE a 3 3\r\none\r\nEND\r\n"), of: get) != nil)
  }

  @Test(arguments: [
    "VALUE a 3 3\r\ntwo\r\nEND\r\n", "VALUE a 4 3\r\none\r\nEND\r\n", "VALUE b 3 3\r\none\r\nEND\r\n", "ERROR\r\n", "",
    "VALUE a 3 3\r\none\r\n", "VALUE a 3 3\r\none\r\nEND\r\nEND\r\n", "VALUE a 3 2\r\non\r\nEND\r\n",
    "VALUE a 3 3\r\none\r\nVALUE a 3 3\r\none\r\nEND\r\n",
  ])
  func theForgettingModelSeesALie(_ lie: String) {
    var model = model(isExact: false)
    #expect(model.objection(to: bytes(lie), of: get) != nil)
  }

  @Test func theForgettingModelSeesTheDeadReturn() {
    let truth = bytes("VALUE a 3 3\r\none\r\nEND\r\n")
    var expired = model(isExact: false)
    expired.advance(seconds: 5)
    #expect(expired.objection(to: truth, of: get) == nil)
    expired.advance(seconds: 1)
    #expect(expired.objection(to: truth, of: get) != nil)
    var deleted = model(isExact: false)
    #expect(deleted.objection(to: bytes("DELETED\r\n"), of: .delete(key: bytes("a"), noreply: false)) == nil)
    #expect(deleted.objection(to: truth, of: get) != nil)
    var flushed = model(isExact: false)
    #expect(flushed.objection(to: bytes("OK\r\n"), of: .flush(exptime: 2, noreply: false)) == nil)
    flushed.advance(seconds: 2)
    #expect(flushed.objection(to: truth, of: get) != nil)
  }

  @Test func theExactModelSaysEveryByte() {
    var model = model(isExact: true)
    #expect(model.answer(get) == bytes("VALUE a 3 3\r\none\r\nEND\r\n"))
    let gets = Command.retrieve(keys: [bytes("a"), bytes("b"), bytes("a")], withCAS: true, touch: -1)
    #expect(model.answer(gets) == bytes("VALUE a 3 3 2\r\none\r\nEND\r\n"))
    #expect(model.answer(get) == bytes("END\r\n"))
  }
}
