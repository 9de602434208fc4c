// Cyrus SASL as a judge of logins (-S without MEMCACHED_SASL_PWDB): its mechanisms, its configuration (memcached.conf),
// its users. libsasl2's pointers stay here; it knows neither packets nor sessions. The library is told of no
// locks, so it is called under one lock of ours: logins are judged one after the other. A mechanism that asks somebody
// else (saslauthd) makes the worker wait for the answer. Docs/authentication.md.
import CSASL
import CacheCore
import Synchronization

/// What the library said.
public struct SASLFailure: Error {
  public let text: String
}

/// The library, started.
public final class CyrusSASL: SASLProvider {
  /// Held during every call of the library.
  fileprivate static let library = Mutex(())
  private static let service = "memcached"
  private static let usualConfigurationPath = "/etc/sasl:/etc/sasl2"

  /// Once in a process. `configurationPath`: the folder of memcached.conf, or several with colons between.
  public init(configurationPath: String?) throws(SASLFailure) {
    let status = CyrusSASL.library.withLock { _ -> Int32 in
      var path = Array((configurationPath ?? CyrusSASL.usualConfigurationPath).utf8CString)
      // Rule 8: copied by the library during the call.
      let status = unsafe sasl_set_path(SASL_PATH_TYPE_CONFIG, &path)
      // Rule 8: no callbacks; the name is a constant of ours that the library copies.
      return status == SASL_OK ? unsafe sasl_server_init(nil, CyrusSASL.service) : status
    }
    guard status == SASL_OK else { throw SASLFailure(text: CyrusSASL.text(status)) }
    // Otherwise every login would fail, and nobody would know why.
    guard let trial = converse(), !trial.mechanisms.isEmpty else {
      throw SASLFailure(text: "it offers no mechanism: is libsasl2-modules installed, does mech_list name one?")
    }
  }

  public func converse() -> (any SASLConversation)? { CyrusConversation(CyrusSASL.service) }

  private static func text(_ status: Int32) -> String {
    // Rule 8: a constant of the library.
    unsafe sasl_errstring(status, nil, nil).map { unsafe String(cString: $0) } ?? "error \(status)"
  }
}

/// One connection of the library. All calls are made under the library's lock.
@safe
private final class CyrusConversation: SASLConversation {
  private var connection: OpaquePointer?

  /// nil when the library has no memory for it.
  init?(_ service: String) {
    let failure = CyrusSASL.library.withLock { _ -> Bool in
      // No security layers, which memcached's protocol has no place for, and no anonymous clients.
      var properties = unsafe sasl_security_properties_t()
      unsafe properties.security_flags = UInt32(SASL_SEC_NOANONYMOUS)
      // Rule 8: the library copies the name and the properties, and fills one pointer.
      return unsafe sasl_server_new(service, nil, nil, nil, nil, nil, 0, &connection) != SASL_OK
        || sasl_setprop(connection, SASL_SEC_PROPS, &properties) != SASL_OK
    }
    if failure { return nil }
  }

  deinit {
    // Rule 1: this object is the connection's only owner.
    CyrusSASL.library.withLock { _ in unsafe sasl_dispose(&connection) }
  }

  var mechanisms: [UInt8] {
    CyrusSASL.library.withLock { _ in
      var list: UnsafePointer<CChar>?
      var byteCount: UInt32 = 0
      // Rule 8: the list belongs to the connection and is copied before the next call.
      guard unsafe sasl_listmech(connection, nil, "", " ", "", &list, &byteCount, nil) == SASL_OK else { return [] }
      return unsafe CyrusConversation.copy(list, byteCount)
    }
  }

  func start(_ mechanism: [UInt8], _ data: [UInt8]) -> SASLOutcome {
    let name = mechanism.map { CChar(bitPattern: $0) } + [0]
    return unsafe converse(data) { data, byteCount, answer, answerByteCount in
      // Rule 8: `name` ends in 0 and outlives the call.
      // No message at all is told from an empty one.
      unsafe sasl_server_start(
        connection, name, byteCount == 0 ? nil : data, byteCount, answer, answerByteCount)
    }
  }

  func step(_ data: [UInt8]) -> SASLOutcome {
    unsafe converse(data) { data, byteCount, answer, answerByteCount in
      // Rule 8: the connection is this object's own.
      unsafe sasl_server_step(connection, data, byteCount, answer, answerByteCount)
    }
  }

  private typealias Call = (
    UnsafePointer<CChar>?, UInt32, UnsafeMutablePointer<UnsafePointer<CChar>?>, UnsafeMutablePointer<UInt32>
  ) -> Int32

  private func converse(_ data: [UInt8], _ call: Call) -> SASLOutcome {
    // With a 0 behind it, as the library likes to have it, and so that there is always an address.
    let text = data.map { CChar(bitPattern: $0) } + [0]
    return CyrusSASL.library.withLock { _ in
      var answer: UnsafePointer<CChar>?
      var answerByteCount: UInt32 = 0
      // Rule 8: the message and its own length, for the call; the answer belongs to the connection until the next one.
      let status = unsafe text.withUnsafeBufferPointer {
        unsafe call($0.baseAddress, UInt32(data.count), &answer, &answerByteCount)
      }
      if status == SASL_CONTINUE { return .challenge(unsafe CyrusConversation.copy(answer, answerByteCount)) }
      return status == SASL_OK ? .authenticated : .failed
    }
  }

  private static func copy(_ bytes: UnsafePointer<CChar>?, _ byteCount: UInt32) -> [UInt8] {
    // Rule 3: the library's own length.
    unsafe UnsafeBufferPointer(start: bytes, count: bytes == nil ? 0 : Int(byteCount)).map { UInt8(bitPattern: $0) }
  }
}
