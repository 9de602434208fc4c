// From a checked command line to a serving process: limits, privileges, daemon, pid file, then CacheServer, in the
// reference's order (section 8.6). Each failure is a message and an exit status.
import Events
import Options

public enum Startup {
  /// Runs the server with the command line `words` (without the program's name); returns the exit status.
  public static func run(words: [String], programName: String) -> Int32 {
    switch CommandLineParser.parse(words, programName: programName, isRoot: SystemCalls.isRoot) {
    case .stop(let text, let toStandardOutput, let exitStatus):
      if toStandardOutput { SystemCalls.printOutput(text) } else { SystemCalls.printError(text) }
      return exitStatus
    case .run(let settings, let warnings):
      for warning in warnings { SystemCalls.printError(warning + "\n") }
      do {
        try serve(settings)
        return ExitStatus.success
      } catch {
        SystemCalls.printError(error.message + "\n")
        return error.exitStatus
      }
    }
  }

  private static func serve(_ settings: Settings) throws(StartFailure) {
    Signal.holdBack()
    Signal.ignore(Signal.brokenPipe)
    if settings.coreDumps, !SystemCalls.allowCoreDumps() {
      throw StartFailure(message: "failed to ensure corefile creation", exitStatus: ExitStatus.systemError)
    }
    // Clients, one bell and up to three loop descriptors a worker, listeners and what the process itself has open.
    let descriptors = settings.maxConnections + settings.threads * 5 + settings.listenAddresses.count * 2 + 64
    if !SystemCalls.raiseDescriptorLimit(to: descriptors) {
      throw StartFailure(
        message: "failed to set rlimit for open files. "
          + "Try starting as root or requesting smaller maxconns value.",
        exitStatus: ExitStatus.systemError)
    }
    try changeUser(settings)
    // As the user who will read it again, and while there is a terminal for what is wrong with it.
    let authentication = try AuthenticationSource(settings)
    if settings.daemonize,
      !SystemCalls.daemonize(keepingDirectory: settings.coreDumps, keepingOutput: settings.verbosity > 0)
    {
      throw StartFailure(message: "failed to daemon() in order to daemonize", exitStatus: 1)
    }
    if settings.lockMemory, let reason = SystemCalls.lockMemory() {
      SystemCalls.printError("warning: -k invalid, mlockall() failed: \(reason)\n")
    }
    let server = try CacheServer.start(settings, authentication)
    if let pidFile = settings.pidFile { writePidFile(pidFile) }
    try server.run()
    if settings.daemonize, let pidFile = settings.pidFile { SystemCalls.removeFile(pidFile) }
  }

  private static func changeUser(_ settings: Settings) throws(StartFailure) {
    guard SystemCalls.isRoot, let user = settings.user else { return }
    switch SystemCalls.becomeUser(user) {
    case .changed: return
    case .unknownUser:
      throw StartFailure(message: "can't find the user \(user) to switch to", exitStatus: ExitStatus.noUser)
    case .refused:
      throw StartFailure(message: "failed to assume identity of user \(user)", exitStatus: ExitStatus.systemError)
    }
  }

  private static func writePidFile(_ path: String) {
    if let text = SystemCalls.readFile(path), let old = Int32(text.prefix { $0 != "\n" }), SystemCalls.isRunning(old) {
      SystemCalls.printError("WARNING: The pid file contained the following (running) pid: \(old)\n")
    }
    if let reason = SystemCalls.replaceFile(path, temporary: path + ".tmp", text: "\(SystemCalls.processID)\n") {
      SystemCalls.printError("Could not open the pid file \(path).tmp for writing: \(reason)\n")
    }
  }
}
