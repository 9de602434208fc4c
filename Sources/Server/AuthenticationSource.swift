// Where a server with -S or -Y has its users from: it reads the file at start and again on SIGHUP, and says why it
// cannot. A bad file at start ends the process; a bad file later leaves the users as they were. Who is admitted is
// CacheCore's business (Authentication), Cyrus SASL's own files are its own. Docs/authentication.md.
import CacheCore
import Events
import Options

struct AuthenticationSource: Sendable {
  let authentication: Authentication
  private let file: File?

  private struct File: Sendable {
    let path: String
    let form: Accounts.Form
    let book: AccountBook
  }

  /// nil when nobody needs to log in.
  init?(_ settings: Settings) throws(StartFailure) {
    if let path = settings.authFilePath {
      let book = AccountBook(try AuthenticationSource.accounts(path, .authenticationFile))
      authentication = .token(book)
      file = File(path: path, form: .authenticationFile, book: book)
    } else if settings.saslEnabled, let path = SystemCalls.environment("MEMCACHED_SASL_PWDB") {
      let book = AccountBook(try AuthenticationSource.accounts(path, .passwordDatabase))
      authentication = .sasl(PasswordDatabase(book, realm: SystemCalls.hostName))
      file = File(path: path, form: .passwordDatabase, book: book)
    } else if settings.saslEnabled {
      do {
        authentication = .sasl(try CyrusSASL(configurationPath: SystemCalls.environment("SASL_CONF_PATH")))
      } catch {
        throw StartFailure(
          message: "Error initializing sasl.\nCyrus SASL: \(error.text)\n"
            + "Set MEMCACHED_SASL_PWDB to a file of user@host:password lines to do without it.",
          exitStatus: ExitStatus.failure)
      }
      file = nil
    } else {
      return nil
    }
  }

  /// Reads the file again. Cyrus SASL looks at its own ones whenever somebody logs in.
  func reload() {
    guard let file else { return }
    do {
      file.book.replace(try AuthenticationSource.accounts(file.path, file.form))
    } catch {
      SystemCalls.printError(error.message + "\nThe users stay as they were.\n")
    }
  }

  private static func accounts(_ path: String, _ form: Accounts.Form) throws(StartFailure) -> Accounts {
    let bytes = try contents(ofFile: path)
    do {
      return try Accounts(bytes, form)
    } catch {
      throw StartFailure(message: text(error, path, form), exitStatus: 1)
    }
  }

  private static func contents(ofFile path: String) throws(StartFailure) -> [UInt8] {
    do throws(FileFailure) {
      let bytes = try WholeFile.read(path, limit: Accounts.largestFileByteCount, acceptsPipes: true)
      guard let bytes else { throw FileFailure.noSuchFile }
      return bytes
    } catch {
      throw StartFailure(
        message: "Could not open authfile [\(path)] for reading, error \(error.text)", exitStatus: 1)
    }
  }

  private static func text(_ error: AccountsError, _ path: String, _ form: Accounts.Form) -> String {
    let entry = form == .passwordDatabase ? "user@host:password" : "user:password"
    let malformed = "Authfile [\(path)] has a malformed entry. Should be '\(entry)'"
    switch error {
    case .malformed(let line): return malformed + "\nLine \(line)."
    case .empty: return malformed + "\nThere is no entry at all."
    case .tooMany: return "Authfile [\(path)] has too many entries."
    }
  }
}
