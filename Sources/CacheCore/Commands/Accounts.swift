// Who may log in: the users and passwords of one file, read once and never changed; a new file makes a new value. Two
// forms of file: that of -Y (`user:password`, every line counts) and the password database of SASL
// (`user@realm:password`, perhaps with further fields). Asked only while somebody logs in. It opens no file: the server
// reads them. Docs/authentication.md.

/// Bytes that are compared without telling by the time how many of them were right.
struct Secret: Sendable {
  /// More than any account has.
  static let byteCount = 256
  private let padded: [UInt8]
  private let count: Int

  init(_ bytes: some Collection<UInt8>) {
    count = bytes.count
    padded = Array(bytes.prefix(Secret.byteCount)) + [UInt8](repeating: 0, count: max(0, Secret.byteCount - count))
  }

  /// 0 when both are the same. Looks at every byte, whatever it finds. One that is longer than `byteCount` is the same
  /// as no account's.
  func difference(_ other: Secret) -> UInt64 {
    var difference = UInt64(count ^ other.count)
    for index in 0..<Secret.byteCount { difference |= UInt64(padded[index] ^ other.padded[index]) }
    return difference
  }
}

/// Why a file holds no accounts.
public enum AccountsError: Error, Equatable, Sendable {
  /// The line, counted from 1, is not what the form asks for.
  case malformed(line: Int)
  case empty
  case tooMany
}

public struct Accounts: Sendable {
  /// What the lines of a file look like.
  public enum Form: Sendable {
    /// `-Y`: `user:password`; the password is everything behind the first colon.
    case authenticationFile
    /// MEMCACHED_SASL_PWDB: `user@realm:password`, `user:password`; the password ends at the second colon. Lines
    /// without a colon are comments.
    case passwordDatabase
  }

  private struct Account {
    let user: Secret
    let password: Secret
  }

  private let accounts: [Account]

  /// Each login looks at all of them.
  static let mostAccounts = 1024
  /// Of a line, its end not counted.
  static let longestLineByteCount = 255
  /// A longer file is none.
  public static let largestFileByteCount = 1 << 20

  public init(_ file: [UInt8], _ form: Form) throws(AccountsError) {
    var lines = file.split(separator: 0x0a, omittingEmptySubsequences: false)
    // What stands behind the last line's end is no line.
    if lines.last?.isEmpty == true { lines.removeLast() }
    var accounts: [Account] = []
    for (index, text) in lines.enumerated() {
      // Written elsewhere, lines end in CR LF.
      let line = text.last == 0x0d ? text.dropLast() : text
      guard let colon = line.firstIndex(of: 0x3a), colon > line.startIndex else {
        if form == .passwordDatabase { continue }
        throw .malformed(line: index + 1)
      }
      guard line.count <= Accounts.longestLineByteCount else { throw .malformed(line: index + 1) }
      guard accounts.count < Accounts.mostAccounts else { throw .tooMany }
      var password = line[(colon + 1)...]
      if form == .passwordDatabase { password = password.prefix { $0 != 0x3a } }
      accounts.append(Account(user: Secret(line[..<colon]), password: Secret(password)))
    }
    guard !accounts.isEmpty else { throw .empty }
    self.accounts = accounts
  }

  public var count: Int { accounts.count }

  /// Whether one account has one of these names and this password. Takes as long for every answer.
  func admit(_ names: [Secret], _ password: Secret) -> Bool {
    var admitted: UInt64 = 0
    for account in accounts {
      let wrongPassword = account.password.difference(password)
      for name in names {
        let wrong = account.user.difference(name) | wrongPassword
        // 1 when `wrong` is 0: nothing else minus 1 borrows.
        admitted |= (~wrong & (wrong &- 1)) &>> 63
      }
    }
    return admitted != 0
  }
}
