// Reads `-o` lists, and what the sub-options do with their values where that is more than setting a flag: the
// conversion, the check of the one value, the message. Checks between options are in CrossChecks.

extension ExtendedOptionTable {
  static let pageBytes = 1 << 20
  private static let hashAlgorithms = ["jenkins", "murmur3", "xxh3"]

  /// Applies one `-o` list: names separated by commas, each with or without `=value`.
  static func readList(_ draft: inout Draft, _ list: String) throws(OptionError) {
    var rest = list[...]
    while !rest.isEmpty {
      let item = rest.prefix { $0 != "," }
      rest = rest[item.endIndex...].dropFirst()
      let name = item.prefix { $0 != "=" }
      let value = name.endIndex < item.endIndex ? String(item[name.endIndex...].dropFirst()) : nil
      guard let row = row(String(name)) else { throw .failure("Illegal suboption \"\(item)\"") }
      try row.availability.check("-o \(row.name)")
      if value == nil && row.argument == .required { throw .failure(row.missingText) }
      try row.effect.apply(to: &draft, value: value ?? row.bareValue)
      if let warning = row.availability.warning("-o \(row.name)") { draft.notices.append(warning) }
    }
  }

  /// A negative time means 0: never.
  static func idleTimeout(_ draft: inout Draft, _ value: String) {
    draft.settings.idleTimeoutSeconds = max(0, NumberText.leadingInteger(value))
  }

  static func readBufferMemoryLimit(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.readBufferMemoryLimitMegabytes = try unsigned(value, of: "read_buf_mem_limit")
  }

  static func watcherLogBuffer(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.watcherLogBufferKilobytes = try unsigned(value, of: "watcher_logbuf_size")
  }

  static func workerLogBuffer(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.workerLogBufferKilobytes = try unsigned(value, of: "worker_logbuf_size")
  }

  static func hashPower(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let power = NumberText.leadingInteger(value)
    guard power >= 12 else { throw .failure("Initial hashtable multiplier of \(power) is too low") }
    guard power <= 32 else {
      throw .failure(
        """
        Initial hashtable multiplier of \(power) is too high
        Choose a value based on "STAT hash_power_level" from a running instance
        """)
    }
    draft.settings.hashPower = power
  }

  static func hashAlgorithm(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard hashAlgorithms.contains(value) else {
      throw .failure("Unknown hash_algorithm option (jenkins, murmur3, xxh3)")
    }
    draft.settings.hashAlgorithm = value
  }

  static func slabAutomove(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.slabAutomoveByAge = value == "age"
    let level = value == "age" ? 1 : NumberText.leadingInteger(value)
    guard (0...2).contains(level) else { throw .failure("slab_automove must be between 0 and 2") }
    draft.settings.slabAutomove = level
  }

  static func slabAutomoveGoal(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let goal = AutomoveGoal(rawValue: value) else {
      throw .failure("Unknown slab_automove_goal option (hits, balanced, bytes)")
    }
    draft.settings.slabAutomoveGoal = goal
  }

  static func slabAutomoveRatio(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let ratio = NumberText.leadingFraction(value)
    guard ratio > 0, ratio <= 1 else { throw .failure("slab_automove_ratio must be > 0 and < 1") }
    draft.settings.slabAutomoveRatio = ratio
  }

  static func slabAutomoveWindow(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let window = NumberText.leadingInteger(value)
    guard (3...1800).contains(window) else { throw .failure("slab_automove_window must be > 2 and < 1800") }
    draft.settings.slabAutomoveWindow = window
  }

  static func slabChunkMax(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let kilobytes = NumberText.wholeInteger(value) else {
      throw .failure("could not parse argument to slab_chunk_max")
    }
    guard kilobytes > 0 else { throw .failure("slab_chunk_max must be >= 0") }
    guard kilobytes <= pageBytes >> 10 else { throw .failure("slab_chunk_max must be specified in kilobytes.") }
    draft.settings.slabChunkMaxBytes = kilobytes << 10
    draft.settings.slabTableWasGiven = true
    draft.slabChunkMaxWasGiven = true
  }

  static func crawlerSleep(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let microseconds = NumberText.leadingInteger(value)
    guard (0...1_000_000).contains(microseconds) else {
      throw .failure("LRU crawler sleep must be between 0 and 1 second")
    }
    draft.settings.lruCrawlerSleepMicroseconds = microseconds
  }

  static func crawlerToCrawl(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let items = NumberText.wholeUInt32(value) else {
      throw .failure("lru_crawler_tocrawl takes a numeric 32bit value")
    }
    draft.settings.lruCrawlerToCrawl = items
  }

  static func evictionPolicy(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let policy = EvictionPolicy(rawValue: value) else {
      throw .failure("Unknown lru_policy option (s3fifo, segmented, flat)")
    }
    draft.settings.evictionPolicy = policy
    draft.policyWasGiven = true
  }

  /// Who tunes the segments wants segments.
  private static func chooseSegments(_ draft: inout Draft) {
    if !draft.policyWasGiven { draft.settings.evictionPolicy = .segmented }
  }

  static func hotPercent(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.hotLRUPercent = try percent(value, of: "hot_lru_pct")
    chooseSegments(&draft)
  }

  static func warmPercent(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.warmLRUPercent = try percent(value, of: "warm_lru_pct")
    chooseSegments(&draft)
  }

  static func hotMaxFactor(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.hotMaxFactor = try factor(value, of: "hot_max_factor")
    chooseSegments(&draft)
  }

  static func warmMaxFactor(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.warmMaxFactor = try factor(value, of: "warm_max_factor")
    chooseSegments(&draft)
  }

  static func temporaryTTL(_ draft: inout Draft, _ value: String) {
    draft.settings.temporaryTTLSeconds = NumberText.leadingInteger(value)
    draft.settings.temporaryLRU = true
    chooseSegments(&draft)
  }

  static func tailRepairTime(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let seconds = NumberText.leadingInteger(value)
    guard seconds >= 10 else { throw .failure("Cannot set tail_repair_time to less than 10 seconds") }
    draft.settings.tailRepairTimeSeconds = seconds
  }

  /// The defaults of release 1.4. Its hash is not brought back: one keyed hash serves every name.
  static func noModern(_ draft: inout Draft, _ value: String) {
    if !draft.slabChunkMaxWasGiven { draft.settings.slabChunkMaxBytes = pageBytes }
    draft.settings.slabTableWasGiven = true
    draft.settings.slabReassign = false
    draft.settings.slabAutomove = 0
    draft.settings.maxConnectionsFast = false
    draft.settings.lruCrawler = false
    draft.settings.lruMaintainer = false
  }

  private static func unsigned(_ value: String, of name: String) throws(OptionError) -> Int {
    guard let number = NumberText.wholeUInt32(value) else { throw .failure("could not parse argument to \(name)") }
    return number
  }

  private static func percent(_ value: String, of name: String) throws(OptionError) -> Int {
    let percent = NumberText.leadingInteger(value)
    guard (1..<80).contains(percent) else { throw .failure("\(name) must be > 1 and < 80") }
    return percent
  }

  private static func factor(_ value: String, of name: String) throws(OptionError) -> Double {
    let factor = NumberText.leadingFraction(value)
    guard factor > 0 else { throw .failure("\(name) must be > 0") }
    return factor
  }
}
