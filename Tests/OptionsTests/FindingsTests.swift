// What is said about settings on machines made up here, and the options that choose what the process is started for.
import Testing

@testable import Options

private func machine(_ change: (inout MachineFacts) -> Void = { _ in }) -> MachineFacts {
  var machine = MachineFacts()
  machine.longestBacklog = 4096
  machine.descriptorLimit = 1 << 20
  machine.physicalMemoryBytes = 64 << 30
  change(&machine)
  return machine
}

private func findings(_ words: [String], on machine: MachineFacts = machine()) throws -> [String] {
  try settings(["-l", "127.0.0.1"] + words).findings(on: machine).map(\.line)
}

struct FindingsTests {
  @Test func nothingIsSaidOfAnOrdinaryMachine() throws {
    #expect(try findings([]) == [])
  }

  @Test func nothingIsSaidOfWhatIsNotKnown() throws {
    #expect(try findings(["-m", "1000000", "-c", "1000000", "-b", "100000"], on: MachineFacts()) == [])
  }

  @Test func aShortBacklog() throws {
    let small = machine { $0.longestBacklog = 128 }
    #expect(
      try findings([], on: small) == ["warning: the kernel cuts -b 1024 to 128 (sysctl net.core.somaxconn)"])
    #expect(try findings(["-b", "128"], on: small) == [])
    #expect(try findings(["-p", "0"], on: small) == [])
  }

  @Test(arguments: [(1107, "warning"), (1024, "warning"), (1023, "fault")])
  func tooFewDescriptors(limit: Int, severity: String) throws {
    let needed = try settings(["-l", "127.0.0.1"]).neededDescriptorCount
    #expect(needed == 1024 + 4 * 5 + 2 + 64)
    let found = try findings([], on: machine { $0.descriptorLimit = min(limit, needed - 1) })
    #expect(found.count == 1 && found[0].hasPrefix("\(severity): the limit of open files"))
    #expect(try findings([], on: machine { $0.descriptorLimit = needed }) == [])
  }

  @Test func memoryOfTheGroupAndOfTheMachine() throws {
    let group = machine { $0.groupMemoryBytes = 1 << 30 }
    #expect(try findings(["-m", "900"], on: group) == [])
    let found = try findings(["-m", "1024"], on: group)
    #expect(
      found == [
        "warning: -m 1024 fills up to about 1106 MiB with tables and buffers; "
          + "the memory limit of the control group is 1024 MiB"
      ])
    let large = try findings(["-m", "100000"])
    #expect(large.count == 1 && large[0].hasSuffix("the machine has 65536 MiB"))
    #expect(try findings(["-m", "-1"]).count == 1)
  }

  @Test(arguments: [
    (["-l", "127.0.0.1"], nil), (["-l", "127.8.0.1,::1,localhost,unix:/run/m"], nil), (["-s", "/run/m"], nil),
    (["-p", "0"], nil), ([], "all interfaces"), (["-l", "*"], "all interfaces"),
    (["-l", "127.0.0.1,10.0.0.1,[2001:db8::1]:11213"], "10.0.0.1, 2001:db8::1"),
    (["-l", "cache.example"], "cache.example"),
  ])
  func strangers(words: [String], place: String?) throws {
    let found = try settings(words).findings(on: machine()).map(\.line)
    #expect(found.count == (place == nil ? 0 : 1))
    if let place { #expect(found.first?.hasPrefix("warning: listening on \(place) without authentication: ") == true) }
  }

  @Test func certificatesTellWhoClientsAre() throws {
    let tls = ["-Z", "-o", "ssl_chain_cert=/c,ssl_key=/k"]
    func count(_ words: [String]) throws -> Int { try settings(tls + words).findings(on: machine()).count }
    #expect(try count([]) == 1)
    #expect(try count(["-o", "ssl_verify_mode=1"]) == 1)
    #expect(try count(["-o", "ssl_verify_mode=2"]) == 0)
    #expect(try count(["-o", "ssl_verify_mode=2", "-l", "10.0.0.1,notls:127.0.0.1:11212"]) == 0)
    #expect(try count(["-o", "ssl_verify_mode=2", "-l", "10.0.0.1,notls:10.0.0.2"]) == 1)
    #expect(try count(["-l", "mtls:10.0.0.1"]) == 0)
    #expect(try count(["-o", "ssl_verify_mode=2", "-U", "11211"]) == 1)
  }

  @Test func strangersOverUDP() throws {
    let found = try settings(["-U", "11211"]).findings(on: machine()).map(\.line)
    #expect(found.count == 1 && found[0].contains("also over UDP"))
  }

  @Test func faultsComeFirst() throws {
    let found = try settings([]).findings(
      on: machine {
        $0.descriptorLimit = 10
        $0.longestBacklog = 1
      })
    #expect(found.map(\.severity) == [.fault, .warning, .warning])
  }
}

struct RunModeTests {
  @Test func aWholeWordChooses() throws {
    #expect(try settings([]).mode == .serve)
    #expect(try settings(["--check", "-m", "100"]).mode == .check)
    let both = try settings(["-m", "100", "--healthcheck"])
    #expect(both.mode == .healthcheck && both.memoryLimitBytes == 100 << 20)
  }

  /// Otherwise the shortest forms of memcached's own options would become ambiguous.
  @Test func noAbbreviationDoes() throws {
    #expect(stop(["--he"])?.text == Usage.text)
    #expect(stop(["--hea"])?.exitStatus == 1)
    #expect(stop(["--che"])?.exitStatus == 1)
    #expect(stop(["--check=1"])?.exitStatus == 1)
    #expect(stop(["-check"])?.exitStatus == 1)
  }

  @Test func theValueOfAnOptionIsNone() throws {
    let settings = try settings(["-u", "--check"])
    #expect(settings.mode == .serve && settings.user == "--check")
  }

  @Test func whoOnlyAsksNeedsNoUser() throws {
    #expect(stop(["--check"], isRoot: true)?.exitStatus == 64)
    #expect(try settings(["--healthcheck"], isRoot: true).mode == .healthcheck)
  }

  @Test func theUsageTextHasThem() {
    for row in RunModeTable.rows { #expect(Usage.text.contains(" --\(row.long)")) }
  }
}
