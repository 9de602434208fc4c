// What a request came to, before it is put into a protocol's words. Values and reports are not among these: they are
// composed while the item is locked, or built as a whole (StatsReport).

/// Why a request was not carried out, or failed.
enum Refusal: UInt8, Equatable, CaseIterable {
  case unknownCommand
  case badFormat
  case badDataChunk
  case invalidExptime
  case invalidDelta
  case nonNumericValue
  case tooLarge
  case noMemoryForStore
  case noMemory
  case flushNotAllowed
  case badLimit
  case limitTooSmall
  case limitNotMegabytes
  case limitOutOfBounds
  case shutdownNotEnabled
  case invalidShutdownMode
}

enum Response: Equatable {
  case stored
  case notStored
  case exists
  case notFound
  case deleted
  case touched
  case ok
  case number(UInt64)
  case refused(Refusal)
}
