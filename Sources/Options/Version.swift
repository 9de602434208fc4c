// The two version numbers: the memcached level this server speaks, and its own. Texts only: what is built in is not
// said here but by the availability of each row of OptionTable.

/// What `-V`, `-h` and `-i` (`text`), `version` and `stats` (`level`) say about the program.
public enum Version {
  /// The memcached release whose protocol and options are the model: all that `version` answers, because clients gate
  /// features on the number, and some take more than one word for a fault.
  public static let level = "1.6.45"
  /// The release of this product.
  public static let product = "0.1.0"
  /// For people: `level`, a blank, then the product's name and release.
  public static let text = "\(level) swiftcached-\(product)"
}
