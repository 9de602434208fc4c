// One libmemcached handle as a Swift object: the real C client, reached through thin methods that copy what C
// allocates and free it. Every method gives libmemcached's own return code back; nothing is retried or hidden here.
// It is not a client library for anybody else: it has what the tests ask for, and traps on misuse.
// Not thread-safe, as a memcached_st is not: a thread that wants to talk makes its own.
import CLibmemcached
import Foundation

/// What may be stored: text or bytes.
protocol Payload {
  var bytes: [UInt8] { get }
}

extension String: Payload {
  var bytes: [UInt8] { Array(utf8) }
}

extension [UInt8]: Payload {
  var bytes: [UInt8] { self }
}

final class LibmemcachedClient {
  /// One item as fetched.
  struct Item: Equatable {
    var key: String
    var value: [UInt8]
    var flags: UInt32
    var cas: UInt64
    var text: String { String(decoding: value, as: UTF8.self) }
  }

  /// The answer to one get: `value` is nil exactly when libmemcached gave no memory back.
  struct Got: Equatable {
    var code: memcached_return_t
    var value: [UInt8]?
    var flags: UInt32
    var text: String? { value.map { String(decoding: $0, as: UTF8.self) } }
  }

  /// The answer to increment and decrement.
  struct Counted: Equatable {
    var code: memcached_return_t
    var value: UInt64
  }

  let handle: UnsafeMutablePointer<memcached_st>

  /// Ten seconds for an answer is for busy build machines; after one that never came, this handle gives its server up,
  /// so that a hanging server costs a test once and not with every operation.
  private static let patience: KeyValuePairs<memcached_behavior_t, UInt64> = [
    .pollTimeout: 10_000, .serverTimeoutLimit: 1, .retryTimeout: 60,
  ]

  /// A client of the servers on these loopback ports.
  init(ports: [UInt16], _ behaviors: KeyValuePairs<memcached_behavior_t, UInt64> = [:]) {
    handle = memcached_create(nil)
    for (behavior, value) in LibmemcachedClient.patience { set(behavior, value) }
    for (behavior, value) in behaviors { set(behavior, value) }
    for port in ports { precondition(memcached_server_add(handle, "127.0.0.1", port) == .success) }
  }

  convenience init(port: UInt16, _ behaviors: KeyValuePairs<memcached_behavior_t, UInt64> = [:]) {
    self.init(ports: [port], behaviors)
  }

  /// A client of the server on this unix socket.
  init(unixSocket path: String) {
    handle = memcached_create(nil)
    for (behavior, value) in LibmemcachedClient.patience { set(behavior, value) }
    precondition(memcached_server_add_unix_socket(handle, path) == .success)
  }

  deinit { memcached_free(handle) }

  // MARK: Settings

  func set(_ behavior: memcached_behavior_t, _ value: UInt64) {
    let code = memcached_behavior_set(handle, behavior, value)
    precondition(code == .success, "behavior \(behavior.rawValue): \(code)")
  }

  func behavior(_ behavior: memcached_behavior_t) -> UInt64 { memcached_behavior_get(handle, behavior) }

  /// Puts `prefix` before every key; nil takes it away again.
  func setPrefix(_ prefix: String?) -> memcached_return_t {
    memcached_callback_set(handle, MEMCACHED_CALLBACK_PREFIX_KEY, prefix)
  }

  // MARK: Storing

  typealias StoreFunction = (
    UnsafeMutablePointer<memcached_st>?, UnsafePointer<CChar>?, Int, UnsafePointer<CChar>?, Int, time_t, UInt32
  ) -> memcached_return_t

  private func store(
    _ function: StoreFunction, _ key: String, _ value: some Payload, _ flags: UInt32, _ expiration: Int
  ) -> memcached_return_t {
    value.bytes.withUnsafeBytes { bytes in
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      return function(handle, key, key.utf8.count, start, bytes.count, expiration, flags)
    }
  }

  func set(_ key: String, _ value: some Payload, flags: UInt32 = 0, expiration: Int = 0) -> memcached_return_t {
    store(memcached_set, key, value, flags, expiration)
  }

  func add(_ key: String, _ value: some Payload, flags: UInt32 = 0, expiration: Int = 0) -> memcached_return_t {
    store(memcached_add, key, value, flags, expiration)
  }

  func replace(_ key: String, _ value: some Payload, flags: UInt32 = 0, expiration: Int = 0) -> memcached_return_t {
    store(memcached_replace, key, value, flags, expiration)
  }

  func append(_ key: String, _ value: some Payload, flags: UInt32 = 0) -> memcached_return_t {
    store(memcached_append, key, value, flags, 0)
  }

