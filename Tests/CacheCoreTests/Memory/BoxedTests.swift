// A boxed value ends once: with its box, or with whoever took it out.
import CacheCore
import Testing

private final class Ends {
  var count = 0
}

private struct Tracked: ~Copyable {
  let ends: Ends
  var number: Int
  deinit { ends.count += 1 }
}

struct BoxedTests {
  @Test func aValueEndsWithItsBox() {
    let ends = Ends()
    do {
      let box = Boxed(Tracked(ends: ends, number: 1))
      #expect(ends.count == 0)
      _ = consume box
    }
    #expect(ends.count == 1)
  }

  @Test func aValueTakenOutEndsWhereItWent() {
    let ends = Ends()
    do {
      let value = Boxed(Tracked(ends: ends, number: 7)).take()
      #expect(value.number == 7 && ends.count == 0)
    }
    #expect(ends.count == 1)
  }

  @Test func noBoxIsAPointersRoom() {
    #expect(MemoryLayout<Boxed<Tracked>?>.size == MemoryLayout<UnsafeRawPointer>.size)
  }
}
