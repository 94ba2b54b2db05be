/// The ways people continue a trained network on new rows; all give weights without a posterior.
///
/// With θ₁ the weights before, δ the prior's precision, F the diagonal of what earlier data said (the curvature of their log
/// likelihood where each batch ended) and L the new rows' negative log likelihood, a sum in nats, each minimises
///
///     L(θ) + ½(θ − m)ᵀD(θ − m),   D diagonal,
///
/// from θ₁ by Adam over minibatches.
public enum PointMethod: String, CaseIterable, Codable, Sendable {
  /// D = δ, m = 0: training goes on, with the new rows in the place of the old ones.
  case hotStart = "hot-start"
  /// As `hotStart`, with the first layers held at θ₁ (linear probing where all but the last are).
  case freeze
  /// As `hotStart`, with learning rates that fall from the last layer to the first (Howard & Ruder 2018, "Universal language model
  /// fine-tuning for text classification", section 3.2).
  case layerRates = "layer-rates"
  /// D = δ + λF, m = λ(F + δ)θ₁/D: elastic weight consolidation (Kirkpatrick et al. 2017), in the form of one penalty for all earlier
  /// batches (Huszár 2018; Schwarz et al. 2018, "Progress & compress"). λ = 1 is Laplace's approximation with a diagonal, λ = 0 is
  /// `hotStart`.
  case ewc
  /// D = δ + c, m = θ₁: a quadratic pull to the start (L2-SP; Li, Grandvalet & Davoine 2018, "Explicit inductive bias for transfer
  /// learning with convolutional networks", equation 2).
  case l2Start = "l2-start"
  /// As `hotStart`, plus λ times the cross-entropy between what the network before says of the new inputs and what it says after
  /// (learning without forgetting; Li & Hoiem 2016).
  case distil
  /// As `ewc` with λ = 1, every new row counting N₁/N₂ times, as if there were as many of them as of the earlier ones.
  case oversample

  /// Whether `PointSettings.strength` means something to it.
  public var takesStrength: Bool { self == .ewc || self == .l2Start || self == .distil || self == .oversample }

  /// Whether F holds the weights.
  public var usesCurvature: Bool { self == .ewc || self == .oversample }

  /// Whether layers may begin anew: not where something is asked of what their earlier weights said.
  public var takesNewLayers: Bool { self == .hotStart || self == .freeze || self == .layerRates || self == .l2Start }
}

/// How trained weights are continued: settings of one update.
public struct PointSettings: Sendable, Equatable {
  public var method: PointMethod
  /// λ of `ewc` (1 by default) and `distil` (1), c of `l2-start` (the mean of F over the weights), what a row counts in `oversample`
  /// (N₁/N₂); nil for the default.
  public var strength: Double?
  /// How many of the first layers `freeze` holds, bit for bit; nil for all but the last.
  public var frozenLayers: Int?
  /// How many of the last layers begin with new random weights, around which nothing is penalised but by the prior.
  public var newLayers: Int
  /// Of `layer-rates`: the rate of layer l of L is rateDecay^(L − 1 − l) of the last layer's.
  public var rateDecay: Double
  /// Of `layer-rates`: the last layer moves alone in the first pass, and one more from the top with every next.
  public var unfreezesGradually: Bool
  /// Of `hot-start`: go on from the optimiser's state where the posterior keeps one.
  public var resumesOptimiser: Bool
  /// Of `hot-start`: keep the optimiser's state.
  public var keepsOptimiser: Bool

  public init(
    method: PointMethod = .hotStart, strength: Double? = nil, frozenLayers: Int? = nil, newLayers: Int = 0,
    rateDecay: Double = 0.5, unfreezesGradually: Bool = false, resumesOptimiser: Bool = true,
    keepsOptimiser: Bool = false
  ) {
    self.method = method
    self.strength = strength
    self.frozenLayers = frozenLayers
    self.newLayers = newLayers
    self.rateDecay = rateDecay
    self.unfreezesGradually = unfreezesGradually
    self.resumesOptimiser = resumesOptimiser
    self.keepsOptimiser = keepsOptimiser
  }

  /// - Throws: `UpdateError.unsuitable` for settings that the method does not have, or that a network of so many layers has not.
  public func check(layers: Int) throws {
    func demand(_ holds: Bool, _ message: @autoclosure () -> String) throws {
      guard holds else { throw UpdateError.unsuitable(message()) }
    }
    let name = method.rawValue
    if let strength {
      try demand(method.takesStrength, "\(name) has no strength; ewc, l2-start, distil and oversample have one")
      try demand(
        strength.isFinite && (strength > 0 || strength == 0 && method != .oversample),
        "the strength of \(name) is a number \(method == .oversample ? "above 0" : "from 0 on"), got \(strength)")
    }
    if let frozenLayers {
      try demand(method == .freeze, "\(name) holds no layers; freeze does")
      try demand(
        (0..<layers).contains(frozenLayers),
        "of the network's \(layers) layers the first 0 to \(layers - 1) can be held, got \(frozenLayers)")
    }
    try demand(
      newLayers == 0 || method.takesNewLayers,
      "\(name) is about what earlier rows said of all layers, and none of them can begin anew")
    let free = layers - (method == .freeze ? frozenLayers ?? layers - 1 : 0)
    try demand(
      (0...free).contains(newLayers), "of the network's layers the last 0 to \(free) can begin anew, got \(newLayers)")
    try demand(rateDecay > 0 && rateDecay <= 1, "the decay of the rates is more than 0 and at most 1, got \(rateDecay)")
    try demand(
      method == .layerRates || !unfreezesGradually, "\(name) does not unfreeze layer after layer; layer-rates does")
    try demand(method == .hotStart || !keepsOptimiser, "\(name) keeps no optimiser's state; hot-start does")
  }
}

/// What there is to say of trained weights after they were continued.
public struct PointReport: Sendable, Equatable {
  public var settings: PointSettings
  /// Of the first member, where the method has one: what was given, or its default.
  public var strength: Double?
  /// Passes over the rows.
  public var epochs: Int
  /// Passes that the optimiser's state had behind it; nil where it began anew.
  public var resumedAfter: Int?
}

extension TrainingSettings {
  /// Passes of Adam over trained weights' new rows, unless others are asked for: as many as make some 4,000 steps, at least 20.
  public static func pointEpochs(rows: Int, batchSize: Int) -> Int {
    let batch = max(1, min(batchSize, rows))
    let steps = (max(1, rows) + batch - 1) / batch
    return max(20, (4000 + steps - 1) / steps)
  }
}
