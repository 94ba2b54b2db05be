import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// λ Σᵢ E_{y ~ p(y | f₁(xᵢ))}[−log p(y | f(xᵢ; θ))]: what the network before the update says of the new rows' inputs, to be said by
/// the network after it (Li & Hoiem 2016, "Learning without forgetting", at temperature 1).
///
/// Of likelihoods with a canonical link the gradient in the outputs is μ(f) − y (over σ²), so that of the expectation is the
/// difference of two gradients, of f and of f₁, at any one target. Of classes in heads every head that earlier rows informed agrees
/// by itself.
struct Agreement: Sendable {
  /// λ.
  let strength: Double
  /// f₁ of all rows, n × C.
  let outputs: Matrix
  /// A class of every head that is to agree; nil where there are no heads.
  let classes: [Double]?

  /// - Parameters:
  ///   - outputs: f₁ at all rows.
  ///   - heads: of the likelihood.
  ///   - informed: what data said of the last layer's weights before the update: a head whose outputs they said nothing of has
  ///     nothing to say.
  init(strength: Double, outputs: Matrix, heads: ClassHeads?, informed: ArraySlice<Double>) {
    self.strength = strength
    self.outputs = outputs
    // The last of a dense layer's weights are its outputs' biases.
    let biases = Array(informed.suffix(outputs.columns))
    classes = heads?.groups.compactMap { group in
      group.contains { biases[$0] > 0 } ? group.first.map { Double($0) } : nil
    }
  }

  /// Adds the gradient of some of the rows.
  func add(
    to gradient: inout Matrix, outputs f: Matrix, targets y: Matrix, rows indices: ArraySlice<Int>,
    _ likelihood: any Likelihood
  ) {
    let earlier = outputs.gathering(indices)
    let probes = classes.map { $0.map { Matrix(rows: y.rows, columns: y.columns, repeating: $0) } } ?? [y]
    for probe in probes {
      accumulate(strength, likelihood.gradients(outputs: f, targets: probe).storage, into: &gradient.storage)
      accumulate(-strength, likelihood.gradients(outputs: earlier, targets: probe).storage, into: &gradient.storage)
    }
  }
}
