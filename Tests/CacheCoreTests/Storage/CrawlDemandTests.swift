// When a run of the crawler is worth it: the store says whether anything in it can be dead, so an idle server with
// immortal items, or with none whose time has come, looks nowhere. What a run does is in CrawlerTests.
import InProcess
import Testing

@testable import CacheCore

struct CrawlDemandTests {
  private func mayCrawl(_ server: InProcessServer, after seconds: UInt32 = 0) -> Bool {
    server.store.value.mayCrawl(now: server.now + seconds)
  }

  private func crawl(_ server: InProcessServer) {
    var crawl = server.store.value.beginCrawl(now: server.now)
    while !crawl.isDone { server.store.value.crawlStep(&crawl, chunks: 10, now: server.now) }
    server.store.value.noteCrawlDone(crawl, now: server.now)
  }

  @Test func immortalItemsAskForNoRun() {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\nappend a 0 0 1\r\ny\r\nget a\r\n")
    #expect(!mayCrawl(server, after: 1_000_000))
  }

  @Test(arguments: [
    "set b 0 5 1\r\nx\r\n", "set a 0 5 1\r\ny\r\n", "set a 0 5 9000\r\n\(String(repeating: "y", count: 9000))\r\n",
    "touch a 5\r\n", "gat 5 a\r\n", "ma n T5\r\n", "ma new N5\r\n", "mg a T5\r\n", "mg new N5\r\n",
    "ms a 1 T5\r\ny\r\n",
    "md a I T5\r\n",
  ])
  func whatMayDieAsksForOneThen(command: String) {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\nset n 0 0 1\r\n1\r\n")
    #expect(!mayCrawl(server, after: 1_000_000))
    _ = server.send(command)
    #expect(!mayCrawl(server, after: 5))
    #expect(mayCrawl(server, after: 6))
  }

  /// A value made from a mortal one, in a chunk of another class, is as mortal.
  @Test func mortalityIsPassedOn() {
    for command in ["append a 0 0 300\r\n\(String(repeating: "y", count: 300))\r\n", "incr a 99999999999\r\n"] {
      let server = InProcessServer()
      _ = server.send("set a 0 5 1\r\n1\r\n")
      _ = server.send(command)
      server.advanceClock(seconds: 6)
      crawl(server)
      #expect(server.store.value.itemCount == 0)
    }
  }

  @Test func aFlushAsksForOneAtOnce() {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\nflush_all\r\n")
    #expect(mayCrawl(server))
    crawl(server)
    #expect(server.store.value.itemCount == 0)
    #expect(!mayCrawl(server, after: 1_000_000))
  }

  @Test func aRunThatMeetsAMortalItemLeavesAHint() {
    let server = InProcessServer()
    _ = server.send("set a 0 5 1\r\nx\r\nset b 0 9 1\r\nx\r\n")
    server.advanceClock(seconds: 6)
    #expect(mayCrawl(server))
    crawl(server)
    #expect(server.store.value.itemCount == 1)
    #expect(!mayCrawl(server) && !mayCrawl(server, after: 3))
    server.advanceClock(seconds: 4)
    #expect(mayCrawl(server))
    crawl(server)
    #expect(server.store.value.itemCount == 0)
    #expect(!mayCrawl(server, after: 1_000_000))
  }

  /// What a client asks for is done at once, in the classes it names, whatever the hints say; and once.
  @Test func aClientsDemandIsTakenOnce() {
    let server = InProcessServer()
    _ = server.send("set a 0 0 1\r\nx\r\nset b 0 0 300\r\n\(String(repeating: "y", count: 300))\r\n")
    func isDemanded() -> Bool { server.store.value.isCrawlDemanded }
    #expect(!isDemanded())
    #expect(server.send("lru_crawler crawl 1\r\n") == "OK\r\n")
    #expect(isDemanded())
    crawl(server)
    #expect(!isDemanded())
    #expect(server.store.value.figures().statistics.crawlerItemsChecked == 1)
    #expect(server.send("lru_crawler crawl all\r\n") == "OK\r\n")
    crawl(server)
    #expect(server.store.value.figures().statistics.crawlerItemsChecked == 3)
    crawl(server)
    #expect(server.store.value.figures().statistics.crawlerItemsChecked == 3)
  }
}
