import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport

/// Factors of random rows of a network's layers, in numbers that both precisions hold, and their dense twin.
struct RandomFactors {
  let layers: [LayerShape]
  let rows: Int
  let roots: Int
  /// Per layer, (rows·positions) × inputs and (roots·rows·positions) × outputs.
  var inputs: [[Double]]
  var deltas: [[Double]]

  init(_ gen: inout Gen, layers: [LayerShape], rows: Int, roots: Int) {
    self.layers = layers
    self.rows = rows
    self.roots = roots
    inputs = []
    deltas = []
    for layer in layers {
      inputs.append(gen.normals(rows * layer.positions * layer.inputs).map { Double(Float($0)) })
      deltas.append(gen.normals(roots * rows * layer.positions * layer.outputs).map { Double(Float($0)) })
    }
  }

  /// The rows of a range by themselves.
  subscript(range: Range<Int>) -> RandomFactors {
    var part = RandomFactors(self, rows: range.count)
    for (l, layer) in layers.enumerated() {
      let (n, o) = (layer.positions * layer.inputs, layer.positions * layer.outputs)
      part.inputs.append(Array(inputs[l][(range.lowerBound * n)..<(range.upperBound * n)]))
      part.deltas.append(
        (0..<roots).flatMap { s in
          let start = (s * rows + range.lowerBound) * o
          return deltas[l][start..<(start + range.count * o)]
        })
    }
    return part
  }

  private init(_ whole: RandomFactors, rows: Int) {
    (layers, self.rows, roots, inputs, deltas) = (whole.layers, rows, whole.roots, [], [])
  }

  /// The last `count` layers alone.
  func last(_ count: Int) -> RandomFactors {
    var part = RandomFactors(layers: Array(layers.suffix(count)), rows: rows, roots: roots)
    part.inputs = Array(inputs.suffix(count))
    part.deltas = Array(deltas.suffix(count))
    return part
  }

  private init(layers: [LayerShape], rows: Int, roots: Int) {
    (self.layers, self.rows, self.roots, inputs, deltas) = (layers, rows, roots, [], [])
  }

  /// As views in this precision.
  func with<Scalar: BLASScalar, Result>(_ type: Scalar.Type, _ body: ([LayerFactors<Scalar>]) throws -> Result)
    rethrows -> Result
  {
    let buffers = (inputs + deltas).map { values in
      let buffer = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values.map { Scalar($0) })
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    return try body(
      layers.indices.map { l in
        LayerFactors(
          rows: rows, roots: roots, positions: layers[l].positions, inputs: UnsafeBufferPointer(buffers[l]),
          deltas: UnsafeBufferPointer(buffers[layers.count + l]))
      })
  }

  /// x̃ of a row at a position.
  func augmented(_ l: Int, _ i: Int, _ t: Int) -> [Double] {
    let (n, place) = (layers[l].inputs, i * layers[l].positions + t)
    return Array(inputs[l][(place * n)..<((place + 1) * n)]) + [1]
  }

  func delta(_ l: Int, root s: Int, _ i: Int, _ t: Int) -> [Double] {
    let (o, place) = (layers[l].outputs, (s * rows + i) * layers[l].positions + t)
    return Array(deltas[l][(place * o)..<((place + 1) * o)])
  }

  /// Σₜ δ ⊗ x̃ of all layers in θ's order: W row by row, then b.
  func row(root s: Int, _ i: Int) -> [Double] {
    layers.indices.flatMap { l in
      var sum = [Double](repeating: 0, count: layers[l].parameterCount)
      for t in 0..<layers[l].positions {
        let x = augmented(l, i, t)
        let delta = delta(l, root: s, i, t)
        for (k, value) in (delta.flatMap { d in x.dropLast().map { d * $0 } } + delta).enumerated() { sum[k] += value }
      }
      return sum
    }
  }

  /// Σᵢ Σₛ of the rows' outer products, P × P.
  var curvature: Matrix {
    let p = layers.parameterCount
    var sum = Matrix(rows: p, columns: p)
    for i in 0..<rows {
      for s in 0..<roots {
        let own = row(root: s, i)
        for a in 0..<p { for b in 0..<p { sum[a, b] += own[a] * own[b] } }
      }
    }
    return sum
  }
}