  func prepend(_ key: String, _ value: some Payload, flags: UInt32 = 0) -> memcached_return_t {
    store(memcached_prepend, key, value, flags, 0)
  }

  func cas(_ key: String, _ value: some Payload, unique: UInt64, flags: UInt32 = 0) -> memcached_return_t {
    store({ memcached_cas($0, $1, $2, $3, $4, $5, $6, unique) }, key, value, flags, 0)
  }

  // MARK: Fetching

  func get(_ key: String) -> Got {
    var length = 0
    var flags: UInt32 = 0
    var code = MEMCACHED_MAXIMUM_RETURN
    let memory = memcached_get(handle, key, key.utf8.count, &length, &flags, &code)
    defer { free(memory) }
    let value = memory.map { Array(UnsafeRawBufferPointer(start: $0, count: length)) }
    return Got(code: code, value: value, flags: flags)
  }

  /// The item with its cas unique; needs `.supportCas`.
  func gets(_ key: String) -> Item? {
    guard mget([key]) == .success else { return nil }
    return fetchAll().items.first
  }

  /// Sends the request; the items come with `fetch`.
  func mget(_ keys: [String]) -> memcached_return_t {
    LibmemcachedClient.withKeys(keys) { memcached_mget(handle, $0, $1, keys.count) }
  }

  /// The next item of an mget, or nil with the code that ended it.
  func fetch() -> (item: Item?, code: memcached_return_t) {
    var code = MEMCACHED_MAXIMUM_RETURN
    guard let result = memcached_fetch_result(handle, nil, &code) else { return (nil, code) }
    defer { memcached_result_free(result) }
    return (LibmemcachedClient.item(result), code)
  }

  /// All items of an mget and the code that ended them.
  func fetchAll() -> (items: [Item], code: memcached_return_t) {
    var items: [Item] = []
    while true {
      let next = fetch()
      guard let item = next.item else { return (items, next.code) }
      items.append(item)
    }
  }

  /// All items of an mget through `memcached_fetch_execute`.
  func fetchExecute() -> (items: [Item], code: memcached_return_t) {
    let box = Box<[Item]>([])
    var callbacks: [memcached_execute_fn?] = [LibmemcachedClient.collect]
    let code = memcached_fetch_execute(handle, &callbacks, box.opaque, 1)
    return (box.value, code)
  }

  /// All items of `keys` through `memcached_mget_execute`, which may call back while it still sends; the rest comes
  /// with `memcached_fetch_execute`.
  func mgetExecute(_ keys: [String]) -> (items: [Item], code: memcached_return_t) {
    let box = Box<[Item]>([])
    var callbacks: [memcached_execute_fn?] = [LibmemcachedClient.collect]
    let code = LibmemcachedClient.withKeys(keys) {
      memcached_mget_execute(handle, $0, $1, keys.count, &callbacks, box.opaque, 1)
    }
    guard code == .success else { return (box.value, code) }
    let ended = memcached_fetch_execute(handle, &callbacks, box.opaque, 1)
    return (box.value, ended)
  }

  private static let collect: memcached_execute_fn = { _, result, context in
    guard let result, let context else { return MEMCACHED_FAILURE }
    Box<[Item]>.from(context).value.append(LibmemcachedClient.item(result))
    return MEMCACHED_SUCCESS
  }

  private static func item(_ result: UnsafeMutablePointer<memcached_result_st>) -> Item {
    let keyLength = memcached_result_key_length(result)
    let key = UnsafeRawBufferPointer(start: memcached_result_key_value(result), count: keyLength)
    let value = UnsafeRawBufferPointer(start: memcached_result_value(result), count: memcached_result_length(result))
    return Item(
      key: String(decoding: key, as: UTF8.self), value: Array(value), flags: memcached_result_flags(result),
      cas: memcached_result_cas(result))
  }

