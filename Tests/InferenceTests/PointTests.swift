import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// A network without a hidden layer and Gaussian noise is linear: the minimum of every method's objective has a closed form.
@Suite struct PointClosedFormTests {
  private static let (kappa, variance) = (0.5, 0.16)
  private static let rows = LaplaceSequenceTests.rows
  private static let d = LaplaceSequenceTests.d

  /// X̃ᵀX̃/σ² and X̃ᵀy/σ² of some rows, X̃ = [x 1].
  private static func sums(_ range: Range<Int>) -> (matrix: Matrix, vector: [Double]) {
    var design = Matrix(rows: range.count, columns: d + 1, repeating: 1)
    for i in 0..<range.count { for j in 0..<d { design[i, j] = rows.x[range.lowerBound + i, j] } }
    var gram = design.gram
    for i in gram.storage.indices { gram.storage[i] /= variance }
    let y = Array(rows.y.storage[range])
    return (gram, design.multiplied(by: y, transposed: true).map { $0 / variance })
  }

  private static func solve(_ matrix: Matrix, plus diagonal: [Double], _ right: [Double]) throws -> [Double] {
    var precision = matrix
    for j in diagonal.indices { precision[j, j] += diagonal[j] }
    return try TriangularFactor(choleskyOf: precision).solve(right)
  }

  private static func start(_ laplace: Bool) throws -> Posterior {
    let spec = NetworkSpec(inputs: d, hidden: [], outputs: 1, activation: .tanh)
    let schema = Schema(features: (0..<d).map { "x\($0)" }, targets: ["y"])
    let prior = PriorSettings(precision: .given(kappa), noise: .given(variance.squareRoot()))
    let batch = CompactRows(features: rows.x.rows(0..<30), targets: rows.y.rows(0..<30), weights: nil)
    let identity = Normalisation.identity(features: d, targets: 1)
    return try laplace
      ? Posterior.laplace(
        spec, settings: LaplaceSettings(), schema: schema, rows: batch, normalisation: identity, standardised: false,
        prior: prior
      ).posterior
      : Posterior.point(
        spec, schema: schema, rows: batch, normalisation: identity, standardised: false, prior: prior
      ).posterior
  }

  private static let cases: [PointSettings] = [
    PointSettings(), PointSettings(method: .layerRates), PointSettings(method: .ewc),
    PointSettings(method: .ewc, strength: 0), PointSettings(method: .ewc, strength: 0.3),
    PointSettings(method: .ewc, strength: 5), PointSettings(method: .l2Start),
    PointSettings(method: .l2Start, strength: 40), PointSettings(method: .oversample),
    PointSettings(method: .oversample, strength: 2.5), PointSettings(method: .distil),
    PointSettings(method: .distil, strength: 4), PointSettings(method: .freeze, frozenLayers: 0),
  ]

  /// D, the right side Dm, what every new row counts and what the agreement counts, as the papers have them.
  private static func closedForm(
    _ settings: PointSettings, theta: [Double], fisher: [Double]
  ) throws -> [Double] {
    var (diagonal, right) = ([Double](repeating: kappa, count: d + 1), [Double](repeating: 0, count: d + 1))
    var (copies, agreement) = (1.0, 0.0)
    switch settings.method {
    case .hotStart, .freeze, .layerRates: break
    case .ewc, .oversample:
      // Log p(D1 | θ) as −½(θ − c)ᵀF(θ − c) whose posterior with the prior has its mean at θ₁: Fc = (F + κ)θ₁; tempered by λ.
      let lambda = settings.method == .ewc ? settings.strength ?? 1 : 1
      for j in 0...d {
        diagonal[j] += lambda * fisher[j]
        right[j] = lambda * (fisher[j] + kappa) * theta[j]
      }
      if settings.method == .oversample { copies = settings.strength ?? 30.0 / 60 }
    case .l2Start:
      let c = settings.strength ?? fisher.reduce(0, +) / Double(d + 1)
      for j in 0...d {
        diagonal[j] += c
        right[j] = (c + kappa) * theta[j]
      }
    case .distil: agreement = settings.strength ?? 1
    }
    var (matrix, vector) = sums(30..<90)
    let said = matrix.multiplied(by: theta)
    for i in matrix.storage.indices { matrix.storage[i] *= copies + agreement }
    for j in 0...d { vector[j] = copies * vector[j] + agreement * said[j] + right[j] }
    return try solve(matrix, plus: diagonal, vector)
  }

