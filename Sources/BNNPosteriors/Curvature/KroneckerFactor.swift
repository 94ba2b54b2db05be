import BNNLinearAlgebra

/// Every layer's H_l diagonal in a Kronecker basis, with the entries s ≥ 0: H_l + δ_l has the eigenvalues s + δ_l, so one
/// decomposition serves every prior precision. Of A = Σ λᵢuᵢuᵢᵀ and G/n = Σ μⱼvⱼvⱼᵀ they are μⱼλᵢ.
struct KroneckerSpectrum: PriorSweep {
  struct Layer: Sendable, Equatable {
    var basis: KroneckerBasis
    /// s, outputs × (inputs + 1).
    var values: Matrix

    /// s + δ.
    func eigenvalues(_ precision: Double) -> Matrix {
      Matrix(rows: values.rows, columns: values.columns, storage: values.storage.map { $0 + precision })
    }
  }

  let layers: [LayerShape]
  let spectra: [Layer]

  init(layers: [LayerShape], spectra: [Layer]) { (self.layers, self.spectra) = (layers, spectra) }

  /// Of a curvature with at most one pair a layer.
  init(_ curvature: KroneckerCurvature) throws(LinearAlgebraError) {
    var spectra: [Layer] = []
    for (layer, pairs) in zip(curvature.layers, curvature.pairs) {
      precondition(pairs.count <= 1, "only a single product has a decomposition")
      var (a, g) = (SymmetricEigen(zeroOfOrder: layer.inputs + 1), SymmetricEigen(zeroOfOrder: layer.outputs))
      if let pair = pairs.first, pair.rows > 0 { (a, g) = try pair.eigen() }
      let inputs = Self.positive(a)
      spectra.append(
        Layer(
          basis: KroneckerBasis(inputs: a.vectors, deltas: g.vectors),
          values: Matrix(
            rows: layer.outputs, columns: layer.inputs + 1,
            storage: Self.positive(g).flatMap { mu in inputs.map { mu * $0 } })))
    }
    self.init(layers: curvature.layers, spectra: spectra)
  }

  /// Eigenvalues of a sum of squares; those that rounding cannot tell from zero are zero.
  private static func positive(_ eigen: SymmetricEigen) -> [Double] {
    let floor = Double(eigen.values.count) * Double.ulpOfOne * (eigen.values.last ?? 0)
    return eigen.values.map { $0 > floor ? $0 : 0 }
  }

  func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> KroneckerFactor {
    try KroneckerFactor(spectrum: self, precisions: precisions(of: prior))
  }

  private func precisions(of prior: PriorPrecision) -> [Double] {
    guard case .layers(let values) = prior else {
      preconditionFailure("a Kronecker-factored curvature takes one prior precision a layer, not one a weight")
    }
    precondition(values.count == layers.count, "one precision a layer")
    return values
  }

  func logDeterminant(_ prior: PriorPrecision) -> Double {
    zip(spectra, precisions(of: prior)).reduce(0) { $0 + logSum($1.0.eigenvalues($1.1).storage) }
  }

  func effectiveWeights(_ prior: PriorPrecision) -> [Double] {
    zip(spectra, precisions(of: prior)).map { spectrum, precision in
      spectrum.values.storage.reduce(0) { $0 + $1 / ($1 + precision) }
    }
  }
}

/// Λ_l = H_l + δ_l of every layer, H_l diagonal in a Kronecker basis: A_l ⊗ G_l/n in the eigenvectors of A and G.
public struct KroneckerFactor: CurvatureFactor {
  private let layers: [LayerShape]
  private let spectra: [KroneckerSpectrum.Layer]
  /// s + δ of every layer, outputs × (inputs + 1).
  private let eigenvalues: [Matrix]