  private static func withKeys<Result>(
    _ keys: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int>) -> Result
  ) -> Result {
    let copies = keys.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer<CChar>($0) }
    return pointers.withUnsafeBufferPointer { pointers in
      keys.map(\.utf8.count).withUnsafeBufferPointer { lengths in
        guard let keys = pointers.baseAddress, let lengths = lengths.baseAddress else { fatalError("no keys") }
        return body(keys, lengths)
      }
    }
  }

  // MARK: The other commands

  func increment(_ key: String, by offset: UInt32 = 1) -> Counted {
    var value: UInt64 = 0
    let code = memcached_increment(handle, key, key.utf8.count, offset, &value)
    return Counted(code: code, value: value)
  }

  func decrement(_ key: String, by offset: UInt32 = 1) -> Counted {
    var value: UInt64 = 0
    let code = memcached_decrement(handle, key, key.utf8.count, offset, &value)
    return Counted(code: code, value: value)
  }

  func touch(_ key: String, expiration: Int) -> memcached_return_t {
    memcached_touch(handle, key, key.utf8.count, expiration)
  }

  func exist(_ key: String) -> memcached_return_t { memcached_exist(handle, key, key.utf8.count) }

  func delete(_ key: String) -> memcached_return_t { memcached_delete(handle, key, key.utf8.count, 0) }

  func flush(after seconds: Int = 0) -> memcached_return_t { memcached_flush(handle, seconds) }

  func flushBuffers() -> memcached_return_t { memcached_flush_buffers(handle) }

  func quit() { memcached_quit(handle) }

  /// What libmemcached remembers of the last failure, in words.
  var lastErrorMessage: String { memcached_last_error_message(handle).map { String(cString: $0) } ?? "" }

  // MARK: Reports

  /// Asks every server for its version and gives libmemcached's parse of the first one's answer.
  func version() -> (code: memcached_return_t, numbers: [UInt8]) {
    let code = memcached_version(handle)
    let server = memcached_server_instance_by_position(handle, 0)
    let numbers = [
      memcached_server_major_version(server), memcached_server_minor_version(server),
      memcached_server_micro_version(server),
    ]
    return (code, numbers)
  }

  /// Every `STAT` pair of all servers in order, through `memcached_stat_execute`.
  func stats(_ arguments: String? = nil) -> (code: memcached_return_t, pairs: [(name: String, value: String)]) {
    let box = Box<[(name: String, value: String)]>([])
    let code = memcached_stat_execute(
      handle, arguments,
      { _, key, keyLength, value, valueLength, context in
        guard let context else { return MEMCACHED_FAILURE }
        let key = String(decoding: UnsafeRawBufferPointer(start: key, count: keyLength), as: UTF8.self)
        let value = String(decoding: UnsafeRawBufferPointer(start: value, count: valueLength), as: UTF8.self)
        Box<[(name: String, value: String)]>.from(context).value.append((key, value))
        return MEMCACHED_SUCCESS
      }, box.opaque)
    return (code, box.value)
  }

  /// The same as a dictionary, for the reports in which no name comes twice.
  func statistics(_ arguments: String? = nil) -> [String: String] {
    Dictionary(stats(arguments).pairs.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
  }

  /// `memcached_stat`: the fixed structure libmemcached makes of one server's statistics, read back name by name.
  func statStructure() -> (code: memcached_return_t, values: [String: String]) {
    var code = MEMCACHED_MAXIMUM_RETURN
    guard let stat = memcached_stat(handle, nil, &code) else { return (code, [:]) }
    defer { memcached_stat_free(handle, stat) }
    var values: [String: String] = [:]
    var keysCode = MEMCACHED_MAXIMUM_RETURN
    let keys = memcached_stat_get_keys(handle, stat, &keysCode)
    defer { free(keys) }
    var next = keys
    while let name = next?.pointee {
      var valueCode = MEMCACHED_MAXIMUM_RETURN
      let value = memcached_stat_get_value(handle, stat, name, &valueCode)
      if let value { values[String(cString: name)] = String(cString: value) }
      free(value)
      next = next?.successor()
    }
    return (code, values)
  }

  /// Every key of all servers, in libmemcached's order, through `memcached_dump`, which asks for every size class
  /// whatever became of the one before; the shorter patience keeps that from adding up.
  func dump() -> (code: memcached_return_t, keys: [String]) {
    let patience = behavior(.pollTimeout)
    set(.pollTimeout, 2_000)
    defer { set(.pollTimeout, patience) }
    let box = Box<[String]>([])
    var callbacks: [memcached_dump_fn?] = [
      { _, key, length, context in
        guard let context else { return MEMCACHED_FAILURE }
        let key = String(decoding: UnsafeRawBufferPointer(start: key, count: length), as: UTF8.self)
        Box<[String]>.from(context).value.append(key)
        return MEMCACHED_SUCCESS
      }
    ]
    let code = memcached_dump(handle, &callbacks, box.opaque, 1)
    return (code, box.value)
  }

  /// The port of the server that libmemcached's distribution chooses for `key` now.
  func port(for key: String) -> UInt16? {
    var code = MEMCACHED_MAXIMUM_RETURN
    guard let server = memcached_server_by_key(handle, key, key.utf8.count, &code) else { return nil }
    return memcached_server_port(server)
  }
}

/// A value that a C callback can reach through its context pointer.
private final class Box<Value> {
  var value: Value
  init(_ value: Value) { self.value = value }
  var opaque: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
  static func from(_ pointer: UnsafeMutableRawPointer) -> Box {
    Unmanaged<Box>.fromOpaque(pointer).takeUnretainedValue()
  }
}
