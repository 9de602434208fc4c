// Numbers out of option values, in the manners operators know from C: a leading number with anything behind it (atoi,
// strtol, atof), or a whole number and nothing else. Unlike C nothing wraps: what does not fit is clamped or refused.

enum NumberText {
  /// Where the lenient integers are clamped, both ways.
  static let integerLimit = Int(Int32.max)
  /// Where the lenient fractions are clamped, both ways, so that sizes multiplied by one still fit an Int.
  static let fractionLimit = Double(UInt32.max)

  /// The integer `text` starts with: blanks, a sign, digits. Anything behind it is ignored; no digits is 0.
  static func leadingInteger(_ text: String, radix: Int = 10) -> Int {
    var rest = text.drop(while: \.isWhitespace)
    let negative = takeSign(&rest)
    var value = 0
    for character in rest {
      guard character.isASCII, let digit = character.hexDigitValue, digit < radix else { break }
      value = min(value * radix + digit, integerLimit)
    }
    return negative ? -value : value
  }

  /// The decimal fraction `text` starts with (`12`, `.5`, `1.25e-3`); no digits is 0. Never infinite, never NaN.
  static func leadingFraction(_ text: String) -> Double {
    var rest = text.drop(while: \.isWhitespace)
    let negative = takeSign(&rest)
    let whole = takeDigits(&rest)
    var parts = ""
    if rest.first == "." {
      rest.removeFirst()
      parts = takeDigits(&rest)
    }
    guard !(whole.isEmpty && parts.isEmpty) else { return 0 }
    let value = Double("\(whole.isEmpty ? "0" : whole).\(parts.isEmpty ? "0" : parts)\(exponent(rest))") ?? 0
    return min(value, fractionLimit) * (negative ? -1 : 1)
  }

  /// A whole number with blanks around it and nothing else; nil when it is none or does not fit.
  static func wholeInteger(_ text: String) -> Int? {
    let start = text.drop(while: \.isWhitespace)
    let digits = start.prefix { !$0.isWhitespace }
    return start.dropFirst(digits.count).allSatisfy(\.isWhitespace) ? Int(digits) : nil
  }

  /// A whole number of 0...4294967295; nil for anything else.
  static func wholeUInt32(_ text: String) -> Int? {
    guard let number = wholeInteger(text), (0...Int(UInt32.max)).contains(number) else { return nil }
    return number
  }

  private static func takeSign(_ rest: inout Substring) -> Bool {
    guard let sign = rest.first, sign == "-" || sign == "+" else { return false }
    rest.removeFirst()
    return sign == "-"
  }

  private static func takeDigits(_ rest: inout Substring) -> String {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    rest = rest[digits.endIndex...]
    return String(digits)
  }

  /// `e`, a sign and digits as `Double` reads them; empty when there is no full exponent.
  private static func exponent(_ text: Substring) -> String {
    var rest = text
    guard let mark = rest.popFirst(), mark == "e" || mark == "E" else { return "" }
    let negative = takeSign(&rest)
    let digits = takeDigits(&rest)
    return digits.isEmpty ? "" : "e\(negative ? "-" : "")\(digits)"
  }
}
