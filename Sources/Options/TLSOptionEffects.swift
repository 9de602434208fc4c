// What the ssl_ sub-options do with their values, and what they must be together. Whether the files can be loaded is
// found out when the server starts.

extension ExtendedOptionTable {
  static func tlsChain(_ draft: inout Draft, _ value: String) { draft.settings.tls.chainPath = value }
  static func tlsKey(_ draft: inout Draft, _ value: String) { draft.settings.tls.keyPath = value }
  static func tlsCiphers(_ draft: inout Draft, _ value: String) { draft.settings.tls.ciphers = value }
  static func tlsAuthority(_ draft: inout Draft, _ value: String) { draft.settings.tls.authorityPath = value }

  static func tlsKeyFormat(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let format = NumberText.wholeInteger(value) else {
      throw .failure("could not parse argument to ssl_keyformat")
    }
    draft.settings.tls.keyFormat = format
  }

  static func tlsVerifyMode(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let mode = NumberText.wholeInteger(value) else {
      throw .failure("could not parse argument to ssl_verify_mode")
    }
    guard (0...3).contains(mode) else {
      throw .failure("Invalid ssl_verify_mode. Use help to see valid options.")
    }
    draft.settings.tls.verifyMode = mode
  }

  static func tlsWriteBuffer(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let kilobytes = NumberText.wholeInteger(value), (1...1 << 20).contains(kilobytes) else {
      throw .failure("could not parse argument to ssl_wbuf_size")
    }
    draft.settings.tls.writeBufferKilobytes = kilobytes
  }

  static func tlsMinimumVersion(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let version = NumberText.wholeInteger(value) else {
      throw .failure("could not parse argument to ssl_min_version")
    }
    guard (0...3).contains(version) else {
      throw .failure("Invalid ssl_min_version. Use help to see valid options.")
    }
    draft.settings.tls.minimumVersion = version
  }
}

extension CrossChecks {
  static func checkTLS(_ settings: Settings) throws(OptionError) {
    guard settings.tls.isEnabled else { return }
    guard settings.port != 0 || settings.listenAddresses.contains(where: { $0.port != nil }) else {
      throw .usage("ERROR: You cannot enable SSL without a TCP port.")
    }
    guard settings.tls.chainPath != nil, settings.tls.keyPath != nil else {
      throw .usage("ERROR: -Z needs a certificate and its key: add -o ssl_chain_cert=<path>,ssl_key=<path>.")
    }
  }
}
