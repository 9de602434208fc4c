// The functions that libFuzzer calls; its own library has the main. Built by `make fuzz` only, see Package.swift. The
// environment says what to do: FUZZ_TARGET names the target; FUZZ_UNPACK=FILE writes the inputs of a corpus file into
// the directory FUZZ_DIRECTORY and ends, FUZZ_PACK=FILE does the reverse.
import Foundation

private func setting(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

private func stop(_ text: String, _ status: Int32) -> Never {
  FileHandle.standardError.write(Data((text + "\n").utf8))
  exit(status)
}

private let target: FuzzTarget = {
  let name = setting("FUZZ_TARGET") ?? ""
  guard let target = FuzzTarget.named(name) else {
    stop("no fuzz target \"\(name)\"; there are: \(FuzzTarget.all.map(\.name).joined(separator: ", "))", 2)
  }
  return target
}()

/// Called once, before libFuzzer looks at its arguments.
@c(LLVMFuzzerInitialize)
public func fuzzerInitialize(
  _ argumentCount: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?
) -> CInt {
  _ = target
  guard let directory = setting("FUZZ_DIRECTORY") else { return 0 }
  do {
    if let file = setting("FUZZ_UNPACK") { try FuzzCorpus(file: file).unpack(into: directory) }
    if let file = setting("FUZZ_PACK") { try FuzzCorpus(directory: directory).write(to: file) }
    exit(0)
  } catch {
    stop("\(error)", 2)
  }
}

/// Called for each input. An objection ends the process, and libFuzzer keeps the input.
@c(LLVMFuzzerTestOneInput)
public func fuzzerTestOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  if let objection = target.objection(Array(UnsafeBufferPointer(start: bytes, count: count))) {
    FileHandle.standardError.write(Data("\nFUZZ OBJECTION: \(objection)\n".utf8))
    abort()
  }
  return 0
}
