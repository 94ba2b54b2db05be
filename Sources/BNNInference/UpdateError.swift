/// Why an engine could not do what was asked.
public enum UpdateError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The posterior has no weights yet that could predict; the names of what the data have not identified.
  case notIdentified([String])
  /// A number that came out is not finite.
  case notFinite(String)
  /// A request that does not fit this posterior or model.
  case unsuitable(String)
  /// Posteriors that are to be merged hold the same rows.
  case repeatedData(String)
  /// What would come out is no posterior, or too much of it would be rounding.
  case notAPosterior(String)
  /// Training with minibatches ended above where it began, nats a row (of mean-field inference the negative bound).
  case diverged(from: Double, to: Double)

  static let movingWithWeights = UpdateError.unsuitable(
    "a moving tangent cannot weigh rows yet; use tangent for rows with weights")

  public var description: String {
    switch self {
    case .notIdentified(["(noise)"]):
      "the posterior is not identified yet: there are no more rows than weights (or no residual) to tell the noise from; "
        + "update it with more rows, or give the noise (--noise)"
    case .notIdentified(let names):
      "the posterior is not identified yet: the data seen so far say nothing about a direction that involves "
        + names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
        + "; update it with more rows, or fit with a prior (--prior-precision auto)"
    case .notFinite(let what): "\(what) is not finite; are there extreme values in the data?"
    case .unsuitable(let message), .repeatedData(let message): message
    case .notAPosterior(let why): "the result would not be a posterior: \(why)"
    case .diverged(let first, let last):
      "training diverged: the loss went from \(Float(first)) to \(Float(last)) nats a row; try a smaller --learning-rate"
    }
  }
}
