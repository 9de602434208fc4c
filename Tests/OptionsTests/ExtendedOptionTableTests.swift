// Every row of the table of -o names: that it is there, and that it changes exactly the fields it should. Messages of
// bad values are in MessageTests.
import Testing

@testable import Options

/// What -o accepts, by name. A name that only states the default follows the name that leaves it.
private let samples: [Sample] = [
  Sample("maxconns_fast", "no_maxconns_fast,maxconns_fast", [:]),
  Sample("no_maxconns_fast", "no_maxconns_fast", ["maxConnectionsFast": "false"]),
  Sample("idle_timeout", "idle_timeout=30", ["idleTimeoutSeconds": "30"]),
  Sample("read_buf_mem_limit", "read_buf_mem_limit=100", ["readBufferMemoryLimitMegabytes": "100"]),
  Sample("hashpower", "hashpower=20", ["hashPower": "20"]),
  Sample("no_hashexpand", "no_hashexpand", ["hashExpandEnabled": "false"]),
  Sample("slab_reassign", "no_slab_reassign,slab_reassign=1", [:]),
  Sample("no_slab_reassign", "no_slab_reassign", ["slabReassign": "false"]),
  Sample("slab_automove", "slab_automove=2", ["slabAutomove": "2"]),
  Sample("slab_automove_goal", "slab_automove_goal=bytes", ["slabAutomoveGoal": "bytes"]),
  Sample("no_slab_automove", "no_slab_automove", ["slabAutomove": "0"]),
  Sample("slab_automove_ratio", "slab_automove_ratio=0.5x", ["slabAutomoveRatio": "0.5"]),
  Sample("slab_automove_window", "slab_automove_window=30", ["slabAutomoveWindow": "30"]),
  Sample("slab_sizes", "slab_sizes=100-200-300", ["slabSizes": "[100, 200, 300]", "slabTableWasGiven": "true"]),
  Sample("slab_chunk_max", "slab_chunk_max=16", ["slabChunkMaxBytes": "16384", "slabTableWasGiven": "true"]),
  Sample("no_chunked_items", "no_chunked_items", ["slabChunkMaxBytes": "1048576", "slabTableWasGiven": "true"]),
  Sample("track_sizes", "track_sizes", ["trackSizes": "true"]),
  Sample("lru_crawler", "no_lru_crawler,lru_crawler", [:]),
  Sample("no_lru_crawler", "no_lru_crawler", ["lruCrawler": "false"]),
  Sample("lru_crawler_sleep", "lru_crawler_sleep=1000000", ["lruCrawlerSleepMicroseconds": "1000000"]),
  Sample("lru_crawler_tocrawl", "lru_crawler_tocrawl=4294967295", ["lruCrawlerToCrawl": "4294967295"]),
  Sample("lru_maintainer", "no_lru_maintainer,lru_maintainer", [:]),
  Sample("no_lru_maintainer", "no_lru_maintainer", ["lruMaintainer": "false", "evictionPolicy": "flat"]),
  Sample("lru_policy", "lru_policy=flat", ["evictionPolicy": "flat"]),
  Sample("hot_lru_pct", "hot_lru_pct=1", ["hotLRUPercent": "1", "evictionPolicy": "segmented"]),
  Sample("warm_lru_pct", "warm_lru_pct=60", ["warmLRUPercent": "60", "evictionPolicy": "segmented"]),
  Sample("hot_max_factor", "hot_max_factor=0.3", ["hotMaxFactor": "0.3", "evictionPolicy": "segmented"]),
  Sample("warm_max_factor", "warm_max_factor=3", ["warmMaxFactor": "3.0", "evictionPolicy": "segmented"]),
  Sample(
    "temporary_ttl", "temporary_ttl=30",
    ["temporaryTTLSeconds": "30", "temporaryLRU": "true", "evictionPolicy": "segmented"]),
  Sample("ssl_chain_cert", "ssl_chain_cert=/c", tls { $0.chainPath = "/c" }),
  Sample("ssl_key", "ssl_key=/k", tls { $0.keyPath = "/k" }),
  Sample("ssl_keyformat", "ssl_keyformat=2", tls { $0.keyFormat = 2 }),
  Sample("ssl_verify_mode", "ssl_verify_mode=2", tls { $0.verifyMode = 2 }),
  Sample("ssl_ciphers", "ssl_ciphers=A:B", tls { $0.ciphers = "A:B" }),
  Sample("ssl_ca_cert", "ssl_ca_cert=/a", tls { $0.authorityPath = "/a" }),
  Sample("ssl_wbuf_size", "ssl_wbuf_size=32", tls { $0.writeBufferKilobytes = 32 }),
  Sample("ssl_session_cache", "ssl_session_cache", tls { $0.sessionCache = true }),
  Sample("ssl_kernel_tls", "ssl_kernel_tls", tls { $0.kernelTLS = true }),
  Sample("ssl_min_version", "ssl_min_version=3", tls { $0.minimumVersion = 3 }),
  Sample("tail_repair_time", "tail_repair_time=10", ["tailRepairTimeSeconds": "10"]),
  Sample("watcher_logbuf_size", "watcher_logbuf_size=3", ["watcherLogBufferKilobytes": "3"]),
  Sample("worker_logbuf_size", "worker_logbuf_size=5", ["workerLogBufferKilobytes": "5"]),
  Sample("no_drop_privileges", "no_drop_privileges", [:]),
  Sample("relaxed_privileges", "relaxed_privileges", [:]),
  Sample("hash_algorithm", "hash_algorithm=jenkins", ["hashAlgorithm": "Optional(\"jenkins\")"]),
  Sample("modern", "modern", [:]),
  Sample("inline_ascii_resp", "inline_ascii_resp", [:]),
  Sample("no_inline_ascii_resp", "no_inline_ascii_resp", [:]),
  Sample("resp_obj_mem_limit", "resp_obj_mem_limit", [:]),
  Sample(
    "no_modern", "no_modern",
    [
      "slabChunkMaxBytes": "1048576", "slabReassign": "false", "slabAutomove": "0", "maxConnectionsFast": "false",
      "lruCrawler": "false", "lruMaintainer": "false", "evictionPolicy": "flat", "slabTableWasGiven": "true",
    ]),
]

