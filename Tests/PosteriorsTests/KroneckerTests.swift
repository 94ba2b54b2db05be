import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct KroneckerTests {
  static let layers = [LayerShape(inputs: 3, outputs: 2), LayerShape(inputs: 2, outputs: 3)]

  /// E1 on one dense layer whose outputs have the same curvature in every row.
  @Test(arguments: Gen.seeds(3))
  func isExactForOneLayerOfConstantCurvature(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let layer = [LayerShape(inputs: 4, outputs: 3)]
    var factors = RandomFactors(&gen, layers: layer, rows: 30, roots: 3)
    for s in 0..<3 {
      let root = gen.normals(3)
      for i in 0..<30 { for j in 0..<3 { factors.deltas[0][(s * 30 + i) * 3 + j] = root[j] } }
    }
    var (full, kronecker) = (FullCurvature(layers: layer), KroneckerCurvature(layers: layer))
    for (range, weight) in [(0..<13, 1.0), (13..<30, 0.25)] {
      factors[range].with(Double.self) {
        full.absorb($0, weight: weight)
        kronecker.absorb($0, weight: weight)
      }
    }
    let x = gen.normals(layer.parameterCount)
    // Sums of 90 products.
    #expect(relativeDifference(kronecker.times(x), full.times(x)) <= 200 * epsilon)
    let prior = PriorPrecision.layers([0.3])
    let (a, b) = (try kronecker.factored(prior: prior), try full.factored(prior: prior))
    let tolerance = 100 * epsilon * Naive.condition(Naive.sum(full.matrix, .identity(15), weight: 0.3))
    #expect(relativeDifference(a.solve(x), b.solve(x)) <= tolerance)
    #expect((a.logDeterminant - b.logDeterminant).magnitude <= tolerance)
  }

  /// To reduce: one product of means and sums, in batches with weights as well.
  @Test(arguments: Gen.seeds(3))
  func reducesPositions(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let layers = [LayerShape(inputs: 3, outputs: 2, positions: 5), LayerShape(inputs: 2, outputs: 2)]
    let factors = RandomFactors(&gen, layers: layers, rows: 12, roots: 2)
    var own = KroneckerCurvature(layers: layers, sharing: .reduce)
    for range in [0..<5, 5..<12] { factors[range].with(Double.self) { own.absorb($0) } }
    let expected = try CurvatureTwin.project(factors, on: .kronecker, rank: testRank, sharing: .reduce)
    // Sums of 12 · 2 · 5 products.
    #expect(relativeDifference(dense(own), expected) <= 500 * epsilon)
    #expect(relativeDifference(own.diagonal, Naive.diagonal(of: expected)) <= 500 * epsilon)
  }

  /// To reduce is exact where every position sees the same inputs, as there is one row then: its sum of δ on its x̃.
  @Test func reducingIsExactForEqualPositions() throws {
    var gen = Gen(seed: 4)
    let layers = [LayerShape(inputs: 3, outputs: 2, positions: 5)]
    var factors = RandomFactors(&gen, layers: layers, rows: 1, roots: 2)
    factors.inputs[0] = (0..<5).flatMap { _ in factors.inputs[0][0..<3] }
    var own = KroneckerCurvature(layers: layers, sharing: .reduce)
    factors.with(Double.self) { own.absorb($0) }
    #expect(relativeDifference(dense(own), factors.curvature) <= 200 * epsilon)
  }

  /// Σ of both lists' products as dense matrices of one layer.
  private func dense(_ curvature: KroneckerCurvature) -> Matrix {
    let p = curvature.layers.parameterCount
    return Matrix((0..<p).map { curvature.times(Matrix.identity(p).column($0)) })
  }

  /// A list of batches whose curvature differs in scale and direction.
  private func list(_ gen: inout Gen, batches: Int) -> (KroneckerCurvature, [RandomFactors]) {
    var curvature = KroneckerCurvature(layers: Self.layers)
    var all: [RandomFactors] = []
    for k in 0..<batches {
      var factors = RandomFactors(&gen, layers: Self.layers, rows: 6 + 3 * k, roots: 2)
      for i in factors.inputs[0].indices where i % 3 == k % 3 { factors.inputs[0][i] *= 3 }
      var batch = KroneckerCurvature(layers: Self.layers)
      factors.with(Double.self) { batch.absorb($0) }
      curvature.append(batch)
      all.append(factors)
    }
    return (curvature, all)
  }

  /// One pair is the best there is: its error is what all but the leading singular value of Σ vec(A)vec(G)ᵀ, formed here
  /// and nowhere else, leave.
  @Test(arguments: Gen.seeds(4))
  func onePairIsTheNearestProduct(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let (curvature, batches) = list(&gen, batches: 4)
    let (one, error) = try curvature.compressed(to: 1)
    var (lost, total) = (0.0, 0.0)
    for (l, layer) in Self.layers.enumerated() {
      var rearranged = Matrix(rows: (layer.inputs + 1) * (layer.inputs + 1), columns: layer.outputs * layer.outputs)
      for factors in batches {
        let (a, g) = CurvatureTwin.pair(factors, l)
        for (i, x) in a.storage.enumerated() {
          for (j, y) in g.storage.enumerated() { rearranged[i, j] += x * y / Double(factors.rows) }
        }
      }
      let squares = try SingularValueDecomposition(of: rearranged).singularValues.map { $0 * $0 }
      lost += squares.dropFirst().reduce(0, +)
      total += squares.reduce(0, +)
    }
    let best = (lost / total).squareRoot()
    // The squares of small errors are differences: half the digits. Errors here are of a few percent.
    #expect(best > 0.01 && relativeDifference(error, best) <= 1e-9)
    let (before, after) = (dense(curvature), dense(one))
    #expect(relativeDifference(relativeDifference(after, before), error) <= 1e-9)
    #expect(one.pairCounts == [1, 1])
    // Its factors are positive semi-definite, and the last entry of A is the number of rows.
    for tensor in one.tensors {
      let n = tensor.name.contains("A") ? Self.layers[Int(tensor.name.prefix(1))!].inputs + 1 : nil
      if let n { #expect(relativeDifference(tensor.values.last!, 42) <= 8 * epsilon, "\(n) inputs") }
    }
    #expect(try SymmetricEigen(of: after).values.allSatisfy { $0 >= -1e-12 * total.squareRoot() })
    // The factor is of that pair.
    let prior = PriorPrecision.layers([0.5, 2])
    let x = gen.normals(Self.layers.parameterCount)
    #expect(try curvature.factored(prior: prior).solve(x) == one.factored(prior: prior).solve(x))
    #expect(try curvature.sweep().logDeterminant(prior) == one.factored(prior: prior).logDeterminant)
  }

  @Test(arguments: Gen.seeds(4))
  func morePairsLoseLessAndStayPositive(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let (curvature, _) = list(&gen, batches: 5)
    let before = dense(curvature)
    var last = Double.infinity
    for count in 1...5 {
      let (shorter, error) = try curvature.compressed(to: count)
      #expect(shorter.pairCounts == [count, count])
      let after = dense(shorter)
      // Errors near rounding are square roots of it.
      #expect((relativeDifference(after, before) - error).magnitude <= 1e-7)
      #expect(error < last)
      last = error
      #expect(try SymmetricEigen(of: after).values.allSatisfy { $0 >= -1e-12 * euclideanNorm(before.storage) })
    }
    #expect(last == 0)
    #expect(try curvature.compressed(to: 5).curvature == curvature)
    #expect(try curvature.compressed(to: 9).curvature == curvature)
  }

  /// The same curvature twice is one product again, whatever rounding says of a singular Gram matrix.
  @Test func equalBatchesCompressWithoutLoss() throws {
    var gen = Gen(seed: 8)
    let (once, _) = list(&gen, batches: 1)
    var twice = once
    twice.append(once)
    let (one, error) = try twice.compressed(to: 1)
    #expect(error <= 1e-7)
    let x = gen.normals(Self.layers.parameterCount)
    #expect(relativeDifference(one.times(x), once.times(x).map { 2 * $0 }) <= 64 * epsilon)
  }

  @Test func batchesOfNothingAreNotKept() throws {
    var gen = Gen(seed: 8)
    var (curvature, _) = list(&gen, batches: 2)
    let before = curvature
    curvature.append(KroneckerCurvature(layers: Self.layers))
    curvature.add(KroneckerCurvature(layers: Self.layers))
    #expect(curvature == before && curvature.pairCounts == [2, 2])
  }

  /// A layer that the loss does not see yet (δ = 0) compresses to zero, not to NaN.
  @Test func zeroCurvatureStaysZero() throws {
    var gen = Gen(seed: 8)
    var curvature = KroneckerCurvature(layers: Self.layers)
    for _ in 0..<3 {
      var factors = RandomFactors(&gen, layers: Self.layers, rows: 5, roots: 2)
      factors.deltas[1] = factors.deltas[1].map { _ in 0 }
      var batch = KroneckerCurvature(layers: Self.layers)
      factors.with(Double.self) { batch.absorb($0) }
      curvature.append(batch)
    }
    let (one, error) = try curvature.compressed(to: 1)
    #expect(error.isFinite && one.times(gen.normals(17)).suffix(9).allSatisfy { $0 == 0 })
  }
}
