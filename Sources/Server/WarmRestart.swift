// The warm restart (-e): the store's memory is a file, and a second file beside it says what the next server needs to
// go on with it. This is the order of events; what is written and how it is checked is the core's business (SavedStore,
// Store+Restore), the system calls are Events'. Docs/restart.md tells it to operators.
import CacheCore
import Events
import Options

struct WarmRestart: Sendable {
  private let path: String
  private let file: MemoryFile
  /// As in the reference, beside the memory file.
  private var metadataPath: String { path + ".meta" }
  /// 65,536 pages of 1 MiB need one.
  private static let metadataLimitByteCount = 64 << 20

  /// Opens the memory file of the settings; nil without one.
  static func open(_ settings: Settings) throws(StartFailure) -> WarmRestart? {
    guard let path = settings.memoryFilePath else { return nil }
    do {
      return WarmRestart(path: path, file: try MemoryFile.open(path))
    } catch {
      throw WarmRestart.failure(path, error)
    }
  }

  private init(path: String, file: MemoryFile) {
    self.path = path
    self.file = file
  }

  private static func failure(_ path: String, _ error: FileFailure) -> StartFailure {
    StartFailure(
      message: "failed to open the memory file \(path): \(error.text)", exitStatus: ExitStatus.systemError)
  }

  private static func tell(_ text: String) { SystemCalls.printError("[restart] \(text)\n") }

  // At the start.

  /// A store on the memory file: with the items of before, or an empty one and a line that says why.
  func makeStore(_ settings: Settings) throws(StartFailure) -> (store: Pinned<Store>, clock: StoreClock) {
    let began = SystemCalls.monotonicMilliseconds
    let byteCount = file.byteCount
    if let (saved, clock) = takeSaved() {
      let store = try makeEmptyStore(settings, clock) { $0.prepare(for: saved) }
      if restore(store, saved, fileByteCount: byteCount, now: clock.now) {
        let milliseconds = SystemCalls.monotonicMilliseconds - began
        WarmRestart.tell("\(store.value.itemCount) items taken over in \(milliseconds) ms")
        return (store, clock)
      }
      store.destroy()
    }
    let clock = StoreClock()
    return (try makeEmptyStore(settings, clock) { _ in }, clock)
  }

  /// What the last server has left, and its clock, which goes on; nil when it cannot be used.
  private func takeSaved() -> (saved: SavedStore, clock: StoreClock)? {
    do {
      let saved = try takeMetadata()
      let now = Int64(SystemCalls.wallClock() / 1000)
      return (saved, StoreClock(continuing: try saved.clock.continued(atUnixMilliseconds: now)))
    } catch {
      WarmRestart.tell(error.text)
      return nil
    }
  }

  private func restore(_ store: Pinned<Store>, _ saved: SavedStore, fileByteCount: Int, now: UInt32) -> Bool {
    do {
      try store.value.restore(saved, fileByteCount: fileByteCount, now: now)
      return true
    } catch {
      WarmRestart.tell(error.text)
      return false
    }
  }

  /// The metadata is read as a whole and removed before the store exists: whatever ends this server from now on, but a
  /// stop in good order, is followed by a start without items.
  private func takeMetadata() throws(RestartRefusal) -> SavedStore {
    let bytes: [UInt8]?
    do {
      bytes = try WholeFile.read(metadataPath, limit: WarmRestart.metadataLimitByteCount)
    } catch {
      _ = WholeFile.remove(metadataPath)
      throw RestartRefusal("failed to read metadata: \(error.text); starting with a clean cache")
    }
    guard WholeFile.remove(metadataPath) else {
      throw RestartRefusal("failed to remove metadata; starting with a clean cache")
    }
    guard let bytes else { throw RestartRefusal("no metadata save file, starting with a clean cache") }
    return try SavedStore(bytes: bytes)
  }

  private func makeEmptyStore(
    _ settings: Settings, _ clock: StoreClock, _ change: (inout StoreConfiguration) -> Void
  ) throws(StartFailure) -> Pinned<Store> {
    var configuration = CacheServer.storeConfiguration(settings, clock)
    configuration.backing = .file(descriptor: file.descriptor)
    change(&configuration)
    let byteCount = Store.arenaByteCount(configuration)
    do {
      try file.resize(to: byteCount)
    } catch {
      throw StartFailure(
        message: "failed to make room for \(byteCount >> 20) megabytes in the memory file \(path): \(error.text)",
        exitStatus: ExitStatus.systemError)
    }
    guard let store = Store.make(configuration) else {
      throw StartFailure(message: "failed to map the memory file \(path)", exitStatus: ExitStatus.systemError)
    }
    return store
  }

  // At the end.

  /// Writes down what the next server needs. Every thread that used the store has ended.
  func save(_ store: Pinned<Store>, _ clock: StoreClock) {
    let bytes = store.value.saved(at: clock.saved).bytes
    do {
      try WholeFile.replace(metadataPath, temporary: metadataPath + ".tmp", bytes: bytes)
    } catch {
      WarmRestart.tell("failed to write metadata: \(error.text); the next start will be with a clean cache")
    }
  }
}
