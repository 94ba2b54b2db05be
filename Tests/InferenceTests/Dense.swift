import Foundation

#if arch(x86_64)
  /// Extended precision where the machine has it.
  typealias Wide = Float80
#else
  typealias Wide = Double
#endif

/// Closed forms in plain loops and wide arithmetic: the oracle shares no code with the library.
enum Dense {
  /// The posterior of y = Φw + ε under independent normal priors, up to the noise: w | σ² ~ N(mean, σ²(RᵀR)⁻¹).
  struct Ridge {
    var mean: [Wide]
    /// R, diagonal not negative.
    var root: [[Wide]]
    /// min over w of ‖y − Φw‖² + Σ κⱼ(wⱼ − w₀ⱼ)².
    var squares: Wide

    var logDeterminant: Double { root.indices.reduce(0) { $0 + 2 * log(Double(root[$1][$1])) } }

    /// ‖R d‖.
    func length(_ d: [Wide]) -> Wide {
      root.map { row in zip(row, d).reduce(0) { $0 + $1.0 * $1.1 } }.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }

    /// ‖R⁻ᵀφ‖²: φᵀΛ⁻¹φ.
    func leverage(_ phi: [Wide]) -> Wide {
      var v = phi
      for i in v.indices {
        for k in 0..<i { v[i] -= root[k][i] * v[k] }
        v[i] /= root[i][i]
      }
      return v.reduce(0) { $0 + $1 * $1 }
    }
  }

  /// R of the Householder QR of rows with w entries each.
  static func triangle<T: BinaryFloatingPoint>(_ rows: [[T]], width w: Int) -> [[T]] {
    var a = rows + [[T]](repeating: [T](repeating: 0, count: w), count: max(0, w - rows.count))
    for j in 0..<w {
      let length = (j..<a.count).reduce(T(0)) { $0 + a[$1][j] * a[$1][j] }.squareRoot()
      guard length > 0 else { continue }
      var v = (j..<a.count).map { a[$0][j] }
      v[0] += v[0] < 0 ? -length : length
      let squares = v.reduce(T(0)) { $0 + $1 * $1 }
      for k in j..<w {
        var sum: T = 0
        for i in v.indices { sum += v[i] * a[i + j][k] }
        for i in v.indices { a[i + j][k] -= 2 * sum / squares * v[i] }
      }
    }
    return (0..<w).map { i in
      (0..<w).map { $0 < i ? 0 : (a[i][i] < 0 ? -a[i][$0] : a[i][$0]) }
    }
  }

  /// - Parameters:
  ///   - penalties: κⱼ of every column, 0 for a flat one.
  ///   - priorMean: w₀; nil is 0.
  static func ridge(_ phi: [[Wide]], _ y: [Wide], penalties: [Wide], priorMean: [Wide]? = nil) -> Ridge {
    let p = penalties.count
    var rows = zip(phi, y).map { $0 + [$1] }
    for j in 0..<p where penalties[j] > 0 {
      var row = [Wide](repeating: 0, count: p + 1)
      row[j] = penalties[j].squareRoot()
      row[p] = row[j] * (priorMean?[j] ?? 0)
      rows.append(row)
    }
    let r = triangle(rows, width: p + 1)
    var mean = [Wide](repeating: 0, count: p)
    for i in (0..<p).reversed() {
      mean[i] = (r[i][p] - ((i + 1)..<p).reduce(Wide(0)) { $0 + r[i][$1] * mean[$1] }) / r[i][i]
    }
    return Ridge(mean: mean, root: (0..<p).map { Array(r[$0][..<p]) }, squares: r[p][p] * r[p][p])
  }

  /// I + Σⱼ φⱼφⱼᵀ/κⱼ: the covariance of y over σ² when the weights are integrated out.
  static func covariance(_ phi: [[Wide]], penalties: [Wide]) -> [[Wide]] {
    phi.indices.map { i in
      phi.indices.map { k in
        penalties.indices.reduce(i == k ? 1 : 0) { $0 + phi[i][$1] * phi[k][$1] / penalties[$1] }
      }
    }
  }

  /// Cholesky: log|Σ| and dᵀΣ⁻¹d.
  static func factored(_ sigma: [[Wide]], _ d: [Wide]) -> (logDeterminant: Double, squares: Wide) {
    var l = sigma
    var v = d
    var logDeterminant = 0.0
    for i in sigma.indices {
      for j in 0...i {
        var sum = sigma[i][j]
        for k in 0..<j { sum -= l[i][k] * l[j][k] }
        l[i][j] = i == j ? sum.squareRoot() : sum / l[j][j]
      }
      for k in 0..<i { v[i] -= l[i][k] * v[k] }
      v[i] /= l[i][i]
      logDeterminant += 2 * log(Double(l[i][i]))
    }
    return (logDeterminant, v.reduce(0) { $0 + $1 * $1 })
  }

  /// log density of y − mean = d under Student's t with 2a degrees of freedom and scale matrix (b/a)Σ.
  static func logStudent(_ d: [Wide], _ sigma: [[Wide]], a: Double, b: Double) -> Double {
    let (logDeterminant, squares) = factored(sigma, d)
    let half = 0.5 * Double(d.count)
    return lgamma(a + half) - lgamma(a) - half * log(2 * Double.pi * b) - 0.5 * logDeterminant
      - (a + half) * log1p(0.5 * Double(squares) / b)
  }

  /// log density of d under N(0, σ²Σ).
  static func logNormal(_ d: [Wide], _ sigma: [[Wide]], variance: Double) -> Double {
    let (logDeterminant, squares) = factored(sigma, d)
    return -0.5 * Double(d.count) * log(2 * Double.pi * variance) - 0.5 * logDeterminant
      - 0.5 * Double(squares) / variance
  }
}
