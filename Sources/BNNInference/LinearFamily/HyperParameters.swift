/// A hyper-parameter that the evidence chooses or the user gives.
public enum Setting: Sendable, Equatable, Codable {
  case auto
  case given(Double)

  /// What was given.
  var value: Double? { if case .given(let value) = self { value } else { nil } }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Double.self) {
      self = .given(number)
    } else if try container.decode(String.self) == "auto" {
      self = .auto
    } else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected \"auto\" or a number")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .auto: try container.encode("auto")
    case .given(let value): try container.encode(value)
    }
  }
}

/// What the user said of prior and noise; a property of the posterior, kept in its file.
public struct PriorSettings: Sendable, Equatable, Codable {
  /// α, the absolute prior precision of the normalised weights: θ ~ N(0, α⁻¹I). 0 is the flat prior.
  public var precision: Setting
  /// σ, the noise's standard deviation in the target's units.
  public var noise: Setting

  public init(precision: Setting = .auto, noise: Setting = .auto) {
    self.precision = precision
    self.noise = noise
  }

  /// True for `--prior-precision 0`.
  public var isFlat: Bool { precision == .given(0) }
}

/// The noise's own prior.
public enum NoisePrior: Sendable, Equatable {
  /// σ² given, in normalised units.
  case known(variance: Double)
  /// σ² ~ IG(a₀, b₀); (0, 0) is p(σ²) ∝ 1/σ².
  case inverseGamma(shape: Double, rate: Double)

  /// One pseudo-row whose noise is a hundredth of the target's standard deviation: proper, and outweighed by any data.
  public static let weak = NoisePrior.inverseGamma(shape: 0.5, rate: 0.5e-4)
  /// p(σ²) ∝ 1/σ²; with a flat prior on p weights the a₀ = −p/2, b₀ = 0 of least squares.
  public static let improper = NoisePrior.inverseGamma(shape: 0, rate: 0)
}
