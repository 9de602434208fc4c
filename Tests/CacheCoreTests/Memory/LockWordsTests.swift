// The four-byte locks with real threads: a plain counter that only mutual exclusion keeps right, a try that fails while
// somebody holds the lock, sleepers that are woken. How many threads run at once is the machine's business; no sleeps.
import Foundation
import Testing

@testable import CacheCore

struct LockWordsTests {
  @Test func onlyOneThreadIsInside() {
    let locks = LockWords(count: 3)
    let counts = FixedArray(repeating: 0, count: 3)
    let threads = 4
    let rounds = 20_000
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      for round in 0..<rounds {
        let index = (round + thread) % 3
        locks[index].lock()
        counts[index] += 1
        locks[index].unlock()
      }
    }
    #expect(counts[0] + counts[1] + counts[2] == threads * rounds)
    counts.destroy()
    locks.destroy()
  }

  /// Every thread must get past a lock that one of them keeps for a while: nobody sleeps for ever.
  @Test func sleepersAreWoken() {
    let locks = LockWords(count: 1)
    let counts = FixedArray(repeating: 0, count: 1)
    for _ in 0..<200 {
      locks[0].lock()
      let done = DispatchGroup()
      for _ in 0..<3 {
        DispatchQueue.global().async(group: done) {
          locks[0].lock()
          counts[0] += 1
          locks[0].unlock()
        }
      }
      locks[0].unlock()
      done.wait()
    }
    #expect(counts[0] == 600)
    counts.destroy()
    locks.destroy()
  }

  @Test func tryingFailsWhileHeld() {
    let locks = LockWords(count: 2)
    #expect(locks[0].tryLock())
    #expect(!locks[0].tryLock())
    #expect(locks[1].tryLock())
    locks[0].unlock()
    #expect(locks[0].tryLock())
    locks[0].unlock()
    locks[1].unlock()
    locks.destroy()
  }

  @Test func stateWordsAreApartFromTheLocks() {
    let locks = LockWords(count: 4)
    for index in 0..<4 { locks.setState(index, UInt32(index) * 1000 + 7) }
    locks[2].lock()
    #expect((0..<4).map { locks.state($0) } == [7, 1007, 2007, 3007])
    locks[2].unlock()
    #expect(locks[2].tryLock())
    locks[2].unlock()
    locks.destroy()
  }

  @Test func anItemLockEndsWithItsHolder() {
    let locks = ItemLocks(power: 3)
    #expect(locks.count == 8)
    #expect(locks.stripe(0xfff5) == 5)
    func isFree() -> Bool { locks.tryLock(stripe: 5) != nil }
    do {
      let held = locks.lock(stripe: 5)
      #expect(!isFree())
      // The holder's own stripe counts as had, and stays locked afterwards.
      let again = locks.tryLock(stripe: 5, alreadyHolding: held.stripe)
      let hasIt = again != nil
      #expect(hasIt)
      _ = consume again
      #expect(!isFree())
    }
    #expect(isFree())
    locks.destroy()
  }

  @Test func lockCountsFollowTheReference() {
    let powers = [1, 2, 3, 4, 5, 10, 11, 20, 21, 64].map { ItemLocks.power(workers: $0) }
    #expect(powers == [10, 10, 11, 12, 13, 13, 14, 14, 15, 15])
  }
}
