// Base64 of keys against Foundation's: there and back for every length a key can have and a little more, and everything
// that is no base64 refused. Who asks for it is the meta parser's business.
import Foundation
import Testing

@testable import CacheCore

struct Base64Tests {
  private func decode(_ text: [UInt8]) -> [UInt8]? {
    let decoded = FixedArray<UInt8>(repeating: 0xee, count: 250)
    defer { decoded.destroy() }
    // In the middle of other bytes, as in a receive buffer.
    let before = bytes("mg ")
    let count = withInput(before + text + bytes(" b\r\n")) { input, _ in
      Base64.decode(input, ByteRange(start: before.count, end: before.count + text.count), into: decoded)
    }
    guard let count else { return nil }
    #expect((count..<250).allSatisfy { decoded[$0] == 0xee }, "bytes behind the key were written")
    return (0..<count).map { decoded[$0] }
  }

  private func decode(_ text: String) -> [UInt8]? { decode(bytes(text)) }

  private func encode(_ key: [UInt8]) -> String {
    var buffer = ByteBuffer(capacity: 400)
    withInput(key) { input, range in
      buffer.compose(400) { Base64.encode(input.slice(range), &$0) }
    }
    return String(decoding: buffer.span.bytes(ByteRange(start: 0, end: buffer.end)), as: UTF8.self)
  }

  @Test func everyLengthThereAndBack() {
    var random = SeededRandom(seed: 64)
    for count in 1...187 {
      for key in [random.bytes(count), Array(repeating: 0, count: count), Array(repeating: 0xff, count: count)] {
        let text = Data(key).base64EncodedString()
        #expect(encode(key) == text)
        #expect(decode(text) == key, "\(count) bytes")
      }
    }
    #expect(encode([]) == "")
  }

  @Test func everyByteValueAtEveryPlace() {
    for value in UInt8.min...UInt8.max {
      for key in [[value], [0, value], [0, 0, value], [value, value, value]] {
        #expect(encode(key) == Data(key).base64EncodedString())
        #expect(decode(encode(key)) == key)
      }
    }
  }

  @Test(arguments: [
    "", "Z", "Zg", "Zg=", "Zm9", "Zm9vY", "Zm9vYg", "Zm9vYg=", "=", "==", "====", "Z===", "Zg=v", "=Zg=", "Zg==Zg==",
    "Zm8=Zm8=", "Zg= ", "Zm9v\r\n==", "Zm-v", "Zm_v", "Zm 9", "Zm.v", "Zm9v====", "Zm9v=m9v", "Zm9v~m9v",
  ])
  func whatIsNoBase64(text: String) { #expect(decode(text) == nil) }

  /// Of all 256 characters, 64 are good at any place, and = at the last two.
  @Test func theAlphabet() {
    let alphabet = Set(bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    for character in UInt8.min...UInt8.max {
      for place in 0..<8 {
        var text = bytes("Zm9vYmFy")
        text[place] = character
        let isGood = alphabet.contains(character) || (character == 0x3d && place == 7)
        #expect((decode(text) != nil) == isGood, "\(character) at \(place)")
      }
    }
  }
}
