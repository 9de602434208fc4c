// A run of random commands by several clients against a server in process, checked by the model answer by answer: with
// uploads that stop in the middle while others go on, clients that go away, a clock that moves, and upkeep in between.
// The same seed gives the same run. What was sent and answered is kept, to be played again in other pieces.
import InProcess

@testable import CacheCore

struct SimulationSettings {
  var isExact = true
  var memoryLimitBytes = 64 << 20
  var itemSizeMaxBytes = 1 << 20
  var chunkMaxBytes = 512 << 10
  /// Sizes of the other chunks; empty = the usual table.
  var explicitChunkBytes: [Int] = []
  var hashPower = 6
  var replyByteCount = 64 << 10
  var gatherThresholdByteCount = 16 << 10
  var keyCount = 40
  var sizes = CommandGenerator.Sizes.large
  /// Few flushes and expiration times, so that a small store becomes full.
  var keepsLong = false

  func server() -> InProcessServer {
    var configuration = StoreConfiguration()
    configuration.memoryLimitBytes = memoryLimitBytes
    configuration.itemSizeMaxBytes = itemSizeMaxBytes
    configuration.slabs.chunkMaxByteCount = chunkMaxBytes
    configuration.slabs.explicitSizes = explicitChunkBytes
    configuration.hashPower = hashPower
    configuration.startedAtUnixSeconds = TestStore.startedAtUnixSeconds
    return InProcessServer(
      configuration, replyByteCount: replyByteCount, gatherThresholdByteCount: gatherThresholdByteCount)
  }
}

final class Simulation {
  enum Event {
    case sent(client: Int, bytes: [UInt8], answer: [UInt8])
    case left(client: Int)
    case advanced(seconds: UInt32)
  }

  /// A value on its way in: what of it was sent.
  private struct OpenUpload {
    let command: StoreCommand
    let wire: [UInt8]
    var sentByteCount: Int
    var upload: Model.Upload?
  }

  let settings: SimulationSettings
  let seed: UInt64
  let server: InProcessServer
  private(set) var model: Model
  private(set) var events: [Event] = []
  private(set) var step = 0
  private(set) var commandCount = 0
  /// The first thing that went wrong; the run ends with it.
  private(set) var failure: String?
  private var generator: CommandGenerator
  private var random: SeededRandom
  private var uploads: [Int: OpenUpload] = [:]
  private let keepsEvents: Bool
  /// A run of the crawler that is under way.
  private var crawl: Crawl?

  init(_ settings: SimulationSettings, seed: UInt64, keepsEvents: Bool = false) {
    self.settings = settings
    self.seed = seed
    self.keepsEvents = keepsEvents
    server = settings.server()
    model = Model(
      isExact: settings.isExact, itemSizeMaxBytes: settings.itemSizeMaxBytes, chunkMaxBytes: settings.chunkMaxBytes)
    generator = CommandGenerator(
      seed: seed, keyCount: settings.keyCount,
      sizes: settings.sizes, itemSizeMaxBytes: settings.itemSizeMaxBytes,
      mutesEverything: settings.isExact, keepsLong: settings.keepsLong)
    random = SeededRandom(seed: seed &* 31 &+ 7)
  }

  /// Runs until the steps are done or something is wrong.
  func run(steps: Int) {
    while step < steps, failure == nil {
      step += 1
      takeStep()
      if step % 50 == 0 { checkInvariants() }
    }
    for client in uploads.keys.sorted() { leave(client) }
    checkInvariants()
    checkForgotten()
  }

  private func fail(_ text: String) {
    if failure == nil { failure = "seed \(seed), step \(step): \(text)" }
  }

  private func takeStep() {
    let client = random.number(1...4)
    switch random.number(0...99) {
    case 0...2: advance(UInt32(random.number(1...4)))
    case 3: leave(client)
    case 4: upkeep()
    default:
      if uploads[client] != nil { goOn(client) } else { begin(client) }
    }
  }

  private func send(_ bytes: [UInt8], _ client: Int) -> [UInt8] {
    let answer = server.send(bytes, client: client)
    if keepsEvents { events.append(.sent(client: client, bytes: bytes, answer: answer)) }
    return answer
  }

  private func advance(_ seconds: UInt32) {
    server.advanceClock(seconds: seconds)
    model.advance(seconds: seconds)
    if keepsEvents { events.append(.advanced(seconds: seconds)) }
  }

