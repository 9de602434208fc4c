// One client's TLS connection over a socket that is somebody else's: handshake, receiving, sending, each one step that
// never blocks. It holds OpenSSL's SSL and nothing else; when it waits, and for how long, is the worker's business.
import COpenSSL
import CacheCore
import Events
import Glibc

/// Where parts of replies are put together before they are encrypted; one a worker.
@safe
public struct TLSScratch: ~Copyable {
  fileprivate let bytes: UnsafeMutableRawBufferPointer
  public init(byteCount: Int) {
    unsafe bytes = .allocate(byteCount: max(byteCount, 1), alignment: 16)
  }
  deinit {
    // Rule 1: this struct is the only owner.
    unsafe bytes.deallocate()
  }
}

@safe
public final class TLSChannel {
  private let ssl: OpaquePointer
  private let scratch: Pinned<TLSScratch>
  public private(set) var isEstablished = false
  /// In the server's clock, to bound the handshake.
  public let openedSecond: UInt32
  /// What went wrong in the protocol, if something did: nothing more may be sent.
  public private(set) var failure: String?

  /// How far a handshake has come.
  public enum Progress {
    case done, wantsInput, wantsRoom, failed
  }

  /// nil without memory. `verification` is that of the listener, nil the one of the settings.
  public init?(
    _ service: TLSService, descriptor: Int32, verification: ClientCertificate?, scratch: Pinned<TLSScratch>,
    now: UInt32
  ) {
    // Rule 9: the SSL counts a reference to its context, which may so be replaced meanwhile.
    guard let made = unsafe SSL_new(service.context.context) else { return nil }
    unsafe ssl = unsafe made
    self.scratch = scratch
    openedSecond = now
    unsafe SSL_set_verify(made, TLSChannel.mode(verification ?? service.settings.clientCertificate), nil)
    unsafe SSL_set_accept_state(made)
    guard unsafe SSL_set_fd(made, descriptor) == 1 else { return nil }
  }

  deinit { unsafe SSL_free(ssl) }

  private static func mode(_ certificate: ClientCertificate) -> Int32 {
    switch certificate {
    case .notAsked: SSL_VERIFY_NONE
    case .requested: SSL_VERIFY_PEER
    case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    case .requiredOnce: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE
    }
  }

  /// Decrypted bytes that no event of the socket will tell of.
  public var hasPending: Bool { unsafe SSL_pending(ssl) > 0 }

  /// One step of the handshake.
  public func handshake() -> Progress {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(ssl)
    if result == 1 {
      isEstablished = true
      return .done
    }
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return .wantsInput
    case SSL_ERROR_WANT_WRITE: return .wantsRoom
    default:
      noteFailure()
      return .failed
    }
  }

  /// Receives into the free end of `buffer`, which must have room.
  public func receive(into buffer: inout ByteBuffer) -> Transfer {
    let transfer = receive(into: buffer.freeWindow)
    if case .bytes(let count) = transfer { buffer.filled(count) }
    return transfer
  }

  public func receive(into window: MemoryWindow) -> Transfer {
    ERR_clear_error()
    // Rule 6: the window's own bounds.
    let result = unsafe SSL_read(ssl, window.bytes.baseAddress, Int32(clamping: window.count))
    return outcome(result)
  }

  /// Sends what `reply` holds, as far as the kernel takes it, and consumes that.
  public func send(_ reply: inout ReplyBuffer) -> (transfer: Transfer, sentByteCount: Int) {
    var total = 0
    while !reply.isEmpty {
      ERR_clear_error()
      // Rule 7: the vectors point to composed bytes and held values, both there until they are consumed. A write that
      // is tried again finds the same bytes at its beginning, because nothing is composed before they are gone.
      let result = unsafe reply.withVectors { vectors, count in unsafe write(vectors, count) }
      let transfer = outcome(result, isWrite: true)
      guard case .bytes(let sent) = transfer else { return (transfer, total) }
      reply.consume(sent)
      total += sent
    }
    return (.bytes(total), total)
  }

  private func write(_ vectors: UnsafeMutablePointer<iovec>, _ count: Int) -> Int32 {
    let room = unsafe scratch.value.bytes
    guard count > 0 else { return 0 }
    if unsafe count == 1 || vectors[0].iov_len >= room.count {
      return unsafe SSL_write(ssl, vectors[0].iov_base, Int32(clamping: vectors[0].iov_len))
    }
    var filled = 0
    for index in 0..<count where filled < room.count {
      let step = unsafe min(vectors[index].iov_len, room.count - filled)
      // Rule 3: `step` bytes are left in the scratch and in the vector.
      unsafe memcpy(room.baseAddress! + filled, vectors[index].iov_base, step)
      filled += step
    }
    return unsafe SSL_write(ssl, room.baseAddress, Int32(clamping: filled))
  }

  /// What waits for the other direction ends the connection when it is a write: renegotiation is off, and a wait for
  /// room would spin. For a read it is told by the next event.
  private func outcome(_ result: Int32, isWrite: Bool = false) -> Transfer {
    if result > 0 { return .bytes(Int(result)) }
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ where !isWrite: return .wouldBlock
    case SSL_ERROR_WANT_WRITE: return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .closed
    case SSL_ERROR_SYSCALL:
      failure = failure ?? ""
      return .closed
    default:
      noteFailure()
      return .closed
    }
  }

  private func noteFailure() {
    let reason = TLSContext.lastReason()
    failure = reason.isEmpty ? "connection lost" : reason
  }

  /// Says goodbye, if that can be done at once.
  public func close() {
    ERR_clear_error()
    if isEstablished, failure == nil { unsafe SSL_shutdown(ssl) }
  }
}
