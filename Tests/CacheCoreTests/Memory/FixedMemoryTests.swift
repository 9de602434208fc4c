// The small keepers of memory: fixed arrays, atomic cells, pinned values, slots with tokens. That they trap outside
// their bounds is their contract; here is what they do inside.
import Foundation
import Testing

@testable import CacheCore

struct FixedMemoryTests {
  @Test func arraysKeepEveryElement() {
    for count in [0, 1, 7, 1000] {
      let array = FixedArray(repeating: -1, count: count)
      for index in 0..<count { array[index] += index }
      #expect((0..<count).map { array[$0] } == (0..<count).map { $0 - 1 })
      #expect(array.count == count)
      array.destroy()
    }
  }

  @Test func arraysDestroyTheirElements() {
    final class Witness {}
    weak var seen: Witness?
    do {
      let witness = Witness()
      seen = witness
      let array = FixedArray<Witness?>(repeating: witness, count: 3)
      array[1] = nil
      array.destroy()
    }
    #expect(seen == nil)
  }

  @Test func cellsStartAtZeroAndAddModulo2To64() {
    let cells = AtomicCells(count: 3)
    #expect((0..<3).map { cells.load($0) } == [0, 0, 0])
    cells.store(1, .max)
    #expect(cells.add(1, 2) == 1)
    cells.addAsOnlyWriter(2, 40)
    cells.addAsOnlyWriter(2, 2)
    #expect((0..<3).map { cells.load($0) } == [0, 1, 42])
    cells.destroy()
  }

  @Test func theFirstElementsAreTheSameOnes() {
    let array = FixedArray(repeating: 0, count: 5)
    let first = array.prefix(3)
    first[2] = 7
    #expect(first.count == 3 && array[2] == 7 && array.prefix(0).count == 0 && array.prefix(5).count == 5)
    array.destroy()
  }

  @Test func rowsDoNotOverlap() {
    let rows = AtomicRows()
    for row in UInt8.min...UInt8.max {
      for column in 0..<AtomicRows.columnCount { rows.store(row, column, UInt64(row) << 8 | UInt64(column)) }
    }
    for row in UInt8.min...UInt8.max {
      for column in 0..<AtomicRows.columnCount { rows.addOneAsOnlyWriter(row, column) }
    }
    for row in UInt8.min...UInt8.max {
      let values = (0..<AtomicRows.columnCount).map { rows.load(row, $0) }
      #expect(values == (0..<AtomicRows.columnCount).map { (UInt64(row) << 8 | UInt64($0)) + 1 })
    }
  }

  @Test func someBitsOfACellAreReplaced() {
    let cells = AtomicCells(count: 2)
    cells.store(1, 0xff00)
    cells.replace(1, 0x0ff0, by: 0x12a5)
    #expect(cells.load(0) == 0 && cells.load(1) == 0xf2a0)
    cells.destroy()
  }

  @Test func addingFromSeveralThreadsLosesNothing() {
    let cells = AtomicCells(count: 1)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for _ in 0..<20_000 { cells.add(0, 1) }
    }
    #expect(cells.load(0) == 80_000)
    cells.destroy()
  }

  @Test func copiesOfAPinnedValueNameTheSameCell() {
    let pinned = Pinned([1, 2])
    let copy = pinned
    copy.value.append(3)
    #expect(pinned.value == [1, 2, 3])
    pinned.destroy()
  }

  private struct Noisy: ~Copyable {
    let name: Int
    let ended: AtomicCells
    deinit { ended.add(name, 1) }
  }

  @Test func slotsForgetTakenDownTokens() {
    let ended = AtomicCells(count: 3)
    do {
      var slots = Slots<Noisy>()
      let expected = slots.nextToken
      let first = slots.insert(Noisy(name: 0, ended: ended))
      let second = slots.insert(Noisy(name: 1, ended: ended))
      let found = slots.with(second) { $0.name }
      slots.remove(first)
      slots.remove(first)
      let gone = slots.with(first) { $0.name }
      let third = slots.insert(Noisy(name: 2, ended: ended))
      let stillGone = slots.with(first) { $0.name }
      let tokens = slots.tokens
      let count = slots.count
      #expect(expected == first)
      #expect(found == 1)
      #expect(gone == nil)
      #expect(third != first && third & 0xffff_ffff == first & 0xffff_ffff)
      #expect(stillGone == nil)
      #expect(Set(tokens) == [second, third])
      #expect(count == 2)
      #expect((0..<3).map { ended.load($0) } == [1, 0, 0])
    }
    #expect((0..<3).map { ended.load($0) } == [1, 1, 1])
    ended.destroy()
  }

  @Test func referencesNameUnitsOfTheArena() throws {
    let small = try #require(Arena(byteCount: 1 << 20, casByteCount: 8, backing: .lazy))
    let large = try #require(Arena(byteCount: 40 << 30, casByteCount: 8, backing: .lazy))
    #expect(small.unitShift == 3)
    #expect(large.unitShift == 4)
    let offset = (40 << 30) - 64
    #expect(large.byteOffset(large.ref(byteOffset: offset)) == offset)
    #expect(ItemRef.none.isNone && !small.ref(byteOffset: 8).isNone)
    large.item(large.ref(byteOffset: offset)).exptime = 9
    #expect(large.item(large.ref(byteOffset: offset)).exptime == 9)
    small.unmap()
    large.unmap()
  }
}