  /// The client goes away, in the middle of whatever it was doing.
  private func leave(_ client: Int) {
    server.disconnect(client)
    uploads[client] = nil
    if keepsEvents { events.append(.left(client: client)) }
  }

  private func upkeep() {
    var crawl = crawl ?? server.store.value.beginCrawl(now: server.now)
    server.store.value.crawlStep(&crawl, chunks: random.number(1...20), now: server.now)
    if crawl.isDone { server.store.value.noteCrawlDone(crawl, now: server.now) }
    self.crawl = crawl.isDone ? nil : crawl
    _ = server.store.value.growStep(buckets: random.number(1...50))
  }

  private func nextCommand() -> Command {
    commandCount += 1
    let model = model
    return generator.next { model.cas($0) }
  }

  private func begin(_ client: Int) {
    let command = nextCommand()
    if case .store(let store) = command, random.isOne(in: 6) {
      uploads[client] = OpenUpload(command: store, wire: store.wire, sentByteCount: 0, upload: nil)
      goOn(client)
    } else if settings.isExact, random.isOne(in: 5) {
      pipeline([command] + (0..<random.number(1...6)).map { _ in nextCommand() }, client)
    } else {
      check(send(command.wire, client), command)
    }
  }

  /// Several commands in one piece. Only an exact model can tell the answers apart.
  private func pipeline(_ commands: [Command], _ client: Int) {
    var wire: [UInt8] = []
    var expected: [UInt8] = []
    for command in commands {
      // A number that is being sent is not changed in place but replaced by one without padding (section 2.7). Whether
      // an earlier get of this piece is still being sent is not for the model to know.
      if case .arithmetic(let key, _, _, _) = command, model.valueByteCount(key) > settings.gatherThresholdByteCount {
        continue
      }
      wire += command.wire
      expected += model.answer(command)
    }
    let answer = send(wire, client)
    if !isSame(answer, expected) { fail("\(commands.count) commands at once: \(Model.difference(answer, expected))") }
  }

  /// Some more of an open upload, or all the rest of it.
  private func goOn(_ client: Int) {
    guard var open = uploads[client] else { return }
    let left = open.wire.count - open.sentByteCount
    let headerLeft = open.command.header.count - open.sentByteCount
    // Often just before or after the header's end and the value's end.
    let count =
      switch random.number(0...5) {
      case 0 where headerLeft > 1: headerLeft - 1
      case 1 where headerLeft > 0: headerLeft
      case 2 where left > 2: left - random.number(1...2)
      case 3: min(left, random.number(1...20))
      case 4: random.number(1...left)
      default: left
      }
    let answer = send(Array(open.wire[open.sentByteCount..<(open.sentByteCount + count)]), client)
    open.sentByteCount += count
    if open.upload == nil, open.sentByteCount >= open.command.header.count {
      open.upload = model.begin(open.command)
    }
    if open.sentByteCount < open.wire.count {
      uploads[client] = open
      if !answer.isEmpty { fail("answered \(Model.text(answer)) in the middle of an upload") }
      return
    }
    uploads[client] = nil
    guard let upload = open.upload else { return }
    if settings.isExact {
      let expected = model.finish(upload)
      if !isSame(answer, expected) { fail("upload of \(open.command.mode): \(Model.difference(answer, expected))") }
    } else if let objection = model.objection(to: answer, of: upload) {
      fail("upload of \(open.command.mode): \(objection)")
    }
  }

  private func check(_ answer: [UInt8], _ command: Command) {
    if settings.isExact {
      let expected = model.answer(command)
      if !isSame(answer, expected) { fail("\(Model.text(command.wire)): \(Model.difference(answer, expected))") }
    } else if let objection = model.objection(to: answer, of: command) {
      fail("\(Model.text(command.wire)): \(objection)")
    }
  }

  /// Only when no upload is open: a reservation belongs to nobody's list.
  private func checkInvariants() {
    guard uploads.isEmpty else { return }
    let broken = server.store.value.brokenInvariants(during: crawl)
    if !broken.isEmpty { fail(broken.prefix(3).joined(separator: "; ")) }
  }

  /// Nothing was forgotten but by eviction, or by a store that found no room.
  private func checkForgotten() {
    let statistics = server.store.value.figures().statistics
    let excused = statistics.evicted + statistics.outOfMemory
    if settings.isExact, excused > 0 { fail("\(excused) evictions in a store with room for everything") }
    if UInt64(model.forgottenCount) > excused {
      fail("\(model.forgottenCount) values forgotten, but only \(excused) evictions")
    }
  }
}
