import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNProbability

/// The tangent restricted to a subspace, for networks whose P × P array would be too large: w = S v with S (P × M,
/// orthonormal columns) fixed at D1, so that J S (n × M) is all that is ever kept of J.
///
/// The prior θ ~ N(0, (σ²/κ) I), given that θ − θ₁ lies in the span of S, is
///
///     v | σ² ~ N(−Sᵀθ₁, (σ²/κ) I),        since ‖θ₁ + S v‖² = ‖v + Sᵀθ₁‖² + ‖(I − SSᵀ)θ₁‖²,
///
/// and since the prior is isotropic that is also the marginal of Sᵀw. The reduced model is linear in v, so everything the
/// tangent promises holds in it. What it leaves out: the P − M other directions stay at θ₁ with certainty, where the
/// tangent would let data move them and, where no data do, shrink them to 0 with the prior's spread. If J(I − SSᵀ) is 0 for
/// all rows, evidence and predictions at such inputs are those of the full tangent.
enum TangentSubspace {
  /// Sᵀ (M × P, orthonormal rows): the leading eigenvectors of the Gram matrix JᵀJ of D1's rows at θ₁, whitened as the
  /// array's rows are.
  ///
  /// - Parameters:
  ///   - tangent: the full model at θ₁.
  ///   - features: D1 in its own units.
  /// - Throws: `UpdateError.notFinite` for a derivative that overflows.
  static func directions(
    _ count: Int, of tangent: TangentBasis, features: Matrix, stream: RandomStream, threads: Int
  ) throws -> Matrix {
    let piece = tangent.blockRows
    let blocks = (features.rows + piece - 1) / piece
    let search = LeadingDirections(
      columns: tangent.network.parameterCount, rows: features.rows * tangent.outputs, blocks: blocks,
      block: { b in tangent.jacobian(features.rows((b * piece)..<min((b + 1) * piece, features.rows))).rows },
      threads: threads)
    return try search.leading(count, from: stream)
  }

  /// Sᵀ (M × P, orthonormal rows) drawn uniformly, from a seed and no row: the orthonormalised rows of a normal matrix.
  ///
  /// The array of n > M rows J S is then the Cholesky factor of SᵀJᵀJS, of full rank: every vector lies in the span of its rows, where
  /// that of n ≤ P whole rows J is their own span, in which a row of D1 can be told from others and solved for. It says sums
  /// over rows and no more; that is no guarantee as differential privacy is one. O(M²P).
  static func random(_ count: Int, weights: Int, from stream: RandomStream) -> Matrix {
    var own = stream
    return Matrix(rows: count, columns: weights, storage: own.normals(count * weights)).orthonormalRows()
  }

  /// - Throws: `UpdateError.unsuitable` unless 1 ≤ M < P and D1 has at least M array rows to choose directions by, of a sketch more
  ///   than M.
  static func check(_ count: Int, weights: Int, rows: Int, isSketch: Bool = false) throws {
    guard count >= 1, count < weights else {
      throw UpdateError.unsuitable(
        "a subspace of \(count) directions is no reduction of a network with \(weights) weights; use fewer, or none")
    }
    guard !isSketch || count < rows else {
      throw UpdateError.unsuitable(
        "a sketch of \(count) directions hides nothing of \(rows) rows: it must have fewer directions than there are rows"
      )
    }
    guard count <= rows else {
      throw UpdateError.unsuitable(
        "D1's \(rows) rows of derivatives determine at most \(rows) directions, not \(count); use a smaller subspace")
    }
  }
}

/// Σ of the squares of a batch's derivatives before and after they were projected on a subspace.
public struct KeptSquares: Sendable, Equatable {
  /// ‖J‖²_F.
  public var total = 0.0
  /// ‖J S‖²_F.
  public var kept = 0.0

  /// ‖J S‖²_F/‖J‖²_F: 1 where the subspace holds everything that the batch's outputs depend on; nil for J = 0.
  public var share: Double? { total > 0 && total.isFinite ? kept / total : nil }

  static func + (a: KeptSquares, b: KeptSquares) -> KeptSquares {
    KeptSquares(total: a.total + b.total, kept: a.kept + b.kept)
  }
}
