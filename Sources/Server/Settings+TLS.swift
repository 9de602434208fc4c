// From the operator's TLS settings to those of the TLS room: the one place where the two vocabularies meet. Nothing is
// checked here; the files are looked at by TLSContext.
import Options
import TLS

extension TLSSettings {
  init(_ options: TLSOptions) {
    self.init()
    chainPath = options.chainPath ?? ""
    keyPath = options.keyPath ?? ""
    keyFormat = Int32(clamping: options.keyFormat)
    clientCertificate = ClientCertificate(rawValue: options.verifyMode) ?? .required
    ciphers = options.ciphers
    authorityPath = options.authorityPath
    writeBufferByteCount = options.writeBufferKilobytes << 10
    cachesSessions = options.sessionCache
    usesKernelTLS = options.kernelTLS
    minimumVersion = options.minimumVersion
  }
}