  /// Adam on all rows at once in single precision, whose gradients are sums of 60 terms of some 3 with errors of 6e-8 each, over
  /// curvatures of at least 300: 1e-6 with a margin of ten.
  @Test(arguments: cases.indices) func theMinimumIsFound(_ index: Int) throws {
    let settings = Self.cases[index]
    let first = Self.sums(0..<30)
    let fisher = (0...Self.d).map { first.matrix[$0, $0] }
    let theta = try Self.solve(first.matrix, plus: fisher.map { _ in Self.kappa }, first.vector)
    let expected = try Self.closedForm(settings, theta: theta, fisher: fisher)
    for laplace in [false, true] {
      var update = try SequentialUpdate(
        point: settings, of: Self.start(laplace),
        training: TrainingSettings(epochs: 6000, batchSize: 100, learningRate: 0.02))
      try update.absorb(features: Self.rows.x.rows(30..<90), targets: Self.rows.y.rows(30..<90))
      let (posterior, report) = try update.finish()
      let found = posterior.members[0].theta
      #expect(relativeDifference(found, expected) < 1e-6, "\(settings), of laplace: \(laplace)")
      #expect(posterior.model.method == .point && posterior.rows == 90)
      #expect(report.logEvidence == nil && report.point?.epochs == 6000)
      // What both batches said, each row once: sums of squares in two orders.
      let both = Self.sums(0..<90).matrix
      let kept = try #require(posterior.members[0].laplace).curvature.diagonal
      #expect(relativeDifference(kept, (0...Self.d).map { both[$0, $0] }) < 1e-12)
      if settings.method == .ewc, settings.strength == nil {
        // Laplace's approximation with a diagonal, one batch after another.
        var online = first.matrix
        for i in 0...Self.d { for j in 0...Self.d where i != j { online[i, j] = 0 } }
        let second = Self.sums(30..<90)
        for i in online.storage.indices { online.storage[i] += second.matrix.storage[i] }
        let right = (0...Self.d).map { (fisher[$0] + Self.kappa) * theta[$0] + second.vector[$0] }
        let direct = try Self.solve(online, plus: fisher.map { _ in Self.kappa }, right)
        #expect(relativeDifference(found, direct) < 1e-6)
      }
    }
  }

  @Test func theFitIsThatOfADiagonalLaplacePosterior() throws {
    let own = try Self.start(false)
    let sums = Self.sums(0..<30)
    let theta = try Self.solve(sums.matrix, plus: (0...Self.d).map { _ in Self.kappa }, sums.vector)
    #expect(relativeDifference(own.members[0].theta, theta) < 1e-11)
    #expect(own.certificate.update == .approximate && own.logEvidence(ofMember: 0) == nil)
  }
}

/// What each method does to a network, and what it refuses.
@Suite struct PointTests {
  typealias Rows = (x: Matrix, y: Matrix)

  static let spec = NetworkSpec(inputs: 2, hidden: [5, 4], outputs: 1, activation: .tanh)
  static let schema = Schema(features: ["a", "b"], targets: ["y"])

  static func rows(_ count: Int, seed: UInt64) -> Rows {
    var gen = Gen(seed: seed)
    let x = gen.matrix(rows: count, columns: 2)
    let noise = gen.normals(count)
    let y = (0..<count).map { sin(1.5 * x[$0, 0]) + 0.5 * x[$0, 1] * x[$0, 1] + 0.1 * noise[$0] }
    return (x, Matrix(rows: count, columns: 1, storage: y))
  }

  static func fit(
    _ data: Rows, spec: NetworkSpec = spec, likelihood: LikelihoodKind = .gaussian, schema: Schema = schema,
    prior: PriorSettings = PriorSettings(precision: .given(0.3), noise: .given(0.1)), members: Int = 1,
    training: TrainingSettings = TrainingSettings(epochs: 100), keeps: Bool = false
  ) throws -> Posterior {
    try Posterior.point(
      spec, likelihood: likelihood, schema: schema,
      rows: CompactRows(features: data.x, targets: data.y, weights: nil),
      normalisation: .identity(features: 2, targets: data.y.columns), standardised: false,
      prior: likelihood == .gaussian ? prior : PriorSettings(precision: prior.precision), training: training,
      members: members, keepsOptimiser: keeps, seed: 4
    ).posterior
  }

  static func updated(
    _ posterior: Posterior, _ data: Rows, _ settings: PointSettings,
    training: TrainingSettings = TrainingSettings(epochs: 60)
  ) throws -> Posterior {
    var update = try SequentialUpdate(point: settings, of: posterior, training: training)
    try update.absorb(features: data.x, targets: data.y)
    return try update.finish(threads: 2, seed: 4).posterior
  }

