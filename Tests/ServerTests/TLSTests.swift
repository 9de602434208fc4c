// TLS as clients of other hands meet it: runs Tests/tls/check.py, which makes certificates, starts servers, and checks
// with Python's ssl module and `openssl s_client`. Here is checked that it came to its end.
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3)))
struct TLSTests {
  @Test func clientsOfOtherHands() throws {
    let script =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../tls/check.py").standardizedFileURL.path
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [script, "--garbage", "200"]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SERVER": try ServerProcess.executable(.ours).path], uniquingKeysWith: { $1 })
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text.suffix(2000))")
    #expect(text.contains(" checks passed\n"))
  }
}
