// The executable: hands the command line to the server and exits with what it says. Nothing else is here on purpose.
import Glibc
import Server

@main
enum Main {
  static func main() {
    let words = CommandLine.arguments
    exit(Startup.run(words: Array(words.dropFirst()), programName: words.first ?? "memcached"))
  }
}
