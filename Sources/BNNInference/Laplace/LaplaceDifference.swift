import BNNLinearAlgebra
import BNNPosteriors

extension PosteriorDifference.OfMember {
  /// Weights up to which the divergence of two Laplace posteriors is computed; beyond it is nil.
  private static var divergenceLimit: Int { 3000 }

  /// Two Laplace posteriors as Gaussians over the weights that are uncertain.
  init(
    _ thetaP: [Double], _ p: LaplaceState, _ thetaQ: [Double], _ q: LaplaceState, _ names: [String]
  ) throws {
    self.init()
    let (factorP, factorQ) = (try p.factored(), try q.factored())
    let (sdP, sdQ) = (
      factorP.marginalVariances.map { $0.squareRoot() }, factorQ.marginalVariances.map { $0.squareRoot() }
    )
    // The weights that are held differ only between fits; then they count as differences of means.
    let before = thetaP.count - p.curvature.layers.reduce(0) { $0 + $1.parameterCount }
    for j in thetaP.indices {
      let difference = abs(thetaP[j] - thetaQ[j])
      maxAbsMean = max(maxAbsMean, difference)
      let own = j - (p.chosen.lowerBound == 0 ? 0 : before)
      let sd = sdP.indices.contains(own) ? max(sdP[own], sdQ[own]) : 0
      let scale = max(abs(thetaP[j]), abs(thetaQ[j]), sd)
      if scale > 0 { maxRelMean = max(maxRelMean, difference / scale) }
    }
    for (a, b) in zip(sdP, sdQ) { maxRelSd = max(maxRelSd, Self.relative(a, b)) }
    let first = p.chosen.lowerBound == 0 ? 0 : before
    // Of a network that is linearised the weights stay and the displacement moves.
    let moved = zip(p.displacement ?? thetaP, q.displacement ?? thetaQ).map { $0 - $1 }
    for j in sdP.indices {
      explain(abs(moved[first + j]), sdP[j], sdQ[j], names[first + j])
    }
    if let a = p.noiseVariance, let b = q.noiseVariance {
      maxRelSd = max(maxRelSd, Self.relative(a.squareRoot(), b.squareRoot()))
    }
    let layers = p.curvature.layers
    for (a, b) in zip(p.prior.expanded(layers), q.prior.expanded(layers)) {
      maxRelSd = max(maxRelSd, Self.relative(a, b))
    }
    guard sdP.count <= Self.divergenceLimit else {
      (klForward, klBackward) = (nil, nil)
      return
    }
    let start = p.chosen.lowerBound == 0 ? 0 : before
    let d = sdP.indices.map { thetaP[start + $0] - thetaQ[start + $0] }
    let logRatio = factorP.logDeterminant - factorQ.logDeterminant
    klForward = Self.divergence(d, factorP, q, logRatio)
    klBackward = Self.divergence(d, factorQ, p, -logRatio)
  }

  /// ½[tr(Λ_q Λ_p⁻¹) + dᵀΛ_q d − P + log|Λ_p| − log|Λ_q|].
  private static func divergence(
    _ d: [Double], _ factorP: any CurvatureFactor, _ q: LaplaceState, _ logRatio: Double
  ) -> Double {
    var trace = 0.0
    var unit = [Double](repeating: 0, count: d.count)
    for j in d.indices {
      unit[j] = 1
      trace += dot(q.precisionTimes(unit), factorP.solve(unit))
      unit[j] = 0
    }
    return max(0, 0.5 * (trace + dot(d, q.precisionTimes(d)) - Double(d.count) + logRatio))
  }
}
