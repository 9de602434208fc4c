// Bad values: each message and exit status, of single options and of the checks between them, and the good values next
// to the bad ones. The comparison with a real server is in OracleTests.
import Testing

@testable import Options

private let singles: [(words: [String], text: String, status: Int32)] = [
  (["-p", "65536"], "ERROR: Invalid port number 65536.", 64),
  (["-p", "99999999999999999999"], "ERROR: Invalid port number 2147483647.", 64),
  (["-U", "65536"], "ERROR: Invalid port number 65536.", 64),
  (["-c", "0"], "Maximum connections must be greater than 0", 1),
  (["-c", "-7"], "Maximum connections must be greater than 0", 1),
  (["--conn-limit="], "Maximum connections must be greater than 0", 1),
  (["-f", "1"], "Factor must be greater than 1", 1),
  (["-f", "abc"], "Factor must be greater than 1", 1),
  (["-n", "0"], "Chunk size must be greater than 0", 1),
  (["-D", " "], "No delimiter specified", 1),
  (["-D", ""], "No delimiter specified", 1),
  (["-t", "0"], "Number of threads must be greater than 0", 1),
  (["-R", "x"], "Number of requests per event must be greater than 0", 1),
  (["-B", "asc"], "Invalid value for binding protocol: asc\n -- should be one of auto, binary, or ascii", 64),
  (["-B", ""], "Invalid value for binding protocol: \n -- should be one of auto, binary, or ascii", 64),
]

private let extended: [(list: String, text: String)] = [
  ("hashpower=", "Initial hashtable multiplier of 0 is too low"),
  ("hashpower=11", "Initial hashtable multiplier of 11 is too low"),
  (
    "hashpower=33",
    "Initial hashtable multiplier of 33 is too high\n"
      + "Choose a value based on \"STAT hash_power_level\" from a running instance"
  ),
  ("slab_automove=3", "slab_automove must be between 0 and 2"),
  ("slab_automove=-1", "slab_automove must be between 0 and 2"),
  ("slab_automove_ratio=0", "slab_automove_ratio must be > 0 and < 1"),
  ("slab_automove_ratio=1.01", "slab_automove_ratio must be > 0 and < 1"),
  ("slab_automove_window=2", "slab_automove_window must be > 2 and < 1800"),
  ("slab_automove_window=1801", "slab_automove_window must be > 2 and < 1800"),
  ("tail_repair_time=9", "Cannot set tail_repair_time to less than 10 seconds"),
  ("hash_algorithm=md5", "Unknown hash_algorithm option (jenkins, murmur3, xxh3)"),
  ("hash_algorithm=", "Unknown hash_algorithm option (jenkins, murmur3, xxh3)"),
  ("lru_crawler_sleep=1000001", "LRU crawler sleep must be between 0 and 1 second"),
  ("lru_crawler_sleep=-1", "LRU crawler sleep must be between 0 and 1 second"),
  ("lru_crawler_tocrawl=4294967296", "lru_crawler_tocrawl takes a numeric 32bit value"),
  ("lru_crawler_tocrawl=5x", "lru_crawler_tocrawl takes a numeric 32bit value"),
  ("hot_lru_pct=0", "hot_lru_pct must be > 1 and < 80"),
  ("warm_lru_pct=80", "warm_lru_pct must be > 1 and < 80"),
  ("hot_max_factor=0", "hot_max_factor must be > 0"),
  ("warm_max_factor=-1", "warm_max_factor must be > 0"),
  ("watcher_logbuf_size=-1", "could not parse argument to watcher_logbuf_size"),
  ("worker_logbuf_size=", "could not parse argument to worker_logbuf_size"),
  ("read_buf_mem_limit=1k", "could not parse argument to read_buf_mem_limit"),
  ("slab_chunk_max=16x", "could not parse argument to slab_chunk_max"),
  ("slab_chunk_max=0", "slab_chunk_max must be >= 0"),
  ("slab_chunk_max=-5", "slab_chunk_max must be >= 0"),
  ("slab_chunk_max=1025", "slab_chunk_max must be specified in kilobytes."),
  ("slab_sizes", "Missing slab_sizes argument"),
  ("hashpower", "Missing numeric argument for hashpower"),
  ("idle_timeout", "Missing numeric argument for idle_timeout"),
  ("tail_repair_time", "Missing numeric argument for tail_repair_time"),
  ("lru_crawler_sleep", "Missing lru_crawler_sleep value"),
  ("hot_lru_pct", "Missing hot_lru_pct argument"),
]

