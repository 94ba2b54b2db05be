import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct KroneckerEigenvalueTests {
  static let layers = [LayerShape(inputs: 3, outputs: 2, positions: 4), LayerShape(inputs: 2, outputs: 3)]

  private func curvature(
    _ factors: RandomFactors, _ structure: CurvatureStructure = .kroneckerEigenvalue,
    _ sharing: WeightSharing = .expand,
    weight: Double = 1
  ) -> AnyCurvature {
    var result = AnyCurvature(structure, layers: factors.layers, sharing: sharing)
    result.absorbBatch { own in factors.with(Double.self) { own.absorb($0, weight: weight) } }
    return result
  }

  private func dense(_ curvature: AnyCurvature) -> Matrix {
    let p = curvature.layers.parameterCount
    return Matrix((0..<p).map { curvature.times(Matrix.identity(p).column($0)) })
  }

  private func distance(_ a: Matrix, _ b: Matrix) -> Double { euclideanNorm(Naive.sum(a, b, weight: -1).storage) }

  /// Among the matrices that are diagonal in the basis none is nearer to the layers' own blocks, the Kronecker product that has the
  /// basis included: to each entry of the diagonal the error is a parabola with its minimum there.
  @Test(arguments: Gen.seeds(4), WeightSharing.allCases)
  func noDiagonalInTheBasisIsNearer(_ seed: UInt64, _ sharing: WeightSharing) throws {
    var gen = Gen(seed: seed)
    let factors = RandomFactors(&gen, layers: Self.layers, rows: 12, roots: 2)
    let truth = try CurvatureTwin.project(factors, on: .block, rank: testRank)
    let own = curvature(factors, .kroneckerEigenvalue, sharing)
    let error = distance(dense(own), truth)
    let product = distance(dense(curvature(factors, .kronecker, sharing)), truth)
    #expect(error < product)
    // Orthogonal projection: what is lost and what is kept add in squares.
    let squares = own.tensors.filter { $0.name.contains("S") }.flatMap { $0.values }.reduce(0) { $0 + $1 * $1 }
    let whole = Naive.dot(truth.storage, truth.storage)
    #expect((error * error - (whole - squares)).magnitude <= 1e-12 * whole)
    for t in own.tensors.indices where own.tensors[t].name.contains("S") {
      for i in own.tensors[t].values.indices {
        for step in [0.9, 1.1] {
          var moved = own.tensors
          moved[t].values[i] *= step
          let other = try AnyCurvature(.kroneckerEigenvalue, layers: Self.layers, sharing: sharing, tensors: moved)
          let change = (step - 1) * own.tensors[t].values[i]
          let expected = error * error + change * change
          #expect((distance(dense(other), truth) - expected.squareRoot()).magnitude <= 1e-12 * whole.squareRoot())
        }
      }
    }
    // What the structure does keep is exact: the trace, and the moments in its own directions.
    #expect(relativeDifference(own.diagonal.reduce(0, +), Naive.trace(truth)) <= 100 * epsilon)
  }

  /// E1 on one dense layer whose outputs have the same curvature in every row, in one batch and in a list of two.
  @Test(arguments: Gen.seeds(3))
  func isExactForOneLayerOfConstantCurvature(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let layer = [LayerShape(inputs: 4, outputs: 3)]
    var factors = RandomFactors(&gen, layers: layer, rows: 30, roots: 3)
    for s in 0..<3 {
      let root = gen.normals(3)
      for i in 0..<30 { for j in 0..<3 { factors.deltas[0][(s * 30 + i) * 3 + j] = root[j] } }
    }
    var (full, own) = (AnyCurvature(.full, layers: layer), AnyCurvature(.kroneckerEigenvalue, layers: layer))
    for (range, weight) in [(0..<13, 1.0), (13..<30, 0.25)] {
      full.append(curvature(factors[range], .full, weight: weight))
      own.append(curvature(factors[range], weight: weight))
    }
    let x = gen.normals(layer.parameterCount)
    // Sums of 90 products, in a basis that is orthonormal to some 15 units.
    #expect(relativeDifference(own.times(x), full.times(x)) <= 400 * epsilon)
    let prior = PriorPrecision.layers([0.3])
    let (a, b) = (try own.factored(prior: prior), try full.factored(prior: prior))
    // One basis for both batches, in which their sum is diagonal: to the square root of rounding, since eigenvectors are chosen
    // by what is lost in squares, it is the partial traces'.
    let tolerance = 400 * epsilon * Naive.condition(Naive.sum(dense(full), .identity(15), weight: 0.3))
    #expect(relativeDifference(a.solve(x), b.solve(x)) <= tolerance)
    #expect((a.logDeterminant - b.logDeterminant).magnitude <= tolerance)
    #expect(try own.compressed(to: 1).relativeError <= 1e-7)
  }

  /// One output, rows x̃ orthogonal to each other: each is an eigenvector of A, and its moment is its own curvature. The Kronecker
  /// product takes the mean curvature of all rows for each.
  @Test func isExactForOrthogonalRowsOfUnequalCurvature() throws {
    var gen = Gen(seed: 5)
    let q = gen.orthonormal(rows: 4, columns: 4)
    let layer = [LayerShape(inputs: 3, outputs: 1)]
    var factors = RandomFactors(&gen, layers: layer, rows: 4, roots: 1)
    factors.inputs[0] = (0..<4).flatMap { i in q.row(i).prefix(3).map { $0 / q[i, 3] } }
    factors.deltas[0] = [0.1, 1, 2, 5]
    let truth = factors.curvature
    // Eigenvectors are as exact as rounding over the gaps of A's values 1/q², some units here.
    #expect(relativeDifference(dense(curvature(factors)), truth) <= 1e-12)
    #expect(relativeDifference(dense(curvature(factors, .kronecker)), truth) > 0.1)
  }

  /// A list of batches whose curvature differs in scale and direction.
  private func list(_ gen: inout Gen, batches: Int) -> [AnyCurvature] {
    (0..<batches).map { k in
      var factors = RandomFactors(&gen, layers: Self.layers, rows: 6 + 3 * k, roots: 2)
      for i in factors.inputs[0].indices where i % 3 == k % 3 { factors.inputs[0][i] *= 3 }
      return curvature(factors)
    }
  }

  private func sum(_ parts: [AnyCurvature]) -> AnyCurvature {
    parts.dropFirst().reduce(into: parts[0]) { $0.append($1) }
  }

  private func own(_ curvature: AnyCurvature) throws -> KroneckerEigenvalueCurvature {
    try #require(curvature.value as? KroneckerEigenvalueCurvature)
  }

  /// The error that is said is the error that is made, never more than in the basis of any one batch, whose diagonals are taken
  /// from the dense sum here; and the factor is of that matrix.
  @Test(arguments: Gen.seeds(4))
  func oneBasisForAllBatches(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let parts = list(&gen, batches: 4)
    let whole = sum(parts)
    let (one, error) = try whole.compressed(to: 1)
    #expect(try own(one).termCounts == [1, 1])
    let (before, after) = (dense(whole), dense(one))
    #expect(error > 0.01 && relativeDifference(relativeDifference(after, before), error) <= 1e-9)
    #expect(relativeDifference(Naive.trace(after), Naive.trace(before)) <= 200 * epsilon)
    let norm = Naive.dot(before.storage, before.storage)
    for part in parts {
      var kept = 0.0
      for (l, range) in Self.layers.ranges.enumerated() {
        let (u, v) = (part.tensors[3 * l], part.tensors[3 * l + 1])
        let (n, o) = (Self.layers[l].inputs + 1, Self.layers[l].outputs)
        for a in 0..<o {
          for b in 0..<n {
            var direction = [Double](repeating: 0, count: before.rows)
            for j in 0..<o {
              for k in 0..<n {
                direction[range.lowerBound + Self.layers[l].place(output: j, input: k)] =
                  v.values[a * o + j] * u.values[b * n + k]
              }
            }
            let value = Naive.quadratic(before, direction)
            kept += value * value
          }
        }
      }
      #expect(error <= (max(0, norm - kept) / norm).squareRoot() * (1 + 1e-9))
    }
    let prior = PriorPrecision.layers([0.5, 2])
    let x = gen.normals(Self.layers.parameterCount)
    #expect(try whole.factored(prior: prior).solve(x) == one.factored(prior: prior).solve(x))
    let precision = Naive.sum(after, .diagonal(prior.expanded(Self.layers)))
    let (covariance, logDeterminant) = Naive.inverse(precision)
    let tolerance = 400 * epsilon * Naive.condition(precision)
    #expect(relativeDifference(try whole.factored(prior: prior).solve(x), Naive.times(covariance, x)) <= tolerance)
    #expect((try whole.sweep().logDeterminant(prior) - logDeterminant).magnitude <= tolerance * abs(logDeterminant))
  }

  @Test(arguments: Gen.seeds(3))
  func shorterListsSayTheirErrorAndStayPositive(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let whole = sum(list(&gen, batches: 5))
    let before = dense(whole)
    for count in 1...5 {
      let (shorter, error) = try whole.compressed(to: count)
      #expect(try own(shorter).termCounts == [count, count])
      let after = dense(shorter)
      // Errors near rounding are square roots of it.
      #expect((relativeDifference(after, before) - error).magnitude <= 1e-7)
      #expect(try SymmetricEigen(of: after).values.allSatisfy { $0 >= -1e-12 * euclideanNorm(before.storage) })
    }
    #expect(try whole.compressed(to: 5).relativeError == 0 && whole.compressed(to: 9).curvature == whole)
  }

  @Test func equalBatchesCompressWithoutLossAndNothingIsNotKept() throws {
    var gen = Gen(seed: 8)
    let once = list(&gen, batches: 1)[0]
    var twice = sum([once, once])
    let (one, error) = try twice.compressed(to: 1)
    #expect(error <= 1e-7)
    let x = gen.normals(Self.layers.parameterCount)
    #expect(relativeDifference(one.times(x), once.times(x).map { 2 * $0 }) <= 100 * epsilon)
    let before = twice
    twice.append(AnyCurvature(.kroneckerEigenvalue, layers: Self.layers))
    #expect(twice == before)
    #expect(twice.increment(since: once) == once && twice.removing(once) == once)
    #expect(one.increment(since: once) == nil && one.removing(once) == nil)
  }

  /// A layer that the loss does not see yet (δ = 0) compresses to zero, not to NaN.
  @Test func zeroCurvatureStaysZero() throws {
    var gen = Gen(seed: 8)
    let parts = (0..<3).map { _ in
      var factors = RandomFactors(&gen, layers: Self.layers, rows: 5, roots: 2)
      factors.deltas[1] = factors.deltas[1].map { _ in 0 }
      return curvature(factors)
    }
    let (one, error) = try sum(parts).compressed(to: 1)
    #expect(error.isFinite && one.times(gen.normals(17)).suffix(9).allSatisfy { $0 == 0 })
  }
}
