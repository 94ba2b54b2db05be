import BNNLinearAlgebra
import BNNProbability

/// One of C classes, y ∈ {0, …, C − 1}, with P(y = c) = p_c = softmax(f)_c.
///
///     −log p = log Σ_k e^{f_k} − f_y,   gradient p − e_y,   curvature diag(p) − ppᵀ
///
/// The link is canonical: the observed curvature is the expected one. f and f + a·1 say the same, so that the curvature
/// has rank C − 1.
///
/// With `heads` all of this is of the head of y alone: c and k are its classes, and the other outputs have neither gradient nor
/// curvature from that row.
public struct CategoricalLikelihood: Likelihood, Equatable {
  /// C.
  public let classes: Int
  /// Groups of classes, one of which a row is about; nil: every row is about all.
  public let heads: ClassHeads?

  public init(classes: Int) {
    precondition(classes > 1, "there are at least two classes")
    self.classes = classes
    heads = nil
  }

  public init(heads: ClassHeads) {
    classes = heads.classes
    self.heads = heads
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
      let (highest, excess) =
        heads.map { heads in LinkFunctions.logSumExp(heads.groups[heads.place(of: own).head].map { f[i, $0] }) }
        ?? LinkFunctions.logSumExp(f.row(i))
      return (f[i, own] - highest) - excess
    }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    checkShapes(f, y)
    var result = f
    forEachProbabilities(&result, y) { i, p, _ in
      guard let observed = index(y.storage[i]) else { return }
      // p_y − 1 as the sum of the others, which keeps its digits when p_y is close to 1.
      let own = heads?.place(of: observed).position ?? observed
      p[own] = 0
      p[own] = -p.reduce(0, +)
    }
    for i in 0..<f.rows where index(y.storage[i]) == nil { for c in 0..<classes { result[i, c] = .nan } }
    return result
  }

  /// C − 1 roots (with heads as many as the largest needs): the columns of the Cholesky factor of diag(p) − ppᵀ, in closed form (Tanabe & Sagae 1992, "An exact
  /// Cholesky decomposition and the generalized inverse of the variance–covariance matrix of the multinomial
  /// distribution"). With q_s = Σ_{k > s} p_k, root s is
  ///
  ///     √(p_s q_s/q_{s−1}) in class s,   −p_k √(p_s/(q_s q_{s−1})) in the classes k > s,   0 before.
  ///
  /// A sum of positive numbers takes the place of every difference.
  public func curvatureRoots(outputs f: Matrix, targets y: Matrix) -> [Matrix] {
    checkShapes(f, y)
    let most = heads?.groups.map(\.count).max() ?? classes
    var roots = [Matrix](repeating: Matrix(rows: f.rows, columns: classes), count: most - 1)
    var probabilities = f
    forEachProbabilities(&probabilities, y) { i, p, outputs in
      var after = 0.0
      var tails = [Double](repeating: 0, count: p.count)
      for s in p.indices.reversed() {
        tails[s] = after
        after += p[s]
      }
      for s in p.indices where tails[s] > 0 {
        // q_{s−1} ≥ q_s, p_s: no factor exceeds 1.
        let share = (p[s] / (tails[s] + p[s])).squareRoot()
        let root = tails[s].squareRoot()
        roots[s].storage[i * classes + outputs[s]] = root * share
        for k in (s + 1)..<p.count { roots[s].storage[i * classes + outputs[k]] = -p[k] / root * share }
      }
    }
    return roots
  }

  public func sample(outputs f: Matrix, like y: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShapes(f, y)
    var result = Matrix(rows: f.rows, columns: 1)
    var probabilities = f
    forEachProbabilities(&probabilities, y) { i, p, outputs in
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
      result.storage[i] = Double(outputs[drawn])
    }
    return result
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "a class from 0 to \(classes - 1)") { index($0) != nil }
  }

  /// f ← softmax of the outputs that a row is about and 0 in the others, row by row: the probabilities of those outputs are given
  /// to `body`, with the row's number and the outputs' numbers, and go back into f as it leaves them.
  private func forEachProbabilities(
    _ f: inout Matrix, _ y: Matrix, _ body: (Int, UnsafeMutableBufferPointer<Double>, [Int]) -> Void
  ) {
    let all = Array(0..<classes)
    let count = f.rows
    f.storage.withUnsafeMutableBufferPointer { storage in
      for i in 0..<count {
        let row = UnsafeMutableBufferPointer(rebasing: storage[(i * classes)..<((i + 1) * classes)])
        guard let heads else {
          LinkFunctions.softmax(row)
          body(i, row, all)
          continue
        }
        // A class that is none is of no head; whoever asks finds out by `firstInvalid`.
        let outputs = heads.groups[index(y.storage[i]).map { heads.place(of: $0).head } ?? 0]
        withUnsafeTemporaryAllocation(of: Double.self, capacity: outputs.count) { part in
          _ = part.initialize(fromContentsOf: outputs.map { row[$0] })
          LinkFunctions.softmax(part)
          body(i, part, outputs)
          row.update(repeating: 0)
          for (p, c) in zip(part, outputs) { row[c] = p }
        }
      }
    }
  }
}
