import BNNLinearAlgebra
import BNNProbability

/// N(m, Λ⁻¹) over weights: one Gaussian, the structure of its precision as parameter.
///
/// Mean and precision are kept, since every engine produces the mean and curvature adds in Λ.
public struct Gaussian<P: Precision>: Sendable, Equatable {
  /// m (P entries).
  public var mean: [Double]
  /// Λ (P × P).
  public var precision: P

  public init(mean: [Double], precision: P) {
    precondition(mean.count == precision.dimension, "mean and precision must have one dimension")
    self.mean = mean
    self.precision = precision
  }

  /// P.
  public var dimension: Int { mean.count }

  /// h = Λm, the other half of the canonical form.
  public var informationVector: [Double] { precision.times(mean) }

  /// log N(x; m, Λ⁻¹) = −½P log 2π + ½ log|Λ| − ½(x − m)ᵀΛ(x − m).
  ///
  /// - Throws: `LinearAlgebraError` when Λ is not positive definite.
  public func logDensity(at x: [Double]) throws(LinearAlgebraError) -> Double {
    let d = zip(x, mean).map { $0 - $1 }
    return try -0.5 * Double(dimension) * logTwoPi + 0.5 * precision.factored().logDeterminant
      - 0.5 * dot(d, precision.times(d))
  }

  /// `count` draws m + Λ^{−½}z (count × P). Draw i uses the child stream i, so it does not depend on the others.
  ///
  /// - Throws: `LinearAlgebraError` when Λ is not positive definite.
  public func samples(_ count: Int, from stream: RandomStream) throws(LinearAlgebraError) -> Matrix {
    let factor = try precision.factored()
    var result = Matrix(rows: count, columns: dimension)
    for i in 0..<count {
      var child = stream.split(UInt64(i))
      let step = factor.halfSolve(child.normals(dimension))
      for j in 0..<dimension { result[i, j] = mean[j] + step[j] }
    }
    return result
  }
}

extension Gaussian where P == FullPrecision {
  /// The normalised product of two Gaussians: precisions add, means weigh by precision. Square roots are stacked, never
  /// squared: [R₁ R₁m₁; R₂ R₂m₂] by QR gives R and Rm at once.
  ///
  /// - Throws: `LinearAlgebraError` when the sum is singular.
  public func product(with other: Gaussian) throws(LinearAlgebraError) -> Gaussian {
    var array = InformationArray(width: dimension + 1)
    for factor in [self, other] {
      let root = factor.precision.root.array
      let right = root.multiplied(by: factor.mean)
      var rows = Matrix(rows: root.rows, columns: dimension + 1)
      for i in 0..<root.rows {
        for j in 0..<dimension { rows[i, j] = root[i, j] }
        rows[i, dimension] = right[i]
      }
      array.absorb(&rows)
    }
    let (r, z) = array.leading(dimension)
    guard r.rows == dimension else { throw .singular(index: r.rows) }
    let factor = try TriangularFactor(upper: r)
    let signs = (0..<dimension).map { r[$0, $0] < 0 ? -1.0 : 1.0 }
    return Gaussian(
      mean: factor.backSolve(zip(signs, z[0]).map { $0 * $1 }), precision: FullPrecision(factor: factor))
  }
}

extension Gaussian where P == DiagonalPrecision {
  /// The normalised product: λ = λ₁ + λ₂, m = (λ₁m₁ + λ₂m₂)/λ.
  public func product(with other: Gaussian) -> Gaussian {
    combined(other) { $0 + $1 }
  }

  /// The quotient, what `self` knows beyond `other`: λ = λ₁ − λ₂; entries where nothing is left keep precision 0 and the
  /// mean of `self`.
  public func quotient(by other: Gaussian) -> Gaussian {
    combined(other) { max(0, $0 - $1) }
  }

  private func combined(_ other: Gaussian, _ combine: (Double, Double) -> Double) -> Gaussian {
    let a = precision.values
    let b = other.precision.values
    let values = zip(a, b).map(combine)
    let mean = values.indices.map { i in
      let weight = values[i] - a[i]
      return values[i] > 0 ? (a[i] * self.mean[i] + weight * other.mean[i]) / values[i] : self.mean[i]
    }
    return Gaussian(mean: mean, precision: DiagonalPrecision(values))
  }
}

/// KL(p ‖ q) = ½[tr(Λ_q Λ_p⁻¹) + (m_p − m_q)ᵀΛ_q(m_p − m_q) − P + log|Λ_p| − log|Λ_q|], in nats. O(P³) for full ones.
///
/// - Throws: `LinearAlgebraError` when either is improper.
public func kullbackLeibler<P: Precision>(_ p: Gaussian<P>, _ q: Gaussian<P>) throws(LinearAlgebraError) -> Double {
  precondition(p.dimension == q.dimension, "the Gaussians must have one dimension")
  let factorP = try p.precision.factored()
  let factorQ = try q.precision.factored()
  let d = zip(p.mean, q.mean).map { $0 - $1 }
  let quadratic = dot(d, q.precision.times(d))
  return 0.5
    * (P.Factor.traceOfRatio(factorP, factorQ) + quadratic - Double(p.dimension) + factorP.logDeterminant
      - factorQ.logDeterminant)
}
