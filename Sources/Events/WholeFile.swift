// Files that are read and written as a whole: what the next server of a warm restart needs to know, and the users of -Y
// and MEMCACHED_SASL_PWDB. System calls and their reasons only; what the bytes mean is the core's business, and when
// they are read and written the server's.
import Glibc

/// What the system said no to, in words.
public struct FileFailure: Error {
  public let text: String

  public static let noSuchFile = FileFailure(text: SystemCalls.errorText(ENOENT))
}

/// A file that is read and written as a whole.
public enum WholeFile {
  /// All bytes of a file; nil when there is none of that name. More than `limit` bytes are refused. So is anything but
  /// a plain file, unless `acceptsPipes`: then what a pipe's writer has to say is waited for.
  public static func read(_ path: String, limit: Int, acceptsPipes: Bool = false) throws(FileFailure) -> [UInt8]? {
    // O_NONBLOCK: a pipe of that name must not make us wait for a writer.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | (acceptsPipes ? 0 : O_NONBLOCK))
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw FileFailure(text: SystemCalls.errorText(errno))
    }
    defer { close(descriptor) }
    guard acceptsPipes || isPlain(descriptor) else { throw FileFailure(text: "it is no plain file") }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count <= limit {
      // Rule 3: the array's own bounds.
      let count = unsafe piece.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count > 0 {
        bytes += piece[..<count]
      } else if errno != EINTR {
        throw FileFailure(text: SystemCalls.errorText(errno))
      }
    }
    throw FileFailure(text: "larger than \(limit) bytes")
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