/// What a structure does to the curvature of one batch, from its definition.
enum CurvatureTwin {
  static func project(
    _ factors: RandomFactors, on structure: CurvatureStructure, rank: Int, sharing: WeightSharing = .expand
  ) throws -> Matrix {
    let dense = factors.curvature
    switch structure {
    case .full: return dense
    case .diagonal: return .diagonal(Naive.diagonal(of: dense))
    case .block:
      return blocks(factors.layers) { l, j, k, h, m in dense[place(factors, l, j, k), place(factors, l, h, m)] }
    case .kronecker:
      let pairs = factors.layers.indices.map { pair(factors, $0, sharing) }
      return blocks(factors.layers) { l, j, k, h, m in
        let n = Double(factors.rows * (sharing == .expand ? factors.layers[l].positions : 1))
        return pairs[l].g[j, h] * pairs[l].a[k, m] / n
      }
    case .kroneckerEigenvalue:
      let bases = try factors.layers.indices.map { l in
        let (a, g) = pair(factors, l, sharing)
        return (u: try SymmetricEigen(of: a).vectors, v: try SymmetricEigen(of: g).vectors)
      }
      let moments = bases.enumerated().map { l, basis in Self.moments(factors, l, u: basis.u, v: basis.v) }
      return blocks(factors.layers) { l, j, k, h, m in
        // Entry by entry of Σ_ab s_ab (v_a ⊗ u_b)(v_a ⊗ u_b)ᵀ.
        let (u, v) = bases[l]
        var sum = 0.0
        for a in 0..<v.rows {
          for b in 0..<u.rows { sum += moments[l][a, b] * v[a, j] * u[b, k] * v[a, h] * u[b, m] }
        }
        return sum
      }
    case .lowRank:
      let eigen = try SymmetricEigen(of: dense)
      var leading = Matrix(rows: dense.rows, columns: dense.rows)
      for e in (0..<dense.rows).reversed().prefix(rank) {
        let v = eigen.vectors.row(e).map { $0 }
        for a in v.indices { for b in v.indices { leading[a, b] += eigen.values[e] * v[a] * v[b] } }
      }
      for a in 0..<dense.rows { leading[a, a] = dense[a, a] }
      return leading
    }
  }

  /// A = Σ x̃x̃ᵀ and G = Σ δδᵀ over rows and positions, or of the means of x̃ and the sums of δ over positions.
  static func pair(_ factors: RandomFactors, _ l: Int, _ sharing: WeightSharing = .expand) -> (a: Matrix, g: Matrix) {
    let layer = factors.layers[l]
    func over(_ value: (Int) -> [Double], share: Double) -> [[Double]] {
      let all = (0..<layer.positions).map(value)
      guard sharing == .reduce else { return all }
      return [all[0].indices.map { k in share * all.reduce(0) { $0 + $1[k] } }]
    }
    var a = Matrix(rows: layer.inputs + 1, columns: layer.inputs + 1)
    var g = Matrix(rows: layer.outputs, columns: layer.outputs)
    for i in 0..<factors.rows {
      for x in over({ factors.augmented(l, i, $0) }, share: 1 / Double(layer.positions)) {
        for k in x.indices { for m in x.indices { a[k, m] += x[k] * x[m] } }
      }
      for s in 0..<factors.roots {
        for d in over({ factors.delta(l, root: s, i, $0) }, share: 1) {
          for j in d.indices { for h in d.indices { g[j, h] += d[j] * d[h] } }
        }
      }
    }
    return (a, g)
  }

  /// Σᵢ Σₛ (vₐᵀ J_is u_b)² over the rows of a layer, J = Σₜ δₜx̃ₜᵀ.
  static func moments(_ factors: RandomFactors, _ l: Int, u: Matrix, v: Matrix) -> Matrix {
    let layer = factors.layers[l]
    var sum = Matrix(rows: v.rows, columns: u.rows)
    for i in 0..<factors.rows {
      for s in 0..<factors.roots {
        for a in 0..<v.rows {
          for b in 0..<u.rows {
            let value = (0..<layer.positions).reduce(0.0) { total, t in
              total + Naive.dot(Array(v.row(a)), factors.delta(l, root: s, i, t))
                * Naive.dot(Array(u.row(b)), factors.augmented(l, i, t))
            }
            sum[a, b] += value * value
          }
        }
      }
    }
    return sum
  }

  /// The place of output j's weight on input k (or its bias, k = inputs) in θ.
  private static func place(_ layers: [LayerShape], _ l: Int, _ j: Int, _ k: Int) -> Int {
    let start = layers[..<l].parameterCount
    let n = layers[l].inputs
    return start + (k < n ? j * n + k : layers[l].outputs * n + j)
  }

  private static func place(_ factors: RandomFactors, _ l: Int, _ j: Int, _ k: Int) -> Int {
    place(factors.layers, l, j, k)
  }

  /// A block-diagonal matrix from its entries (layer, output, input, output, input).
  static func blocks(_ layers: [LayerShape], _ entry: (Int, Int, Int, Int, Int) -> Double) -> Matrix {
    let p = layers.parameterCount
    var result = Matrix(rows: p, columns: p)
    for (l, layer) in layers.enumerated() {
      for j in 0..<layer.outputs {
        for k in 0...layer.inputs {
          for h in 0..<layer.outputs {
            for m in 0...layer.inputs { result[place(layers, l, j, k), place(layers, l, h, m)] = entry(l, j, k, h, m) }
          }
        }
      }
    }
    return result
  }
}