  private let first = PointTests.rows(150, seed: 1)
  private let second = PointTests.rows(70, seed: 2)
  private var network: Network { Network(Self.spec) }

  private func part(_ posterior: Posterior, _ layers: Range<Int>) -> [Double] {
    Array(posterior.members[0].theta[network.parameterRange(ofLayers: layers)])
  }

  @Test func frozenLayersStayBitForBit() throws {
    let before = try Self.fit(first, training: TrainingSettings())
    for (layers, held) in [(nil, 2), (1, 1), (2, 2)] {
      let after = try Self.updated(before, second, PointSettings(method: .freeze, frozenLayers: layers))
      #expect(part(after, 0..<held) == part(before, 0..<held))
      #expect(zip(part(after, held..<3), part(before, held..<3)).allSatisfy { $0 != $1 })
    }
    let new = try Self.updated(
      before, second, PointSettings(method: .freeze, frozenLayers: 1, newLayers: 1),
      training: TrainingSettings(epochs: 1, learningRate: 1e-12))
    #expect(part(new, 0..<1) == part(before, 0..<1))
    // The second layer moves by nothing but rounding to single precision, the third has other weights.
    #expect(relativeDifference(part(new, 1..<2), part(before, 1..<2)) < 1e-6)
    #expect(zip(part(new, 2..<3), part(before, 2..<3)).count { abs($0 - $1) > 1e-3 } >= 4)
  }

  @Test func methodsMeetWhereTheyAreOne() throws {
    let before = try Self.fit(first)
    let hot = try Self.updated(before, second, PointSettings())
    for same in [PointSettings(method: .ewc, strength: 0), PointSettings(method: .layerRates, rateDecay: 1)] {
      let other = try Self.updated(before, second, same)
      #expect(other.members == hot.members, "\(same)")
    }
    let penalised = try Self.updated(before, second, PointSettings(method: .ewc))
    let once = try Self.updated(before, second, PointSettings(method: .oversample, strength: 1))
    #expect(once.members == penalised.members && penalised.members != hot.members)
    let plain = try {
      var own = SequentialUpdate(before, training: TrainingSettings(epochs: 60));
      try own.absorb(features: second.x, targets: second.y); return try own.finish(seed: 4).posterior
    }()
    #expect(plain == hot)
  }

  /// Rates fall by layer; layers wait for their pass.
  @Test func lowerLayersMoveLess() throws {
    let before = try Self.fit(first)
    func moved(_ settings: PointSettings, epochs: Int = 30) throws -> [Double] {
      let after = try Self.updated(
        before, second, settings, training: TrainingSettings(epochs: epochs, batchSize: 16, learningRate: 1e-3))
      return (0..<3).map { l in
        let range = l..<(l + 1)
        return zip(part(after, range), part(before, range)).reduce(0) { max($0, abs($1.0 - $1.1)) }
      }
    }
    let even = try moved(PointSettings())
    let falling = try moved(PointSettings(method: .layerRates, rateDecay: 0.05))
    #expect(falling[0] < 0.1 * even[0] && falling[2] > 0.2 * even[2])
    // Trained in single precision, weights that do not move keep their bits.
    let one = try moved(PointSettings(method: .layerRates, unfreezesGradually: true), epochs: 1)
    #expect(one[0] == 0 && one[1] == 0 && one[2] > 0)
    let two = try moved(PointSettings(method: .layerRates, unfreezesGradually: true), epochs: 2)
    #expect(two[0] == 0 && two[1] > 0)
  }

  /// A penalty of 10⁸ beside curvatures of some 10³ leaves 10⁻⁵ of the way; Adam's own steps fall to nothing with the rate.
  @Test func aHugePenaltyHolds() throws {
    let before = try Self.fit(first)
    let training = TrainingSettings(epochs: 300, learningRate: 1e-3)
    func distance(_ settings: PointSettings) throws -> Double {
      let after = try Self.updated(before, second, settings, training: training)
      return relativeDifference(after.members[0].theta, before.members[0].theta)
    }
    let hot = try distance(PointSettings())
    #expect(hot > 0.01)
    #expect(try distance(PointSettings(method: .l2Start, strength: 1e8)) < 1e-3 * hot)
  }

