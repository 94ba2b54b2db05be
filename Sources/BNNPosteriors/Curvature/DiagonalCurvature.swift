import BNNLinearAlgebra

/// diag H: every weight by itself.
///
/// (Σₛ δₛⱼ²)·xₖ² summed over rows is one matrix product a layer, so no row of a Jacobian is ever formed, but for layers that use
/// their weights several times, whose rows are formed a bounded number at a time.
public struct DiagonalCurvature: Curvature {
  public static let structure = CurvatureStructure.diagonal

  public let layers: [LayerShape]
  /// In θ's order.
  public private(set) var diagonal: [Double]

  /// Of no rows.
  public init(layers: [LayerShape]) {
    self.layers = layers
    diagonal = [Double](repeating: 0, count: layers.parameterCount)
  }

  /// Given, in θ's order. Of a mean-field posterior it is what its precisions exceed the prior's by, and may be negative.
  public init(layers: [LayerShape], diagonal: [Double]) {
    precondition(diagonal.count == layers.parameterCount, "one number a weight")
    self.layers = layers
    self.diagonal = diagonal
  }

  /// O(rows·(P + roots·Σ outputs)).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers) else { return }
    let ranges = layers.ranges
    diagonal.withUnsafeMutableBufferPointer { diagonal in
      guard let base = diagonal.baseAddress else { return }
      for l in layers.indices {
        Self.add(factors[l], layer: layers[l], weight: weight, into: base + ranges[l].lowerBound)
      }
    }
  }

  @inline(__always) private static func add<Scalar: BLASScalar>(
    _ factors: LayerFactors<Scalar>, layer: LayerShape, weight: Double, into target: UnsafeMutablePointer<Double>
  ) {
    guard let deltas = factors.deltas.baseAddress else { return }
    let (n, o) = (layer.inputs, layer.outputs)
    guard layer.positions == 1 else { return addSquares(of: factors, layer: layer, weight: weight, into: target) }
    let slice = min(curvatureSlice, factors.rows)
    withScratch(Scalar.self, slice * (o + n) + n * o) { scratch in
      let (squaredDeltas, squaredInputs) = (scratch, scratch + slice * o)
      let product = squaredInputs + slice * n
      for start in stride(from: 0, to: factors.rows, by: slice) {
        let m = min(slice, factors.rows - start)
        square(deltas + start * o, count: m * o, into: squaredDeltas)
        for s in 1..<max(1, factors.roots) {
          addSquare(deltas + (s * factors.rows + start) * o, count: m * o, into: squaredDeltas)
        }
        if let inputs = factors.inputs.baseAddress, n > 0 {
          square(inputs + start * n, count: m * n, into: squaredInputs)
          Scalar.gemm(
            transposeA: true, transposeB: false, m: o, n: n, k: m, alpha: 1, a: squaredDeltas, lda: o,
            b: squaredInputs, ldb: n, beta: 0, c: product, ldc: n)
          accumulate(weight, product, count: o * n, into: target)
        }
        addColumnSums(squaredDeltas, count: m, columns: o, weight: weight, into: target + o * n)
      }
    }
  }

  /// Of every row of the Jacobian, formed.
  @inline(__always) private static func addSquares<Scalar: BLASScalar>(
    of factors: LayerFactors<Scalar>, layer: LayerShape, weight: Double, into target: UnsafeMutablePointer<Double>
  ) {
    let width = layer.parameterCount
    withScratch(Scalar.self, width) { sum in
      forJacobianRows(of: [factors][...], layers: [layer][...], as: Scalar.self) { range, rows in
        square(rows, count: width, into: sum)
        for i in 1..<(factors.roots * range.count) { addSquare(rows + i * width, count: width, into: sum) }
        accumulate(weight, sum, count: width, into: target)
      }
    }
  }

  public mutating func add(_ piece: DiagonalCurvature) {
    precondition(layers == piece.layers, "curvatures of the same layers")
    accumulate(1, piece.diagonal, into: &diagonal)
  }

  public mutating func scale(by factor: Double) { for j in diagonal.indices { diagonal[j] *= factor } }

  public func times(_ x: [Double]) -> [Double] { zip(diagonal, x).map { $0 * $1 } }

  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> DiagonalFactor {
    let precisions = zip(diagonal, prior.expanded(layers)).map { $0 + $1 }
    if let zero = precisions.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw .notPositiveDefinite(order: zero + 1)
    }
    return DiagonalFactor(layers: layers, precisions: precisions)
  }

  public func sweep() -> any PriorSweep { DiagonalSweep(layers: layers, diagonal: diagonal) }

  /// One per layer, "0" onwards.
  public var tensors: [CurvatureTensor] {
    layers.ranges.enumerated().map { l, range in
      CurvatureTensor(name: "\(l)", shape: [range.count], values: Array(diagonal[range]))
    }
  }

  public init(layers: [LayerShape], tensors: [CurvatureTensor]) throws(CurvatureTensorError) {
    self.layers = layers
    diagonal = []
    var stored = CurvatureTensors(tensors)
    for (l, layer) in layers.enumerated() {
      diagonal += try stored.takeDiagonal("\(l)", count: layer.parameterCount)
    }
    try stored.end()
  }
}

