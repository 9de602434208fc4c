// Short Swift names for libmemcached's return codes and behaviors, so that a test reads `== .notStored`.
// Only the ones the tests use are here, and each is the C constant itself: nothing is translated or hidden.
// A failed expectation prints libmemcached's own words for the code.
import CLibmemcached

// swift-format-ignore: AvoidRetroactiveConformances
extension memcached_return_t: @retroactive CustomStringConvertible {
  public var description: String { "\(rawValue) \(String(cString: memcached_strerror(nil, self)))" }

  static var success: Self { MEMCACHED_SUCCESS }
  static var buffered: Self { MEMCACHED_BUFFERED }
  static var notStored: Self { MEMCACHED_NOTSTORED }
  static var notFound: Self { MEMCACHED_NOTFOUND }
  static var dataExists: Self { MEMCACHED_DATA_EXISTS }
  static var end: Self { MEMCACHED_END }
  static var clientError: Self { MEMCACHED_CLIENT_ERROR }
  static var serverError: Self { MEMCACHED_SERVER_ERROR }
  static var tooLarge: Self { MEMCACHED_E2BIG }
  static var badKey: Self { MEMCACHED_BAD_KEY_PROVIDED }
  static var notSupported: Self { MEMCACHED_NOT_SUPPORTED }
  static var invalidArguments: Self { MEMCACHED_INVALID_ARGUMENTS }
}

extension memcached_behavior_t {
  static var noBlock: Self { MEMCACHED_BEHAVIOR_NO_BLOCK }
  static var tcpNoDelay: Self { MEMCACHED_BEHAVIOR_TCP_NODELAY }
  static var ketama: Self { MEMCACHED_BEHAVIOR_KETAMA }
  static var supportCas: Self { MEMCACHED_BEHAVIOR_SUPPORT_CAS }
  static var pollTimeout: Self { MEMCACHED_BEHAVIOR_POLL_TIMEOUT }
  static var connectTimeout: Self { MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT }
  static var bufferRequests: Self { MEMCACHED_BEHAVIOR_BUFFER_REQUESTS }
  static var verifyKey: Self { MEMCACHED_BEHAVIOR_VERIFY_KEY }
  static var binaryProtocol: Self { MEMCACHED_BEHAVIOR_BINARY_PROTOCOL }
  static var noReply: Self { MEMCACHED_BEHAVIOR_NOREPLY }
  static var retryTimeout: Self { MEMCACHED_BEHAVIOR_RETRY_TIMEOUT }
  static var serverTimeoutLimit: Self { MEMCACHED_BEHAVIOR_SERVER_TIMEOUT_LIMIT }
  static var deadTimeout: Self { MEMCACHED_BEHAVIOR_DEAD_TIMEOUT }
  static var serverFailureLimit: Self { MEMCACHED_BEHAVIOR_SERVER_FAILURE_LIMIT }
  static var removeFailedServers: Self { MEMCACHED_BEHAVIOR_REMOVE_FAILED_SERVERS }
}
