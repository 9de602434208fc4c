// The signals a server answers to, by name.
import Glibc

public enum Signal {
  public static let interrupt = SIGINT
  public static let terminate = SIGTERM
  public static let hangUp = SIGHUP
  /// Graceful stop.
  public static let graceful = SIGUSR1
  public static let brokenPipe = SIGPIPE
}
