import BNNLinearAlgebra

/// Λ = D + BᵀB with D = d + δ > 0, in the singular vectors of V = BD^(−½) = Q diag(s) Uᵀ:
///
///     Λ⁻¹ = D^(−½)(I − U diag(s²/(1 + s²)) Uᵀ)D^(−½)
///
/// (Woodbury), and its square root is D^(−½)(I − U diag(1 − 1/√(1 + s²)) Uᵀ), the second factor symmetric.
public struct LowRankFactor: CurvatureFactor {
  private let layers: [LayerShape]
  /// D.
  private let precisions: [Double]
  /// diag(s)·Uᵀ = QᵀV, at most rank × P.
  private let directions: Matrix
  /// s².
  private let squares: [Double]

  init(
    layers: [LayerShape], directions: Matrix, remainder: [Double], prior: PriorPrecision
  ) throws(LinearAlgebraError) {
    self.layers = layers
    precisions = zip(remainder, prior.expanded(layers)).map { $0 + $1 }
    if let zero = precisions.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw .notPositiveDefinite(order: zero + 1)
    }
    let scaled = directions.scalingColumns(by: precisions.map { 1 / $0.squareRoot() })
    let eigen = try SymmetricEigen(of: .product(scaled, scaled, transposeB: true))
    self.directions = .product(eigen.vectors, scaled)
    squares = eigen.values.map { max(0, $0) }
  }

  public var logDeterminant: Double { logSum(precisions) + logSum(squares.map { 1 + $0 }) }

  /// O(rank·P), as `halfSolve`.
  public func solve(_ b: [Double]) -> [Double] {
    let roots = precisions.map { $0.squareRoot() }
    let inner = reduced(zip(b, roots).map { $0 / $1 }) { 1 / (1 + $0) }
    return zip(inner, roots).map { $0 / $1 }
  }

  public func halfSolve(_ z: [Double]) -> [Double] {
    // (1 − 1/r)/s² with r = √(1 + s²), without the difference.
    let inner = reduced(z) { square in
      let r = (1 + square).squareRoot()
      return 1 / (r * (r + 1))
    }
    return zip(inner, precisions).map { $0 / $1.squareRoot() }
  }

  /// x − (QᵀV)ᵀ diag(f(s²)) QᵀV x.
  private func reduced(_ x: [Double], _ f: (Double) -> Double) -> [Double] {
    let parts = zip(directions.multiplied(by: x), squares).map { $0 * f($1) }
    return zip(x, directions.multiplied(by: parts, transposed: true)).map { $0 - $1 }
  }

  public var marginalVariances: [Double] {
    var rest = [Double](repeating: 1, count: precisions.count)
    for (i, square) in squares.enumerated() {
      for (j, value) in directions.row(i).enumerated() { rest[j] -= value * value / (1 + square) }
    }
    return zip(rest, precisions).map { $0 / $1 }
  }

  /// The diagonal's covariance less what the directions take away, in double precision whatever the rows are in, since
  /// the two can be nearly equal. O(rows·(rank·(P + C·Σ outputs + C²))).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func functionalCovariances<Scalar: BLASScalar>(_ jacobian: [LayerFactors<Scalar>]) -> Matrix {
    let roots = jacobian.first?.roots ?? 0
    var result = Matrix(rows: jacobian.first?.rows ?? 0, columns: roots.squared)
    guard jacobian.areFactors(of: layers) else { return result }
    let taken = directions.scalingColumns(by: precisions.map { 1 / $0.squareRoot() })
      .scalingRows(by: squares.map { 1 / (1 + $0).squareRoot() })
    let base = DiagonalFactor(layers: layers, precisions: precisions)
    let slice = curvatureSlice / 6
    for start in stride(from: 0, to: jacobian[0].rows, by: slice) {
      let range = start..<min(jacobian[0].rows, start + slice)
      withDoubleFactors(of: jacobian[...], layers: layers[...], rows: range) { factors in
        var own = base.functionalCovariances(factors)
        let parts = Self.products(factors, layers: layers, with: taken)
        for i in 0..<range.count {
          for c in 0..<roots {
            for d in 0..<roots {
              own.storage[i * roots * roots + c * roots + d] -= dot(
                Array(parts.row(c * range.count + i)), Array(parts.row(d * range.count + i)))
            }
          }
        }
        result.storage.replaceSubrange(
          (start * roots * roots)..<(range.upperBound * roots * roots), with: own.storage)
      }
    }
    return result
  }

  /// vec(J)ᵀf of every row (root by root) for every row f of `vectors`: (C·rows) × rank, by a product a layer and f.
  private static func products(
    _ factors: [LayerFactors<Double>], layers: [LayerShape], with vectors: Matrix
  ) -> Matrix {
    let (m, roots, rank) = (factors[0].rows, factors[0].roots, vectors.rows)
    var result = Matrix(rows: roots * m, columns: rank)
    guard rank > 0 else { return result }
    let ranges = layers.ranges
    result.storage.withUnsafeMutableBufferPointer { result in
      vectors.storage.withUnsafeBufferPointer { vectors in
        guard let result = result.baseAddress, let vectors = vectors.baseAddress else { return }
        for l in layers.indices {
          guard let deltas = factors[l].deltas.baseAddress else { continue }
          let (n, o) = (layers[l].inputs, layers[l].outputs)
          guard layers[l].positions == 1 else {
            let (width, own) = (layers[l].parameterCount, vectors + ranges[l].lowerBound)
            forJacobianRows(of: factors[l...l], layers: layers[l...l], as: Double.self) { range, rows in
              for c in 0..<roots {
                Double.gemm(
                  transposeA: false, transposeB: true, m: range.count, n: rank, k: width, alpha: 1,
                  a: rows + c * range.count * width, lda: width, b: own, ldb: layers.parameterCount, beta: 1,
                  c: result + (c * m + range.lowerBound) * rank, ldc: rank)
              }
            }
            continue
          }
          withScratch(Double.self, m * o) { image in
            for k in 0..<rank {
              let own = vectors + k * layers.parameterCount + ranges[l].lowerBound
              for i in 0..<m { (image + i * o).update(from: own + o * n, count: o) }
              if let x = factors[l].inputs.baseAddress, n > 0 {
                Double.gemm(
                  transposeA: false, transposeB: true, m: m, n: o, k: n, alpha: 1, a: x, lda: n, b: own, ldb: n,
                  beta: 1, c: image, ldc: o)
              }
              for c in 0..<roots {
                for i in 0..<m {
                  result[(c * m + i) * rank + k] += innerProduct(
                    deltas + (c * m + i) * o, image + i * o, count: o)
                }
              }
            }
          }
        }
      }
    }
    return result
  }
}

struct LowRankSweep: PriorSweep {
  let layers: [LayerShape]
  let directions: Matrix
  let remainder: [Double]

  private func factor(_ prior: PriorPrecision) -> LowRankFactor? {
    try? LowRankFactor(layers: layers, directions: directions, remainder: remainder, prior: prior)
  }

  func logDeterminant(_ prior: PriorPrecision) -> Double { factor(prior)?.logDeterminant ?? .nan }

  func effectiveWeights(_ prior: PriorPrecision) -> [Double] {
    guard let variances = factor(prior)?.marginalVariances else { return layers.map { _ in .nan } }
    let open = zip(prior.expanded(layers), variances).map { 1 - $0 * $1 }
    return layers.ranges.map { open[$0].reduce(0, +) }
  }
}

extension Matrix {
  /// A diag(scale).
  func scalingColumns(by scale: [Double]) -> Matrix {
    var result = self
    for i in 0..<rows { for j in 0..<columns { result.storage[i * columns + j] *= scale[j] } }
    return result
  }

  /// diag(scale) A.
  func scalingRows(by scale: [Double]) -> Matrix {
    var result = self
    for i in 0..<rows { for j in 0..<columns { result.storage[i * columns + j] *= scale[i] } }
    return result
  }
}
