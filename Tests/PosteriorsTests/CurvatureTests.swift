import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct CurvatureTests {
  static let networks: [[LayerShape]] = [
    [LayerShape(inputs: 1, outputs: 1)],
    [LayerShape(inputs: 3, outputs: 4)],
    [LayerShape(inputs: 3, outputs: 4), LayerShape(inputs: 4, outputs: 2)],
    [LayerShape(inputs: 2, outputs: 3), LayerShape(inputs: 3, outputs: 3), LayerShape(inputs: 3, outputs: 1)],
    // A convolution, a normalisation (whose weights are outputs without inputs) and a dense layer.
    [
      LayerShape(inputs: 3, outputs: 2, positions: 3), LayerShape(inputs: 0, outputs: 4),
      LayerShape(inputs: 3, outputs: 1),
    ],
  ]

  @Test(arguments: CurvatureStructure.allCases, Gen.seeds(3))
  func agreesWithItsDenseTwin(_ structure: CurvatureStructure, _ seed: UInt64) throws {
    for layers in Self.networks {
      try check(structure, layers, rows: Double.self, seed)
      try check(structure, layers, rows: Float.self, seed)
    }
  }

  /// A batch in pieces, then (but for the low rank, whose sum is a projection of its own) another with a weight.
  private func check<Scalar: BLASScalar>(
    _ structure: CurvatureStructure, _ layers: [LayerShape], rows type: Scalar.Type, _ seed: UInt64
  ) throws {
    var gen = Gen(seed: seed)
    let here: Comment = "\(structure), \(layers.map { [$0.inputs, $0.outputs, $0.positions] }), \(type), seed \(seed)"
    var curvature = AnyCurvature(structure, layers: layers, rank: testRank)
    let first = RandomFactors(&gen, layers: layers, rows: 23, roots: 2)
    let positions = layers.map(\.positions).max() ?? 1
    var dense = try CurvatureTwin.project(first, on: structure, rank: testRank)
    var sums = 46 * positions
    if structure == .lowRank {
      first.with(type) { curvature.absorb($0) }
    } else {
      curvature.absorbBatch { own in
        var piece = own
        first[0..<7].with(type) { own.absorb($0) }
        first[7..<7].with(type) { own.absorb($0) }
        first[7..<22].with(type) { piece.absorb($0) }
        first[22..<23].with(type) { piece.absorb($0) }
        own.add(piece)
      }
    }
    // The low-rank part's directions are as far off as rounding moves eigenvectors; the gaps here are wide.
    for prior in Self.priors(layers, structure, &gen) {
      try checkCurvature(curvature, dense: dense, prior: prior, rows: type, sums: 4 * sums, gen: &gen, here)
    }
    try checkCovariances(curvature, dense, type, 4 * sums, &gen, here)
    // At another noise: every entry times a power of two, so nothing more is rounded but the low rank's root.
    var quarter = curvature
    quarter.scale(by: 0.25)
    try checkCurvature(
      quarter, dense: Naive.sum(Matrix(rows: dense.rows, columns: dense.rows), dense, weight: 0.25),
      prior: .layers(layers.map { _ in 0.5 }), rows: type, sums: 4 * sums, gen: &gen, here)
    guard structure != .lowRank else { return }

    let second = RandomFactors(&gen, layers: layers, rows: 11, roots: 3)
    var batch = AnyCurvature(structure, layers: layers)
    batch.absorbBatch { own in second.with(type) { own.absorb($0, weight: 0.7) } }
    curvature.append(batch)
    dense = Naive.sum(dense, try CurvatureTwin.project(second, on: structure, rank: testRank), weight: 0.7)
    sums += 33 * positions
    if structure.keepsBatches {
      // The list is exact; the factor is of one matrix near to it, which has tests of its own.
      var columns: [Double] = []
      for j in 0..<dense.rows { columns += curvature.times(Matrix.identity(dense.rows).column(j)) }
      let bound = 4 * Double(sums) * rounding(of: type)
      #expect(relativeDifference(columns, dense.storage) <= bound, here)
      #expect(relativeDifference(curvature.diagonal, Naive.diagonal(of: dense)) <= bound, here)
    } else {
      try checkCurvature(
        curvature, dense: dense, prior: .layers(layers.map { _ in 0.5 }), rows: type, sums: 4 * sums, gen: &gen, here)
    }
  }

  private func checkCovariances<Scalar: BLASScalar>(
    _ curvature: AnyCurvature, _ dense: Matrix, _ type: Scalar.Type, _ sums: Int, _ gen: inout Gen, _ here: Comment
  ) throws {
    let prior = PriorPrecision.layers(curvature.layers.map { _ in 2.0 })
    let precision = Naive.sum(dense, .diagonal(prior.expanded(curvature.layers)))
    let tolerance = 8 * Double(sums + dense.rows) * rounding(of: type) * Naive.condition(precision)
    checkFunctionalCovariances(
      try curvature.factored(prior: prior), layers: curvature.layers, covariance: Naive.inverse(precision).inverse,
      tolerance: tolerance, rows: type, count: 9, gen: &gen, here)
  }

  /// One precision, one a layer, and one a weight.
  private static func priors(
    _ layers: [LayerShape], _ structure: CurvatureStructure, _ gen: inout Gen
  ) -> [PriorPrecision] {
    let some = PriorPrecision.layers(layers.indices.map { 1 + Double($0) * 0.7 })
    let equal = PriorPrecision.layers(layers.map { _ in 1.3 })
    guard structure.takesWeightPrecisions else { return [equal, some] }
    return [equal, some, .weights(gen.normals(layers.parameterCount).map { 1 + $0 * $0 })]
  }

  /// More rows than are multiplied at once: what the slices are must not show.
  @Test(arguments: CurvatureStructure.allCases)
  func slicesDoNotShow(_ structure: CurvatureStructure) throws {
    var gen = Gen(seed: 3)
    let layers = [LayerShape(inputs: 2, outputs: 2), LayerShape(inputs: 2, outputs: 1)]
    let all = RandomFactors(&gen, layers: layers, rows: 3_500, roots: 2)
    // Nine weights: no direction of these is dropped.
    var whole = AnyCurvature(structure, layers: layers, rank: 9)
    whole.absorbBatch { own in all.with(Double.self) { own.absorb($0) } }
    let dense = try CurvatureTwin.project(all, on: structure, rank: 9)
    var columns: [Double] = []
    for j in 0..<9 { columns += whole.times(Matrix.identity(9).column(j)) }
    #expect(relativeDifference(columns, dense.storage) <= 7_000 * epsilon)
    var single = AnyCurvature(structure, layers: layers, rank: 9)
    single.absorbBatch { own in all.with(Float.self) { own.absorb($0) } }
    // Sums of 1,536 in single precision: their rounding is a random walk, and 7,000 units its worst case.
    #expect(relativeDifference(single.diagonal, Naive.diagonal(of: dense)) <= 100 * rounding(of: Float.self))

    let factor = try whole.factored(prior: .layers([1, 1]))
    let covariance = Naive.inverse(Naive.sum(dense, .identity(9))).inverse
    checkFunctionalCovariances(
      factor, layers: layers, covariance: covariance, tolerance: 1e-9, rows: Double.self, count: 1_700, gen: &gen,
      "\(structure)")
  }

  /// One layer by itself, more rows than its pairs are multiplied at once, and more than the solves of single rows take.
  @Test(arguments: [CurvatureStructure.full, .block], Gen.seeds(2))
  func oneLayerByPairsOfOutputsAndInputs(_ structure: CurvatureStructure, _ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let layer = [LayerShape(inputs: 3, outputs: 4)]
    let factors = RandomFactors(&gen, layers: layer, rows: 500, roots: 3)
    let dense = factors.curvature
    let precision = Naive.sum(dense, .identity(16))
    let covariance = Naive.inverse(precision).inverse
    // An entry sums 1,500 products, in single precision 384 at a time: the rest is in double.
    for (unit, sums) in [(epsilon, 1_500.0), (rounding(of: Float.self), 400)] {
      let isFloat = unit > epsilon
      var curvature = AnyCurvature(structure, layers: layer)
      if isFloat { factors.with(Float.self) { curvature.absorb($0) } }
      if !isFloat { factors.with(Double.self) { curvature.absorb($0) } }
      var columns: [Double] = []
      for j in 0..<16 { columns += curvature.times(Matrix.identity(16).column(j)) }
      #expect(relativeDifference(columns, dense.storage) <= sums * unit)
      let factor = try curvature.factored(prior: .layers([1]))
      let tolerance = sums * unit * Naive.condition(precision)
      let here: Comment = "\(structure), single precision \(isFloat), seed \(seed)"
      if isFloat {
        checkFunctionalCovariances(
          factor, layers: layer, covariance: covariance, tolerance: tolerance, rows: Float.self, count: 450, gen: &gen,
          here)
      } else {
        checkFunctionalCovariances(
          factor, layers: layer, covariance: covariance, tolerance: tolerance, rows: Double.self, count: 450,
          gen: &gen, here)
      }
    }
  }

  /// A posterior of the last layer alone is a curvature of that layer: its block of all layers' in the block structures.
  @Test(arguments: [CurvatureStructure.block, .kronecker, .kroneckerEigenvalue, .diagonal])
  func aSubsetOfLayersIsTheirBlock(_ structure: CurvatureStructure) throws {
    var gen = Gen(seed: 5)
    let layers = Self.networks[3]
    let factors = RandomFactors(&gen, layers: layers, rows: 20, roots: 1)
    var all = AnyCurvature(structure, layers: layers)
    var last = AnyCurvature(structure, layers: Array(layers.suffix(1)))
    all.absorbBatch { own in factors.with(Double.self) { own.absorb($0) } }
    last.absorbBatch { own in factors.last(1).with(Double.self) { own.absorb($0) } }
    let range = layers.ranges[2]
    let x = gen.normals(layers.parameterCount)
    #expect(last.times(Array(x[range])) == Array(all.times(x)[range]))
    let (allFactor, lastFactor) = (
      try all.factored(prior: .layers([3, 2, 0.5])), try last.factored(prior: .layers([0.5]))
    )
    #expect(lastFactor.solve(Array(x[range])) == Array(allFactor.solve(x)[range]))
  }

  @Test(arguments: CurvatureStructure.allCases)
  func withoutRowsAndPriorIsRefused(_ structure: CurvatureStructure) throws {
    let layers = Self.networks[2]
    var curvature = AnyCurvature(structure, layers: layers)
    var gen = Gen(seed: 1)
    let none = RandomFactors(&gen, layers: layers, rows: 0, roots: 2)
    none.with(Float.self) { curvature.absorb($0) }
    #expect(curvature == AnyCurvature(structure, layers: layers))
    #expect(curvature.times(gen.normals(layers.parameterCount)).allSatisfy { $0 == 0 })
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 1)) {
      try curvature.factored(prior: .layers([0, 0]))
    }
    // With a prior it is the prior.
    let factor = try curvature.factored(prior: .layers([4, 4]))
    #expect(factor.marginalVariances.allSatisfy { ($0 - 0.25).magnitude <= 4 * epsilon })
    // One row says nothing of most directions.
    let one = RandomFactors(&gen, layers: layers, rows: 1, roots: 1)
    curvature.absorbBatch { own in one.with(Double.self) { own.absorb($0) } }
    if structure != .diagonal {
      #expect(throws: LinearAlgebraError.self) { try curvature.factored(prior: .layers([0, 0])) }
    }
  }

  @Test(arguments: CurvatureStructure.allCases)
  func rowsThatAreNotFiniteAreRefused(_ structure: CurvatureStructure) throws {
    let layers = Self.networks[2]
    for bad in [Double.nan, .infinity] {
      var gen = Gen(seed: 1)
      var factors = RandomFactors(&gen, layers: layers, rows: 5, roots: 2)
      factors.deltas[0][3] = bad
      factors.deltas[1][3] = bad
      var curvature = AnyCurvature(structure, layers: layers)
      curvature.absorbBatch { own in factors.with(Double.self) { own.absorb($0) } }
      #expect(throws: LinearAlgebraError.self) { try curvature.factored(prior: .layers([1, 1])) }
    }
  }

  /// What a network is refused by: blocks of wide layers are not for any memory, products and diagonals are.
  @Test func numbersHeldCountTheTensors() {
    let layers = [LayerShape(inputs: 3, outputs: 2)]
    #expect(CurvatureStructure.full.numbersHeld(layers: layers) == 128)
    // 3 pairs of outputs with 10 pairs of inputs, and 8 × 8 twice.
    #expect(CurvatureStructure.block.numbersHeld(layers: layers) == 158)
    #expect(CurvatureStructure.kronecker.numbersHeld(layers: layers) == 48)
    // A basis and moments, and those of the factor.
    #expect(CurvatureStructure.kroneckerEigenvalue.numbersHeld(layers: layers) == 56)
    #expect(CurvatureStructure.lowRank.numbersHeld(layers: layers, rank: 3) == 64)
    #expect(CurvatureStructure.diagonal.numbersHeld(layers: layers) == 16)
    let wide = [LayerShape(inputs: 784, outputs: 100)]
    #expect(CurvatureStructure.block.numbersHeld(layers: wide) > 1e10)
    #expect(CurvatureStructure.kronecker.numbersHeld(layers: wide) < 2e6)
  }

  @Test func kroneckerTakesNoPrecisionOfEveryWeight() async {
    #expect(CurvatureStructure.allCases.filter { !$0.takesWeightPrecisions } == [.kronecker, .kroneckerEigenvalue])
    await #expect(processExitsWith: .failure) {
      let layers = [LayerShape(inputs: 1, outputs: 1)]
      _ = try KroneckerCurvature(layers: layers).factored(prior: .weights([1, 1]))
    }
  }
}
