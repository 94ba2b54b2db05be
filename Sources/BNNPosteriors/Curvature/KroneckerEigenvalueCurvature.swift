import BNNLinearAlgebra

/// Every layer's curvature as a sum of matrices that are diagonal in a Kronecker basis, one a batch, with the exact second
/// moments of the batch's Jacobian rows as the diagonal:
///
///     H_l ≈ Σₖ (Uₖ ⊗ Vₖ)ᵀ diag(sₖ)(Uₖ ⊗ Vₖ),   s_jk = Σᵢ Σₛ (vⱼᵀ J_is uₖ)²
///
/// U and V being the eigenvectors of the batch's Kronecker factors A and G (George et al. 2018, "Fast approximate natural gradient
/// descent in a Kronecker-factored eigenbasis", section 3). Among all diagonals in that basis this is the nearest to the
/// layer's own curvature in the Frobenius norm, the Kronecker product's λₖμⱼ being another one. Exact where the Kronecker product is, and
/// for a layer of one output whose rows are orthogonal.
///
/// The basis follows from all rows of a batch, the moments are had by a second pass over them (`secondPass`). Layers that use
/// their weights several times take their factors as `KroneckerCurvature` does, and the moments of their whole rows J = Σₜ δₜx̃ₜᵀ.
///
/// Two batches differ in their basis, so they stay apart in a list until `compressed` is asked for.
public struct KroneckerEigenvalueCurvature: Curvature {
  public static let structure = CurvatureStructure.kroneckerEigenvalue

  /// Of the first pass: the batch's factors.
  private var factors: KroneckerCurvature
  /// Of every layer, oldest first.
  var terms: [[KroneckerSpectrum.Layer]]

  public var layers: [LayerShape] { factors.layers }
  /// From which rows of a layer that uses its weights several times its basis is made.
  public var sharing: WeightSharing { factors.sharing }

  /// Of no rows.
  public init(layers: [LayerShape], sharing: WeightSharing = .expand) {
    factors = KroneckerCurvature(layers: layers, sharing: sharing)
    terms = layers.map { _ in [] }
  }

  /// How many matrices the sum of every layer has.
  public var termCounts: [Int] { terms.map(\.count) }

