// Files of users: what a line may be, which files are none, and that a login is judged by all bytes and no more. That
// comparing takes as long for every answer is a matter of reading `Secret`: no test asserts a speed.
import Testing

@testable import CacheCore

struct AccountsTests {
  private func error(_ text: String, _ form: Accounts.Form = .authenticationFile) -> AccountsError? {
    do {
      _ = try Accounts(Array(text.utf8), form)
      return nil
    } catch {
      return error
    }
  }

  private func admits(_ text: String, _ form: Accounts.Form, _ user: String, _ password: String) throws -> Bool {
    try Accounts(Array(text.utf8), form).admit([Secret(user.utf8)], Secret(password.utf8))
  }

  @Test(arguments: [
    ("u:p\n", "u", "p", true), ("u:p", "u", "p", true), ("u:p\n", "u", "q", false), ("u:p\n", "v", "p", false),
    ("u:p\n", "u", "", false), ("u:p\n", "", "p", false), ("u:p\n", "u", "pp", false), ("u:pp\n", "u", "p", false),
    ("u:p\n", "uu", "p", false), ("uu:p\n", "u", "p", false), ("u:a b:c\n", "u", "a b:c", true),
    ("a:1\nb:2\n", "a", "1", true), ("a:1\nb:2\n", "b", "2", true), ("a:1\nb:2\n", "a", "2", false),
    ("a:1\na:2\n", "a", "2", true), ("u:p\r\n", "u", "p", true), ("u:p\r\n", "u", "p\r", false),
    ("u:p\u{0}\n", "u", "p", false), ("u:p\n", "u", "p\u{0}", false),
  ])
  func tokens(file: String, user: String, password: String, expected: Bool) throws {
    #expect(try admits(file, .authenticationFile, user, password) == expected)
  }

  @Test(arguments: [
    ("u@h:p\n", "u@h", "p", true), ("u@h:p:::\n", "u@h", "p", true), ("u@h:p:q\n", "u@h", "p:q", false),
    ("u:p\n", "u", "p", true), ("# users\n\nu@h:p\n", "u@h", "p", true), ("u@h:p\n", "u", "p", false),
    ("u@h:p\n", "u@i", "p", false),
  ])
  func passwordDatabase(file: String, user: String, password: String, expected: Bool) throws {
    #expect(try admits(file, .passwordDatabase, user, password) == expected)
  }

  @Test func oneOfTheNamesIsEnough() throws {
    let accounts = try Accounts(Array("u@h:p\n".utf8), .passwordDatabase)
    #expect(accounts.admit([Secret("u".utf8), Secret("u@h".utf8)], Secret("p".utf8)))
    #expect(!accounts.admit([Secret("u".utf8), Secret("u@i".utf8)], Secret("p".utf8)))
    #expect(!accounts.admit([], Secret("p".utf8)))
  }

  @Test(arguments: [
    ("", AccountsError.empty), ("\n", .malformed(line: 1)), ("u:p\n\n", .malformed(line: 2)),
    ("u:p\nnobody\n", .malformed(line: 2)), (":p\n", .malformed(line: 1)), ("\nu:p\n", .malformed(line: 1)),
  ])
  func malformedTokens(file: String, expected: AccountsError) {
    #expect(error(file) == expected)
  }

  @Test func malformedDatabases() {
    #expect(error("", .passwordDatabase) == .empty)
    #expect(error("# nobody\n\n:p\n", .passwordDatabase) == .empty)
  }

  @Test(arguments: [Accounts.Form.authenticationFile, .passwordDatabase])
  func longestLine(form: Accounts.Form) throws {
    let longest = String(repeating: "p", count: Accounts.longestLineByteCount - 2)
    #expect(try admits("u:\(longest)\n", form, "u", longest))
    #expect(try !admits("u:\(longest)\n", form, "u", longest + "p"))
    #expect(error("u:\(longest)p\n", form) == .malformed(line: 1))
  }

  @Test func asManyAsThereMayBe() throws {
    let lines = (1...Accounts.mostAccounts).map { "u\($0):p\($0)\n" }.joined()
    #expect(try Accounts(Array(lines.utf8), .authenticationFile).count == Accounts.mostAccounts)
    #expect(try admits(lines, .authenticationFile, "u1024", "p1024"))
    #expect(error(lines + "v:p\n") == .tooMany)
  }

  @Test func secretsOfAnyLength() {
    let lengths = [0, 1, 7, 8, 255, 256, 257, 511, 512, 513, 70_000]
    for one in lengths {
      for other in lengths {
        let difference = Secret([UInt8](repeating: 0, count: one)).difference(
          Secret([UInt8](repeating: 0, count: other)))
        #expect((difference == 0) == (one == other), "\(one) and \(other) zeros")
      }
    }
  }

  /// One bit anywhere is enough.
  @Test func everyByteCounts() {
    let bytes = [UInt8](repeating: 0xff, count: Secret.byteCount)
    for index in 0..<Secret.byteCount {
      var other = bytes
      other[index] ^= 0x80
      #expect(Secret(bytes).difference(Secret(other)) != 0, "byte \(index)")
    }
  }
}
