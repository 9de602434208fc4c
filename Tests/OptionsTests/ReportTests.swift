// The texts made from settings and tables: `stats settings`, -h, -i, -V.
import Foundation
import Testing

@testable import Options

private let keys = """
  maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket umask shutdown_command growth_factor
  chunk_size num_threads num_threads_per_udp stat_key_prefix detail_enabled reqs_per_event cas_enabled tcp_backlog
  binding_protocol auth_enabled_sasl auth_enabled_ascii item_size_max maxconns_fast hashpower_init slab_reassign
  slab_automove slab_automove_ratio slab_automove_window slab_chunk_max lru_crawler lru_crawler_sleep
  lru_crawler_tocrawl tail_repair_time flush_enabled dump_enabled hash_algorithm lru_maintainer_thread lru_segmented
  hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor temp_lru temporary_ttl idle_timeout watcher_logbuf_size
  worker_logbuf_size read_buf_mem_limit track_sizes inline_ascii_response drop_privileges ssl_enabled ssl_chain_cert
  ssl_key ssl_verify_mode ssl_keyformat ssl_ciphers ssl_ca_cert ssl_wbuf_size ssl_session_cache ssl_kernel_tls
  ssl_min_version num_napi_ids memory_file client_flags_size lru_policy
  """.split(whereSeparator: \.isWhitespace).map(String.init)

private let defaults = """
  67108864 1024 11211 0 NULL 0 0 on NULL 700 no 1.25
  48 4 4 : no 20 yes 1024
  auto-negotiate no no 1048576 yes 16 yes
  1 0.80 10 524288 yes 100
  0 0 yes yes wyhash yes yes
  20 40 0.20 2.00 no 61 0 262144
  65536 0 no no no no (null) (null) 0 1 NULL NULL 16384 no no tlsv1.2 0 (null) 4 s3fifo
  """.split(whereSeparator: \.isWhitespace).map(String.init)

private func report(_ words: [String], _ values: RuntimeSettings? = nil) throws -> [String: String] {
  let line = try settings(words)
  let rows = settingsReport(line, runtime: values ?? runtime(line))
  return Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0.value) })
}

struct SettingsReportTests {
  @Test func namesAndDefaultsInOrder() {
    let rows = settingsReport(Settings(), runtime: runtime(Settings()))
    #expect(rows.map(\.name) == keys)
    #expect(rows.map(\.value) == defaults)
  }

  @Test(arguments: [
    ("l", "127.0.0.1,*", ["inter": "127.0.0.1,*", "num_threads_per_udp": "1"]),
    ("s", "/run/m.sock", ["domain_socket": "/run/m.sock", "tcpport": "11211"]),
    ("a", "17777", ["umask": "17777"]),
    ("m", "-1", ["maxbytes": "9223372036853727232"]),
    ("f", "1.337", ["growth_factor": "1.34"]),
    ("D", "|", ["stat_key_prefix": "|", "detail_enabled": "yes"]),
    ("B", "ascii", ["binding_protocol": "ascii"]),
    ("b", "-3", ["tcp_backlog": "-3"]),
    ("o", "hash_algorithm=xxh3", ["hash_algorithm": "wyhash"]),
    ("o", "watcher_logbuf_size=3,worker_logbuf_size=5", ["watcher_logbuf_size": "3072", "worker_logbuf_size": "5120"]),
    (
      "o", "read_buf_mem_limit=100,slab_automove_ratio=0.333",
      [
        "read_buf_mem_limit": "104857600", "slab_automove_ratio": "0.33",
      ]
    ),
    (
      "o", "no_lru_maintainer,track_sizes,no_lru_crawler",
      [
        "lru_maintainer_thread": "no", "lru_segmented": "no", "track_sizes": "yes", "lru_crawler": "no",
        "lru_policy": "flat",
      ]
    ),
    ("o", "lru_policy=segmented", ["lru_policy": "segmented"]),
    ("o", "lru_policy=flat", ["lru_policy": "flat", "lru_segmented": "no"]),
    (
      "o", "no_lru_maintainer,lru_policy=s3fifo",
      ["lru_policy": "flat", "lru_segmented": "no", "lru_maintainer_thread": "no"]
    ),
    // Who tunes the segments gets them, unless another order is asked for.
    ("o", "hot_lru_pct=10", ["lru_policy": "segmented", "hot_lru_pct": "10"]),
    ("o", "lru_policy=s3fifo,warm_max_factor=3", ["warm_max_factor": "3.00"]),
    ("o", "temporary_ttl=30", ["lru_policy": "segmented", "temp_lru": "yes", "temporary_ttl": "30"]),
    ("o", "slab_automove=2", ["slab_automove": "2"]),
    ("o", "slab_automove=age", ["slab_automove": "1"]),
    ("o", "no_slab_reassign", ["slab_reassign": "no"]),
  ])
  func values(letter: String, value: String, expected: [String: String]) throws {
    let before = try report([])
    for (name, text) in try report(["-\(letter)", value]) {
      #expect(text == expected[name] ?? before[name], "\(name)")
    }
  }