  init(spectrum: KroneckerSpectrum, precisions: [Double]) throws(LinearAlgebraError) {
    layers = spectrum.layers
    spectra = spectrum.spectra
    eigenvalues = zip(spectra, precisions).map { $0.eigenvalues($1) }
    var order = 0
    for values in eigenvalues {
      if let zero = values.storage.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
        throw .notPositiveDefinite(order: order + zero + 1)
      }
      order += values.storage.count
    }
  }

  public var logDeterminant: Double { eigenvalues.reduce(0) { $0 + logSum($1.storage) } }

  /// Vᵀ((V B Uᵀ)/(s + δ))U of every layer. O(Σ outputs·inputs·(outputs + inputs)), as `halfSolve`.
  public func solve(_ b: [Double]) -> [Double] {
    mapLayers(b) { l, own in
      var turned = spectra[l].basis.turned(own)
      for i in turned.storage.indices { turned.storage[i] /= eigenvalues[l].storage[i] }
      return spectra[l].basis.turnedBack(turned)
    }
  }

  /// Vᵀ(Z/√(s + δ))U.
  public func halfSolve(_ z: [Double]) -> [Double] {
    mapLayers(z) { l, own in
      var scaled = own
      for i in scaled.storage.indices { scaled.storage[i] /= eigenvalues[l].storage[i].squareRoot() }
      return spectra[l].basis.turnedBack(scaled)
    }
  }

  public var marginalVariances: [Double] {
    layers.indices.flatMap { l in
      let (v, u) = (spectra[l].basis.deltas.squared, spectra[l].basis.inputs.squared)
      return layers[l].flattened(.product(v, .product(inverse(l), u), transposeA: true))
    }
  }

  private func inverse(_ l: Int) -> Matrix {
    let values = eigenvalues[l]
    return Matrix(rows: values.rows, columns: values.columns, storage: values.storage.map { 1 / $0 })
  }

  private func mapLayers(_ x: [Double], _ body: (Int, Matrix) -> Matrix) -> [Double] {
    layers.ranges.enumerated().flatMap { l, range in layers[l].flattened(body(l, layers[l].augmented(x[range]))) }
  }

  /// O(rows·Σ(inputs² + C·outputs² + inputs·outputs + C²·outputs)): inputs and derivatives are turned into the
  /// eigenvectors, where Λ⁻¹ is diagonal; no row of a Jacobian is formed. With T positions every one is turned, and the C rows
  /// of one input row and layer are formed at a time: O(rows·T·(inputs² + C·outputs² + C·inputs·outputs)).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func functionalCovariances<Scalar: BLASScalar>(_ jacobian: [LayerFactors<Scalar>]) -> Matrix {
    var result = Matrix(rows: jacobian.first?.rows ?? 0, columns: (jacobian.first?.roots ?? 0).squared)
    guard jacobian.areFactors(of: layers) else { return result }
    result.storage.withUnsafeMutableBufferPointer { result in
      guard let result = result.baseAddress else { return }
      for l in layers.indices { add(layer: l, jacobian[l], into: result) }
    }
    return result
  }

  @inline(__always) private func add<Scalar: BLASScalar>(
    layer l: Int, _ factors: LayerFactors<Scalar>, into result: UnsafeMutablePointer<Double>
  ) {
    let (size, roots, t) = ((layers[l].inputs, layers[l].outputs), factors.roots, factors.positions)
    let inverse = converted(self.inverse(l).storage, to: Scalar.self)
    spectra[l].basis.forTurnedRows(of: factors) { range, inputs, deltas, stride in
      let target = result + range.lowerBound * roots * roots
      if t == 1 {
        addRows(inputs, deltas, rows: range.count, stride: stride, roots: roots, size, inverse, into: target)
      } else {
        addSums(
          inputs, deltas, rows: range.count, stride: stride, roots: roots, positions: t, size, inverse, into: target)
      }
    }
  }

  /// Of rows δ ⊗ x̃, whose squares factor as well. `inputs` are destroyed.
  @inline(__always) private func addRows<Scalar: BLASScalar>(
    _ inputs: UnsafeMutablePointer<Scalar>, _ deltas: UnsafePointer<Scalar>, rows m: Int, stride: Int, roots: Int,
    _ size: (inputs: Int, outputs: Int), _ inverse: [Scalar], into result: UnsafeMutablePointer<Double>
  ) {
    let (width, o) = (size.inputs + 1, size.outputs)
    square(inputs, count: m * width, into: inputs)
    withScratch(Scalar.self, m * o) { weights in
      Scalar.gemm(
        transposeA: false, transposeB: true, m: m, n: o, k: width, alpha: 1, a: inputs, lda: width, b: inverse,
        ldb: width, beta: 0, c: weights, ldc: o)
      addWeightedProducts(
        deltas: deltas, stride: stride, weights: weights, rows: m, roots: roots, outputs: o, into: result)
    }
  }

  /// Of rows Σₜ δₜ ⊗ x̃ₜ, one product a row and root.
  @inline(__always) private func addSums<Scalar: BLASScalar>(
    _ inputs: UnsafePointer<Scalar>, _ deltas: UnsafePointer<Scalar>, rows m: Int, stride: Int, roots: Int,
    positions t: Int, _ size: (inputs: Int, outputs: Int), _ inverse: [Scalar],
    into result: UnsafeMutablePointer<Double>
  ) {
    let (width, o) = (size.inputs + 1, size.outputs)
    withScratch(Scalar.self, roots * o * width) { sums in
      for i in 0..<m {
        for c in 0..<roots {
          sumPositions(
            deltas + (c * stride + i) * t * o, inputs + i * t * width, positions: t, outputs: o, width: width,
            into: sums + c * o * width)
        }
        inverse.withUnsafeBufferPointer {
          guard let weights = $0.baseAddress else { return }
          addWeightedProducts(
            deltas: sums, stride: 1, weights: weights, rows: 1, roots: roots, outputs: o * width,
            into: result + i * roots * roots)
        }
      }
    }
  }
}

extension Matrix {
  /// Every entry squared.
  var squared: Matrix { Matrix(rows: rows, columns: columns, storage: storage.map { $0 * $0 }) }
}
