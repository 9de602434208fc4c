// The executable: hands the command line to the server and exits with what it says. Nothing else is here on purpose.
// Options are read in Options, the start is in Server/Startup.
import Glibc
import Server

@main
enum Main {
  static func main() {
    let words = CommandLine.arguments
    exit(Startup.run(words: Array(words.dropFirst()), programName: words.first ?? "memcached"))
  }
}
