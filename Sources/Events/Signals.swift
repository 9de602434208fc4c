// The signals a server answers to, by name, and holding them back until somebody can answer.
// It handles none of them: the main loop of the server registers them as events.
import Glibc

public enum Signal {
  public static let interrupt = SIGINT
  public static let terminate = SIGTERM
  public static let hangUp = SIGHUP
  /// Graceful stop.
  public static let graceful = SIGUSR1
  public static let brokenPipe = SIGPIPE

  /// The ones that the main loop answers.
  public static let handled = [interrupt, terminate, hangUp, graceful]

  /// From now on the handled signals wait instead of ending the process; threads started meanwhile leave them alone for
  /// good. Called before anything else, so that no moment of the start can be interrupted.
  public static func holdBack() { change(SIG_BLOCK) }

  /// The calling thread takes signals again, those that came meanwhile first.
  public static func deliver() { change(SIG_UNBLOCK) }

  private static func change(_ how: Int32) {
    var set = sigset_t()
    // Rule 3: the set is this function's own.
    unsafe sigemptyset(&set)
    for signal in handled { unsafe sigaddset(&set, signal) }
    unsafe pthread_sigmask(how, &set, nil)
  }

  public static func ignore(_ signal: Int32) { _ = Glibc.signal(signal, SIG_IGN) }
}
