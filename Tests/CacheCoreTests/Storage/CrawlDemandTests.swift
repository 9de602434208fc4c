// When a walk through the classes is worth it: the store says whether anything in it can be dead, so an idle server
// with immortal items walks nowhere. What a step of the walk does is in ExpiryTests.
import InProcess
import Testing

@testable import CacheCore

struct CrawlDemandTests {
  private func demand(_ server: InProcessServer) -> Bool { server.store.value.takeCrawlDemand() != 0 }

  private func walk(_ server: InProcessServer) {
    for slabClass in 1..<server.store.value.slabClassCount {
      while !server.store.value.crawlStep(slabClass: slabClass, items: 10, now: server.now).isAtHead {}
    }
  }

  @Test func immortalItemsAskForNoWalk() {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\nappend a 0 0 1\r\ny\r\nget a\r\n")
    #expect(!demand(server))
  }

  @Test(arguments: ["set b 0 5 1\r\nx\r\n", "set a 0 5 1\r\ny\r\n", "touch a 5\r\n", "gat 5 a\r\n", "flush_all\r\n"])
  func whatMayDieAsksForOne(command: String) {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\n")
    #expect(!demand(server))
    _ = server.send(command)
    #expect(demand(server))
    #expect(!demand(server))
  }

  @Test func aWalkThatMeetsAMortalItemAsksForTheNext() {
    let server = InProcessServer()
    _ = server.send("set a 0 5 1\r\nx\r\n")
    #expect(demand(server))
    walk(server)
    #expect(demand(server))
    server.advanceClock(seconds: 6)
    walk(server)
    #expect(server.store.value.itemCount == 0)
    #expect(!demand(server))
  }
}
