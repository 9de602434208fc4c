// Who is connected, for `stats conns` and the connection limit: one atomic word per descriptor, written by the thread
// that owns the connection and readable by all. Addresses are not kept; they are asked of the socket when somebody
// wants them.
import CacheCore
import Events

struct ConnectionTable: Sendable {
  /// The states of `stats conns`, in the words of the reference.
  static let stateNames = [
    "", "conn_listening", "conn_read", "conn_mwrite", "conn_nread", "conn_swallow", "conn_write", "conn_closing",
    "conn_watch",
  ]
  private let cells: AtomicCells
  /// 0: connected clients; 1: 1 while connections are accepted; 2: the most clients so far.
  private let shared = AtomicCells(count: 3)

  /// For descriptors below `descriptorCount`; higher ones are served but not shown.
  init(descriptorCount: Int) {
    cells = AtomicCells(count: descriptorCount)
    shared.store(1, 1)
  }

  @inline(__always)
  func note(_ descriptor: Int32, state: UInt8, now: UInt32) {
    guard Int(descriptor) < cells.count else { return }
    cells.store(Int(descriptor), UInt64(state) << 32 | UInt64(now))
  }

  func remove(_ descriptor: Int32) {
    guard Int(descriptor) < cells.count else { return }
    cells.store(Int(descriptor), 0)
  }

  static func stateCode(_ name: String) -> UInt8 { UInt8(stateNames.firstIndex(of: name) ?? 0) }

  /// Counts one more client; returns how many there are now.
  func clientJoined() -> Int {
    let count = shared.add(0, 1)
    if count > shared.load(2) { shared.store(2, count) }
    return Int(count)
  }
  func clientLeft() { shared.add(0, UInt64.max) }
  var clientCount: Int { Int(shared.load(0)) }
  var mostClients: Int { Int(shared.load(2)) }
  var isAccepting: Bool {
    get { shared.load(1) != 0 }
    nonmutating set { shared.store(1, newValue ? 1 : 0) }
  }

  func facts(
    now: UInt32, listeners: [Int32: String], datagramSockets: [Int32: String]
  ) -> [ConnectionFacts] {
    (0..<cells.count).compactMap { index in
      let word = cells.load(index)
      let state = Int(word >> 32)
      guard state > 0, state < ConnectionTable.stateNames.count else { return nil }
      let descriptor = Int32(index)
      let seconds = now &- UInt32(truncatingIfNeeded: word)
      if let address = listeners[descriptor] {
        return ConnectionFacts(
          descriptor: descriptor, address: address, listenAddress: nil, state: "conn_listening",
          secondsSinceLastCommand: seconds)
      }
      if let address = datagramSockets[descriptor] {
        return ConnectionFacts(
          descriptor: descriptor, address: address, listenAddress: nil, state: "conn_read",
          secondsSinceLastCommand: seconds, isDatagram: true)
      }
      let socket = Socket(descriptor: descriptor)
      let local = socket.localAddress
      return ConnectionFacts(
        descriptor: descriptor, address: socket.peerAddress, listenAddress: local.hasPrefix("tcp") ? local : nil,
        state: ConnectionTable.stateNames[state], secondsSinceLastCommand: seconds)
    }
  }
}
