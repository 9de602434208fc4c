// The table of command line options: one row each, with its names, argument, help, availability and effect. The usage
// text, the documentation and the tests walk it; nothing else names an option. The order of the rows is the order in
// which an ambiguous abbreviation lists its possibilities.

/// Every option with a letter.
public enum OptionTable {
  public static let rows: [OptionRow] = [
    OptionRow(
      "a", "unix-mask", value: "<octal>", .network, "permission bits of the unix socket (default 700)", .run(unixMask)),
    OptionRow(
      "A", "enable-shutdown", .access, "allow the \"shutdown\" command", .set(\.shutdownCommandEnabled, to: true)),
    OptionRow("Z", "enable-ssl", .network, "TLS on all TCP listeners", .set(\.tls.isEnabled, to: true)),
    OptionRow(
      "p", "port", value: "<num>", .network, "TCP port; 0 is none, -1 lets the kernel choose (default: 11211)",
      .run(port)),
    OptionRow(
      "s", "unix-socket", value: "<path>", .network, "listen on this unix socket instead of any network address",
      .run { draft, value in draft.settings.unixSocketPath = value }),
    OptionRow("U", "udp-port", value: "<num>", .network, "UDP port (default: 0, off)", .run(udpPort)),
    OptionRow("m", "memory-limit", value: "<MiB>", .memory, "memory for items (default: 64)", .run(memoryLimit)),
    OptionRow(
      "M", "disable-evictions", .memory, "when memory is full, answer with an error instead of evicting",
      .set(\.evictionsEnabled, to: false)),
    OptionRow(
      "c", "conn-limit", value: "<num>", .network, "connections at the same time (default: 1024)", .run(connections)),
    OptionRow("k", "lock-memory", .memory, "lock all pages into memory", .set(\.lockMemory, to: true)),
    OptionRow("h", "help", .information, "print this text and exit", .nothing, answer: .usage),
    OptionRow("i", "license", .information, "print the licence and exit", .nothing, answer: .license),
    OptionRow("V", "version", .information, "print the version and exit", .nothing, answer: .version),
    OptionRow(
      "r", "enable-coredumps", .process, "raise the core file limit as far as possible", .set(\.coreDumps, to: true)),
    OptionRow(
      "v", "verbose", optional: true, .process,
      "print errors and warnings; -vv also commands and replies, -vvv also changes of state",
      .run { draft, _ in draft.settings.verbosity += 1 }),
    OptionRow("d", "daemon", .process, "run in the background", .set(\.daemonize, to: true)),
    OptionRow(
      "l", "listen", value: "<list>", .network,
      "addresses to listen on, separated by commas: host, host:port, [v6]:port or *; may be repeated (default: all)",
      .run(listen)),
    OptionRow(
      "u", "user", value: "<name>", .process, "become this user; only looked at when started as root",
      .run { draft, value in draft.settings.user = value }),
    OptionRow(
      "P", "pidfile", value: "<path>", .process, "write the process id to this file",
      .run { draft, value in draft.settings.pidFile = value }),
    OptionRow(
      "f", "slab-growth-factor", value: "<factor>", .memory,
      "ratio of one chunk size to the next, above 1 (default: 1.25)",
      .run(growthFactor)),
    OptionRow(
      "n", "slab-min-size", value: "<bytes>", .memory,
      "room for key, value and flags in the smallest chunk (default: 48)",
      .run(slabMinimum)),
    OptionRow("t", "threads", value: "<num>", .process, "worker threads (default: 4)", .run(threads)),
    OptionRow(
      "L", "enable-largepages", .memory, "use large memory pages where the system has them",
      .set(\.largePages, to: true)),
    OptionRow(
      "R", "max-reqs-per-event", value: "<num>", .network,
      "requests of one connection before the others have their turn (default: 20)", .run(requestsPerEvent)),
    OptionRow(
      "C", "disable-cas", .memory, "store no CAS number, 8 bytes less per item", .set(\.casEnabled, to: false)),
    OptionRow(
      "b", "listen-backlog", value: "<num>", .network, "connections that may wait to be accepted (default: 1024)",
      .run(backlog)),
    OptionRow(
      "B", "protocol", value: "<name>", .network, "auto (the first byte tells), ascii or binary (default: auto)",
      .run(bindingProtocol)),
    OptionRow(
      "I", "max-item-size", value: "<size>", .memory, "largest item; suffix k or m (default: 1m, from 1k to 1024m)",
      .run(itemSizeMax)),
    OptionRow(
      "S", "enable-sasl", .access,
      "clients log in by SASL; only the binary protocol is spoken. Users: the file named by MEMCACHED_SASL_PWDB, or "
        + "else those of Cyrus SASL", .set(\.saslEnabled, to: true)),
    OptionRow("F", "disable-flush-all", .access, "refuse the \"flush_all\" command", .set(\.flushEnabled, to: false)),
    OptionRow(
      "X", "disable-dumping", .access, "refuse the commands that list keys: cachedump, metadump, mgdump",
      .set(\.dumpEnabled, to: false)),
    OptionRow("W", "disable-watch", .access, "refuse the \"watch\" command", .set(\.watchEnabled, to: false)),
    OptionRow(
      "Y", "auth-file", value: "<path>", .access,
      "clients log in with a line user:password of this file; only text is spoken",
      .run { draft, value in draft.settings.authFilePath = value }),
    OptionRow(
      "e", "memory-file", value: "<path>", .memory,
      "keep items in this file over a restart; best on a tmpfs (/dev/shm/...)",
      .run { draft, value in draft.settings.memoryFilePath = value }),
    OptionRow(
      "o", "extended", value: "<list>", .information, "extended options, separated by commas; may be repeated",
      .run(ExtendedOptionTable.readList)),
    OptionRow("N", "napi-ids", value: "<num>", .network, "choose threads by network queue", .nothing, .notInBuild),
    OptionRow(
      "D", nil, value: "<char>", .access, "delimiter of key prefixes; turns detailed statistics on (default: :)",
      .run(prefixDelimiter)),
  ]

  /// The row of a letter, nil when there is none.
  public static func row(_ short: Character) -> OptionRow? { rows.first { $0.short == short } }
}
