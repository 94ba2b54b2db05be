import BNNLinearAlgebra
import BNNModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A minibatch of a variational fit: B rows of N, and what the likelihood says of outputs there.
struct VariationalBatch<Scalar: BLASScalar> {
  let x: [Scalar]
  /// d.
  let inputs: Int
  let indices: ArraySlice<Int>
  /// Targets of the rows, B × T.
  let targets: Matrix
  /// w of the rows; nil: 1.
  let weights: [Double]?
  let likelihood: any Likelihood
  /// What a row stands for: N/B.
  let scale: Double

  var rows: Int { indices.count }

  func writeInputs(_ target: UnsafeMutableBufferPointer<Scalar>) {
    gatherRows(x, indices, width: inputs, into: target)
  }

  /// −Σ log p of the rows at their weights with their outputs, its gradient in them times `share`·N/B, and Σ w(y − f)² over rows
  /// and outputs, where outputs are targets.
  func loss(_ f: Matrix, share: Double) -> VariationalLoss {
    var gradient = likelihood.gradients(outputs: f, targets: targets)
    var result = VariationalLoss()
    result.value = -likelihood.weightedDensities(outputs: f, targets: targets, weights: weights).reduce(0, +)
    if likelihood is GaussianLikelihood {
      for i in f.storage.indices {
        let error = targets.storage[i] - f.storage[i]
        result.squaredResiduals += (weights?[i / f.columns] ?? 1) * error * error
      }
    }
    if let weights { gradient.scaleEachRow(by: weights) }
    for i in gradient.storage.indices { gradient.storage[i] *= share * scale }
    result.gradient = gradient
    return result
  }
}

/// Of a draw of the outputs.
struct VariationalLoss {
  var value = 0.0
  var squaredResiduals = 0.0
  var gradient = Matrix(rows: 0, columns: 0)
}

extension Likelihood {
  /// The log density of every row at its weight: w·log p, and of normal noise that of N(f, σ²/w), a density too.
  func weightedDensities(outputs f: Matrix, targets: Matrix, weights: [Double]?) -> [Double] {
    let densities = logDensities(outputs: f, targets: targets)
    guard let weights else { return densities }
    guard let normal = self as? GaussianLikelihood else { return zip(weights, densities).map { $0 * $1 } }
    let constant = normal.variances.reduce(0) { $0 - 0.5 * log(2 * Double.pi * $1) }
    let half = 0.5 * Double(normal.variances.count)
    return zip(weights, densities).map { constant + $0 * ($1 - constant) + half * log($0) }
  }
}

/// Some rows of a row-major block, one after the other.
func gatherRows<Scalar: BLASScalar>(
  _ rows: [Scalar], _ indices: ArraySlice<Int>, width: Int, into target: UnsafeMutableBufferPointer<Scalar>
) {
  rows.withUnsafeBufferPointer { rows in
    guard let source = rows.baseAddress, let target = target.baseAddress else { return }
    for (place, i) in indices.enumerated() {
      (target + place * width).update(from: source + i * width, count: width)
    }
  }
}
