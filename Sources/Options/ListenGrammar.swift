// The grammar of `-l`: a list of [notls:|btls:|mtls:][proto[NAME]:][tag[NAME]:|tag_NAME_:]host[:port] with commas or
// semicolons between. Ours alone: unix:<path> in the place of host and port. It only reads; names are looked up and
// sockets opened elsewhere.

enum ListenGrammar {
  private static let maximumTagBytes = 8
  private static let protocols: [(name: String, binding: BindingProtocol)] = [
    ("ascii", .ascii), ("binary", .binary), ("negotiating", .automatic),
  ]

  /// Reads `-l`, unless a unix socket takes its place, and checks that `-p` is a port.
  static func apply(to draft: inout Draft) throws(OptionError) {
    guard draft.settings.unixSocketPath == nil else { return }
    guard draft.settings.port >= -1 else { throw failure("TCP port \(draft.settings.port)", "no such port") }
    guard let list = draft.settings.listenText else { return }
    draft.settings.listenAddresses = try addresses(
      list, tlsIsEnabled: draft.settings.tls.isEnabled, warnings: &draft.warnings)
  }

  /// The addresses of a list, each once. Throws, with exit status 71, what is wrong with the first bad element.
  static func addresses(
    _ list: String, tlsIsEnabled: Bool = false, warnings: inout [String]
  ) throws(OptionError) -> [ListenAddress] {
    var addresses: [ListenAddress] = []
    for element in list.split(whereSeparator: { $0 == "," || $0 == ";" }) {
      let trimmed = trim(element)
      if trimmed.isEmpty { continue }
      var reader = ElementReader(rest: trimmed, list: list, tlsIsEnabled: tlsIsEnabled)
      let address = try reader.read(&warnings)
      if !addresses.contains(address) { addresses.append(address) }
    }
    guard !addresses.isEmpty else { throw listFailure("-l needs at least one address", list) }
    return addresses
  }

  private static func trim(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }

  private static func failure(_ what: String, _ why: String) -> OptionError {
    OptionError(text: "failed to listen on \(what): \(why)", exitStatus: ExitStatus.systemError)
  }

  static func listFailure(_ complaint: String, _ list: String) -> OptionError {
    let summary = failure("one of interface(s) \(list)", "Invalid argument")
    return OptionError(text: "\(complaint)\n\(summary.text)", exitStatus: summary.exitStatus)
  }

  /// Reads one element from its left end.
  private struct ElementReader {
    var rest: Substring
    let list: String
    let tlsIsEnabled: Bool

    mutating func read(_ warnings: inout [String]) throws(OptionError) -> ListenAddress {
      let tls = try readTLS()
      let binding = try readProtocol(&warnings)
      try readTag()
      if rest.hasPrefix("unix:") {
        let path = rest.dropFirst("unix:".count)
        guard !path.isEmpty else { throw failure("Missing path: \"\(rest)\"") }
        return ListenAddress(bindingProtocol: binding, unixPath: String(path))
      }
      let (host, port) = try readHost()
      return ListenAddress(host: host == "*" ? nil : host, port: port, bindingProtocol: binding, tls: tls)
    }

    private mutating func readTLS() throws(OptionError) -> ListenTLS? {
      for tls in ListenTLS.allCases where rest.hasPrefix("\(tls.rawValue):") {
        guard tlsIsEnabled else { throw failure("'\(tls.rawValue)' option is valid only when SSL is enabled") }
        rest = rest.dropFirst(tls.rawValue.count + 1)
        return tls
      }
      return nil
    }

    private mutating func readProtocol(_ warnings: inout [String]) throws(OptionError) -> BindingProtocol? {
      guard rest.hasPrefix("proto[") else { return nil }
      let text = rest.dropFirst("proto".count)
      guard let name = bracketed(after: "proto") else { throw failure("Invalid protocol spec: \"\(text)\"") }
      if !name.isEmpty && "proxy".hasPrefix(name) { throw failure("Server not built with proxy: \"proto[\(name)]\"") }
      guard let binding = protocols.first(where: { $0.name.hasPrefix(name) })?.binding else {
        warnings.append("Unknown protocol \"\(name)\" in -l \(list): the protocol of -B is used")
        return nil
      }
      return binding
    }

    /// Reads over a tag: it names a listener for a proxy and means nothing here.
    private mutating func readTag() throws(OptionError) {
      guard rest.hasPrefix("tag[") || rest.hasPrefix("tag_") else { return }
      let text = rest.dropFirst("tag".count)
      let close: Character = text.first == "[" ? "]" : "_"
      guard let name = bracketed(after: "tag", close: close) else {
        throw failure("Invalid tag in socket config: \"\(text)\"")
      }
      guard (1...maximumTagBytes).contains(name.utf8.count) else {
        throw failure("Listener tags must be between 1 and 8 characters: \"\(name)\"")
      }
    }

    /// The name in brackets after `word`, read over together with the colon behind; nil when one of them is missing.
    private mutating func bracketed(after word: String, close: Character = "]") -> Substring? {
      let text = rest.dropFirst(word.count + 1)
      let name = text.prefix { $0 != close }
      let tail = text[name.endIndex...]
      guard tail.hasPrefix("\(close):") else { return nil }
      rest = tail.dropFirst(2)
      return name
    }

    private func readHost() throws(OptionError) -> (host: String, port: Int?) {
      if rest.hasPrefix("[") { return try readBracketedHost() }
      let host = rest.prefix { $0 != ":" }
      let tail = rest[host.endIndex...].dropFirst()
      if tail.contains(":") { return (String(rest), nil) }
      guard !host.isEmpty else { throw failure("Missing host: \"\(rest)\"") }
      return (String(host), host.endIndex < rest.endIndex ? try readPort(tail) : nil)
    }

    private func readBracketedHost() throws(OptionError) -> (host: String, port: Int?) {
      let text = rest.dropFirst()
      let host = text.prefix { $0 != "]" }
      let tail = text[host.endIndex...].dropFirst()
      let closed = host.endIndex < text.endIndex
      guard closed, host.contains(":"), tail.isEmpty || tail.first == ":" else {
        throw failure("Invalid IPV6 address: \"\(rest)\"")
      }
      return (String(host), tail.isEmpty ? nil : try readPort(tail.dropFirst()))
    }

    private func readPort(_ text: Substring) throws(OptionError) -> Int {
      guard let port = NumberText.wholeInteger(String(text)), (-1...OptionTable.maximumPort).contains(port) else {
        throw failure("Invalid port number: \"\(text)\"")
      }
      return port == 0 ? -1 : port
    }

    private func failure(_ complaint: String) -> OptionError { listFailure(complaint, list) }
  }
}
