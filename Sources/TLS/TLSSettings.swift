// What the operator chose for TLS (-Z and the ssl_ options), and what a listener asks of its clients. Values only: what
// they lead to in OpenSSL is TLSContext's business.

public struct TLSSettings: Sendable, Equatable {
  public var chainPath = ""
  public var keyPath = ""
  /// OpenSSL's number of the key's format; 1 is PEM.
  public var keyFormat: Int32 = 1
  public var clientCertificate = ClientCertificate.notAsked
  /// OpenSSL's list for TLS 1.2 and older; nil is its default.
  public var ciphers: String?
  public var authorityPath: String?
  /// Parts of a reply are put together in a buffer of this size before they are encrypted.
  public var writeBufferByteCount = 16 << 10
  public var cachesSessions = false
  public var usesKernelTLS = false
  /// 0 to 3: TLS 1.0 to 1.3.
  public var minimumVersion = 2
  public init() {}
}

/// What is asked of a client; the raw values are those of `ssl_verify_mode`.
public enum ClientCertificate: Int, Sendable {
  case notAsked, requested, required, requiredOnce
}
