// Ports for tests that start a process by hand, without ServerProcess: several listeners, daemons, servers that must
// fail. Nothing is bound here for longer than the question takes.

extension ServerProcess {
  /// A loopback port that was free a moment ago and that nobody else in this process was given.
  public static func unusedPort() throws -> UInt16 { try freePort() }
}