private func tls(_ change: (inout TLSOptions) -> Void) -> [String: String] {
  var options = TLSOptions()
  change(&options)
  return ["tls": "\(options)"]
}

/// The names of ours that no release has.
private let ownNames = ["lru_policy", "slab_automove_goal"]

/// The names of release 1.6.45, all build flavours together.
private let allNames = """
  drop_privileges ext_compact_under ext_drop_under ext_drop_unread ext_io_depth ext_item_age ext_item_size ext_low_ttl
  ext_max_frag ext_max_sleep ext_page_size ext_path ext_recache_rate ext_threads ext_wbuf_size hash_algorithm hashpower
  hot_lru_pct hot_max_factor idle_timeout inline_ascii_resp lru_crawler lru_crawler_sleep lru_crawler_tocrawl
  lru_maintainer maxconns_fast modern no_chunked_items no_drop_privileges no_hashexpand no_inline_ascii_resp
  no_lru_crawler no_lru_maintainer no_maxconns_fast no_modern no_slab_automove no_slab_reassign proxy_arg proxy_config
  proxy_memprofile proxy_uring read_buf_mem_limit relaxed_privileges resp_obj_mem_limit slab_automove
  slab_automove_freeratio slab_automove_ratio slab_automove_window slab_chunk_max slab_reassign slab_sizes
  sock_cookie_id ssl_ca_cert ssl_chain_cert ssl_ciphers ssl_kernel_tls ssl_key ssl_keyformat ssl_min_version
  ssl_session_cache ssl_verify_mode ssl_wbuf_size tail_repair_time temporary_ttl track_sizes warm_lru_pct
  warm_max_factor watcher_logbuf_size worker_logbuf_size
  """.split(whereSeparator: \.isWhitespace).map(String.init)

struct ExtendedOptionTableTests {
  @Test func everyNameHasOneRow() {
    #expect(allNames.count == 69)
    #expect(ExtendedOptionTable.rows.map(\.name).sorted() == (allNames + ownNames).sorted())
  }

  @Test func everyUsableRowHasASample() {
    let sampled = Set(samples.map(\.name))
    for row in ExtendedOptionTable.rows where row.availability.isUsable {
      #expect(sampled.contains(row.name), "no sample for \(row.name)")
    }
  }

  @Test(arguments: samples)
  func theNameChangesItsFieldsOnly(sample: Sample) throws {
    #expect(changes(try settings(["-o", sample.value ?? ""])) == sample.changes)
  }

  @Test func everyRequiredValueIsMissed() {
    for row in ExtendedOptionTable.rows where row.availability.isUsable && row.argument == .required {
      #expect(stop(["-o", row.name]) == refusal(row.missingText, 1), "\(row.name)")
      #expect(row.missingText.contains(row.name))
    }
  }

  @Test func refusedNames() {
    let rows = ExtendedOptionTable.rows.filter { !$0.availability.isUsable }
    let single = ["drop_privileges", "slab_automove_freeratio", "sock_cookie_id"]
    let prefixes = ["ext_", "proxy_"]
    let expected = allNames.filter { name in single.contains(name) || prefixes.contains { name.hasPrefix($0) } }
    #expect(rows.map(\.name).sorted() == expected.sorted())
    for row in rows {
      let text = """
        -o \(row.name) is not available in this build
        Remove it from the command line to start without it.
        """
      #expect(stop(["-o", row.name]) == refusal(text, 64))
      #expect(stop(["-o", "track_sizes,\(row.name)=1"]) == refusal(text, 64))
    }
  }

  @Test func temporaryTTLWantsTheMaintainer() throws {
    let text = "temporary_ttl requires lru_maintainer to be enabled"
    #expect(stop(["-o", "temporary_ttl=30,no_lru_maintainer"]) == refusal(text, 64))
    #expect(stop(["-o", "no_lru_maintainer,temporary_ttl=30"]) == refusal(text, 64))
  }

