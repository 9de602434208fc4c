// --healthcheck: asks the server that listens where the options say for its version, and tells by the exit status
// whether it answered in time. What it says goes to standard output, where container engines keep it.
import Events
import Options

enum HealthCheck {
  /// How long connecting, asking and answering may take together.
  private static let secondsToAnswer = 3
  /// More than any answer to the question.
  private static let answerByteCount = 512

  /// A listener of a server with these settings, and what it speaks.
  private struct Target {
    var place: ProbePlace
    var binding: BindingProtocol
    var speaksTLS = false
  }

  static func run(_ settings: Settings) -> Int32 {
    guard let target = target(settings) else { return failure("no listener that could be asked: see -p, -l and -s") }
    if target.speaksTLS { return askTLS(target.place) }
    let question = target.binding == .binary ? binaryVersion : Array("version\r\n".utf8)
    switch Probe.ask(target.place, question, answerByteCount: answerByteCount, seconds: secondsToAnswer) {
    case .failure(let error): return failure("\(target.place): \(error.text)")
    case .success(let answer):
      guard let version = target.binding == .binary ? binaryAnswer(answer) : textAnswer(answer) else {
        let line = String(decoding: answer.prefix { $0 >= 0x20 && $0 < 0x7f }, as: UTF8.self)
        return failure("\(target.place): unexpected answer: \(line)")
      }
      SystemCalls.printOutput("\(target.place): \(version)\n")
      return ExitStatus.success
    }
  }

  /// This program has no certificate to show. A worker that turns plain text away is alive, and that is all that is
  /// learned: the server counts it as a failed handshake.
  private static func askTLS(_ place: ProbePlace) -> Int32 {
    switch Probe.ask(place, Array("version\r\n".utf8), answerByteCount: answerByteCount, seconds: secondsToAnswer) {
    case .failure(let error) where !error.isReset: return failure("\(place): \(error.text)")
    case .success(let answer) where answer.starts(with: "ERROR".utf8): return failure("\(place): too many connections")
    default:
      SystemCalls.printOutput("\(place): TLS\n")
      return ExitStatus.success
    }
  }

  private static func failure(_ text: String) -> Int32 {
    SystemCalls.printOutput(text + "\n")
    return ExitStatus.failure
  }

  /// The first listener, but one without TLS where there is one: it can be asked for more.
  private static func target(_ settings: Settings) -> Target? {
    if let path = settings.unixSocketPath { return Target(place: .unix(path), binding: settings.bindingProtocol) }
    let addresses = settings.listenAddresses.isEmpty ? [ListenAddress()] : settings.listenAddresses
    let targets = addresses.compactMap { address -> Target? in
      let binding = address.bindingProtocol ?? settings.bindingProtocol
      if let path = address.unixPath { return Target(place: .unix(path), binding: binding) }
      let port = address.port ?? settings.port
      let speaksTLS = settings.tls.isEnabled && address.tls != ListenTLS.none
      guard port > 0 else { return nil }
      return Target(place: .tcp(host: reachable(address.host), port: port), binding: binding, speaksTLS: speaksTLS)
    }
    return targets.first { !$0.speaksTLS } ?? targets.first
  }

  /// Who listens on every address is asked on the loopback one.
  private static func reachable(_ host: String?) -> String {
    switch host {
    case nil, "0.0.0.0": "127.0.0.1"
    case "::": "::1"
    case let host?: host
    }
  }

  /// A version packet: magic, opcode, and nothing else.
  private static let binaryVersion: [UInt8] = [0x80, 0x0b] + [UInt8](repeating: 0, count: 22)
  private static let binaryHeaderByteCount = 24

  /// A server that wants a password first is alive as well.
  private static func textAnswer(_ answer: [UInt8]) -> String? {
    guard answer.last == 0x0a else { return nil }
    let line = String(decoding: answer.prefix { $0 != 0x0d && $0 != 0x0a }, as: UTF8.self)
    return line.hasPrefix("VERSION ") || line.hasPrefix("CLIENT_ERROR unauthenticated") ? line : nil
  }

  private static func binaryAnswer(_ answer: [UInt8]) -> String? {
    guard answer.count >= binaryHeaderByteCount, answer[0] == 0x81, answer[1] == 0x0b else { return nil }
    return "VERSION " + String(decoding: answer.dropFirst(binaryHeaderByteCount), as: UTF8.self)
  }
}