  /// Of the first pass the factors, O(rows·Σ(inputs² + roots·outputs²)); of the second the moments, the same and
  /// O(rows·Σ inputs·outputs), or where a layer uses its weights at T positions O(rows·roots·T·inputs·outputs).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers), weight > 0 else { return }
    guard !terms.contains(where: \.isEmpty) else { return self.factors.absorb(factors, weight: weight) }
    for l in layers.indices {
      let place = terms[l].count - 1
      terms[l][place].absorb(factors[l], weight: weight)
    }
  }

  /// The basis of these rows with moments of none yet. A matrix that is not finite has no basis; the moments then show it.
  public func secondPass() -> KroneckerEigenvalueCurvature? {
    guard !factors.pairs.contains(where: \.isEmpty), !layers.isEmpty else { return nil }
    var result = KroneckerEigenvalueCurvature(layers: layers, sharing: sharing)
    for (l, layer) in layers.enumerated() {
      let eigen = try? factors.pairs[l][0].eigen()
      result.terms[l] = [
        KroneckerSpectrum.Layer(
          basis: KroneckerBasis(
            inputs: eigen?.inputs.vectors ?? .identity(layer.inputs + 1),
            deltas: eigen?.deltas.vectors ?? .identity(layer.outputs)),
          values: Matrix(rows: layer.outputs, columns: layer.inputs + 1))
      ]
    }
    return result
  }

  /// Of either pass. The piece may be of no rows.
  public mutating func add(_ piece: KroneckerEigenvalueCurvature) {
    factors.add(piece.factors)
    for l in layers.indices where !piece.terms[l].isEmpty {
      precondition(
        piece.terms[l].count == 1 && terms[l].count == 1 && terms[l][0].basis == piece.terms[l][0].basis,
        "a piece of one batch has its basis; batches are appended")
      accumulate(1, piece.terms[l][0].values.storage, into: &terms[l][0].values.storage)
    }
  }

  /// The batch's matrices go to the end of the list.
  public mutating func append(_ batch: KroneckerEigenvalueCurvature) {
    precondition(layers == batch.layers, "curvatures of the same layers")
    batch.checkIsWhole()
    for l in layers.indices { terms[l] += batch.terms[l] }
  }

  private func checkIsWhole() {
    precondition(factors.pairs.allSatisfy(\.isEmpty), "the batch's rows are absorbed once more by its second pass")
  }

  public mutating func scale(by factor: Double) {
    for l in terms.indices {
      for k in terms[l].indices {
        for i in terms[l][k].values.storage.indices { terms[l][k].values.storage[i] *= factor }
      }
    }
  }

  /// Of the whole list: Σₖ Vₖᵀ(Sₖ ∘ VₖXUₖᵀ)Uₖ for every layer's X. O(terms·Σ outputs·inputs·(outputs + inputs)).
  public func times(_ x: [Double]) -> [Double] {
    checkIsWhole()
    return layers.ranges.enumerated().flatMap { l, range in
      let own = layers[l].augmented(x[range])
      var sum = Matrix(rows: own.rows, columns: own.columns)
      for term in terms[l] {
        var turned = term.basis.turned(own)
        for i in turned.storage.indices { turned.storage[i] *= term.values.storage[i] }
        accumulate(1, term.basis.turnedBack(turned).storage, into: &sum.storage)
      }
      return layers[l].flattened(sum)
    }
  }

  /// Σₖ (Vₖ²)ᵀSₖUₖ², squares entry by entry.
  public var diagonal: [Double] {
    checkIsWhole()
    return layers.indices.flatMap { l in
      var sum = Matrix(rows: layers[l].outputs, columns: layers[l].inputs + 1)
      for term in terms[l] {
        let own = Matrix.product(
          term.basis.deltas.squared, .product(term.values, term.basis.inputs.squared), transposeA: true)
        accumulate(1, own.storage, into: &sum.storage)
      }
      return layers[l].flattened(sum)
    }
  }

  /// Of the list in one basis (`compressed`).
  ///
  /// - Precondition: one precision a layer (`CurvatureStructure.takesWeightPrecisions`).
  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> KroneckerFactor {
    try spectrum().factored(prior: prior)
  }

  public func sweep() throws(LinearAlgebraError) -> any PriorSweep { try spectrum() }

  private func spectrum() throws(LinearAlgebraError) -> KroneckerSpectrum {
    checkIsWhole()
    let one = try compressed(to: 1).curvature
    return KroneckerSpectrum(
      layers: layers,
      spectra: zip(layers, one.terms).map { layer, terms in
        terms.first
          ?? KroneckerSpectrum.Layer(
            basis: KroneckerBasis(inputs: .identity(layer.inputs + 1), deltas: .identity(layer.outputs)),
            values: Matrix(rows: layer.outputs, columns: layer.inputs + 1))
      })
  }

  /// "l.U.k", "l.V.k" and "l.S.k" of layer l and term k: eigenvectors as rows, and the moments, outputs × (inputs + 1).
  public var tensors: [CurvatureTensor] {
    layers.indices.flatMap { l in
      terms[l].enumerated().flatMap { k, term in
        [("U", term.basis.inputs), ("V", term.basis.deltas), ("S", term.values)].map { name, own in
          CurvatureTensor(name: "\(l).\(name).\(k)", shape: [own.rows, own.columns], values: own.storage)
        }
      }
    }
  }

  public init(
    layers: [LayerShape], sharing: WeightSharing = .expand, tensors: [CurvatureTensor]
  ) throws(CurvatureTensorError) {
    self.init(layers: layers, sharing: sharing)
    var stored = CurvatureTensors(tensors)
    for (l, layer) in layers.enumerated() {
      while stored.contains("\(l).U.\(terms[l].count)") {
        let k = terms[l].count
        let basis = KroneckerBasis(
          inputs: try stored.takeOrthonormal("\(l).U.\(k)", dimension: layer.inputs + 1),
          deltas: try stored.takeOrthonormal("\(l).V.\(k)", dimension: layer.outputs))
        let (name, shape) = ("\(l).S.\(k)", [layer.outputs, layer.inputs + 1])
        let values = try stored.take(name, shape: shape).values
        if let index = values.firstIndex(where: { $0 < 0 }) { throw .value(name: name, index: index) }
        terms[l].append(
          KroneckerSpectrum.Layer(basis: basis, values: Matrix(rows: shape[0], columns: shape[1], storage: values)))
      }
    }
    try stored.end()
  }
}

extension KroneckerSpectrum.Layer {
  /// s ← s + weight·Σᵢ Σₛ of the squares of the rows' coordinates.
  @inline(__always) fileprivate mutating func absorb<Scalar: BLASScalar>(
    _ factors: LayerFactors<Scalar>, weight: Double
  ) {
    let (width, o, roots, t) = (values.columns, values.rows, factors.roots, factors.positions)
    let basis = basis
    values.storage.withUnsafeMutableBufferPointer { values in
      guard let values = values.baseAddress else { return }
      withScratch(Scalar.self, 2 * o * width) { sum in
        basis.forTurnedRows(of: factors) { range, inputs, deltas, stride in
          let m = range.count
          if t == 1 {
            // (Σₛ (Vδₛ)ⱼ²)·(Ux̃)ₖ² summed over rows is one product.
            square(inputs, count: m * width, into: inputs)
            square(deltas, count: m * o, into: deltas)
            for c in 1..<max(1, roots) { addSquare(deltas + c * stride * o, count: m * o, into: deltas) }
            Scalar.gemm(
              transposeA: true, transposeB: false, m: o, n: width, k: m, alpha: 1, a: deltas, lda: o, b: inputs,
              ldb: width, beta: 0, c: sum, ldc: width)
          } else {
            let row = sum + o * width
            for i in 0..<(o * width) { sum[i] = 0 }
            for i in 0..<m {
              for c in 0..<roots {
                sumPositions(
                  deltas + (c * stride + i) * t * o, inputs + i * t * width, positions: t, outputs: o, width: width,
                  into: row)
                addSquare(row, count: o * width, into: sum)
              }
            }
          }
          accumulate(weight, sum, count: o * width, into: values)
        }
      }
    }
  }
}
