// The files of a warm restart: one that is mapped and belongs to one server at a time, and a small one that is written
// as a whole or not at all. System calls and their reasons only; what the files mean is the core's business
// (SavedStore), and when they are read and written the server's.
import Glibc

/// An open memory file, locked for this process until it ends.
public struct MemoryFile: Sendable {
  public let descriptor: Int32

  /// Opens the file, or makes one that only its owner may read. Anything but a plain file is refused, and one that
  /// another server has open too.
  public static func open(_ path: String) throws(FileFailure) -> MemoryFile {
    // O_NONBLOCK: a pipe of that name must not make us wait for a writer.
    let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else { throw FileFailure(text: SystemCalls.errorText(errno)) }
    guard WholeFile.isPlain(descriptor) else {
      close(descriptor)
      throw FileFailure(text: "it is no plain file")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      close(descriptor)
      throw FileFailure(
        text: number == EWOULDBLOCK ? "another server is using it" : SystemCalls.errorText(number))
    }
    return MemoryFile(descriptor: descriptor)
  }

  public var byteCount: Int { lseek(descriptor, 0, SEEK_END) }

  /// Makes the file `byteCount` bytes long, with room for all of them on its file system: a page that could not be had
  /// later would end the process. What lies in it stays, as far as it reaches.
  public func resize(to byteCount: Int) throws(FileFailure) {
    // Asking a tmpfs again for what it has given makes it clear every page that was never written to: seconds.
    if self.byteCount == byteCount, allocatedByteCount >= byteCount { return }
    guard ftruncate(descriptor, byteCount) == 0 else { throw FileFailure(text: SystemCalls.errorText(errno)) }
    var number: Int32
    repeat { number = posix_fallocate(descriptor, 0, byteCount) } while number == EINTR
    guard number == 0 else { throw FileFailure(text: SystemCalls.errorText(number)) }
  }

  private var allocatedByteCount: Int {
    var facts = stat()
    // Rule 3: the kernel fills one record.
    return unsafe fstat(descriptor, &facts) == 0 ? Int(facts.st_blocks) * 512 : 0
  }
}

/// A file that is read and written as a whole.
public enum WholeFile {
  /// All bytes of a plain file; nil when there is none of that name. More than `limit` bytes are refused.
  public static func read(_ path: String, limit: Int) throws(FileFailure) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw FileFailure(text: SystemCalls.errorText(errno))
    }
    defer { close(descriptor) }
    guard isPlain(descriptor) else { throw FileFailure(text: "it is no plain file") }
    let size = lseek(descriptor, 0, SEEK_END)
    guard size <= limit else { throw FileFailure(text: "it is too large") }
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
      // Rule 3: the rest of the array, from what is filled on.
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, size - filled, filled)
      }
      guard count > 0 else { break }
      filled += count
    }
    return Array(bytes.prefix(filled))
  }

  /// Writes `bytes` to `path` by way of a temporary file beside it, so that the file is there as a whole or not at all,
  /// after a failure of power too. Only its owner may read it.
  public static func replace(_ path: String, temporary: String, bytes: [UInt8]) throws(FileFailure) {
    unsafe unlink(temporary)
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileFailure(text: SystemCalls.errorText(errno)) }
    let isWritten = write(bytes, to: descriptor) && fsync(descriptor) == 0
    let number = errno
    close(descriptor)
    guard isWritten else {
      unsafe unlink(temporary)
      throw FileFailure(text: SystemCalls.errorText(number))
    }
    guard unsafe rename(temporary, path) == 0 else { throw FileFailure(text: SystemCalls.errorText(errno)) }
    syncFolder(of: path)
  }

  /// Removes the file for good: it does not come back after a failure of power either. False when it is still there.
  public static func remove(_ path: String) -> Bool {
    guard unsafe unlink(path) == 0 || errno == ENOENT else { return false }
    syncFolder(of: path)
    return true
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var written = 0
    while written < bytes.count {
      // Rule 3: the rest of the array, from what is written on.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe pwrite(descriptor, buffer.baseAddress.map { unsafe $0 + written }, bytes.count - written, written)
      }
      guard count > 0 else { return false }
      written += count
    }
    return true
  }

  static func isPlain(_ descriptor: Int32) -> Bool {
    var facts = stat()
    // Rule 3: the kernel fills one record.
    return unsafe fstat(descriptor, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
  }

  /// Names are kept by the folder: it is written out too. Some file systems cannot; then nothing is lost but time.
  private static func syncFolder(of path: String) {
    let end = path.lastIndex(of: "/")
    let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