  /// With a large agreement the network says of the new inputs what it said before, although its weights may move.
  @Test(arguments: [LikelihoodKind.gaussian, .poisson, .bernoulli, .categorical])
  func agreementHolds(_ kind: LikelihoodKind) throws {
    func targets(_ data: Rows, shift: Double) -> Rows {
      var y = data.y
      for i in y.storage.indices {
        let value = y.storage[i] + shift
        switch kind {
        case .poisson: y.storage[i] = max(0, (2 * value).rounded())
        case .bernoulli: y.storage[i] = value > 0.5 ? 1 : 0
        case .categorical: y.storage[i] = value > 1 ? 2 : value > 0 ? 1 : 0
        default: y.storage[i] = value
        }
      }
      return (data.x, y)
    }
    let classes = Schema(
      featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
      targetKind: .classes(kind == .bernoulli ? ["p", "q"] : ["p", "q", "r"]))
    let spec = NetworkSpec(inputs: 2, hidden: [5], outputs: kind == .categorical ? 3 : 1, activation: .tanh)
    let before = try Self.fit(
      targets(first, shift: 0), spec: spec, likelihood: kind, schema: kind.isClassification ? classes : Self.schema)
    func outputs(_ posterior: Posterior) -> [Double] {
      let f = Network(spec).forward(second.x, Network(spec).parameters(posterior.members[0].theta))
      guard kind == .categorical else { return f.storage }
      return (0..<f.rows).flatMap { LinkFunctions.logSoftmax(Array(f.row($0))) }
    }
    let start = outputs(before)
    func change(_ settings: PointSettings) throws -> Double {
      let after = try Self.updated(
        before, targets(second, shift: 1), settings, training: TrainingSettings(epochs: 400, learningRate: 2e-3))
      return relativeDifference(outputs(after), start)
    }
    let (hot, held) = (try change(PointSettings()), try change(PointSettings(method: .distil, strength: 1e5)))
    #expect(held < 0.02 * hot, "\(held) against \(hot)")
  }

  /// The gradient that is added is that of λ Σ_c p_c(f₁)·(−log p_c(f)), by central differences of step 1e-5 (error 1e-10 · third
  /// derivatives of some ten); in heads only of a head that the last layer's curvature knows of.
  @Test func agreementIsTheCrossEntropy() throws {
    var gen = Gen(seed: 7)
    func check(
      _ likelihood: any Likelihood, y: Matrix, heads: ClassHeads?, biases: [Double],
      _ value: ([Double], [Double]) -> Double
    ) {
      let (f, f1) = (gen.matrix(rows: 6, columns: likelihood.outputs), gen.matrix(rows: 6, columns: likelihood.outputs))
      let agreement = Agreement(strength: 1.7, outputs: f1, heads: heads, informed: biases[...])
      var g = Matrix(rows: 6, columns: likelihood.outputs)
      agreement.add(to: &g, outputs: f, targets: y, rows: Array(0..<6)[...], likelihood)
      for i in 0..<6 {
        for c in 0..<likelihood.outputs {
          var (up, down) = (Array(f.row(i)), Array(f.row(i)))
          up[c] += 1e-5
          down[c] -= 1e-5
          let slope = 1.7 * (value(up, Array(f1.row(i))) - value(down, Array(f1.row(i)))) / 2e-5
          #expect(abs(g[i, c] - slope) < 1e-7, "\(likelihood) \(i) \(c)")
        }
      }
    }
    let zeros = Matrix(rows: 6, columns: 1)
    func crossEntropy(_ f: [Double], _ f1: [Double]) -> Double {
      let (p, q) = (LinkFunctions.logSoftmax(f), LinkFunctions.logSoftmax(f1))
      return -zip(p, q).reduce(0) { $0 + exp($1.1) * $1.0 }
    }
    check(CategoricalLikelihood(classes: 4), y: zeros, heads: nil, biases: [], crossEntropy)
    check(BernoulliLikelihood(), y: zeros, heads: nil, biases: []) { crossEntropy([0, $0[0]], [0, $1[0]]) }
    check(PoissonLikelihood(), y: zeros, heads: nil, biases: []) { exp($0[0]) - exp($1[0]) * $0[0] }
    check(GaussianLikelihood(variance: 0.4), y: zeros, heads: nil, biases: []) {
      0.5 * ($0[0] - $1[0]) * ($0[0] - $1[0]) / 0.4
    }
    let heads = try ClassHeads([[0, 3], [1, 2]])
    check(CategoricalLikelihood(heads: heads), y: zeros, heads: heads, biases: [1, 0, 0, 1]) {
      crossEntropy([$0[0], $0[3]], [$1[0], $1[3]])
    }
    check(CategoricalLikelihood(heads: heads), y: zeros, heads: heads, biases: [1, 1, 1, 1]) {
      crossEntropy([$0[0], $0[3]], [$1[0], $1[3]]) + crossEntropy([$0[1], $0[2]], [$1[1], $1[2]])
    }
  }