/// Λ = diag(λ), λ > 0.
public struct DiagonalFactor: CurvatureFactor {
  let layers: [LayerShape]
  /// λ in θ's order.
  public let precisions: [Double]

  public var logDeterminant: Double { logSum(precisions) }
  public func solve(_ b: [Double]) -> [Double] { zip(b, precisions).map { $0 / $1 } }
  public func halfSolve(_ z: [Double]) -> [Double] { zip(z, precisions).map { $0 / $1.squareRoot() } }
  public var marginalVariances: [Double] { precisions.map { 1 / $0 } }

  /// O(rows·(P + C²·Σ outputs)).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func functionalCovariances<Scalar: BLASScalar>(_ jacobian: [LayerFactors<Scalar>]) -> Matrix {
    var result = Matrix(rows: jacobian.first?.rows ?? 0, columns: (jacobian.first?.roots ?? 0).squared)
    guard jacobian.areFactors(of: layers) else { return result }
    let variances = converted(marginalVariances, to: Scalar.self)
    let ranges = layers.ranges
    result.storage.withUnsafeMutableBufferPointer { result in
      variances.withUnsafeBufferPointer { variances in
        guard let result = result.baseAddress, let variances = variances.baseAddress else { return }
        for l in layers.indices {
          Self.add(jacobian[l], layer: layers[l], variances: variances + ranges[l].lowerBound, into: result)
        }
      }
    }
    return result
  }

  /// With w_ij = Σₖ x̃ᵢₖ² v_jk by one matrix product, S_cc' = Σⱼ δ_cj δ_c'j w_j.
  @inline(__always) private static func add<Scalar: BLASScalar>(
    _ factors: LayerFactors<Scalar>, layer: LayerShape, variances: UnsafePointer<Scalar>,
    into result: UnsafeMutablePointer<Double>
  ) {
    guard let deltas = factors.deltas.baseAddress else { return }
    let (n, o, roots) = (layer.inputs, layer.outputs, factors.roots)
    guard layer.positions == 1 else {
      let width = layer.parameterCount
      forJacobianRows(of: [factors][...], layers: [layer][...], as: Scalar.self) { range, rows in
        for i in 0..<range.count {
          addWeightedProducts(
            deltas: rows + i * width, stride: range.count, weights: variances, rows: 1, roots: roots, outputs: width,
            into: result + (range.lowerBound + i) * roots * roots)
        }
      }
      return
    }
    let slice = min(curvatureSlice, factors.rows)
    withScratch(Scalar.self, slice * (o + n)) { scratch in
      let (weights, squaredInputs) = (scratch, scratch + slice * o)
      for start in stride(from: 0, to: factors.rows, by: slice) {
        let m = min(slice, factors.rows - start)
        for i in 0..<m { (weights + i * o).update(from: variances + o * n, count: o) }
        if let inputs = factors.inputs.baseAddress, n > 0 {
          square(inputs + start * n, count: m * n, into: squaredInputs)
          Scalar.gemm(
            transposeA: false, transposeB: true, m: m, n: o, k: n, alpha: 1, a: squaredInputs, lda: n, b: variances,
            ldb: n, beta: 1, c: weights, ldc: o)
        }
        addWeightedProducts(
          deltas: deltas + start * o, stride: factors.rows, weights: weights, rows: m, roots: roots, outputs: o,
          into: result + start * roots * roots)
      }
    }
  }
}

struct DiagonalSweep: PriorSweep {
  let layers: [LayerShape]
  let diagonal: [Double]

  func logDeterminant(_ prior: PriorPrecision) -> Double {
    logSum(zip(diagonal, prior.expanded(layers)).map { $0 + $1 })
  }

  func effectiveWeights(_ prior: PriorPrecision) -> [Double] {
    let shares = zip(diagonal, prior.expanded(layers)).map { $0 / ($0 + $1) }
    return layers.ranges.map { shares[$0].reduce(0, +) }
  }
}

extension Int {
  var squared: Int { self * self }
}
