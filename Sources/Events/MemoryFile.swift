// The file that the store's memory is with a warm restart: mapped, and one server's at a time. System calls and their
// reasons only; what lies in it is the core's business, and the small file beside it is a WholeFile.
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