  @Test func flags() throws {
    let report = try report(["-MCAFX"])
    let expected = [
      "evictions": "off", "cas_enabled": "no", "shutdown_command": "yes", "flush_enabled": "no", "dump_enabled": "no",
    ]
    for (name, text) in expected { #expect(report[name] == text, "\(name)") }
  }

  @Test func runtimeValuesWin() throws {
    let runtime = RuntimeSettings(
      memoryLimitBytes: 128 << 20, verbosity: 2, oldestSeconds: 9, detailEnabled: true, growthFactor: 1.06,
      largestChunkBytes: 65_536)
    let report = try report(["-v", "-f", "2"], runtime)
    #expect(report["maxbytes"] == "134217728")
    #expect(report["verbosity"] == "2")
    #expect(report["oldest"] == "9")
    #expect(report["detail_enabled"] == "yes")
    #expect(report["growth_factor"] == "1.06" && report["slab_chunk_max"] == "65536")
  }

  @Test func noValueIsEmpty() throws {
    for (name, text) in try report([]) { #expect(!text.isEmpty, "\(name)") }
  }

  @Test func twoDecimals() {
    for value in [0, 0.001, 0.004999, 0.999, 1, 1.25, 1.005, 2.675, 12345.678, 4_294_967_295, -0.5, -1.999] {
      #expect(SettingsReport.fixed(value) == String(format: "%.2f", value))
    }
    #expect(SettingsReport.fixed(.infinity) == "inf")
  }
}

struct UsageTests {
  @Test func firstLineNamesTheLevel() {
    #expect(Usage.text.hasPrefix("memcached 1.6.45 "))
    #expect(Usage.license.hasPrefix("memcached 1.6.45 "))
    #expect(Usage.license.contains("Apache License, Version 2.0"))
    #expect(stop(["--help"]) == Stop(text: Usage.text, toStandardOutput: true, exitStatus: 0))
    #expect(stop(["-i"]) == Stop(text: Usage.license, toStandardOutput: true, exitStatus: 0))
  }

  @Test func usableOptionsAreListedAndOthersAreNot() {
    for row in OptionTable.rows {
      guard let long = row.long else { continue }
      #expect(Usage.text.contains("-\(row.short), --\(long)") == row.availability.isUsable, "-\(row.short)")
    }
    for row in ExtendedOptionTable.rows {
      let listed = Usage.text.contains("\n  \(row.name)")
      #expect(listed == (row.availability.isUsable && !row.help.isEmpty), "\(row.name)")
    }
  }

  @Test func wordsThatSwitchOnTestsOfOtherProjects() {
    for word in ["unix-socket", "enable-ssl", "ssl_chain_cert", "no_drop_privileges", "sasl"] {
      #expect(Usage.text.contains(word), "\(word)")
    }
    for word in ["ext_path", "proxy_config"] {
      #expect(!Usage.text.contains(word), "\(word)")
    }
  }

  @Test func linesFitTheScreen() {
    for line in (Usage.text + Usage.license).split(separator: "\n", omittingEmptySubsequences: false) {
      #expect(line.count <= 80 && line.last != " ", "\(line)")
    }
  }
}
