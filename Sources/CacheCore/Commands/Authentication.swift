// What stands between a connection and the cache on servers started with -S or -Y: how clients log in, and who judges
// them. Shared by all workers and asked only while somebody logs in; the accounts can be replaced meanwhile, and every
// login is judged by one whole set of them. Which bytes lead here is Session+Login's business. Docs/authentication.md.
import Synchronization

/// How clients log in. It also decides what the server speaks.
public enum Authentication: Sendable {
  /// -Y: a set or ms of `user password` in the text protocol. Nobody speaks the binary protocol then.
  case token(AccountBook)
  /// -S: SASL in the binary protocol. Nobody speaks text then.
  case sasl(any SASLProvider)
}

/// The accounts that are in force now.
public final class AccountBook: Sendable {
  private let accounts: Mutex<Accounts>

  public init(_ accounts: Accounts) { self.accounts = Mutex(accounts) }

  /// From now on logins are judged by these. Who is logged in stays so.
  public func replace(_ accounts: Accounts) { self.accounts.withLock { $0 = accounts } }

  func admit(_ names: [Secret], _ password: Secret) -> Bool {
    let accounts = accounts.withLock { $0 }
    return accounts.admit(names, password)
  }

  /// Judges a token, `user password`. nil when it has no blank with something behind it.
  func admit(token: [UInt8]) -> Bool? {
    guard let blank = token.firstIndex(of: 0x20), blank + 1 < token.count else { return nil }
    return admit([Secret(token[..<blank])], Secret(token[(blank + 1)...]))
  }
}

// SASL.

/// What one packet of a SASL conversation came to.
public enum SASLOutcome: Equatable, Sendable {
  case authenticated
  /// The client is to answer these bytes with a step.
  case challenge([UInt8])
  case failed
}

/// One connection's way through a mechanism. Used by the connection's thread alone.
public protocol SASLConversation: AnyObject {
  /// What a client may choose from, with blanks between.
  var mechanisms: [UInt8] { get }
  /// Called once, first.
  func start(_ mechanism: [UInt8], _ data: [UInt8]) -> SASLOutcome
  /// Answers a challenge; only called after one.
  func step(_ data: [UInt8]) -> SASLOutcome
}

/// Who holds SASL's conversations in the server's name. Called from any worker.
public protocol SASLProvider: AnyObject, Sendable {
  /// nil when there is no memory for one.
  func converse() -> (any SASLConversation)?
}

/// PLAIN (RFC 4616) with the accounts of a file.
public final class PasswordDatabase: SASLProvider {
  private let book: AccountBook
  private let realm: [UInt8]

  /// `realm` is what follows the @ of users who give none: the machine's name.
  public init(_ book: AccountBook, realm: String) {
    self.book = book
    self.realm = Array(realm.utf8)
  }

  public func converse() -> (any SASLConversation)? { PlainConversation(self) }

  /// Judges `authorization NUL user NUL password`. Nobody acts for another: the first part is empty or the user.
  func admit(_ message: [UInt8]) -> Bool {
    let parts = message.split(separator: 0, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty, parts[0].isEmpty || parts[0] == parts[1] else {
      return false
    }
    var names = [Secret(parts[1])]
    if !parts[1].contains(0x40) { names.append(Secret(parts[1] + [0x40] + realm)) }
    return book.admit(names, Secret(parts[2]))
  }
}

private final class PlainConversation: SASLConversation {
  private let database: PasswordDatabase

  init(_ database: PasswordDatabase) { self.database = database }

  var mechanisms: [UInt8] { Array("PLAIN".utf8) }

  func start(_ mechanism: [UInt8], _ data: [UInt8]) -> SASLOutcome {
    guard mechanism == mechanisms else { return .failed }
    // The mechanism was chosen, the message is still to come.
    return data.isEmpty ? .challenge([]) : step(data)
  }

  func step(_ data: [UInt8]) -> SASLOutcome { database.admit(data) ? .authenticated : .failed }
}
