import BNNLinearAlgebra
import BNNProbability

/// The leading eigenvectors of G = JᵀJ by a randomised range finder with subspace iteration, for rows J (n × P) that are
/// made block by block and never held at once (Halko, Martinsson & Tropp 2011, "Finding structure with randomness",
/// algorithms 4.4 and 5.3 with A = Jᵀ):
///
///     Q ← orth(G Q), starting from Gaussian Q, twice;   QᵀGQ = V diag(μ) Vᵀ;   S = the leading columns of Q V
///
/// Directions are orthonormalised by Householder QR after every product, so that small eigenvalues are not drowned by
/// large ones. With l = m + 16 directions the expected squares lost, beyond the Σ_{j>m} λ_j that the best subspace of
/// dimension m loses too, are at most (Σ_{j>m} λ_j⁴)(Σ_{i≤m} λ_i⁻³)/15 for the eigenvalues λ of G (the argument of their
/// theorems 9.1 and 10.5, with Gᵠ Q for q = 2).
struct LeadingDirections {
  /// l − m.
  static let oversampling = 16
  /// Applications of G.
  static let passes = 2
  /// Directions that one worker multiplies at a time; fixed, since it decides bits.
  static let chunk = 64

  /// P.
  let columns: Int
  /// n.
  let rows: Int
  let blocks: Int
  /// Block b of J, n_b × P.
  let block: (Int) throws -> Matrix
  let threads: Int

  /// Sᵀ (m × P, orthonormal rows), the most important direction first; m ≤ min(n, P).
  ///
  /// 8nPl + 2nPl flops in products and 16Pl² in orthonormalisation; memory for four matrices l × P and one block.
  func leading(_ m: Int, from stream: RandomStream) throws -> Matrix {
    precondition((1...columns).contains(m) && m <= rows, "there are at most min(n, P) directions")
    let l = min(m + Self.oversampling, min(columns, rows))
    var stream = stream
    var q = Matrix(rows: l, columns: columns, storage: stream.normals(l * columns))
    for _ in 0..<Self.passes { q = joined(try gramTimes(cut(q))).orthonormalRows() }
    let eigen = try SymmetricEigen(of: try projectedGram(cut(q)))
    // Ascending in the rows of `vectors`; descending from here on.
    let order = Array((0..<l).reversed().prefix(m))
    let basis = q
    let rotated = parallelMap(pieces(m), threads: threads) { piece in
      let own = order[(piece * Self.chunk)..<min((piece + 1) * Self.chunk, m)]
      return Matrix.product(eigen.vectors.gathering(own), basis)
    }
    return joined(rotated)
  }

  private func pieces(_ count: Int) -> Int { (count + Self.chunk - 1) / Self.chunk }

  private func cut(_ q: Matrix) -> [Matrix] {
    (0..<pieces(q.rows)).map { q.rows(($0 * Self.chunk)..<min(($0 + 1) * Self.chunk, q.rows)) }
  }

  private func joined(_ parts: [Matrix]) -> Matrix {
    Matrix(
      rows: parts.reduce(0) { $0 + $1.rows }, columns: parts.first?.columns ?? columns,
      storage: parts.flatMap(\.storage))
  }

  private func finiteBlock(_ b: Int) throws -> Matrix {
    let rows = try block(b)
    guard rows.isFinite else { throw UpdateError.notFinite("a derivative of the network") }
    return rows
  }

  /// Q G for directions as rows, chunk by chunk.
  private func gramTimes(_ q: [Matrix]) throws -> [Matrix] {
    var sums = q.map { Matrix(rows: $0.rows, columns: $0.columns) }
    for b in 0..<blocks {
      let j = try finiteBlock(b)
      let current = sums
      sums = parallelMap(q.count, threads: threads) { c in
        var own = current[c]
        own.accumulate(Matrix.product(q[c], j, transposeB: true), j)
        return own
      }
    }
    return sums
  }

  /// Q G Qᵀ = Σ over blocks of (Q Jᵀ)(Q Jᵀ)ᵀ.
  private func projectedGram(_ q: [Matrix]) throws -> Matrix {
    let l = q.reduce(0) { $0 + $1.rows }
    var gram = Matrix(rows: l, columns: l)
    for b in 0..<blocks {
      let j = try finiteBlock(b)
      let projected = Matrix(
        rows: l, columns: j.rows,
        storage: parallelMap(q.count, threads: threads) { Matrix.product(q[$0], j, transposeB: true) }.flatMap(
          \.storage))
      gram.accumulate(projected, projected, transposeB: true)
    }
    return gram
  }
}
