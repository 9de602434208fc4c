// What the server listens on: TCP, UDP and unix sockets as the settings say, or those that a service manager has opened
// and passed on; what their clients may speak, and whether they must use TLS. Opened once at the start, by the main
// thread. Not here: system calls (Events.Listening), taking connections (Acceptor), receiving datagrams (Worker).
import CacheCore
import Events
import Options
import TLS

/// What a listener asks of TLS clients.
struct ListenerTLS: Sendable {
  /// nil: what the settings say.
  var verification: ClientCertificate?
}

/// A listener, and what its clients may speak.
struct Listener: Sendable {
  let listening: ListeningSocket
  let wire: WireProtocol
  /// nil: no TLS.
  var tls: ListenerTLS?
}

struct Listeners {
  /// TCP and unix sockets: connections come from these.
  private(set) var streams: [Listener] = []
  /// UDP sockets.
  private(set) var datagrams: [Listener] = []
  private let settings: Settings

  init(_ settings: Settings) { self.settings = settings }

  /// Opens all of them. What was opened before a failure is among them too.
  mutating func open(_ manager: ServiceManager) throws(StartFailure) {
    if manager.passedDescriptorCount > 0 {
      for index in 0..<manager.passedDescriptorCount { try adoptPassed(index) }
    } else if let path = settings.unixSocketPath {
      try openUnix(path, settings.bindingProtocol)
    } else {
      let addresses = settings.listenAddresses.isEmpty ? [ListenAddress()] : settings.listenAddresses
      for address in addresses { try open(address) }
    }
  }

  /// A listener that was opened for us, which takes the place of all of our own, speaks what -B and -Z say.
  private mutating func adoptPassed(_ index: Int) throws(StartFailure) {
    do {
      let (listening, isDatagram) = try Listening.adoptPassed(index)
      let usesTLS = !listening.isUnix && !isDatagram
      let listener = Listener(
        listening: listening, wire: WireProtocol(settings.bindingProtocol),
        tls: usesTLS ? ListenerTLS(ListenAddress(), settings) : nil)
      if isDatagram { datagrams.append(listener) } else { streams.append(listener) }
    } catch {
      throw StartFailure(message: error.text, exitStatus: ExitStatus.systemError)
    }
  }

  /// An address of -l is a unix socket, or a TCP and a UDP port each unless it is 0.
  private mutating func open(_ address: ListenAddress) throws(StartFailure) {
    let binding = address.bindingProtocol ?? settings.bindingProtocol
    if let path = address.unixPath { return try openUnix(path, binding) }
    let port = address.port ?? settings.port
    if port != 0 { try openTCP(address, port: port, binding) }
    if settings.udpPort != 0 { try openUDP(address, binding) }
  }

  private mutating func openTCP(_ address: ListenAddress, port: Int, _ binding: BindingProtocol) throws(StartFailure) {
    do {
      let tls = ListenerTLS(address, settings)
      streams += try Listening.openTCP(host: address.host, port: port, backlog: settings.listenBacklog).map {
        Listener(listening: $0, wire: WireProtocol(binding), tls: tls)
      }
    } catch {
      throw failure("TCP port \(port)", error)
    }
  }

  private mutating func openUDP(_ address: ListenAddress, _ binding: BindingProtocol) throws(StartFailure) {
    do {
      datagrams += try Listening.openUDP(host: address.host, port: settings.udpPort).map {
        Listener(listening: $0, wire: WireProtocol(binding))
      }
    } catch {
      throw failure("UDP port \(settings.udpPort)", error)
    }
  }

  private mutating func openUnix(_ path: String, _ binding: BindingProtocol) throws(StartFailure) {
    do {
      let listening = try Listening.openUnix(
        path: path, mode: settings.unixSocketMask, backlog: settings.listenBacklog)
      streams.append(Listener(listening: listening, wire: WireProtocol(binding)))
    } catch {
      throw StartFailure(
        message: "failed to listen on UNIX socket: \(path): \(error.text)", exitStatus: ExitStatus.systemError)
    }
  }

  private func failure(_ port: String, _ error: ListenError) -> StartFailure {
    let what = settings.listenText.map { "one of interface(s) \($0)" } ?? port
    return StartFailure(
      message: "\(error.text)\nfailed to listen on \(what): \(SystemCalls.errorText(error.errorNumber))",
      exitStatus: ExitStatus.systemError)
  }

  /// MEMCACHED_PORT_FILENAME: where test suites look for kernel-chosen ports.
  func writePortFile() {
    guard let path = SystemCalls.environment("MEMCACHED_PORT_FILENAME") else { return }
    func lines(_ transport: String, _ listeners: [Listener]) -> String {
      listeners.map(\.listening).filter { !$0.isUnix }.map {
        "\(transport) \($0.address.contains("6:[") ? "INET6" : "INET"): \($0.port)\n"
      }.joined()
    }
    _ = SystemCalls.replaceFile(
      path, temporary: path + ".lck", text: lines("TCP", streams) + lines("UDP", datagrams))
  }

  /// No more connections come. The sockets of `datagrams` are the workers'.
  func close() { for listener in streams { listener.listening.socket.close() } }
}

extension ListenerTLS {
  /// How TLS is spoken on the TCP listeners of an address; nil: not at all.
  fileprivate init?(_ address: ListenAddress, _ settings: Settings) {
    guard settings.tls.isEnabled else { return nil }
    switch address.tls {
    case .some(.none): return nil
    case .basic: verification = .notAsked
    case .mutual: verification = .required
    case nil: verification = nil
    }
  }
}
