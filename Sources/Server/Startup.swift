// From a checked command line to a serving process: limits, privileges, daemon, listeners, pid file, in the reference's
// order (section 8.6). Each failure is a message and an exit status. What the server itself does is in CacheServer;
// --check and --healthcheck are in their own files.
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
      switch settings.mode {
      case .serve: return serve(settings)
      case .check: return Check.run(settings)
      case .healthcheck: return HealthCheck.run(settings)
      }
    }
  }

  private static func serve(_ settings: Settings) -> Int32 {
    do {
      try start(settings)
      return ExitStatus.success
    } catch {
      SystemCalls.printError(error.message + "\n")
      return error.exitStatus
    }
  }

  private static func start(_ settings: Settings) throws(StartFailure) {
    Signal.holdBack()
    Signal.ignore(Signal.brokenPipe)
    if settings.coreDumps, !SystemCalls.allowCoreDumps() {
      throw StartFailure(message: "failed to ensure corefile creation", exitStatus: ExitStatus.systemError)
    }
    try raiseLimits(settings)
    let manager = ServiceManager()
    try changeUser(settings)
    // As the user who will read it again, and while there is a terminal for what is wrong with it.
    let authentication = try AuthenticationSource(settings)
    if settings.daemonize,
      !SystemCalls.daemonize(keepingDirectory: settings.coreDumps, keepingOutput: settings.verbosity > 0)
    {
      throw StartFailure(message: "failed to daemon() in order to daemonize", exitStatus: 1)
    }
    let server = try CacheServer.start(settings, authentication, manager)
    // After the memory was reserved: a limit then makes locking fail, and not the start.
    if settings.lockMemory, let reason = SystemCalls.lockMemory() {
      SystemCalls.printError("warning: -k invalid, mlockall() failed: \(reason)\n")
    }
    if let pidFile = settings.pidFile { writePidFile(pidFile) }
    if settings.dropPrivileges, let reason = SystemCallFilter.install() {
      throw StartFailure(
        message: "-o drop_privileges: the system calls could not be filtered: \(reason)",
        exitStatus: ExitStatus.systemError)
    }
    manager.notify("READY=1")
    try server.run()
    if settings.daemonize, let pidFile = settings.pidFile { SystemCalls.removeFile(pidFile) }
  }

  /// Raises what must be raised while the process may, and tells what is doubtful about the machine. A limit that has
  /// room for the clients but not for everything else is enough: accepting pauses when descriptors run out.
  private static func raiseLimits(_ settings: Settings) throws(StartFailure) {
    let facts = MachineFacts.gathered(for: settings)
    if settings.lockMemory { SystemCalls.allowMemoryLocking() }
    if let limit = facts.descriptorLimit, limit < settings.maxConnections {
      throw StartFailure(
        message: "failed to set rlimit for open files. "
          + "Try starting as root or requesting smaller maxconns value.",
        exitStatus: ExitStatus.systemError)
    }
    for finding in settings.findings(on: facts) { SystemCalls.printError(finding.line + "\n") }
  }

  private static func changeUser(_ settings: Settings) throws(StartFailure) {
    guard SystemCalls.isRoot, let user = settings.user else { return }
    switch SystemCalls.becomeUser(user) {
    case .changed: if settings.coreDumps { SystemCalls.allowCoreDumpsAgain() }
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

extension MachineFacts {
  /// Asks the machine, and raises the descriptor limit to what these settings need on the way.
  static func gathered(for settings: Settings) -> MachineFacts {
    var facts = MachineFacts()
    facts.longestBacklog = Machine.longestBacklog
    facts.descriptorLimit = Machine.raiseDescriptorLimit(to: settings.neededDescriptorCount)
    facts.physicalMemoryBytes = SystemCalls.physicalMemoryBytes
    facts.groupMemoryBytes = Machine.groupMemoryBytes
    return facts
  }
}
