import BNNLinearAlgebra

extension KroneckerCurvature {
  /// A list of at most `count` pairs a layer in place of this one, and the relative error that this makes in the
  /// Frobenius norm over all layers.
  ///
  /// For one pair it is the nearest Kronecker product of the sum: the leading singular vectors of Σₖ vec(Aₖ)vec(Gₖ)ᵀ,
  /// whose rank is at most the list's length, so that a singular value problem of that size gives them (Van Loan &
  /// Pitsianis 1993). Both factors are sums of the list's with weights ≥ 0 and hence positive semi-definite (Perron:
  /// inner products of positive semi-definite matrices are not negative).
  ///
  /// For more pairs the further singular vectors would not be: H could become indefinite, and a penalty built on it
  /// unbounded below. So the pairs are grouped, always joining the two groups that it costs least, and every group
  /// becomes its nearest product.
  public func compressed(to count: Int) throws(LinearAlgebraError) -> (
    curvature: KroneckerCurvature, relativeError: Double
  ) {
    precondition(count > 0, "a list has a pair at least")
    var result = self
    var (error, total) = (0.0, 0.0)
    for l in layers.indices where pairs[l].count > count {
      let compression = try KroneckerCompression(of: pairs[l], to: count)
      result.pairs[l] = compression.pairs
      error += compression.squaredError
    }
    guard result.pairs != pairs else { return (self, 0) }
    for list in pairs { total += KroneckerCompression.squaredNorm(of: list) }
    return (result, total > 0 ? (error / total).squareRoot() : 0)
  }
}

/// A list of products in place of a longer one.
struct KroneckerCompression {
  private(set) var pairs: [KroneckerPair] = []
  private(set) var squaredError = 0.0

  /// ⟨Aₖ, A_k'⟩ and ⟨Gₖ, G_k'⟩/(nₖn_k').
  private let inputs: Matrix
  private let deltas: Matrix

  private static func grams(_ list: [KroneckerPair]) -> (inputs: Matrix, deltas: Matrix) {
    var (a, g) = (Matrix(rows: list.count, columns: list.count), Matrix(rows: list.count, columns: list.count))
    for j in list.indices {
      for k in j..<list.count {
        a[j, k] = list[j].inputs.inner(list[k].inputs)
        g[j, k] = list[j].deltas.inner(list[k].deltas) / list[j].rows / list[k].rows
        (a[k, j], g[k, j]) = (a[j, k], g[j, k])
      }
    }
    return (a, g)
  }

  /// ‖Σₖ Aₖ ⊗ Gₖ/nₖ‖²: the sum of the products of all inner products.
  static func squaredNorm(of list: [KroneckerPair]) -> Double {
    let (a, g) = grams(list)
    return dot(a.storage, g.storage)
  }

  init(of list: [KroneckerPair], to count: Int) throws(LinearAlgebraError) {
    (inputs, deltas) = Self.grams(list)
    var groups = try list.indices.map { index throws(LinearAlgebraError) in try nearest([index]) }
    while groups.count > count {
      var best: (i: Int, j: Int, cost: Double, group: Group)?
      if count == 1 {
        groups = [try nearest(Array(list.indices))]
        break
      }
      for i in groups.indices {
        for j in (i + 1)..<max(i + 1, groups.count) {
          let joined = try nearest(groups[i].members + groups[j].members)
          let cost = joined.squaredError - groups[i].squaredError - groups[j].squaredError
          if cost < best?.cost ?? .infinity { best = (i, j, cost, joined) }
        }
      }
      guard let best else { throw .notConverged(routine: "dsyevd") }
      groups[best.i] = best.group
      groups.remove(at: best.j)
    }
    pairs = groups.map { $0.pair(list) }
    // ‖Σ over k, k' of e_kk' A_k ⊗ G_k'‖² with e the identity minus every group's weights.
    var rest = Matrix.identity(list.count)
    for group in groups {
      for (i, k) in group.members.enumerated() {
        for (j, m) in group.members.enumerated() { rest[k, m] -= group.inputWeights[i] * group.deltaWeights[j] }
      }
    }
    let left = Matrix.product(inputs, Matrix.product(rest, deltas))
    squaredError = max(0, dot(rest.storage, left.storage))
  }

