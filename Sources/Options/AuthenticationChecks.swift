// -S and -Y against the options that choose what listeners speak (reference, section 1.5): -S leaves only the binary
// protocol, -Y only text, and neither leaves UDP. A listener of another protocol would be one that nobody can use.
// Files are the server's business.

enum AuthenticationChecks {
  private static let noText = "ERROR: You cannot allow the ASCII protocol while using SASL."
  private static let noBinary =
    "ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens."

  /// Against -B and, for -S, -U. Comes early, as operators know it.
  static func checkProtocol(_ draft: inout Draft) throws(OptionError) {
    let binding = draft.bindingWasGiven ? draft.settings.bindingProtocol : nil
    if draft.settings.saslEnabled {
      guard binding == nil || binding == .binary else { throw .usage(noText) }
      guard draft.settings.udpPort == 0 else {
        throw .usage("ERROR: Cannot enable UDP while using binary SASL authentication.")
      }
      draft.settings.bindingProtocol = .binary
    }
    if draft.settings.authFilePath != nil {
      guard !draft.settings.saslEnabled, binding == nil || binding == .ascii else { throw .usage(noBinary) }
      draft.settings.bindingProtocol = .ascii
    }
  }

  /// -Y against -U, and the list of -l. Negotiating listeners speak what is left.
  static func checkListeners(_ settings: inout Settings) throws(OptionError) {
    if settings.authFilePath != nil, settings.udpPort != 0 {
      throw .usage("Cannot use UDP with ascii authentication enabled (-U 0 to disable)")
    }
    guard settings.saslEnabled || settings.authFilePath != nil else { return }
    let forbidden = settings.saslEnabled ? BindingProtocol.ascii : .binary
    for index in settings.listenAddresses.indices {
      if settings.listenAddresses[index].bindingProtocol == forbidden {
        throw .usage(settings.saslEnabled ? noText : noBinary)
      }
      settings.listenAddresses[index].bindingProtocol = nil
    }
  }
}
