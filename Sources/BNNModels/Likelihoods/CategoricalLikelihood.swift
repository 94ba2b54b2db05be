import BNNLinearAlgebra
import BNNProbability

/// One of C classes, y ∈ {0, …, C − 1}, with P(y = c) = p_c = softmax(f)_c.
///
///     −log p = log Σ_k e^{f_k} − f_y,   gradient p − e_y,   curvature diag(p) − ppᵀ
///
/// The link is canonical: the observed curvature is the expected one. f and f + a·1 say the same, so that the curvature
/// has rank C − 1.
public struct CategoricalLikelihood: Likelihood, Equatable {
  /// C.
  public let classes: Int

  public init(classes: Int) {
    precondition(classes > 1, "there are at least two classes")
    self.classes = classes
  }

  public var outputs: Int { classes }
  public var targets: Int { 1 }

  /// The class that y names; nil when it names none.
  private func index(_ y: Double) -> Int? {
    guard let index = Int(exactly: y), index >= 0, index < classes else { return nil }
    return index
  }

  public func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] {
    checkShapes(f, y)
    return (0..<f.rows).map { i in
      guard let own = index(y.storage[i]) else { return -.infinity }
      let (highest, excess) = LinkFunctions.logSumExp(f.row(i))
      return (f[i, own] - highest) - excess
    }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    checkShapes(f, y)
    var result = f
    forEachProbabilities(&result) { i, p in
      guard let own = index(y.storage[i]) else {
        p.update(repeating: .nan)
        return
      }
      // p_y − 1 as the sum of the others, which keeps its digits when p_y is close to 1.
      p[own] = 0
      p[own] = -p.reduce(0, +)
    }
    return result
  }

  /// C − 1 roots: the columns of the Cholesky factor of diag(p) − ppᵀ, in closed form (Tanabe & Sagae 1992, "An exact
  /// Cholesky decomposition and the generalized inverse of the variance–covariance matrix of the multinomial
  /// distribution"). With q_s = Σ_{k > s} p_k, root s is
  ///
  ///     √(p_s q_s/q_{s−1}) in class s,   −p_k √(p_s/(q_s q_{s−1})) in the classes k > s,   0 before.
  ///
  /// A sum of positive numbers takes the place of every difference.
  public func curvatureRoots(outputs f: Matrix) -> [Matrix] {
    checkShape(f)
    var roots = [Matrix](repeating: Matrix(rows: f.rows, columns: classes), count: classes - 1)
    var probabilities = f
    forEachProbabilities(&probabilities) { i, p in
      var after = 0.0
      var tails = [Double](repeating: 0, count: classes)
      for s in (0..<classes).reversed() {
        tails[s] = after
        after += p[s]
      }
      for s in roots.indices where tails[s] > 0 {
        // q_{s−1} ≥ q_s, p_s: no factor exceeds 1.
        let share = (p[s] / (tails[s] + p[s])).squareRoot()
        let root = tails[s].squareRoot()
        roots[s].storage[i * classes + s] = root * share
        for k in (s + 1)..<classes { roots[s].storage[i * classes + k] = -p[k] / root * share }
      }
    }
    return roots
  }

  public func sample(outputs f: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShape(f)
    var result = Matrix(rows: f.rows, columns: 1)
    var probabilities = f
    forEachProbabilities(&probabilities) { i, p in
      var left = stream.uniform()
      // Rounding may leave a crumb after the last class that has a chance.
      var drawn = p.lastIndex { $0 > 0 } ?? 0
      for c in p.indices {
        left -= p[c]
        if left < 0 {
          drawn = c
          break
        }
      }
      result.storage[i] = Double(drawn)
    }
    return result
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "a class from 0 to \(classes - 1)") { index($0) != nil }
  }

  /// f ← softmax, row by row, each given to `body` with its number.
  private func forEachProbabilities(_ f: inout Matrix, _ body: (Int, UnsafeMutableBufferPointer<Double>) -> Void) {
    let count = f.rows
    f.storage.withUnsafeMutableBufferPointer { storage in
      for i in 0..<count {
        let row = UnsafeMutableBufferPointer(rebasing: storage[(i * classes)..<((i + 1) * classes)])
        LinkFunctions.softmax(row)
        body(i, row)
      }
    }
  }
}
