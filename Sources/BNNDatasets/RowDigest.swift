/// A fingerprint of a set of rows that does not depend on their order.
///
///     digest = Σ over rows of the row's hash (`RowHash`)   modulo 2^128
///
/// A row that comes twice counts twice. Digests of disjoint parts add up to the digest of the union.
/// It finds accidents, as a file absorbed twice; it does not resist forgery.
public struct RowDigest: Hashable, Sendable, Codable, CustomStringConvertible {
  private var high: UInt64 = 0
  private var low: UInt64 = 0

  /// The digest of no rows.
  public init() {}

  /// The digest of the rows of a data set.
  public init(of data: Dataset) {
    self.init()
    add(data)
  }

  /// The digest written as 32 hexadecimal digits, the most significant first, in either case; nil for any other text.
  public init?(hex: String) {
    let digits = Array(hex.utf8)
    guard digits.count == 32, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
      let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
      let low = UInt64(String(decoding: digits[16...], as: UTF8.self), radix: 16)
    else { return nil }
    self.high = high
    self.low = low
  }

  /// 32 hexadecimal digits in lower case, the most significant first.
  public var description: String {
    [high, low].map { part in
      let digits = String(part, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  /// Adds the rows of a data set.
  ///
  /// - Complexity: O(rows × columns).
  public mutating func add(_ data: Dataset) { data.forEachRowHash { add($0) } }

  /// Adds the rows of a buffer from one on. O(rows × columns).
  public mutating func add(_ buffer: RowBuffer, from first: Int = 0) { buffer.forEachRowHash(from: first) { add($0) } }

  /// Adds a row.
  @inline(__always) public mutating func add(_ hash: RowHash) { add(high: hash.high, low: hash.low) }

  /// Adds the rows another digest was made of.
  public mutating func add(_ other: RowDigest) {
    add(high: other.high, low: other.low)
  }

  private mutating func add(high otherHigh: UInt64, low otherLow: UInt64) {
    let (sum, carry) = low.addingReportingOverflow(otherLow)
    low = sum
    high = high &+ otherHigh &+ (carry ? 1 : 0)
  }

  // MARK: Codable

  /// Decodes the hexadecimal text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = RowDigest(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a digest of rows is 32 hexadecimal digits")
    }
    self = digest
  }

  /// Encodes the hexadecimal text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
