// -Z and the ssl_ sub-options: what they set, what is refused, and the prefixes of -l. Certificates are loaded at the
// start of a server: Tests/tls.
import Testing

@testable import Options

struct TLSOptionTests {
  private static let files = "ssl_chain_cert=/c,ssl_key=/k"

  @Test func everySubOptionSets() throws {
    let more = "ssl_keyformat=2,ssl_verify_mode=3,ssl_ciphers=A:B,ssl_ca_cert=/a,ssl_wbuf_size=32,ssl_min_version=3"
    let tls = try settings(["-Z", "-o", Self.files + "," + more, "-o", "ssl_session_cache,ssl_kernel_tls"]).tls
    #expect(tls.isEnabled && tls.chainPath == "/c" && tls.keyPath == "/k" && tls.keyFormat == 2)
    #expect(tls.verifyMode == 3 && tls.ciphers == "A:B" && tls.authorityPath == "/a")
    #expect(tls.writeBufferKilobytes == 32 && tls.minimumVersion == 3 && tls.sessionCache && tls.kernelTLS)
  }

  @Test func offUnlessAskedFor() throws {
    #expect(try settings([]).tls == TLSOptions())
    // As in the reference, the sub-options alone switch nothing on.
    #expect(try !settings(["-o", Self.files]).tls.isEnabled)
  }

  @Test(arguments: ["ssl_verify_mode", "ssl_min_version"]) func rangesAreChecked(_ name: String) {
    for value in ["-1", "4"] {
      let text = "Invalid \(name). Use help to see valid options."
      #expect(stop(["-o", "\(name)=\(value)"]) == refusal(text, 1))
    }
    #expect(stop(["-o", "\(name)=x"]) == refusal("could not parse argument to \(name)", 1))
  }

  @Test func itNeedsFilesAndAPort() {
    let files = "ERROR: -Z needs a certificate and its key: add -o ssl_chain_cert=<path>,ssl_key=<path>."
    #expect(stop(["-Z"]) == refusal(files, 64))
    #expect(stop(["-Z", "-o", "ssl_key=/k"]) == refusal(files, 64))
    let port = "ERROR: You cannot enable SSL without a TCP port."
    #expect(stop(["-Z", "-p", "0", "-o", Self.files]) == refusal(port, 64))
  }

  @Test func listenersMayDiffer() throws {
    let list = "notls:127.0.0.1:1,btls:127.0.0.1:2,mtls:proto[ascii]:127.0.0.1:3,127.0.0.1:4"
    let addresses = try settings(["-Z", "-o", Self.files, "-l", list]).listenAddresses
    #expect(addresses.map(\.tls) == [.some(.none), .basic, .mutual, nil])
    #expect(addresses[2].bindingProtocol == .ascii)
  }
}
