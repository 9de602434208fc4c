// What random runs over the store have in flight: values that come in pieces, and values that are being sent from the
// item's own memory. No expectations live here.
@testable import CacheCore

struct StoredValue {
  var value: [UInt8]
  var flags: UInt32 = 0
  /// In the client's terms.
  var exptime: Int64 = 0
  /// The last second in which it lives; 0 = for ever.
  var lastSecond: UInt32 = 0
}

/// A value on its way in.
final class PartialUpload {
  let key: String
  let entry: StoredValue
  let mode: StoreMode
  let chunkCount: Int
  private var reservation: Reservation?
  private var sent = 0

  init(_ test: TestStore, _ key: String, _ entry: StoredValue, _ mode: StoreMode) throws(ReservationFailure) {
    let reservation = try test.reserve(key, entry.value.count, flags: entry.flags, exptime: entry.exptime)
    self.key = key
    self.entry = entry
    self.mode = mode
    chunkCount = test.store.value.stretchCount(of: reservation.item)
    self.reservation = consume reservation
  }

  /// Fills some more; returns whether all is there.
  func send(_ count: Int) -> Bool {
    let end = min(entry.value.count, sent + count)
    guard var reservation = reservation.take() else { return false }
    let taken = entry.value[sent..<end].withUnsafeBytes { reservation.fill($0.bytes) }
    precondition(taken == end - sent)
    self.reservation = consume reservation
    sent = end
    return sent == entry.value.count
  }

  func finish(_ test: TestStore) -> StoreOutcome? {
    guard let reservation = reservation.take() else { return nil }
    return Store.commit(test.store, reservation, StoreTerms(mode: mode), now: test.now).outcome
  }
}

/// A value on its way out: the places that the kernel reads it from must not change.
struct HeldValue {
  let item: Item
  let value: [UInt8]
  private let windows: [MemoryWindow]

  /// nil when the key is not there.
  init?(_ test: TestStore, _ key: String) {
    var windows: [MemoryWindow] = []
    let held = test.withItem(key) { item -> Item? in
      guard test.store.value.hold(item) else { return nil }
      test.store.value.forEachStretch(of: item) { windows.append($0) }
      return item
    }
    guard let item = held ?? nil else { return nil }
    self.item = item
    self.windows = windows
    value = windows.flatMap(\.bytes)
  }

  /// Returns whether it is what it was.
  func release(_ test: TestStore) -> Bool {
    let isWhole = isSame(windows.flatMap(\.bytes), value)
    test.store.value.release(item.ref)
    return isWhole
  }
}
