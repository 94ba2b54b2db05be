import BNNLinearAlgebra

/// Means and covariances of the outputs of a network whose weights are independent normals, in one pass without noise
/// (moment propagation: Hernández-Lobato & Adams 2015; Wu et al. 2019). Every layer's inputs are
/// taken as independent, with means m and variances s, and its pre-activations as normal:
///
///     E z = M m + b,   Var z = V (m² + s) + M² s + v_b,
///
/// then E h(z) and Var h(z) by `ActivationMoments`. The outputs keep what they share: Cov(z_a, z_b) = Σᵢ M_ai M_bi sᵢ.
/// The first layer's units are independent and normal, so that one hidden layer gives the exact moments; more give an
/// approximation, since units that share inputs are dependent. Measured with two hidden layers of relu or tanh on 10
/// inputs, at random means and 20 random rows, against 800,000 samples each of `VariationalPass`: with 50 units a layer
/// the means are within 0.004 of an output's standard deviation (some standard errors of the samples) and the standard
/// deviations within 2.4 %; with 10 units, whose weights' variances are 0.025, within 0.021 and 13 %.
public struct MomentPass<Scalar: BLASScalar> {
  private let layers: [Dense]
  /// P.
  public let parameterCount: Int
  private var points: [Double] = []

  public init(_ spec: NetworkSpec) { (layers, parameterCount) = Dense.layout(spec) }

  /// The outputs' means (n × C) and covariances (n × C², each row a C × C matrix, row-major) for n rows of normalised
  /// inputs (n × d). Activations of the output layer are taken to first order between outputs: Cov(h_a, h_b) is
  /// E h′_a E h′_b Cov(z_a, z_b). O(n(P + C² · width of the last hidden layer)).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func callAsFunction(
    _ x: Matrix, mean: [Scalar], variance: [Scalar]
  ) -> (mean: Matrix, covariance: Matrix) {
    precondition(mean.count == parameterCount && variance.count == parameterCount, "P means and P variances")
    precondition(x.columns == layers[0].inputs, "d inputs")
    let n = x.rows
    let squared = mean.map { $0 * $0 }
    var (m, s) = (x.storage.map { Scalar($0) }, [Scalar](repeating: 0, count: x.storage.count))
    var slopes: [Double] = []
    var lastInputs = s
    for (index, layer) in layers.enumerated() {
      let count = n * layer.outputs
      var (z, v) = ([Scalar](repeating: 0, count: count), [Scalar](repeating: 0, count: count))
      layer.affine(rows: n, m, mean, into: &z)
      let second = zip(m, s).map { $0 * $0 + $1 }
      layer.affine(rows: n, second, variance, into: &v)
      // Inputs that are certain have no part in it.
      if index > 0 { layer.product(rows: n, s, squared, keep: 1, into: &v) }
      lastInputs = s
      let isLast = index == layers.count - 1
      if isLast { slopes = [Double](repeating: 1, count: count) }
      if layer.activation != .identity {
        for i in 0..<count {
          let moments = ActivationMoments(
            layer.activation, mean: z[i].doubleValue, variance: v[i].doubleValue, points: &points)
          (z[i], v[i]) = (Scalar(moments.mean), Scalar(moments.variance))
          if isLast { slopes[i] = moments.slope }
        }
      }
      (m, s) = (z, v)
    }
    let last = layers[layers.count - 1]
    let classes = last.outputs
    var covariance = Matrix(rows: n, columns: classes * classes)
    var (scaled, block) = (
      [Scalar](repeating: 0, count: classes * last.inputs), [Scalar](repeating: 0, count: classes * classes)
    )
    for i in 0..<n {
      for a in 0..<classes {
        for k in 0..<last.inputs {
          scaled[a * last.inputs + k] = mean[last.offset + a * last.inputs + k] * lastInputs[i * last.inputs + k]
        }
      }
      last.product(rows: classes, scaled, mean, into: &block)
      for a in 0..<classes {
        for b in 0..<classes {
          let place = i * classes * classes + a * classes + b
          covariance.storage[place] =
            a == b
            ? s[i * classes + a].doubleValue
            // One of the two triangles, so that the matrix is symmetric to the bit.
            : block[max(a, b) * classes + min(a, b)].doubleValue * slopes[i * classes + a] * slopes[i * classes + b]
        }
      }
    }
    return (Matrix(rows: n, columns: classes, storage: m.map(\.doubleValue)), covariance)
  }
}
