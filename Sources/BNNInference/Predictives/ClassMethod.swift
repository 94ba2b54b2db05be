import BNNLinearAlgebra
import BNNModels
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How a Gaussian over outputs becomes probabilities of classes. With one output (`bernoulli`) all work on the logit.
public enum ClassMethod: Hashable, Codable, Sendable {
  /// softmax(m): what the most probable network says, S ignored.
  case plugIn
  /// softmax(m_c/√(1 + πS_cc/8)), for a logit σ(m/√(1 + πv/8)): MacKay's approximation (1992, "The evidence framework
  /// applied to classification networks") carried to several classes output by output, as Laplace libraries do. O(C) a
  /// row; reads only the diagonal of S, so a shift common to all outputs, which changes no probability, moderates.
  case probit
  /// 1/Σ_k exp(−(m_c − m_k)/√(1 + πv_ck/8)), v_ck = Var(f_c − f_k), normalised: MacKay's approximation for every pair
  /// of classes (Lu, Ie & Sha 2020, "Mean-field approximation to Gaussian-softmax integral with application to
  /// uncertainty estimation"). Two classes are the logit's exactly; common shifts cancel. O(C²) a row.
  case pairwiseProbit
  /// The mean of the Dirichlet distribution with
  ///
  ///     α_k = (1 − 2/C + e^{m_k}/C² · Σ_l e^{−m_l}) / S_kk
  ///
  /// for centred outputs (Hobbhahn, Kristiadi & Hennig 2022, "Fast predictive uncertainty for classification with
  /// Bayesian deep networks"; they condition on a sum of zero instead, see Papers/class-predictives.md). It comes with
  /// a distribution of the probabilities, hence a mutual information, but is exact only for Gaussians that are
  /// themselves images of a Dirichlet. O(C²) a row.
  case laplaceBridge
  /// The mean of softmax(m + Lz) over as many pairs ±z, L a root of S: unbiased. All rows use the same z (a stream of
  /// its own), so that differences between rows are not noise. O(C³ + samples·C²) a row.
  case monteCarlo(samples: Int)
}

extension LikelihoodKind {
  /// What predicts classes unless another method is asked for: the probit approximation, for several classes pair by pair,
  /// which is close to the integral, with the share of the spread that D1 bears out (`LaplaceState.predictiveScale`). The
  /// bridge's probabilities do not depend on that share (Papers/class-predictives.md, Papers/guo-2017-calibration.md).
  public var classMethod: ClassMethod { self == .categorical ? .pairwiseProbit : .probit }
}

/// A `ClassMethod` made ready: draws its z once. Make one, use it for many rows and from any thread.
public struct ClassPredictor: Sendable {
  public let method: ClassMethod
  /// C of the outputs: 1 for a logit.
  public let outputs: Int
  /// z of `monteCarlo`, samples × C.
  private let draws: [Double]

  /// - Parameter seed: of the draws; the other methods do not use it.
  public init(method: ClassMethod, outputs: Int, seed: UInt64 = 0) {
    precondition(outputs >= 1, "there is an output")
    self.method = method
    self.outputs = outputs
    guard case .monteCarlo(let samples) = method else {
      draws = []
      return
    }
    precondition(samples > 0, "there is a draw")
    var stream = RandomStream(seed: seed).split(0x636c_6173)
    draws = stream.normals(samples * outputs)
  }

  /// The predictive of one row.
  public func callAsFunction(_ f: OutputGaussian) -> ClassPredictive {
    precondition(f.mean.count == outputs, "a row has \(outputs) outputs")
    // A logit is two outputs 0 and f, and the first has no variance.
    let isLogit = outputs == 1
    switch method {
    case .plugIn: return ClassPredictive(averaging: [f.mean])
    case .probit:
      return plain(f.mean.indices.map { f.mean[$0] * moderation(f.covariance[$0, $0]) })
    case .pairwiseProbit:
      return isLogit ? plain([f.mean[0] * moderation(f.covariance[0, 0])]) : pairwise(f)
    case .laplaceBridge: return bridge(isLogit ? withReference(f) : f)
    case .monteCarlo: return monteCarlo(f)
    }
  }

