// What the options with a letter do with their values, where that is more than setting a flag: the conversion, the
// check of the one value, the message. Checks between options are in CrossChecks.

extension OptionTable {
  static let maximumPort = 65535
  private static let manyThreads = 64

  static func unixMask(_ draft: inout Draft, _ value: String) {
    draft.settings.unixSocketMask = NumberText.leadingInteger(value, radix: 8)
  }

  static func port(_ draft: inout Draft, _ value: String) {
    draft.settings.port = NumberText.leadingInteger(value)
    draft.settings.portWasGiven = true
  }

  static func udpPort(_ draft: inout Draft, _ value: String) {
    draft.settings.udpPort = NumberText.leadingInteger(value)
  }

  static func listen(_ draft: inout Draft, _ value: String) {
    draft.settings.listenText = draft.settings.listenText.map { "\($0),\(value)" } ?? value
  }

  /// A negative number is taken as "no limit worth the name", as unsigned arithmetic made it elsewhere.
  static func memoryLimit(_ draft: inout Draft, _ value: String) {
    let megabytes = NumberText.leadingInteger(value)
    draft.settings.memoryLimitBytes = (megabytes < 0 ? Int.max >> 20 : megabytes) << 20
  }

  static func connections(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.maxConnections = try positive(value, or: "Maximum connections must be greater than 0")
  }

  static func growthFactor(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let factor = NumberText.leadingFraction(value)
    guard factor > 1 else { throw .failure("Factor must be greater than 1") }
    draft.settings.growthFactor = factor
    draft.settings.slabTableWasGiven = true
  }

  static func slabMinimum(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.slabMinimumBytes = try positive(value, or: "Chunk size must be greater than 0")
    draft.settings.slabTableWasGiven = true
  }

  static func threads(_ draft: inout Draft, _ value: String) throws(OptionError) {
    let threads = try positive(value, or: "Number of threads must be greater than 0")
    draft.settings.threads = threads
    guard threads > manyThreads else { return }
    draft.warnings.append("WARNING: Setting a high number of workerthreads is not recommended.")
    draft.warnings.append(" Set this value to the number of cores in your machine or less.")
  }

  static func requestsPerEvent(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.settings.requestsPerEvent = try positive(value, or: "Number of requests per event must be greater than 0")
    draft.settings.requestsPerEventWasGiven = true
  }

  static func backlog(_ draft: inout Draft, _ value: String) {
    draft.settings.listenBacklog = NumberText.leadingInteger(value)
  }

  static func bindingProtocol(_ draft: inout Draft, _ value: String) throws(OptionError) {
    draft.bindingWasGiven = true
    switch value {
    case "auto": draft.settings.bindingProtocol = .automatic
    case "ascii": draft.settings.bindingProtocol = .ascii
    case "binary": draft.settings.bindingProtocol = .binary
    default:
      throw .usage(
        "Invalid value for binding protocol: \(value)\n -- should be one of auto, binary, or ascii")
    }
  }

  static func itemSizeMax(_ draft: inout Draft, _ value: String) {
    let shift =
      switch value.last {
      case "k", "K": 10
      case "m", "M": 20
      default: 0
      }
    draft.settings.itemSizeMaxBytes = NumberText.leadingInteger(value) << shift
  }

  static func prefixDelimiter(_ draft: inout Draft, _ value: String) throws(OptionError) {
    guard let first = value.utf8.first else { throw .failure("No delimiter specified") }
    draft.settings.prefixDelimiter = first
    draft.settings.detailEnabled = true
  }

  private static func positive(_ value: String, or message: String) throws(OptionError) -> Int {
    let number = NumberText.leadingInteger(value)
    guard number > 0 else { throw .failure(message) }
    return number
  }
}
