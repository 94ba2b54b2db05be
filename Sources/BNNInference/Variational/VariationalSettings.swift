/// How a factorised Gaussian is fitted to a batch: settings of a fit or an update, not properties of the posterior.
public struct VariationalSettings: Sendable, Equatable {
  /// What moves the mean and the deviations.
  public enum Optimiser: String, Sendable, CaseIterable {
    /// Adam on means and log deviations, by the local reparameterisation.
    case adam
    /// Variational online Newton: gradients scaled by the posterior's own variances, which follow the curvature
    /// (Khan et al. 2018; Shen et al. 2024).
    case naturalGradient = "natural-gradient"
  }

  /// How the learning rate goes.
  public enum Schedule: String, Sendable, CaseIterable {
    /// To 0 along half a cosine.
    case cosine
    /// As it is.
    case constant
  }

  public var optimiser: Optimiser
  public var schedule: Schedule
  /// The first rate; nil is the optimiser's own.
  public var learningRate: Double?
  /// Draws of the outputs (or weights) a minibatch, whose gradients are averaged.
  public var samples: Int
  /// Whether every draw is joined by its mirror image, ε and −ε.
  public var isAntithetic: Bool
  /// Whether training ends before its last pass once the bound has levelled off.
  public var stopsEarly: Bool
  /// Rows of the batch that are kept in the file, as they are, and looked at again after every later batch; 0 for none.
  public var memory: Int
  public var memorySelection: MemorySelection

  public init(
    optimiser: Optimiser = .adam, schedule: Schedule = .cosine, learningRate: Double? = nil, samples: Int = 1,
    isAntithetic: Bool = false,
    stopsEarly: Bool = true, memory: Int = 0, memorySelection: MemorySelection = .random
  ) {
    precondition(samples > 0, "there is a draw")
    self.optimiser = optimiser
    self.schedule = schedule
    self.learningRate = learningRate
    self.samples = samples
    self.isAntithetic = isAntithetic
    self.stopsEarly = stopsEarly
    self.memory = memory
    self.memorySelection = memorySelection
  }

  /// The first learning rate of so many steps: Adam's is larger where they are few.
  public func rate(steps: Int) -> Double {
    if let learningRate { return learningRate }
    switch optimiser {
    case .adam: return steps < 20_000 ? 3e-3 : 1e-3
    case .naturalGradient: return 0.01
    }
  }
}

/// What a variational fit or update reached.
public struct VariationalReport: Sendable, Equatable {
  /// The bound after every pass, by the draws of that pass: nats, target units. Empty for a closed form.
  public var bounds: [Double]
  /// The bound at the end, E_q[log p(batch | θ)] − KL(q ‖ prior): at most log p(batch | before); nats, target units. With rows in
  /// memory what the bound of all rows so far exceeds that of those before the batch, which is no bound itself.
  public var bound: Double
  /// Of `bound`, from its draws; 0 for a closed form.
  public var standardError: Double
  /// KL(q ‖ prior), nats.
  public var divergence: Double
}
