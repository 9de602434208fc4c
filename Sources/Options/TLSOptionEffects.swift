// What the ssl_ sub-options do with their values, and what they must be together. Whether the files can be loaded is
// found out when the server starts.

extension ExtendedOptionTable {
  static func tlsChain(_ draft: inout Draft, _ value: String) { draft.settings.tls.chainPath = value }
  static func tlsKey(_ draft: inout Draft, _ value: String) { draft.settings.tls.keyPath = value }
  static func tlsCiphers(_ draft: inout Draft, _ value: String) { draft.settings.tls.ciphers = value }
  static func tlsAuthority(_ draft: inout Draft, _ value: String) { draft.settings.tls.authorityPath = value }

  static func tlsKeyFormat(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.tls.keyFormat = try number(value, of: "ssl_keyformat")
  }

  static func tlsVerifyMode(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.tls.verifyMode = try choice(value, of: "ssl_verify_mode")
  }

  static func tlsMinimumVersion(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.tls.minimumVersion = try choice(value, of: "ssl_min_version")
  }

  static func tlsWriteBuffer(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let kilobytes = try number(value, of: "ssl_wbuf_size")
    guard (1...1 << 20).contains(kilobytes) else { throw unreadable("ssl_wbuf_size") }
    draft.settings.tls.writeBufferKilobytes = kilobytes
  }

  private static func unreadable(_ name: String) -> OptionError { .failure("could not parse argument to \(name)") }

  private static func number(_ value: String, of name: String) throws(OptionError) -> Int {
    guard let number = NumberText.wholeInteger(value) else { throw unreadable(name) }
    return number
  }

  /// 0 to 3.
  private static func choice(_ value: String, of name: String) throws(OptionError) -> Int {
    let number = try number(value, of: name)
    guard (0...3).contains(number) else { throw .failure("Invalid \(name). Use help to see valid options.") }
    return number
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
