// Servers whose whole command line a test gives, and what the kernel says such a process listens on. ServerProcess is
// for the others, which listen on one loopback port.
import Foundation
import TestSupport

/// Starts the server with these arguments (and the user that root must name); does not wait for anything.
func launch(
  _ arguments: [String], environment: [String: String] = [:], errors: Int32? = nil
) throws -> ChildProcess {
  try ChildProcess(
    path: ServerProcess.executable(ServerProcess.defaultProgram).path,
    arguments: (getuid() == 0 ? ["-u", "root"] : []) + arguments,
    environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, errors: errors)
}

/// A new folder under the temporary one, removed with this object.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/server-tests-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// How many sockets of each kind a process has open (established connections not counted).
struct ListeningSockets {
  private(set) var tcp = 0
  private(set) var udp = 0

  init(_ identifier: pid_t) {
    let folder = "/proc/\(identifier)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let links = names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
    func count(_ table: String, state: String) -> Int {
      let text = (try? String(contentsOfFile: "/proc/\(identifier)/net/\(table)", encoding: .utf8)) ?? ""
      return text.split(separator: "\n").dropFirst().filter { line in
        let words = line.split(separator: " ")
        return words.count > 9 && words[3] == state && links.contains("socket:[\(words[9])]")
      }.count
    }
    tcp = count("tcp", state: "0A") + count("tcp6", state: "0A")
    udp = count("udp", state: "07") + count("udp6", state: "07")
  }
}
