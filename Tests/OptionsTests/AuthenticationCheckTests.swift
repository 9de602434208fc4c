// What -S and -Y leave to listeners: one protocol and no UDP, whichever option names another. Messages are compared
// with the oracle's in OracleTests too.
import Testing

@testable import Options

struct AuthenticationCheckTests {
  private static let ascii = "ERROR: You cannot allow the ASCII protocol while using SASL."
  private static let binary =
    "ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens."

  @Test(arguments: [
    (["-S", "-l", "proto[ascii]:127.0.0.1"], ascii), (["-S", "-l", "127.0.0.1,proto[asc]:unix:/s"], ascii),
    (["-S", "-B", "ascii"], ascii), (["-S", "-B", "auto"], ascii), (["-Y", "f", "-B", "auto"], binary),
    (["-Y", "f", "-S"], binary), (["-Y", "f", "-l", "proto[binary]:127.0.0.1"], binary),
    (["-Y", "f", "-l", "127.0.0.1,proto[b]:unix:/s"], binary), (["-Y", "f", "-B", "binary"], binary),
    (["-S", "-U", "1"], "ERROR: Cannot enable UDP while using binary SASL authentication."),
    (["-Y", "f", "-U", "1"], "Cannot use UDP with ascii authentication enabled (-U 0 to disable)"),
  ])
  func contradictions(words: [String], message: String) {
    #expect(stop(words) == refusal(message, 64))
    // Without -S or -Y there is nothing wrong.
    #expect(stop(Array(words.dropFirst(words[0] == "-S" ? 1 : 2)).filter { $0 != "-S" }) == nil)
  }

  /// The protocol of every listener is what -S or -Y leaves.
  @Test(arguments: [(["-S"], BindingProtocol.binary), (["-Y", "f"], .ascii)])
  func listenersAreForced(words: [String], expected: BindingProtocol) throws {
    let name = expected == .binary ? "binary" : "ascii"
    for more in [[], ["-B", name], ["-l", "127.0.0.1,proto[\(name)]:unix:/s"], ["-l", "proto[neg]:127.0.0.1"]] {
      let settings = try settings(words + more)
      #expect(settings.bindingProtocol == expected)
      #expect(settings.listenAddresses.allSatisfy { $0.bindingProtocol == nil })
    }
  }

  @Test func reported() throws {
    func rows(_ words: [String]) throws -> [String: String] {
      let settings = try settings(words)
      let report = settingsReport(settings, runtime: runtime(settings))
      return Dictionary(uniqueKeysWithValues: report.map { ($0.name, $0.value) })
    }
    let token = try rows(["-Y", "/etc/users"])
    #expect(token["auth_enabled_ascii"] == "/etc/users" && token["auth_enabled_sasl"] == "no")
    #expect(token["binding_protocol"] == "ascii")
    let sasl = try rows(["-S"])
    #expect(sasl["auth_enabled_ascii"] == "no" && sasl["auth_enabled_sasl"] == "yes")
    #expect(sasl["binding_protocol"] == "binary")
    let open = try rows([])
    #expect(open["auth_enabled_ascii"] == "no" && open["auth_enabled_sasl"] == "no")
    #expect(open["binding_protocol"] == "auto-negotiate")
  }
}
