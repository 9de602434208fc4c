// The grammar of -l: what each form means, and what is said about bad ones. Sockets are opened elsewhere.
import Testing

@testable import Options

private let good: [(list: String, addresses: [ListenAddress])] = [
  ("127.0.0.1", [ListenAddress(host: "127.0.0.1")]),
  ("127.0.0.1:11212", [ListenAddress(host: "127.0.0.1", port: 11212)]),
  ("localhost:0", [ListenAddress(host: "localhost", port: -1)]),
  ("localhost:-1", [ListenAddress(host: "localhost", port: -1)]),
  ("*", [ListenAddress()]),
  ("*:5", [ListenAddress(port: 5)]),
  ("::1", [ListenAddress(host: "::1")]),
  ("1:2:3", [ListenAddress(host: "1:2:3")]),
  ("[::1]", [ListenAddress(host: "::1")]),
  ("[::1]:5", [ListenAddress(host: "::1", port: 5)]),
  ("[fe80::1%eth0]:65535", [ListenAddress(host: "fe80::1%eth0", port: 65535)]),
  ("a,b;c:1", [ListenAddress(host: "a"), ListenAddress(host: "b"), ListenAddress(host: "c", port: 1)]),
  ("a, b ,", [ListenAddress(host: "a"), ListenAddress(host: "b")]),
  ("a,a:1,a", [ListenAddress(host: "a"), ListenAddress(host: "a", port: 1)]),
  ("proto[ascii]:a:1", [ListenAddress(host: "a", port: 1, bindingProtocol: .ascii)]),
  ("proto[asc]:[::1]:1", [ListenAddress(host: "::1", port: 1, bindingProtocol: .ascii)]),
  ("proto[]:a", [ListenAddress(host: "a", bindingProtocol: .ascii)]),
  ("proto[negotiating]:::1", [ListenAddress(host: "::1", bindingProtocol: .automatic)]),
  ("tag[b]:a:1", [ListenAddress(host: "a", port: 1)]),
  ("tag_12345678_:a", [ListenAddress(host: "a")]),
  ("proto[a]:tag[b]:*:7", [ListenAddress(port: 7, bindingProtocol: .ascii)]),
  (
    "proto,tag,protox:1,notls",
    ["proto", "tag"].map { ListenAddress(host: $0) }
      + [ListenAddress(host: "protox", port: 1), ListenAddress(host: "notls")]
  ),
]

private let bad: [(list: String, complaint: String)] = [
  ("notls:127.0.0.1", "'notls' option is valid only when SSL is enabled"),
  ("btls:127.0.0.1", "'btls' option is valid only when SSL is enabled"),
  ("mtls:[::1]:1", "'mtls' option is valid only when SSL is enabled"),
  ("proto[asc:a", "Invalid protocol spec: \"[asc:a\""),
  ("proto[ascii]a", "Invalid protocol spec: \"[ascii]a\""),
  ("proto[p]:a", "Server not built with proxy: \"proto[p]\""),
  ("tag[abc:a", "Invalid tag in socket config: \"[abc:a\""),
  ("tag_abc", "Invalid tag in socket config: \"_abc\""),
  ("tag[]:a", "Listener tags must be between 1 and 8 characters: \"\""),
  ("tag[123456789]:a", "Listener tags must be between 1 and 8 characters: \"123456789\""),
  ("[::1", "Invalid IPV6 address: \"[::1\""),
  ("[::1]5", "Invalid IPV6 address: \"[::1]5\""),
  ("[]", "Invalid IPV6 address: \"[]\""),
  ("a,b:", "Invalid port number: \"\""),
  ("a:5x", "Invalid port number: \"5x\""),
  ("a:65536", "Invalid port number: \"65536\""),
  ("a:-2", "Invalid port number: \"-2\""),
  ("[::1]:abc", "Invalid port number: \"abc\""),
  (":5", "Missing host: \":5\""),
  ("", "-l needs at least one address"),
  (",;", "-l needs at least one address"),
]

struct ListenGrammarTests {
  @Test(arguments: good)
  func accepted(list: String, addresses: [ListenAddress]) throws {
    let line = try settings(["-l", list])
    #expect(line.listenAddresses == addresses)
    #expect(line.listenText == list)
  }

  @Test(arguments: bad)
  func refused(list: String, complaint: String) {
    let text = "\(complaint)\nfailed to listen on one of interface(s) \(list): Invalid argument"
    #expect(stop(["-l", list]) == refusal(text, 71))
  }

  @Test func repeatedListsAreJoined() throws {
    let line = try settings(["-l", "127.0.0.1", "--listen=127.0.0.2", "-l127.0.0.1:5"])
    #expect(line.listenText == "127.0.0.1,127.0.0.2,127.0.0.1:5")
    #expect(line.listenAddresses.map(\.port) == [nil, nil, 5])
    #expect(line.listenAddresses.map(\.host) == ["127.0.0.1", "127.0.0.2", "127.0.0.1"])
  }

  @Test func aPartOfAnEarlierListIsKept() throws {
    #expect(try settings(["-l", "127.0.0.11", "-l", "127.0.0.1"]).listenAddresses.count == 2)
  }

  @Test func eachListenerMayHaveItsProtocol() throws {
    let addresses = try settings(["-l", "proto[bin]:127.0.0.1,proto[asc]:127.0.0.2,127.0.0.3"]).listenAddresses
    #expect(addresses.map(\.bindingProtocol) == [.binary, .ascii, nil])
  }

  @Test func aUnixSocketMayStandBesideTheNetwork() throws {
    let addresses = try settings(["-l", "127.0.0.1,unix:/run/a.sock,proto[ascii]:unix:b"]).listenAddresses
    #expect(addresses.map(\.unixPath) == [nil, "/run/a.sock", "b"])
    #expect(addresses.map(\.bindingProtocol) == [nil, nil, .ascii])
    #expect(stop(["-l", "unix:"])?.exitStatus == 71)
  }

  @Test func unknownProtocolsKeepTheDefaultAndWarn() throws {
    let words = ["-B", "ascii", "-l", "proto[foo]:a"]
    #expect(try settings(words).listenAddresses == [ListenAddress(host: "a")])
    #expect(warnings(words) == ["Unknown protocol \"foo\" in -l proto[foo]:a: the protocol of -B is used"])
  }

  @Test func aUnixSocketTakesTheNetworksPlace() throws {
    let line = try settings(["-s", "/run/m.sock", "-l", "[::1", "-p", "-5"])
    #expect(line.listenAddresses.isEmpty)
  }

  @Test func portsThatAreNone() {
    #expect(stop(["-p", "-5"]) == refusal("failed to listen on TCP port -5: no such port", 71))
  }

  @Test func userComesFirst() {
    #expect(stop(["-l", "[::1"], isRoot: true)?.exitStatus == 64)
  }
}