  /// Pairs that become one product (Σ z_k A_k) ⊗ (Σ y_k G_k/n_k).
  private struct Group {
    var members: [Int]
    var inputWeights: [Double]
    var deltaWeights: [Double]
    var squaredError: Double

    /// Scaled so that A's last entry is again the number of rows.
    func pair(_ list: [KroneckerPair]) -> KroneckerPair {
      if members.count == 1 { return list[members[0]] }
      let rows = members.reduce(0) { $0 + list[$1].rows }
      let last = zip(inputWeights, members).reduce(0) { $0 + $1.0 * list[$1.1].rows }
      var (a, g) = (list[members[0]].inputs, list[members[0]].deltas)
      a.scale(by: 0)
      g.scale(by: 0)
      for (i, k) in members.enumerated() {
        a.add(list[k].inputs, scale: inputWeights[i] * rows / last)
        g.add(list[k].deltas, scale: deltaWeights[i] * last / rows / list[k].rows)
      }
      let pair = KroneckerPair(inputs: a, deltas: g)
      g.scale(by: pair.rows)
      return KroneckerPair(inputs: a, deltas: g)
    }
  }

  /// With M = 𝒜𝒢ᵀ, columns vec(Aₖ) and vec(Gₖ/nₖ), and Γ_A = 𝒜ᵀ𝒜 = LLᵀ, Γ_G = 𝒢ᵀ𝒢: if q is the leading eigenvector of
  /// LᵀΓ_GL then 𝒜z with z = Γ_GLq is M's leading left singular vector, and M's part along it is 𝒜z(𝒢y)ᵀ with
  /// y = Γ_Az/zᵀΓ_Az. No inverse: batches may be as alike as they like.
  private func nearest(_ members: [Int]) throws(LinearAlgebraError) -> Group {
    guard members.count > 1 else {
      return Group(members: members, inputWeights: [1], deltaWeights: [1], squaredError: 0)
    }
    let (a, g) = (inputs.submatrix(members), deltas.submatrix(members))
    let eigen = try SymmetricEigen(of: a)
    var root = eigen.vectors.transposed
    for i in members.indices {
      for j in members.indices { root[i, j] *= max(0, eigen.values[j]).squareRoot() }
    }
    let core = try SymmetricEigen(of: Matrix.product(root, .product(g, root), transposeA: true))
    let q = Array(core.vectors.row(members.count - 1))
    var z = g.multiplied(by: root.multiplied(by: q))
    // An eigenvector has either sign, and Perron's no negative entries but by rounding.
    let sign = z.reduce(0, +) < 0 ? -1.0 : 1.0
    z = z.map { max(0, sign * $0) }
    let image = a.multiplied(by: z)
    let square = dot(z, image)
    guard square > 0, square.isFinite else {
      // Nothing to approximate: some factor of every member is zero.
      let zeros = members.map { _ in 0.0 }
      return Group(members: members, inputWeights: members.map { _ in 1 }, deltaWeights: zeros, squaredError: 0)
    }
    let total = dot(a.storage, g.storage)
    let error = max(0, total - max(0, core.values[members.count - 1]))
    return Group(
      members: members, inputWeights: z, deltaWeights: image.map { $0 / square }, squaredError: error)
  }
}

extension Matrix {
  /// The rows and columns of these indices.
  fileprivate func submatrix(_ indices: [Int]) -> Matrix {
    Matrix(rows: indices.count, columns: indices.count, storage: indices.flatMap { i in indices.map { self[i, $0] } })
  }
}