private let halfMessage = "Cannot set item size limit higher than 1/2 of memory max."
private let chunkDivides = "-I (item_size_max: 1024000) must be evenly divisible by slab_chunk_max (bytes: 524288)"

private let crossChecks: [(words: [String], text: String)] = [
  (["-I", "1023"], "Item max size cannot be less than 1024 bytes."),
  (["-I", "2g"], "Item max size cannot be less than 1024 bytes."),
  (["-I", ""], "Item max size cannot be less than 1024 bytes."),
  (["-I", "-1"], "Item max size cannot be less than 1024 bytes."),
  (["-m", "0"], halfMessage),
  (["-m", "1"], halfMessage),
  (["-m", "abc"], halfMessage),
  (["-I", "600m"], halfMessage),
  (["-m", "4096", "-I", "1025m"], "Cannot set item size limit higher than a gigabyte."),
  (["-I", "100k"], "slab_chunk_max (bytes: 524288) cannot be larger than -I (item_size_max 102400)"),
  (["-I", "1000k"], chunkDivides),
  (
    ["-I", "3m", "-o", "slab_chunk_max=768"],
    "slab_chunk_max (bytes: 786432) must divide evenly into 1048576 (slab_page_size)"
  ),
  (["-o", "hot_lru_pct=41"], "hot_lru_pct + warm_lru_pct cannot be more than 80% combined"),
  (["-o", "slab_sizes=10"], "slab size 10 is out of valid range"),
  (["-o", "slab_sizes=100-abc"], "slab size 0 is out of valid range"),
  (["-o", "slab_sizes=100-524289"], "slab size 524289 is out of valid range"),
  (["-o", "slab_sizes=100", "-n", "150"], "slab size 100 is out of valid range"),
  (["-o", "slab_sizes=200-100"], "slab size 100 cannot be lower than or equal to a previous class size"),
  (["-o", "slab_sizes=100-108"], "slab size 108 must be at least 8 bytes larger than previous class"),
  (["-o", "slab_sizes="], "slab_sizes needs at least one size in bytes"),
  (["-o", "slab_sizes=" + sizes(63)], "too many slab classes specified"),
  (["-p", "65536", "-I", "10"], "Item max size cannot be less than 1024 bytes."),
  (["-o", "hot_lru_pct=79,slab_sizes=10", "-I", "10"], "Item max size cannot be less than 1024 bytes."),
]

/// That many sizes, 16 bytes apart.
private func sizes(_ count: Int) -> String {
  (0..<count).map { "\(100 + 16 * $0)" }.joined(separator: "-")
}

struct MessageTests {
  @Test(arguments: singles)
  func single(words: [String], text: String, status: Int32) {
    #expect(stop(words) == refusal(text, status))
  }

  @Test(arguments: extended)
  func subOption(list: String, text: String) {
    #expect(stop(["-o", list]) == refusal(text, 1))
  }

  @Test(arguments: crossChecks)
  func crossCheck(words: [String], text: String) {
    #expect(stop(words) == refusal(text, 64))
    #expect(stop(words, isRoot: true) == refusal(text, 64))
  }

