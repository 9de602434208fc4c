// Nothing on the request path asks the heap for memory: gets (hit, miss, a hundred keys, gathered), sets that replace
// and that are new, deletes, touches, counters. Counted by CAllocationCounter, which stands in front of malloc, around
// Session.process and the sending of its reply; what the test itself prepares is outside.
// Without optimisation Swift allocates where it likes: then these tests only run the commands. `swift test -c release`
// measures.
import CAllocationCounter
import Testing

@testable import CacheCore

@Suite(.enabled(if: allocation_counter_works() != 0)) struct AllocationTests {
  /// A session, an engine and a receive buffer, as a worker has them.
  private final class Worker {
    let store: Pinned<Store>
    var engine: Engine
    var session = Session(descriptor: 1)
    var input = ByteBuffer(capacity: 256 << 10)

    private final class SilentHost: Host {
      func facts() -> HostFacts { HostFacts() }
      func settings() -> [(name: String, value: String)] { [] }
      func connections() -> [ConnectionFacts] { [] }
      func shutdown(graceful: Bool) {}
      func log(_ line: String) {}
    }

    init(_ change: (inout StoreConfiguration) -> Void = { _ in }) {
      var configuration = StoreConfiguration()
      configuration.workerCount = 1
      configuration.hashPower = 12
      change(&configuration)
      store = Store.make(configuration)!
      let counters = CounterSet()
      engine = Engine(
        EngineConfiguration(
          modes: Modes(verbosity: 0, countsPrefixes: false), prefixes: PrefixCounts(delimiter: 0x3a),
          registry: CounterRegistry(sets: [counters]), versionText: "1.6.45 test"),
        store: store, counters: counters, host: SilentHost())
    }

    deinit {
      session = Session(descriptor: 1)
      engine.reply.removeAll()
      store.destroy()
    }

    /// Hands `request` over and drops the reply. Returns how many blocks were asked for, and how long the reply was.
    func process(_ request: [UInt8]) -> (allocations: UInt64, replyByteCount: Int) {
      request.withUnsafeBytes { input.append($0.bytes) }
      var replyByteCount = 0
      let before = allocation_count()
      while true {
        let step = session.process(&engine, &input)
        let unsent = engine.reply.unsentByteCount
        engine.reply.consume(unsent)
        replyByteCount += unsent
        if step == .awaitInput { break }
      }
      return (allocation_count() - before, replyByteCount)
    }
  }

  /// Runs `request` once to warm up and then a hundred times, each of which must allocate nothing.
  private func expectNone(_ worker: Worker, _ request: [UInt8], replyByteCount: Int, _ name: String) {
    _ = worker.process(request)
    var total: UInt64 = 0
    for _ in 0..<100 {
      let (allocations, count) = worker.process(request)
      total += allocations
      #expect(count == replyByteCount, "\(name)")
    }
    #if !DEBUG
      #expect(total == 0, "\(name): \(total) allocations in 100 requests")
    #endif
  }

  private func set(_ key: String, _ valueByteCount: Int) -> [UInt8] {
    bytes("set \(key) 0 0 \(valueByteCount)\r\n") + pattern(valueByteCount).map { $0 | 0x80 } + bytes("\r\n")
  }

  /// The counter counts: otherwise all the zeros below would mean nothing.
  @Test func allocationsAreSeen() {
    let before = allocation_count()
    let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 16)
    let large = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 4096)
    let after = allocation_count()
    let freedBefore = deallocation_count()
    block.deallocate()
    large.deallocate()
    let freedAfter = deallocation_count()
    #expect(after - before == 2)
    #expect(freedAfter - freedBefore == 2)
    var array: [Int] = []
    let beforeArray = allocation_count()
    for number in 0..<1000 { array.append(number) }
    let afterArray = allocation_count()
    #expect(afterArray - beforeArray >= 5)
    #expect(array.count == 1000)
  }

  /// A request that must allocate, measured in the same way: a report is built as a whole.
  @Test func aReportIsSeenToAllocate() {
    let worker = Worker()
    _ = worker.process(bytes("stats\r\n"))
    #expect(worker.process(bytes("stats\r\n")).allocations > 10)
  }

  @Test func gets() {
    let worker = Worker()
    _ = worker.process(set("key", 100))
    let hit = "VALUE key 0 100\r\n".utf8.count + 102 + 5
    expectNone(worker, bytes("get key\r\n"), replyByteCount: hit, "hit")
    expectNone(worker, bytes("gat 0 key\r\n"), replyByteCount: hit, "gat")
    expectNone(worker, bytes("get nothing\r\n"), replyByteCount: 5, "miss")
    expectNone(worker, bytes("get key\r\nget key\r\nget no\r\n"), replyByteCount: 2 * hit + 5, "pipelined")
  }

  @Test func getsOfAHundredKeys() {
    let worker = Worker()
    for number in 100..<200 { _ = worker.process(set("key:\(number)", 50)) }
    let request = bytes("get" + (100..<200).map { " key:\($0)" }.joined() + "\r\n")
    let reply = 100 * ("VALUE key:100 0 50\r\n".utf8.count + 52) + 5
    expectNone(worker, request, replyByteCount: reply, "multiget")
    let withCAS = worker.process(bytes("gets") + request.dropFirst(3)).replyByteCount
    expectNone(worker, bytes("gets") + request.dropFirst(3), replyByteCount: withCAS, "multiget with CAS")
  }

  @Test func getsOfLargeValues() {
    let worker = Worker { $0.slabs.chunkMaxByteCount = 64 << 10 }
    _ = worker.process(set("gathered", 40_000))
    _ = worker.process(set("chunked", 180_000))
    expectNone(
      worker, bytes("get gathered\r\n"), replyByteCount: "VALUE gathered 0 40000\r\n".utf8.count + 40_007, "gathered")
    expectNone(
      worker, bytes("get chunked\r\n"), replyByteCount: "VALUE chunked 0 180000\r\n".utf8.count + 180_007, "chunked")
  }

  @Test func sets() {
    let worker = Worker()
    expectNone(worker, set("key", 100), replyByteCount: 8, "replacing by the same size")
    expectNone(worker, set("key", 100) + set("key", 3000), replyByteCount: 16, "replacing by another class")
    expectNone(worker, set("large", 30_000), replyByteCount: 8, "large")
    expectNone(
      worker, bytes("delete new\r\n") + set("new", 100), replyByteCount: "DELETED\r\nSTORED\r\n".utf8.count, "new")
    expectNone(worker, bytes("set key 0 0 3 noreply\r\nabc\r\n"), replyByteCount: 0, "muted")
    expectNone(worker, bytes("add key 0 0 3\r\nabc\r\n"), replyByteCount: "NOT_STORED\r\n".utf8.count, "add")
    expectNone(worker, bytes("replace key 0 0 3\r\nabc\r\n"), replyByteCount: 8, "replace")
  }

  @Test func joins() {
    let worker = Worker()
    let request = bytes("set key 0 0 3\r\nabc\r\nappend key 0 0 3\r\ndef\r\nprepend key 0 0 1\r\n_\r\n")
    expectNone(worker, request, replyByteCount: 24, "set, append, prepend")
  }

  @Test func setsThatEvict() {
    let worker = Worker { $0.memoryLimitBytes = 1 << 20 }
    for number in 0..<2000 { _ = worker.process(set("warm:\(number)", 1000)) }
    var total: UInt64 = 0
    for number in 0..<200 {
      let request = set("next:\(number)", 1000)
      total += worker.process(request).allocations
    }
    #expect(worker.store.value.figures().statistics.evicted > 1000)
    #if !DEBUG
      #expect(total == 0)
    #endif
  }

  @Test func uploadsInPieces() {
    let worker = Worker()
    let request = set("key", 5000)
    var total: UInt64 = 0
    for round in 0..<20 {
      var offset = 0
      while offset < request.count {
        let end = min(offset + 700, request.count)
        let piece = Array(request[offset..<end])
        let (allocations, _) = worker.process(piece)
        if round > 0 { total += allocations }
        offset = end
      }
    }
    #if !DEBUG
      #expect(total == 0)
    #endif
  }

  @Test func singleKeys() {
    let worker = Worker()
    _ = worker.process(bytes("set number 0 0 20\r\n10000000000000000000\r\n"))
    expectNone(worker, bytes("incr number 1\r\n"), replyByteCount: 22, "incr")
    expectNone(worker, bytes("decr number 1\r\n"), replyByteCount: 22, "decr")
    expectNone(worker, bytes("incr missing 1\r\n"), replyByteCount: 11, "incr of nothing")
    expectNone(
      worker, bytes("set n 0 0 1\r\n9\r\nincr n 1\r\n"), replyByteCount: 12, "incr that grows")
    expectNone(worker, bytes("touch number 100\r\n"), replyByteCount: 9, "touch")
    expectNone(worker, bytes("delete missing\r\n"), replyByteCount: 11, "delete of nothing")
    expectNone(worker, bytes("bogus\r\n"), replyByteCount: 7, "unknown")
    expectNone(worker, bytes("version\r\n"), replyByteCount: "VERSION 1.6.45 test\r\n".utf8.count, "version")
  }

  // The meta protocol.

  @Test func metaLookUps() {
    let worker = Worker()
    _ = worker.process(set("key", 100))
    expectNone(worker, bytes("mg key v\r\n"), replyByteCount: "VA 100\r\n".utf8.count + 102, "mg hit")
    expectNone(worker, bytes("mg key\r\n"), replyByteCount: 4, "mg hit without value")
    let all = "HD s100 f0 kkey O123 t-1 h1\r\n"
    expectNone(worker, bytes("mg key s f k O123 t h\r\n"), replyByteCount: all.utf8.count, "mg with flags")
    expectNone(worker, bytes("mg key v T100 R30 q\r\n"), replyByteCount: "VA 100\r\n".utf8.count + 102, "mg T")
    expectNone(worker, bytes("mg nothing v k O1\r\n"), replyByteCount: "EN knothing O1\r\n".utf8.count, "mg miss")
    expectNone(worker, bytes("mg nothing v q\r\nmn\r\n"), replyByteCount: 4, "mg q miss, mn")
    expectNone(worker, bytes("mn\r\n"), replyByteCount: 4, "mn")
    expectNone(worker, bytes("me nothing\r\n"), replyByteCount: 4, "me miss")
    _ = worker.process(bytes("ms Zm9v 3 b\r\nabc\r\n"))
    expectNone(worker, bytes("mg Zm9v b v k\r\n"), replyByteCount: "VA 3 kZm9v b\r\nabc\r\n".utf8.count, "mg b")
    expectNone(
      worker, bytes("md new q\r\nmg new N30 v\r\n"), replyByteCount: "NF\r\nVA 0 W\r\n\r\n".utf8.count - 4, "mg N")
  }

  @Test func metaChanges() {
    let worker = Worker()
    let value = bytes("\r\n") + pattern(100).map { $0 | 0x80 } + bytes("\r\n")
    expectNone(worker, bytes("ms key 100") + value, replyByteCount: 4, "ms")
    expectNone(worker, bytes("ms key 100 T60 F5 k O1") + value, replyByteCount: "HD kkey O1\r\n".utf8.count, "ms flags")
    expectNone(worker, bytes("ms key 100 q") + value + bytes("mn\r\n"), replyByteCount: 4, "ms q")
    expectNone(worker, bytes("ms Zm9v 100 b") + value, replyByteCount: 4, "ms b")
    expectNone(worker, bytes("ms key 100 ME") + value, replyByteCount: 4, "ms that does not store")
    expectNone(worker, bytes("ms new 100") + value + bytes("md new\r\n"), replyByteCount: 8, "ms, md")
    expectNone(worker, bytes("md nothing k\r\n"), replyByteCount: "NF knothing\r\n".utf8.count, "md miss")
    expectNone(worker, bytes("md key I T30\r\nmg key\r\n"), replyByteCount: "HD\r\nHD X W\r\n".utf8.count, "md I")
    expectNone(worker, bytes("md key x\r\n"), replyByteCount: 4, "md x")
    _ = worker.process(bytes("set number 0 0 20\r\n10000000000000000000\r\n"))
    expectNone(worker, bytes("ma number\r\n"), replyByteCount: 4, "ma")
    expectNone(worker, bytes("ma number D5 v\r\n"), replyByteCount: "VA 20\r\n".utf8.count + 22, "ma v")
    expectNone(worker, bytes("ma nothing q\r\n"), replyByteCount: 4, "ma miss")
    expectNone(worker, bytes("ma new N30 J5\r\nmd new\r\n"), replyByteCount: 8, "ma N")
    expectNone(worker, bytes("mg key !\r\n"), replyByteCount: 38, "mg refused")
  }

  /// An ms whose value comes in pieces keeps its flags in a buffer of its own, and is boxed once when it is resumed:
  /// two allocations, not one a piece.
  @Test func metaUploadsInPieces() {
    let worker = Worker()
    let request = bytes("ms key 5000 k O1\r\n") + pattern(5000).map { $0 | 0x80 } + bytes("\r\n")
    for round in 0..<10 {
      var total: UInt64 = 0
      for start in stride(from: 0, to: request.count, by: 700) {
        let piece = Array(request[start..<min(start + 700, request.count)])
        total += worker.process(piece).allocations
      }
      #if !DEBUG
        if round > 0 { #expect(total <= 2) }
      #else
        _ = (round, total)
      #endif
    }
  }

  // The binary protocol.

  private func packet(_ opcode: BinaryOpcode, extras: [UInt8] = [], key: String = "", value: [UInt8] = []) -> [UInt8] {
    let body = extras.count + key.utf8.count + value.count
    return [0x80, opcode.rawValue, 0, UInt8(key.utf8.count), UInt8(extras.count), 0, 0, 0]
      + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: body >> $0) } + [UInt8](repeating: 0, count: 12) + extras
      + bytes(key) + value
  }

  @Test func binary() {
    let worker = Worker()
    let extras = [UInt8](repeating: 0, count: 8)
    let set = packet(.set, extras: extras, key: "key", value: pattern(100))
    expectNone(worker, set, replyByteCount: 24, "set")
    let setQ = packet(.setQ, extras: extras, key: "key", value: pattern(100))
    expectNone(worker, setQ + packet(.noop), replyByteCount: 24, "setq, noop")
    expectNone(worker, packet(.add, extras: extras, key: "key"), replyByteCount: 24 + 20, "add of what is there")
    expectNone(worker, packet(.get, key: "key"), replyByteCount: 24 + 4 + 100, "get")
    expectNone(worker, packet(.getK, key: "key"), replyByteCount: 24 + 4 + 3 + 100, "getk")
    expectNone(worker, packet(.getKQ, key: "key"), replyByteCount: 24 + 4 + 3 + 100, "getkq")
    expectNone(worker, packet(.getKQ, key: "no") + packet(.noop), replyByteCount: 24, "getkq miss, noop")
    expectNone(worker, packet(.get, key: "no"), replyByteCount: 24 + "Not found".utf8.count, "get miss")
    expectNone(worker, packet(.getAndTouch, extras: [0, 0, 0, 60], key: "key"), replyByteCount: 128, "gat")
    expectNone(worker, packet(.touch, extras: [0, 0, 0, 60], key: "key"), replyByteCount: 28, "touch")
    expectNone(worker, set + packet(.delete, key: "key"), replyByteCount: 48, "set, delete")
    expectNone(worker, packet(.delete, key: "no"), replyByteCount: 24 + 9, "delete miss")
    let numbers: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0]
    expectNone(worker, packet(.increment, extras: numbers, key: "n"), replyByteCount: 32, "incr")
    expectNone(worker, packet(.decrement, extras: numbers, key: "n"), replyByteCount: 32, "decr")
    expectNone(
      worker, packet(.incrementQ, extras: numbers, key: "new") + packet(.deleteQ, key: "new") + packet(.noop),
      replyByteCount: 24, "incrq that makes, deleteq")
    let append = packet(.append, key: "joined", value: [65])
    let start = packet(.set, extras: extras, key: "joined", value: [66])
    expectNone(worker, start + append, replyByteCount: 48, "append")
    expectNone(worker, packet(.version), replyByteCount: 24 + "1.6.45 test".utf8.count, "version")
  }
}
