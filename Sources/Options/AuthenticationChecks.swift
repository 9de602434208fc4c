// -S and -Y against the options that choose what listeners speak (reference, section 1.5): -S leaves only the binary
// protocol, -Y only text, and neither leaves UDP. After the list of -l was read, because a listener of another protocol
// would be one that nobody can use. Files are the server's business.

enum AuthenticationChecks {
  static func apply(to draft: inout Draft) throws(OptionError) {
    let settings = draft.settings
    let listeners = settings.listenAddresses.compactMap(\.bindingProtocol)
    if settings.saslEnabled {
      guard settings.bindingProtocol != .ascii, !listeners.contains(.ascii) else {
        throw .usage("ERROR: You cannot allow the ASCII protocol while using SASL.")
      }
      guard settings.udpPort == 0 else {
        throw .usage("ERROR: Cannot enable UDP while using binary SASL authentication.")
      }
    }
    if settings.authFilePath != nil {
      guard !settings.saslEnabled, settings.bindingProtocol != .binary, !listeners.contains(.binary) else {
        throw .usage(
          "ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens.")
      }
      guard settings.udpPort == 0 else {
        throw .usage("Cannot use UDP with ascii authentication enabled (-U 0 to disable)")
      }
    }
    if settings.saslEnabled { force(.binary, on: &draft.settings) }
    if settings.authFilePath != nil { force(.ascii, on: &draft.settings) }
  }

  private static func force(_ binding: BindingProtocol, on settings: inout Settings) {
    settings.bindingProtocol = binding
    for index in settings.listenAddresses.indices { settings.listenAddresses[index].bindingProtocol = nil }
  }
}
