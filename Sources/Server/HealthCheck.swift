// --healthcheck: asks the server that listens where the options say for its version, and tells by the exit status
// whether it answered in time. What it says goes to standard output, where container engines keep it.
import Events
import Options

enum HealthCheck {
  /// How long connecting, asking and answering may take together.
  private static let secondsToAnswer = 3
  /// More than any answer to the question.
  private static let answerByteCount = 512

  /// The first listener of a server with these settings, and what it speaks.
  private struct Target {
    var place: ProbePlace
    var binding: BindingProtocol
  }

  static func run(_ settings: Settings) -> Int32 {
    guard let target = target(settings) else { return failure("no listener that could be asked: see -p, -l and -s") }
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

  private static func failure(_ text: String) -> Int32 {
    SystemCalls.printOutput(text + "\n")
    return ExitStatus.failure
  }

  private static func target(_ settings: Settings) -> Target? {
    if let path = settings.unixSocketPath { return Target(place: .unix(path), binding: settings.bindingProtocol) }
    let addresses = settings.listenAddresses.isEmpty ? [ListenAddress()] : settings.listenAddresses
    for address in addresses {
      let binding = address.bindingProtocol ?? settings.bindingProtocol
      if let path = address.unixPath { return Target(place: .unix(path), binding: binding) }
      let port = address.port ?? settings.port
      if port > 0 { return Target(place: .tcp(host: reachable(address.host), port: port), binding: binding) }
    }
    return nil
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
