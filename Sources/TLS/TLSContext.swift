// Certificate, key and rules of one generation of connections: OpenSSL's SSL_CTX, made once and then only read. The
// texts of what can be wrong with the files are the reference's. Which generation is current is TLSService's.
import COpenSSL

/// Why a context cannot be made, in one line.
public struct TLSError: Error, Sendable {
  public let text: String
}

@safe
public final class TLSContext: Sendable {
  /// Rule 9: OpenSSL counts references to it and locks what changes inside.
  nonisolated(unsafe) let context: OpaquePointer

  public init(_ settings: TLSSettings) throws(TLSError) {
    guard let made = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw TLSContext.error("Error creating a context", nil)
    }
    unsafe context = unsafe made
    unsafe copenssl_set_modes(made)
    unsafe copenssl_set_options(made, settings.cachesSessions ? 1 : 0, settings.usesKernelTLS ? 1 : 0)
    unsafe SSL_CTX_set_session_id_context(made, "memcached", 9)
    if unsafe copenssl_set_min_version(made, copenssl_version(Int32(settings.minimumVersion))) != 1 {
      throw TLSContext.error("Error setting the lowest protocol version", nil)
    }
    try loadFiles(settings)
    if let ciphers = settings.ciphers, unsafe SSL_CTX_set_cipher_list(made, ciphers) != 1 {
      throw TLSContext.error("Error setting the provided cipher(s)", ciphers)
    }
  }

  private func loadFiles(_ settings: TLSSettings) throws(TLSError) {
    guard unsafe SSL_CTX_use_certificate_chain_file(context, settings.chainPath) == 1 else {
      throw TLSContext.error("Error loading the certificate chain", settings.chainPath)
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(context, settings.keyPath, settings.keyFormat) == 1 else {
      throw TLSContext.error("Error loading the key", settings.keyPath)
    }
    guard unsafe SSL_CTX_check_private_key(context) == 1 else {
      throw TLSContext.error("Error validating the certificate", settings.keyPath)
    }
    guard let authorities = settings.authorityPath else { return }
    guard unsafe SSL_CTX_load_verify_locations(context, authorities, nil) == 1 else {
      throw TLSContext.error("Error loading the CA certificate", authorities)
    }
    // The names are sent to clients, so that they can choose a certificate; the context owns the list from here on.
    unsafe SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(authorities))
  }

  deinit { unsafe SSL_CTX_free(context) }

  /// When the certificate ends, in seconds since 1970.
  public var certificateEndUnixSeconds: Int64 { unsafe Int64(copenssl_certificate_end(context)) }
  var newSessionCount: Int { unsafe Int(copenssl_new_sessions(context)) }

  public static var hasKernelTLS: Bool { copenssl_has_kernel_tls() != 0 }

  private static func error(_ what: String, _ name: String?) -> TLSError {
    let reason = lastReason()
    return TLSError(text: "\(what)\(name.map { ": \($0)" } ?? "")\(reason.isEmpty ? "" : " (\(reason))")")
  }

  /// OpenSSL's text for the oldest error of this thread, of which none is left afterwards.
  static func lastReason() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "" }
    // Rule 8: a static string of the library.
    return unsafe String(cString: text)
  }
}
