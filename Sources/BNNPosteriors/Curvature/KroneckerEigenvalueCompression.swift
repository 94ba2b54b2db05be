import BNNLinearAlgebra

extension KroneckerEigenvalueCurvature {
  /// A list of at most `count` matrices a layer in place of this one, and the relative error that this makes in the
  /// Frobenius norm over all layers.
  ///
  /// A sum of matrices becomes the nearest one that is diagonal in a basis, which is its own diagonal there:
  ///
  ///     S = Σₖ (VVₖᵀ)² Sₖ ((UUₖᵀ)²)ᵀ,   squares entry by entry,   ‖Σₖ Hₖ − H‖² = ‖Σₖ Hₖ‖² − ‖S‖²
  ///
  /// S ≥ 0, and the trace stays. The basis is that of the eigenvectors of the sum's partial traces, Σₖ Uₖᵀdiag(1ᵀSₖ)Uₖ and
  /// Σₖ Vₖᵀdiag(Sₖ1)Vₖ, which for a Kronecker product are its factors, or that of one of the batches, whichever errs least. Longer
  /// lists are grouped, joining the two of which one is nearest to a diagonal in the other's basis.
  public func compressed(to count: Int) throws(LinearAlgebraError) -> (
    curvature: KroneckerEigenvalueCurvature, relativeError: Double
  ) {
    precondition(count > 0, "a list has a matrix at least")
    guard terms.contains(where: { $0.count > count }) else { return (self, 0) }
    var result = self
    var (error, total) = (0.0, 0.0)
    for l in layers.indices {
      let list = terms[l]
      let square = Self.squaredNorm(list)
      total += square
      guard list.count > count else { continue }
      var groups = count == 1 ? [(list, try Self.joined(list))] : list.map { ([$0], $0) }
      while groups.count > count {
        let (i, j) = Self.nearest(groups.map { $0.1 })
        let members = groups[i].0 + groups[j].0
        groups[i] = (members, try Self.joined(members))
        groups.remove(at: j)
      }
      result.terms[l] = groups.map { $0.1 }
      error += max(0, square - 2 * Self.inner(list, result.terms[l]) + Self.squaredNorm(result.terms[l]))
    }
    return (result, total > 0 ? (error / total).squareRoot() : 0)
  }

  /// ⟨Σ Hₖ, Σ H'ₖ⟩.
  private static func inner(_ a: [KroneckerSpectrum.Layer], _ b: [KroneckerSpectrum.Layer]) -> Double {
    b.reduce(0) { sum, term in
      sum + a.reduce(0) { $0 + dot($1.diagonal(in: term.basis).storage, term.values.storage) }
    }
  }

  private static func squaredNorm(_ list: [KroneckerSpectrum.Layer]) -> Double { inner(list, list) }

  /// The two of a list of which one loses least in the basis of the other.
  private static func nearest(_ list: [KroneckerSpectrum.Layer]) -> (Int, Int) {
    var best = (0, 1)
    var least = Double.infinity
    for i in list.indices {
      for j in list.indices where i != j {
        let kept = list[j].diagonal(in: list[i].basis).storage
        let lost = dot(list[j].values.storage, list[j].values.storage) - dot(kept, kept)
        if lost < least { (best, least) = ((min(i, j), max(i, j)), lost) }
      }
    }
    return best
  }

  /// One matrix in the place of the sum of several.
  private static func joined(_ list: [KroneckerSpectrum.Layer]) throws(LinearAlgebraError) -> KroneckerSpectrum.Layer {
    guard list.count > 1 else { return list[0] }
    var (a, g) = (
      Matrix(rows: list[0].values.columns, columns: list[0].values.columns),
      Matrix(rows: list[0].values.rows, columns: list[0].values.rows)
    )
    for term in list {
      let (u, v) = (term.basis.inputs, term.basis.deltas)
      let columnSums = term.values.multiplied(by: [Double](repeating: 1, count: g.rows), transposed: true)
      let rowSums = term.values.multiplied(by: [Double](repeating: 1, count: a.rows))
      accumulate(1, Matrix.product(u, u.scalingRows(by: columnSums), transposeA: true).storage, into: &a.storage)
      accumulate(1, Matrix.product(v, v.scalingRows(by: rowSums), transposeA: true).storage, into: &g.storage)
    }
    let traces = KroneckerBasis(inputs: try SymmetricEigen(of: a).vectors, deltas: try SymmetricEigen(of: g).vectors)
    var best: (term: KroneckerSpectrum.Layer, kept: Double)?
    for basis in [traces] + list.map(\.basis) {
      var sum = Matrix(rows: list[0].values.rows, columns: list[0].values.columns)
      for term in list { accumulate(1, term.diagonal(in: basis).storage, into: &sum.storage) }
      let kept = dot(sum.storage, sum.storage)
      if kept > best?.kept ?? -1 { best = (KroneckerSpectrum.Layer(basis: basis, values: sum), kept) }
    }
    // Nothing compares with what is no number.
    return best?.term ?? list[0]
  }
}

extension KroneckerSpectrum.Layer {
  /// The diagonal of the matrix in another basis, outputs × (inputs + 1). O(inputs³ + outputs³).
  fileprivate func diagonal(in other: KroneckerBasis) -> Matrix {
    guard other != basis else { return values }
    let v = Matrix.product(other.deltas, basis.deltas, transposeB: true).squared
    let u = Matrix.product(other.inputs, basis.inputs, transposeB: true).squared
    return .product(v, .product(values, u, transposeB: true))
  }
}