  @Test(arguments: [
    ["-p", "65535"], ["-p", "65536", "-p", "0"], ["-p", "-1"], ["-p", "abc"], ["-U", "abc"], ["-m", "2"], ["-m", "-1"],
    ["-m", "99999999999999999999"], ["-I", "1536k"], ["-m", "4096", "-I", "1024M"], ["-m", "-1", "-I", "1024m"],
    ["-I", "16K", "-o", "slab_chunk_max=16"], ["-I", "768k", "-o", "slab_chunk_max=256"], ["-f", "1e400"],
    ["-f", "1.1x"], ["-b", "-3"], ["-a", "9"], ["-o", "hashpower=12"], ["-o", "slab_automove_ratio=1"],
    ["-o", "slab_automove_window=1800"], ["-o", "hot_lru_pct=50,warm_lru_pct=30"], ["-o", "slab_sizes=100-109"],
    ["-o", "slab_sizes=48-524288"], ["-o", "lru_crawler_tocrawl= +5 "], ["-o", "slab_chunk_max=1024"],
    ["-o", "slab_sizes=\(sizes(62))"],
  ])
  func nextToTheLimit(words: [String]) {
    #expect(stop(words) == nil)
  }

  @Test func numbersAreClampedNotWrapped() throws {
    #expect(try settings(["-m", "-1"]).memoryLimitBytes == (Int.max >> 20) << 20)
    #expect(try settings(["-m", "99999999999999999999"]).memoryLimitBytes == Int(Int32.max) << 20)
    #expect(try settings(["-f", "1e400"]).growthFactor == Double(UInt32.max))
    #expect(try settings(["-a", "9"]).unixSocketMask == 0)
    #expect(try settings(["-c", "5x"]).maxConnections == 5)
  }

  @Test func rootMustNameAUser() {
    #expect(stop([], isRoot: true) == refusal("must add '-u root' to start as root", 64))
    #expect(stop(["-u", " "], isRoot: true)?.exitStatus == 64)
    #expect(stop(["-u", "root"], isRoot: true) == nil)
    #expect(stop([]) == nil)
  }

  @Test func manyThreadsAreAWarning() {
    #expect(warnings(["-t", "64"]) == [])
    let expected = [
      "WARNING: Setting a high number of workerthreads is not recommended.",
      " Set this value to the number of cores in your machine or less.",
    ]
    #expect(warnings(["-t", "65"]) == expected)
    let text = (expected + ["Maximum connections must be greater than 0"]).joined(separator: "\n")
    #expect(stop(["-t", "65", "-c", "0"]) == refusal(text, 1))
  }
}

struct NumberTextTests {
  @Test func leadingInteger() {
    let cases = [
      "": 0, "abc": 0, "12x": 12, " 7": 7, "+5": 5, "-5": -5, "- 5": 0, "--5": 0, "2147483648": 2_147_483_647,
      "-99999999999999999999": -2_147_483_647,
    ]
    for (text, value) in cases { #expect(NumberText.leadingInteger(text) == value, "\(text)") }
    #expect(NumberText.leadingInteger("0770", radix: 8) == 0o770)
    #expect(NumberText.leadingInteger("78", radix: 8) == 7)
  }

  @Test func leadingFraction() {
    let cases: [String: Double] = [
      "": 0, ".": 0, "x": 0, "1.25": 1.25, ".5": 0.5, "2.": 2, "1.5.5": 1.5, "-1.5x": -1.5, "1e2": 100, "1e": 1,
      "1e-2z": 0.01, "inf": 0, "nan": 0, "1e400": 4_294_967_295, "-1e400": -4_294_967_295, " 3": 3,
    ]
    for (text, value) in cases { #expect(NumberText.leadingFraction(text) == value, "\(text)") }
  }

  @Test func wholeNumbers() {
    #expect(NumberText.wholeUInt32("4294967295") == 4_294_967_295)
    for text in ["", " ", "4294967296", "-1", "5x", "5 5", "0x5", "99999999999999999999"] {
      #expect(NumberText.wholeUInt32(text) == nil, "\(text)")
    }
    #expect(NumberText.wholeInteger(" -12 ") == -12)
  }
}
