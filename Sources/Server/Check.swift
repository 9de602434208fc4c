// --check: what the server would run with, and what is wrong with it, printed instead of serving. It opens no listener
// and writes no file, so that it can be asked beside a running server.
import CacheCore
import Events
import Options

enum Check {
  /// Prints settings and findings; returns 1 when the server could not run with them.
  static func run(_ settings: Settings) -> Int32 {
    var findings = settings.findings(on: .gathered(for: settings))
    if SystemCalls.isRoot, let user = settings.user, !SystemCalls.userExists(user) {
      findings.insert(Finding(.fault, "can't find the user \(user) to switch to"), at: 0)
    }
    do {
      _ = try CacheServer.makeTLS(settings)
    } catch {
      findings.insert(Finding(.fault, error.message), at: 0)
    }
    let clock = StoreClock()
    if let store = CacheServer.makeStore(settings, clock, isTrial: true) {
      let modes = Modes(verbosity: settings.verbosity, countsPrefixes: settings.detailEnabled)
      for (name, value) in CacheServer.settingsRows(settings, store: store, modes: modes) {
        SystemCalls.printOutput("\(name) \(value)\n")
      }
    } else {
      findings.insert(Finding(.fault, CacheServer.noMemory(settings).message), at: 0)
    }
    for finding in findings { SystemCalls.printOutput(finding.line + "\n") }
    let faultCount = findings.count { $0.severity == .fault }
    let warningCount = findings.count - faultCount
    SystemCalls.printOutput("\(faultCount) faults, \(warningCount) warnings\n")
    return faultCount == 0 ? ExitStatus.success : ExitStatus.failure
  }
}
