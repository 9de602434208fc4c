// The bound that flush_all raises: it may run ahead of the clock, but never so far that it could wrap. What a flush
// means for single commands is in the transcripts.
import InProcess
import Testing

@testable import CacheCore

struct FlushBoundTests {
  @Test func aFarAheadBoundStaysAndItemsGoOneByOne() {
    let server = InProcessServer()
    let lead: UInt32 = server.now + (1 << 30) + 1
    server.store.value.flushBarrier.store(lead, ordering: .relaxed)
    for number in 0..<500 { #expect(server.send("set k\(number) 0 0 1\r\nx\r\n") == "STORED\r\n") }
    #expect(server.store.value.itemCount == 500)
    #expect(server.send("flush_all\r\n") == "OK\r\n")
    #expect(server.store.value.itemCount == 0)
    #expect(server.store.value.flushBarrier.load(ordering: .relaxed) == lead)
    #expect(server.store.value.brokenInvariants() == [])
    #expect(server.send("set a 0 0 1\r\nx\r\nget a\r\n") == "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
  }

  @Test func manyFlushesInASecondSpareNothingOlderAndEverythingNewer() {
    let server = InProcessServer()
    for _ in 0..<1000 {
      #expect(server.send("set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\n") == "STORED\r\nOK\r\nEND\r\n")
    }
    #expect(server.send("set a 0 0 1\r\nx\r\nget a\r\n") == "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
    #expect(server.store.value.flushBarrier.load(ordering: .relaxed) < server.now + 3000)
  }

  /// Another worker's clock is a tick ahead: what it touched just before is flushed all the same.
  @Test func aTickBetweenTwoWorkersSparesNothing() {
    let server = InProcessServer()
    #expect(server.send("set a 0 0 1\r\nx\r\n") == "STORED\r\n")
    let before = server.now
    server.advanceClock(seconds: 1)
    #expect(server.send("get a\r\n") != "END\r\n")
    server.store.value.flush(now: before)
    #expect(server.send("get a\r\n") == "END\r\n")
  }
}
