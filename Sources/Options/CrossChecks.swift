// The checks between options, after all of them were read: item size against memory and chunks, the list of slab sizes,
// list percentages, ports, the user. Checks of one value alone are with its option.

enum CrossChecks {
  private static let minimumItemBytes = 1024
  private static let maximumItemBytes = 1 << 30
  private static let maximumSlabSizes = 62
  private static let minimumSlabStepBytes = 8

  /// Throws the first contradiction, in the order operators know; otherwise completes the settings.
  static func apply(to draft: inout Draft, isRoot: Bool) throws(OptionError) {
    try checkItemSize(draft.settings)
    try checkChunkMax(draft.settings)
    if let text = draft.slabSizesText { draft.settings.slabSizes = try slabSizes(text, draft.settings) }
    if draft.slabSizesText != nil { draft.settings.slabTableWasGiven = true }
    if !draft.settings.lruMaintainer { draft.settings.evictionPolicy = .flat }
    try checkLists(draft.settings)
    try AuthenticationChecks.checkProtocol(&draft)
    try checkPorts(draft.settings)
    try checkTLS(draft.settings)
    if !draft.settings.portWasGiven && draft.settings.udpPort != 0 { draft.settings.port = draft.settings.udpPort }
    // Who only asks a running server becomes nobody.
    let mustNameUser = isRoot && draft.settings.mode != .healthcheck
    if mustNameUser && (draft.settings.user ?? "").isEmpty { throw .usage("must add '-u root' to start as root") }
  }

  private static func checkItemSize(_ settings: Settings) throws(OptionError) {
    let size = settings.itemSizeMaxBytes
    guard size >= minimumItemBytes else { throw .usage("Item max size cannot be less than 1024 bytes.") }
    guard size <= settings.memoryLimitBytes / 2 else {
      throw .usage("Cannot set item size limit higher than 1/2 of memory max.")
    }
    guard size <= maximumItemBytes else { throw .usage("Cannot set item size limit higher than a gigabyte.") }
  }

  private static func checkChunkMax(_ settings: Settings) throws(OptionError) {
    let size = settings.itemSizeMaxBytes
    let chunk = settings.slabChunkMaxBytes
    let page = ExtendedOptionTable.pageBytes
    guard chunk <= size else {
      throw .usage("slab_chunk_max (bytes: \(chunk)) cannot be larger than -I (item_size_max \(size))")
    }
    guard size % chunk == 0 else {
      throw .usage("-I (item_size_max: \(size)) must be evenly divisible by slab_chunk_max (bytes: \(chunk))")
    }
    guard page % chunk == 0 else {
      throw .usage("slab_chunk_max (bytes: \(chunk)) must divide evenly into \(page) (slab_page_size)")
    }
  }

  /// The sizes of an `a-b-c` list, in bytes as written.
  private static func slabSizes(_ text: String, _ settings: Settings) throws(OptionError) -> [Int] {
    var sizes: [Int] = []
    for word in text.split(separator: "-") {
      let size = NumberText.wholeUInt32(String(word)) ?? 0
      let last = sizes.last ?? -minimumSlabStepBytes
      guard size >= settings.slabMinimumBytes, size <= settings.slabChunkMaxBytes else {
        throw .usage("slab size \(size) is out of valid range")
      }
      guard size > last else {
        throw .usage("slab size \(size) cannot be lower than or equal to a previous class size")
      }
      guard size > last + minimumSlabStepBytes else {
        throw .usage("slab size \(size) must be at least 8 bytes larger than previous class")
      }
      guard sizes.count < maximumSlabSizes else { throw .usage("too many slab classes specified") }
      sizes.append(size)
    }
    guard !sizes.isEmpty else { throw .usage("slab_sizes needs at least one size in bytes") }
    return sizes
  }

  private static func checkLists(_ settings: Settings) throws(OptionError) {
    guard settings.hotLRUPercent + settings.warmLRUPercent <= 80 else {
      throw .usage("hot_lru_pct + warm_lru_pct cannot be more than 80% combined")
    }
    guard settings.lruMaintainer || !settings.temporaryLRU else {
      throw .usage("temporary_ttl requires lru_maintainer to be enabled")
    }
  }

  /// Late, because only the last `-p` and `-U` count.
  private static func checkPorts(_ settings: Settings) throws(OptionError) {
    for port in [settings.port, settings.udpPort] where port > OptionTable.maximumPort {
      throw .usage("ERROR: Invalid port number \(port).")
    }
  }
}
