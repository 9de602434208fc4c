// Every row of the table of lettered options: that it is there, and that it changes exactly the fields it should.
// Messages of bad values are in MessageTests.
import Testing

@testable import Options

/// An option with a value that works, and the fields it changes.
struct Sample: Sendable {
  var name: String
  var value: String?
  var changes: [String: String]

  init(_ name: String, _ value: String?, _ changes: [String: String]) {
    self.name = name
    self.value = value
    self.changes = changes
  }
}

private let samples: [Sample] = [
  Sample("a", "0777", ["unixSocketMask": "511"]),
  Sample("A", nil, ["shutdownCommandEnabled": "true"]),
  Sample("p", "11212", ["port": "11212", "portWasGiven": "true"]),
  Sample("s", "/run/m.sock", ["unixSocketPath": "Optional(\"/run/m.sock\")"]),
  Sample("U", "0", [:]),
  Sample("m", "2048", ["memoryLimitBytes": "2147483648"]),
  Sample("M", nil, ["evictionsEnabled": "false"]),
  Sample("c", "16384", ["maxConnections": "16384"]),
  Sample("k", nil, ["lockMemory": "true"]),
  Sample("r", nil, ["coreDumps": "true"]),
  Sample("v", nil, ["verbosity": "1"]),
  Sample("d", nil, ["daemonize": "true"]),
  Sample(
    "l", "127.0.0.1",
    [
      "listenText": "Optional(\"127.0.0.1\")",
      "listenAddresses": "\([ListenAddress(host: "127.0.0.1")])",
    ]),
  Sample("u", "memcache", ["user": "Optional(\"memcache\")"]),
  Sample("P", "/run/m.pid", ["pidFile": "Optional(\"/run/m.pid\")"]),
  Sample("f", "1.1", ["growthFactor": "1.1", "slabTableWasGiven": "true"]),
  Sample("n", "72", ["slabMinimumBytes": "72", "slabTableWasGiven": "true"]),
  Sample("t", "8", ["threads": "8"]),
  Sample("L", nil, ["largePages": "true"]),
  Sample("R", "50", ["requestsPerEvent": "50", "requestsPerEventWasGiven": "true"]),
  Sample("C", nil, ["casEnabled": "false"]),
  Sample("b", "512", ["listenBacklog": "512"]),
  Sample("B", "ascii", ["bindingProtocol": "ascii"]),
  Sample("I", "5m", ["itemSizeMaxBytes": "5242880"]),
  Sample("S", nil, ["saslEnabled": "true", "bindingProtocol": "binary"]),
  Sample("Y", "/etc/users", ["authFilePath": "Optional(\"/etc/users\")", "bindingProtocol": "ascii"]),
  Sample("F", nil, ["flushEnabled": "false"]),
  Sample("X", nil, ["dumpEnabled": "false"]),
  Sample("W", nil, ["watchEnabled": "false"]),
  Sample("e", "/dev/shm/m", ["memoryFilePath": "Optional(\"/dev/shm/m\")"]),
  Sample("o", "track_sizes", ["trackSizes": "true"]),
  Sample("D", "|x", ["prefixDelimiter": "124", "detailEnabled": "true"]),
]

struct OptionTableTests {
  @Test func everyLetterAndLongNameHasOneRow() {
    let letters = OptionTable.rows.map { String($0.short) }.sorted().joined()
    #expect(letters == "ABCDFILMNPRSUVWXYZabcdefhiklmnoprstuv")
    let names = OptionTable.rows.compactMap(\.long)
    #expect(Set(names).count == 36)
    #expect(OptionTable.rows.filter { $0.long == nil }.map(\.short) == ["D"])
  }

  @Test func everyUsableRowHasASample() {
    // -Z alone is refused for its certificate: TLSOptionTests.
    let sampled = Set(samples.map(\.name)).union(["Z"])
    for row in OptionTable.rows where row.availability.isUsable && row.answer == nil {
      #expect(sampled.contains(String(row.short)), "no sample for -\(row.short)")
    }
  }

  @Test(arguments: samples)
  func theLetterChangesItsFieldsOnly(sample: Sample) throws {
    #expect(changes(try settings(["-\(sample.name)"] + (sample.value.map { [$0] } ?? []))) == sample.changes)
  }

  @Test(arguments: samples)
  func theLongNameDoesTheSame(sample: Sample) throws {
    let row = try #require(OptionTable.row(Character(sample.name)))
    guard let long = row.long else { return }
    #expect(changes(try settings(["--\(long)" + (sample.value.map { "=\($0)" } ?? "")])) == sample.changes)
  }

  @Test func refusedRowsSayTheirName() {
    for row in OptionTable.rows where !row.availability.isUsable {
      let stop = stop(["-\(row.short)"] + (row.argument == .required ? ["1"] : []))
      #expect(stop?.exitStatus == 64, "-\(row.short)")
      #expect(stop?.text.contains("-\(row.short) (--\(row.long ?? ""))") == true, "-\(row.short)")
      #expect(stop?.text.split(separator: "\n").count == 2, "-\(row.short)")
    }
  }

  @Test func refusalTexts() {
    let n = """
      -N (--napi-ids) is not available in this build
      Remove it from the command line to start without it.
      """
    #expect(stop(["-N", "4"]) == refusal(n, 64))
  }

  @Test func nothingIsRefusedThatTheRefusedRowsDoNotList() {
    let refused = OptionTable.rows.filter { !$0.availability.isUsable }.map { String($0.short) }.sorted().joined()
    #expect(refused == "N")
  }
}
