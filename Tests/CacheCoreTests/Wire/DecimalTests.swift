// The readers of decimal numbers: what each accepts, what each refuses, and the values at the edges of their types.
// Random texts are read a second time by slow and plain code in this file.
import Foundation
import Testing

@testable import CacheCore

struct DecimalTests {
  private func unsigned64(_ text: String) -> UInt64? { withInput(bytes(text)) { $0.unsigned64($1) } }
  private func unsigned32(_ text: String) -> UInt32? { withInput(bytes(text)) { $0.unsigned32($1) } }
  private func signed32(_ text: String) -> Int32? { withInput(bytes(text)) { $0.signed32($1) } }
  private func unsignedLongNumber(_ text: String) -> UInt64? { withInput(bytes(text)) { $0.unsignedLongNumber($1) } }
  private func longNumber(_ text: String) -> Int64? { withInput(bytes(text)) { $0.longNumber($1) } }
  private func storedNumber(_ text: String) -> UInt64? {
    withInput(bytes(text)) { input, range in input.slice(range).storedNumber() }
  }

  @Test(arguments: [
    ("0", 0), ("7", 7), ("007", 7), ("10", 10), ("4294967296", 4_294_967_296),
    ("999999999999999999", 999_999_999_999_999_999), ("1000000000000000000", 1_000_000_000_000_000_000),
    ("9999999999999999999", 9_999_999_999_999_999_999), ("10000000000000000000", 10_000_000_000_000_000_000),
    ("18446744073709551615", UInt64.max), ("0000000000000000000001", 1), ("0018446744073709551615", UInt64.max),
  ])
  func unsigned64Accepts(_ text: String, _ value: UInt64) { #expect(unsigned64(text) == value) }

  @Test(arguments: [
    "", " ", "+1", "-1", "-", "1 ", " 1", "1a", "a1", "0x10", "1.0", "18446744073709551616", "18446744073709551620",
    "28446744073709551615", "99999999999999999999", "9999999999999999999999", "00000000000000000000001", "1\t", "1\0",
    "000018446744073709551615",
  ])
  func unsigned64Refuses(_ text: String) { #expect(unsigned64(text) == nil) }

  private func few(_ text: [UInt8], _ count: Int) -> UInt32? {
    let word = text.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return UInt32(fewDigits: word, count: count)
  }

  /// Every number of one to four digits, and some of up to eight, with leading zeros and foreign bytes behind.
  @Test func fewDigitsAreReadAtOnce() {
    for count in 1...8 {
      let last = count <= 4 ? Int(pow(10, Double(count))) - 1 : 99_999_999 % Int(pow(10, Double(count)))
      for value in stride(from: 0, through: last, by: max(1, last / 10_000)) {
        let digits = String(repeating: "0", count: count - "\(value)".count) + "\(value)"
        for behind in ["        ", "\r\nget k", "99999999"] {
          let read = few(bytes(digits + behind), count)
          #expect(read == UInt32(value), "\(digits)")
        }
      }
    }
  }

  @Test func fewDigitsRefuseABadByteAtEveryPlace() {
    for count in [-1, 0, 9, 64] { #expect(few(bytes("12345678"), count) == nil) }
    for count in 1...8 {
      for place in 0..<count {
        for bad in UInt8.min...UInt8.max where bad < 0x30 || bad > 0x39 {
          for other: UInt8 in [0x30, 0x39] {
            var text = [UInt8](repeating: other, count: 8)
            text[place] = bad
            #expect(few(text, count) == nil, "byte \(bad) at \(place) of \(count)")
          }
        }
      }
    }
  }

  @Test func unsigned64RefusesABadByteAtEveryPlace() {
    for count in 1...22 {
      for place in 0..<count {
        for bad: UInt8 in [0x2f, 0x3a, 0x00, 0x20, 0xb0, 0xff] {
          var text = [UInt8](repeating: 0x30, count: count)
          text[place] = bad
          let value = withInput(text) { $0.unsigned64($1) }
          #expect(value == nil, "byte \(bad) at \(place) of \(count)")
        }
      }
    }
  }

  @Test func unsigned64RoundTripsAroundEveryPowerOfTwoAndTen() {
    var values: Set<UInt64> = [0, .max]
    for shift in 0..<64 {
      for delta in -2...2 { values.insert((1 << UInt64(shift)) &+ UInt64(bitPattern: Int64(delta))) }
    }
    var ten: UInt64 = 1
    for _ in 0..<20 {
      for delta in -2...2 { values.insert(ten &+ UInt64(bitPattern: Int64(delta))) }
      ten = ten &* 10
    }
    for value in values { #expect(unsigned64(String(value)) == value) }
  }

  @Test func unsigned64AgreesWithPlainReading() {
    var random = SeededRandom(seed: 11)
    for _ in 0..<3000 {
      let count = random.number(0...24)
      let text = String((0..<count).map { _ in random.pick(Array("0123456789012345678901234567890123456789x")) })
      let plain = count <= 22 ? UInt64(text) : nil
      #expect(unsigned64(text) == plain, "\(text)")
    }
  }

  @Test(arguments: [
    ("0", 0), ("4294967295", UInt32.max), ("00000000012", 12), ("04294967295", .max),
  ])
  func unsigned32Accepts(_ text: String, _ value: UInt32) { #expect(unsigned32(text) == value) }

  @Test(arguments: ["", "-1", "+1", "4294967296", "99999999999", "000000000012", "1x"])
  func unsigned32Refuses(_ text: String) { #expect(unsigned32(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("-0", 0), ("-", 0), ("-1", -1), ("2147483647", Int32.max), ("-2147483648", Int32.min),
    ("00000000012", 12), ("-0000000012", -12), ("02147483647", .max),
  ])
  func signed32Accepts(_ text: String, _ value: Int32) { #expect(signed32(text) == value) }

  @Test(arguments: [
    "", "+1", "--1", "2147483648", "-2147483649", "000000000012", "-00000000012", "1-", "12a", "-a", "99999999999",
  ])
  func signed32Refuses(_ text: String) { #expect(signed32(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("+1", 1), ("-1", -1), ("007", 7), ("9223372036854775807", Int64.max), ("-9223372036854775807", -.max),
    ("+00000000000000000000000000000012", 12), ("-00000000000000000000000000000012", -12), ("-0", 0),
  ])
  func longNumberAccepts(_ text: String, _ value: Int64) { #expect(longNumber(text) == value) }

  @Test(arguments: [
    "", "+", "-", "+-1", "-+1", "--1", "1 ", " 1", "1x", "0x1", "++1", "9223372036854775808", "-9223372036854775809",
    "99999999999999999999999999", "-99999999999999999999999999",
  ])
  func longNumberRefuses(_ text: String) { #expect(longNumber(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("+1", 1), ("007", 7), ("18446744073709551615", UInt64.max), ("+00000000000000000000000000000012", 12),
  ])
  func unsignedLongNumberAccepts(_ text: String, _ value: UInt64) { #expect(unsignedLongNumber(text) == value) }

  @Test(arguments: [
    "", "+", "-", "-0", "-1", "++1", "1x", "1 ", " 1", "18446744073709551616", "99999999999999999999999",
  ])
  func unsignedLongNumberRefuses(_ text: String) { #expect(unsignedLongNumber(text) == nil) }

  // incr and decr: reference, section 2.7.
  @Test(arguments: [
    ("0", 0), ("12", 12), (" 12", 12), ("12 ", 12), ("+12", 12), ("\t\n\u{b}\u{c}\r12", 12), ("12\r\n3", 12),
    ("12 x", 12), ("00000000000000000000000000000000012", 12), ("18446744073709551615", UInt64.max),
    ("18446744073709551615 ", .max),
  ])
  func storedNumberAccepts(_ text: String, _ value: UInt64) { #expect(storedNumber(text) == value) }

  @Test(arguments: [
    "", " ", "-1", "-12", "12ab", "ab", "+", "+ 1", "++1", "18446744073709551616", "99999999999999999999", "1\0",
    "0x12", "1.5", "\u{8}1", "1\u{e}",
  ])
  func storedNumberRefuses(_ text: String) { #expect(storedNumber(text) == nil) }

  @Test func digitCounts() {
    var ten: UInt64 = 1
    for digits in 1...20 {
      #expect(ten.decimalDigitCount == digits)
      if digits > 1 { #expect((ten - 1).decimalDigitCount == digits - 1) }
      ten = ten &* 10
    }
    #expect(UInt64(0).decimalDigitCount == 1)
    #expect(UInt64.max.decimalDigitCount == 20)
  }
}