  @Test func ordersByName() throws {
    for policy in EvictionPolicy.allCases {
      #expect(try settings(["-o", "lru_policy=\(policy.rawValue)"]).evictionPolicy == policy)
    }
    for name in ["", "S3FIFO", "segment", "segmentedx", "lru"] {
      let text = "Unknown lru_policy option (s3fifo, segmented, flat)"
      #expect(stop(["-o", "lru_policy=\(name)"]) == refusal(text, 1), "\(name)")
    }
    // Without the maintainer there is the one list, as in the reference.
    #expect(try settings(["-o", "lru_policy=segmented,no_lru_maintainer"]).evictionPolicy == .flat)
    #expect(try settings(["-o", "hot_lru_pct=9,lru_policy=s3fifo"]).evictionPolicy == .s3fifo)
    #expect(try settings(["-o", "lru_policy=s3fifo,hot_lru_pct=9"]).evictionPolicy == .s3fifo)
  }

  @Test func pagesByAge() throws {
    #expect(changes(try settings(["-o", "slab_automove=age"])) == ["slabAutomoveByAge": "true"])
    #expect(changes(try settings(["-o", "slab_automove=age,slab_automove=0"])) == ["slabAutomove": "0"])
    #expect(changes(try settings(["-o", "slab_automove=ages"])) == ["slabAutomove": "0"])
  }

  @Test func goalsByName() throws {
    for goal in AutomoveGoal.allCases {
      #expect(try settings(["-o", "slab_automove_goal=\(goal.rawValue)"]).slabAutomoveGoal == goal)
    }
    let text = "Unknown slab_automove_goal option (hits, balanced, bytes)"
    for name in ["", "hit", "Bytes"] { #expect(stop(["-o", "slab_automove_goal=\(name)"]) == refusal(text, 1)) }
  }

  /// The slab table is the server's own choice until one of these is given, even with the reference's default value.
  @Test(arguments: [
    ["-f", "1.25"], ["-n", "48"], ["-o", "slab_sizes=100"], ["-o", "slab_chunk_max=512"], ["-o", "no_chunked_items"],
    ["-o", "no_modern"],
  ])
  func aGivenSlabTable(_ words: [String]) throws {
    #expect(try !settings(["-m", "100", "-I", "2m", "-o", "modern"]).slabTableWasGiven)
    #expect(try settings(words).slabTableWasGiven)
  }

  @Test func listSyntax() throws {
    #expect(changes(try settings(["-o", ""])) == [:])
    #expect(changes(try settings(["-o", "track_sizes,"])) == ["trackSizes": "true"])
    #expect(changes(try settings(["-o", "  track_sizes=9"])) == ["trackSizes": "true"])
    let both = ["trackSizes": "true", "hashPower": "20"]
    #expect(changes(try settings(["-o", "hashpower=20", "-o", "track_sizes"])) == both)
    #expect(changes(try settings(["-o", "hashpower=19,track_sizes,hashpower=20x"])) == both)
    for (list, item) in [
      (",", ""), ("nope", "nope"), ("nope=3,b", "nope=3"), ("track_sizes,,", ""), ("a=b=c", "a=b=c"),
    ] {
      #expect(stop(["-o", list]) == refusal("Illegal suboption \"\(item)\"", 1))
    }
    #expect(stop(["-o", "hashpower=20, track_sizes"]) == refusal("Illegal suboption \" track_sizes\"", 1))
  }

  @Test func bareAndEmptyValues() throws {
    #expect(try settings(["-o", "no_slab_automove,slab_automove"]).slabAutomove == 1)
    #expect(try settings(["-o", "slab_automove="]).slabAutomove == 0)
    #expect(try settings(["-o", "idle_timeout=abc"]).idleTimeoutSeconds == 0)
    #expect(try settings(["-o", "idle_timeout=-1"]).idleTimeoutSeconds == 0)
  }

  @Test func noModernLeavesAnEarlierChunkMaximum() throws {
    #expect(try settings(["-o", "slab_chunk_max=512,no_modern"]).slabChunkMaxBytes == 512 << 10)
    #expect(try settings(["-o", "no_modern,slab_chunk_max=256"]).slabChunkMaxBytes == 256 << 10)
  }

  @Test func deprecationIsAWarning() {
    let text = "DEPRECATED: resp_obj_mem_limit no longer used. See read_buf_mem_limit,"
    #expect(warnings(["-o", "resp_obj_mem_limit=3"]) == [text])
  }
}

struct WithoutEffectTests {
  /// What tunes something that is not built is never swallowed: accepted with a line that names it.
  @Test func acceptedOptionsWithoutEffectAreNamed() {
    let names = ExtendedOptionTable.rows.compactMap { row -> String? in
      if case .withoutEffectYet = row.availability { row.name } else { nil }
    }
    #expect(names.count == 2)
    for name in names {
      guard let sample = samples.first(where: { $0.name == name })?.value else { continue }
      #expect(warnings(["-o", sample]) == ["warning: -o \(name) is accepted but has no effect in this build"])
    }
    #expect(warnings(["-o", "modern,track_sizes,lru_maintainer,lru_crawler_sleep=9"]) == [])
  }
}
