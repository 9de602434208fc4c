// The TLS side of the server as a whole: which certificate is served now, and its replacement while clients connect.
// New connections get the new one, old ones keep theirs; a replacement that cannot be loaded changes nothing.
import Events
import Synchronization

public final class TLSService: Sendable {
  private struct Current {
    var context: TLSContext
    var loadedAtSeconds: Int64
    var stamps: [FileStamp?]
    /// Sessions of contexts that are no longer served.
    var earlierSessions = 0
  }

  public let settings: TLSSettings
  private let current: Mutex<Current>

  public init(_ settings: TLSSettings) throws(TLSError) {
    self.settings = settings
    let stamps = TLSService.stamps(settings)
    current = Mutex(
      Current(
        context: try TLSContext(settings), loadedAtSeconds: SystemCalls.monotonicMilliseconds / 1000, stamps: stamps))
  }

  public var context: TLSContext { current.withLock { $0.context } }
  public var secondsSinceRefresh: Int64 {
    current.withLock { SystemCalls.monotonicMilliseconds / 1000 - $0.loadedAtSeconds }
  }
  public var newSessionCount: Int { current.withLock { $0.earlierSessions + $0.context.newSessionCount } }
  public var certificateEndUnixSeconds: Int64 { context.certificateEndUnixSeconds }

  /// Reads the files again. Returns what is wrong with them, in which case the old ones stay.
  public func reload() -> String? {
    let stamps = TLSService.stamps(settings)
    do {
      let context = try TLSContext(settings)
      current.withLock {
        $0.earlierSessions += $0.context.newSessionCount
        $0.context = context
        $0.stamps = stamps
        $0.loadedAtSeconds = SystemCalls.monotonicMilliseconds / 1000
      }
      return nil
    } catch {
      // Not tried again before the files change once more.
      current.withLock { $0.stamps = stamps }
      return error.text
    }
  }

  /// Reads the files again if one of them has changed; nil when none has.
  public func reloadIfChanged() -> (isReloaded: Bool, complaint: String?)? {
    let stamps = TLSService.stamps(settings)
    if current.withLock({ $0.stamps == stamps }) { return nil }
    let complaint = reload()
    return (complaint == nil, complaint)
  }

  private static func stamps(_ settings: TLSSettings) -> [FileStamp?] {
    [settings.chainPath, settings.keyPath, settings.authorityPath].map { $0.flatMap { SystemCalls.fileStamp($0) } }
  }
}
