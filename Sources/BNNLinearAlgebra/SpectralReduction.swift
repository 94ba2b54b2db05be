import COpenBLAS

/// The singular values s of R and the projections z̃ = UᵀZ of right-hand sides on its left singular vectors
/// (R = U S Vᵀ), without forming U or V: everything that the evidence needs for every prior precision at O(p) each.
///
/// Golub–Kahan bidiagonalisation ((8/3)p³ flops), then implicit QR on the bidiagonal applied to the projections only
/// (O(p²) a right-hand side).
public struct SpectralReduction: Sendable, Equatable {
  /// min(k, p) values, descending.
  public let singularValues: [Double]
  /// Per right-hand side, Uᵀz (k numbers, in the order of the singular values).
  public let projections: [[Double]]

  /// R is k × p with k ≤ p (an information array's first p columns); each right-hand side has k entries.
  ///
  /// - Throws: `LinearAlgebraError.notConverged`, which LAPACK reports only for input that is not finite.
  public init(of r: Matrix, rightHandSides: [[Double]]) throws(LinearAlgebraError) {
    precondition(r.rows <= r.columns, "more rows than columns")
    precondition(rightHandSides.allSatisfy { $0.count == r.rows }, "right-hand sides must have one entry per row")
    let k = r.rows
    let count = rightHandSides.count
    guard k > 0 else {
      singularValues = []
      projections = rightHandSides
      return
    }
    BLASThreads.prepare()
    // Column-major, the bytes of R are Rᵀ = Q B Pᵀ (p × k); hence R = (P Pb) S (Q Qb)ᵀ with B = Qb S Pbᵀ.
    var a = r.storage
    var m = Int32(r.columns)
    var n = Int32(k)
    var info: Int32 = 0
    var d = [Double](repeating: 0, count: k)
    var e = [Double](repeating: 0, count: max(1, k - 1))
    var tauQ = [Double](repeating: 0, count: k)
    var tauP = [Double](repeating: 0, count: k)
    var length: Int32 = -1
    var query = [0.0]
    dgebrd_(&m, &n, &a, &m, &d, &e, &tauQ, &tauP, &query, &length, &info)
    length = Int32(max(1, query[0]))
    var work = [Double](repeating: 0, count: Int(length))
    dgebrd_(&m, &n, &a, &m, &d, &e, &tauQ, &tauP, &work, &length, &info)
    precondition(info == 0, "dgebrd was called with a wrong argument")

    var vt = rightHandSides.flatMap { $0 }
    var columns = Int32(count)
    if count > 0 {
      length = -1
      dormbr_("P", "L", "T", &n, &columns, &m, a, &m, tauP, &vt, &n, &query, &length, &info)
      length = Int32(max(1, query[0]))
      work = [Double](repeating: 0, count: Int(length))
      dormbr_("P", "L", "T", &n, &columns, &m, a, &m, tauP, &vt, &n, &work, &length, &info)
      precondition(info == 0, "dormbr was called with a wrong argument")
    }
    var zero: Int32 = 0
    var one: Int32 = 1
    var unused = [0.0]
    var unusedToo = [0.0]
    work = [Double](repeating: 0, count: 4 * k)
    var leading = max(one, n)
    dbdsqr_(
      "U", &n, &columns, &zero, &zero, &d, &e, &vt, &leading, &unused, &one, &unusedToo, &one, &work, &info)
    guard info == 0, d.allSatisfy(\.isFinite) else { throw .notConverged(routine: "dbdsqr") }
    singularValues = d
    projections = (0..<count).map { Array(vt[($0 * k)..<(($0 + 1) * k)]) }
  }
}