  /// 1/√(1 + πv/8).
  private func moderation(_ v: Double) -> Double { 1 / (1 + Double.pi / 8 * max(0, v)).squareRoot() }

  private func plain(_ f: [Double]) -> ClassPredictive {
    ClassPredictive(logProbabilities: LinkFunctions.logClassProbabilities(f))
  }

  private func withReference(_ f: OutputGaussian) -> OutputGaussian {
    OutputGaussian(mean: [0, f.mean[0]], covariance: Matrix([[0, 0], [0, f.covariance[0, 0]]]))
  }

  private func pairwise(_ f: OutputGaussian) -> ClassPredictive {
    let logs = f.mean.indices.map { c in
      let (highest, excess) = LinkFunctions.logSumExp(
        f.mean.indices.map { k in (f.mean[k] - f.mean[c]) * moderation(f.varianceOfDifference(c, k)) })
      return -highest - excess
    }
    return ClassPredictive(logProbabilities: LinkFunctions.logSoftmax(logs))
  }

  private func bridge(_ outputs: OutputGaussian) -> ClassPredictive {
    let f = outputs.centred
    let count = Double(f.mean.count)
    // e^{m_k} Σ e^{−m_l} without overflow of either factor.
    let (highest, excess) = LinkFunctions.logSumExp(f.mean.map { -$0 })
    let logs = f.mean.indices.map { k -> Double in
      let variance = f.covariance[k, k]
      let exponent = f.mean[k] + highest + excess - 2 * log(count)
      return logOfSum(exponent, log(1 - 2 / count)) - log(variance)
    }
    // Without spread there is no Dirichlet; its limit for two classes, and the sensible answer for more, is the
    // plug-in.
    guard logs.allSatisfy({ $0.isFinite }) else {
      return ClassPredictive(logProbabilities: LinkFunctions.logSoftmax(f.mean), mutualInformation: 0)
    }
    let probabilities = LinkFunctions.logSoftmax(logs)
    return ClassPredictive(
      logProbabilities: probabilities, mutualInformation: Self.mutualInformation(logConcentrations: logs, probabilities)
    )
  }

  /// log(e^a + e^b), b ≥ −∞.
  private func logOfSum(_ a: Double, _ b: Double) -> Double {
    let (highest, excess) = LinkFunctions.logSumExp([a, b])
    return highest + excess
  }

  /// H(E p) − E H(p) of Dirichlet(α): E H = ψ(α₀ + 1) − Σ (α_k/α₀) ψ(α_k + 1).
  private static func mutualInformation(logConcentrations logs: [Double], _ means: [Double]) -> Double? {
    let alpha = logs.map { exp($0) }
    guard let whole = try? SpecialFunctions.digamma(alpha.reduce(1, +)) else { return nil }
    var expected = whole
    for (k, mean) in means.enumerated() {
      guard let own = try? SpecialFunctions.digamma(alpha[k] + 1) else { return nil }
      expected -= exp(mean) * own
    }
    return max(0, ClassPredictive.entropy(means) - expected)
  }

  private func monteCarlo(_ f: OutputGaussian) -> ClassPredictive {
    let root = f.root
    var drawn: [[Double]] = []
    for first in stride(from: 0, to: draws.count, by: outputs) {
      var step = [Double](repeating: 0, count: outputs)
      for a in 0..<outputs { for b in 0...a { step[a] += root[a, b] * draws[first + b] } }
      drawn.append(zip(f.mean, step).map { $0 + $1 })
      drawn.append(zip(f.mean, step).map { $0 - $1 })
    }
    return ClassPredictive(averaging: drawn)
  }
}