  @Test func predictionsArePlugIn() throws {
    let posterior = try Self.fit(first, members: 2)
    let predictions = try Predictor(posterior).components(features: second.x)
    for (k, member) in posterior.members.enumerated() {
      let f = network.forward(second.x, network.parameters(member.theta))
      for i in 0..<second.x.rows {
        #expect(predictions[k][i].epistemicVariance == 0 && abs(predictions[k][i].aleatoricVariance - 0.01) < 1e-15)
        #expect(abs(predictions[k][i].mean - f[i, 0]) < 1e-12)
      }
    }
    for method in [
      PredictiveMethod.networkMonteCarlo(samples: 5), .moments(classes: nil), .linearised(classes: .probit),
    ] {
      #expect(throws: UpdateError.self) { try Predictor(posterior, method: method) }
    }
    let classes = Schema(
      featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
      targetKind: .classes(["p", "q", "r"]))
    let spec = NetworkSpec(inputs: 2, hidden: [4], outputs: 3, activation: .tanh)
    let data = (
      x: first.x, y: Matrix(rows: 150, columns: 1, storage: first.y.storage.map { $0 > 1 ? 2 : $0 > 0 ? 1 : 0 })
    )
    let own = try Self.fit(data, spec: spec, likelihood: .categorical, schema: classes)
    let f = Network(spec).forward(second.x, Network(spec).parameters(own.members[0].theta))
    for (i, row) in try Predictor(own).predictions(features: second.x).enumerated() {
      guard case .classes(let found) = row else { throw UpdateError.unsuitable("classes") }
      #expect(relativeDifference(found[0].logProbabilities, LinkFunctions.logSoftmax(Array(f.row(i)))) < 1e-12)
    }
  }

  @Test func differencesAreOfWeights() throws {
    let before = try Self.fit(first)
    let after = try Self.updated(before, second, PointSettings())
    let difference = try PosteriorDifference(before, after)
    #expect(difference.maxAbsMean > 0 && difference.klForward == nil && difference.klBackward == nil)
    #expect(try PosteriorDifference(after, after).isWithin(0))
  }

  @Test func wrongUseIsRefused() throws {
    let before = try Self.fit(first)
    for settings in [
      PointSettings(strength: 1), PointSettings(method: .freeze, strength: 1),
      PointSettings(method: .ewc, strength: -1),
      PointSettings(method: .ewc, strength: .nan), PointSettings(method: .oversample, strength: 0),
      PointSettings(method: .freeze, frozenLayers: 3), PointSettings(frozenLayers: 1),
      PointSettings(method: .freeze, frozenLayers: 2, newLayers: 2), PointSettings(method: .ewc, newLayers: 1),
      PointSettings(method: .layerRates, rateDecay: 0), PointSettings(unfreezesGradually: true),
      PointSettings(method: .freeze, keepsOptimiser: true),
    ] {
      #expect(throws: UpdateError.self, "\(settings)") { try SequentialUpdate(point: settings, of: before) }
    }
    func laplace(_ settings: LaplaceSettings, _ likelihood: LikelihoodKind = .gaussian) throws -> Posterior {
      try Posterior.laplace(
        NetworkSpec(inputs: 2, hidden: [3], outputs: likelihood == .heteroscedastic ? 2 : 1, activation: .tanh),
        settings: settings, likelihood: likelihood, schema: Self.schema, features: first.x, targets: first.y,
        normalisation: .identity(features: 2, targets: 1), training: TrainingSettings(epochs: 5)
      ).posterior
    }
    for posterior in [
      Posterior.linear(schema: Self.schema), try laplace(LaplaceSettings(layers: 1..<2)),
      try laplace(LaplaceSettings(isLinearised: true)),
    ] {
      #expect(throws: UpdateError.self) { try SequentialUpdate(point: PointSettings(), of: posterior) }
      #expect(!posterior.canContinueWeights)
    }
    let spread = try laplace(LaplaceSettings(), .heteroscedastic)
    #expect(throws: UpdateError.self) { try SequentialUpdate(point: PointSettings(method: .distil), of: spread) }
    #expect(try Self.updated(spread, second, PointSettings(method: .ewc)).rows == 220)
    #expect(throws: UpdateError.self) { try SequentialUpdate(meanField: before) }
    #expect(throws: UpdateError.self) { try SequentialUpdate(filtering: before) }
    #expect(throws: UpdateError.self) { try Self.fit(first, training: TrainingSettings(), keeps: true) }
    #expect(throws: UpdateError.self) {
      try Self.fit(first, training: TrainingSettings(epochs: 3, scheduleEpochs: 2), keeps: true)
    }
  }
}
