// The hash table while it grows: between any two steps every item is found, new ones go to the right place, removed
// ones are gone. One thread; that workers may look on meanwhile is the locks' business.
import Testing

@testable import CacheCore

struct HashTableTests {
  @Test(arguments: [(11, 1), (12, 7), (4, 64), (12, 100_000)])
  func everythingIsFoundWhileTheTableGrows(_ power: Int, _ bucketsPerStep: Int) throws {
    let test = TestStore {
      $0.hashPower = power
      $0.memoryLimitBytes = 32 << 20
    }
    var random = SeededRandom(seed: UInt64(power))
    let count = 20_000
    var stored: [Int] = []
    var gone: Set<Int> = []
    var wasGrowing = 0
    var next = 0
    while next < count || test.store.value.table.isGrowing {
      if next < count {
        try test.put("key:\(next)", bytes("\(next)"))
        stored.append(next)
        next += 1
      }
      if next % 4 == 0 || next == count {
        _ = test.growStep(buckets: bucketsPerStep)
        if test.store.value.table.isGrowing { wasGrowing += 1 }
      }
      if random.isOne(in: 20) {
        let number = random.pick(stored)
        if !gone.contains(number) { #expect(test.delete("key:\(number)")) }
        gone.insert(number)
      }
      for _ in 0..<2 {
        let number = random.pick(stored)
        let value = test.peek("key:\(number)")
        try #require(value == (gone.contains(number) ? nil : bytes("\(number)")), "key:\(number) of \(next)")
      }
    }
    while test.growStep(buckets: bucketsPerStep) {}
    #expect(wasGrowing > 0)
    let (grown, byteCount) = (test.store.value.table.power, test.store.value.table.byteCount)
    let itemCount = test.store.value.itemCount
    #expect(itemCount == count - gone.count)
    #expect(Double(itemCount) <= 1.5 * Double(1 << grown))
    #expect(grown > power && byteCount == 4 << grown)
    for number in 0..<count { #expect(test.has("key:\(number)") == !gone.contains(number), "key:\(number)") }
    #expect(test.broken() == [])
  }

  @Test func growsOnlyWhenCrowded() throws {
    let test = TestStore { $0.hashPower = 5 }
    for number in 0..<48 { try test.put("key:\(number)", []) }
    #expect(!test.growStep(buckets: 1000))
    #expect(test.store.value.table.power == 5)
    for number in 48..<60 { try test.put("key:\(number)", []) }
    var steps = 0
    while test.growStep(buckets: 1) { steps += 1 }
    #expect(test.store.value.table.power == 6)
    // A step moves at most one bucket of one stripe: the workers wait for no more than that.
    #expect(steps >= 31)
    #expect(test.broken() == [])
  }

  @Test func doesNotGrowWhenForbidden() throws {
    let test = TestStore {
      $0.hashPower = 5
      $0.hashExpandEnabled = false
    }
    for number in 0..<500 { try test.put("key:\(number)", []) }
    #expect(!test.growStep(buckets: 1000))
    #expect(test.store.value.table.power == 5)
    for number in 0..<500 { #expect(test.has("key:\(number)")) }
  }

  @Test func byteCountIsOfBothTablesWhileGrowing() throws {
    let test = TestStore { $0.hashPower = 5 }
    #expect(test.store.value.table.byteCount == 4 << 5)
    for number in 0..<100 { try test.put("key:\(number)", []) }
    #expect(test.growStep(buckets: 1))
    #expect(test.store.value.table.byteCount == (4 << 5) + (4 << 6))
  }
}
