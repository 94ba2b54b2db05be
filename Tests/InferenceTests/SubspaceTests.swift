import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNDatasets
@testable import BNNInference

/// The tangent in a subspace: how its directions are chosen, and what the reduced model keeps.
@Suite struct SubspaceTests {
  static func search(_ j: Matrix, piece: Int, threads: Int = 1) -> LeadingDirections {
    LeadingDirections(
      columns: j.columns, rows: j.rows, blocks: (j.rows + piece - 1) / piece,
      block: { j.rows(($0 * piece)..<min(($0 + 1) * piece, j.rows)) }, threads: threads)
  }

  /// max |SᵀS − I|.
  static func departure(_ s: Matrix) -> Double {
    let gram = Matrix.product(s, s, transposeB: true)
    var worst = 0.0
    for i in 0..<gram.rows {
      for k in 0..<gram.columns { worst = max(worst, abs(gram[i, k] - (i == k ? 1 : 0))) }
    }
    return worst
  }

  /// Householder's Q and the eigenvectors' matrix are orthonormal to some ε·P each; their product to the sum.
  @Test(arguments: Gen.seeds(5)) func directionsAreOrthonormal(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for (n, p, m) in [(60, 40, 7), (30, 90, 30), (200, 150, 149), (40, 30, 30)] {
      let j = gen.matrix(rows: n, columns: p, condition: 1e6)
      let s = try Self.search(j, piece: 17).leading(m, from: RandomStream(seed: seed))
      #expect(s.rows == m && s.columns == p)
      #expect(Self.departure(s) < 10 * Double(p) * epsilon, "\(n) × \(p), \(m)")
    }
    // Fewer independent rows than directions: completed, and still orthonormal.
    let thin = Matrix.product(gen.matrix(rows: 50, columns: 3), gen.matrix(rows: 3, columns: 40))
    let s = try Self.search(thin, piece: 50).leading(10, from: RandomStream(seed: seed))
    #expect(Self.departure(s) < 400 * epsilon)
    let squares = { (m: Matrix) -> Double in m.squaredRowNorms.reduce(0, +) }
    let (kept, all) = (squares(Matrix.product(thin, s, transposeB: true)), squares(thin))
    #expect(kept > (1 - 1e-12) * all)
  }

  /// Squares lost beyond those of the exact eigenvectors: (Σ_{j>m} λ_j⁴)(Σ_{i≤m} λ_i⁻³)/(l − m − 1) in expectation.
  ///
  /// The spectrum is given when J is made; LAPACK's decomposition of J agrees with it. The mean of 40 draws may exceed the
  /// expectation by chance; Markov's inequality alone allows a factor 10 in one of ten choices of seeds.
  @Test(arguments: [30.0, 1e4]) func squaresLostAreWithinTheBound(condition: Double) throws {
    var gen = Gen(seed: 3)
    let (n, p, m) = (120, 80, 12)
    let j = gen.matrix(rows: n, columns: p, condition: condition)
    let lambda = try SingularValueDecomposition(of: j).singularValues.map { $0 * $0 }
    for (own, made) in zip(lambda, Gen.logSpaced(p, condition: condition)) {
      let difference = abs(own - made * made)
      #expect(difference < 1e-13)
    }
    let total = lambda.reduce(0, +)
    let best = lambda.prefix(m).reduce(0, +)
    let tail = lambda.dropFirst(m).map { pow($0, 4) }.reduce(0, +)
    let head = lambda.prefix(m).map { pow($0, -3) }.reduce(0, +)
    let bound = tail * head / Double(LeadingDirections.oversampling - 1)
    var lost = 0.0
    for seed in 0..<40 {
      let s = try Self.search(j, piece: 32).leading(m, from: RandomStream(seed: UInt64(seed)))
      let kept = Matrix.product(j, s, transposeB: true).squaredRowNorms.reduce(0, +)
      #expect(kept <= best + 1e-12 * total, "no subspace keeps more than the eigenvectors'")
      lost += (best - kept) / 40
    }
    #expect(lost <= 10 * bound + 1e-12 * total, "lost \(lost / total), bound \(bound / total)")
    #expect(lost < 1e-3 * total)
  }

  @Test func threadsAndSeeds() throws {
    var gen = Gen(seed: 9)
    let j = gen.matrix(rows: 300, columns: 250)
    let one = try Self.search(j, piece: 64, threads: 1).leading(150, from: RandomStream(seed: 1))
    for threads in [2, 4] {
      #expect(try Self.search(j, piece: 64, threads: threads).leading(150, from: RandomStream(seed: 1)) == one)
    }
    #expect(try Self.search(j, piece: 64).leading(150, from: RandomStream(seed: 2)) != one)
  }

  /// A feature that is constant makes H columns of J zero everywhere, so that J's rank is P − H: then a subspace of that
  /// dimension is the whole tangent, in evidence, κ and predictions.
  ///
  /// The directions of the smallest eigenvalue are known to ε·cond(J)², so J loses ε·cond(J) of itself.
  @Test(arguments: Gen.seeds(4), [1, 2]) func asManyDirectionsAsTheRankIsTheWhole(seed: UInt64, outputs: Int) throws {
    var gen = Gen(seed: seed)
    let hidden = 4
    var rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: outputs)
    for i in 0..<90 { rows.x[i, 2] = 7 }
    let (first, rest) = (rows.picking(0..<60), rows.picking(60..<80))
    let whole = try NetworkData.fit(.tangent, first, hidden: hidden, seed: seed).posterior
    let p = whole.members[0].theta.count
    let reduced = try NetworkData.fit(.tangent, first, hidden: hidden, subspace: p - hidden, seed: seed)
    #expect(reduced.posterior.members[0].theta == whole.members[0].theta)
    let share = try #require(reduced.report.subspaceShare)
    #expect(abs(share - 1) < 1e-13)
    let (a, b) = (try whole.updated(rest), try reduced.posterior.updated(rest))
    let values = try SingularValueDecomposition(
      of: TangentBasis(
        network: Network(try #require(whole.model.network)), theta: whole.members[0].theta,
        normalisation: whole.normalisation, outputRoot: whole.members[0].outputRoot
      ).jacobian(first.x).rows
    ).singularValues
    let tolerance = 100 * epsilon * values[0] / values[p - hidden - 1]
    let (own, other) = (b.members[0].responses[0], a.members[0].responses[0])
    #expect(abs(own.ratio / other.ratio - 1) < tolerance)
    let (evidence, wholeEvidence) = (try #require(own.logEvidence), try #require(other.logEvidence))
    #expect(abs(evidence - wholeEvidence) < 1e3 * tolerance)
    let test = rows.picking(80..<90).x
    for (one, two) in zip(try a.predict(features: test)[0], try b.predict(features: test)[0]) {
      #expect(abs(one.location - two.location) < tolerance * two.scale * 10, "\(tolerance)")
      #expect(abs(one.scale / two.scale - 1) < tolerance)
    }
  }

  /// ‖JS‖²/‖J‖² of every batch, against the oracle's derivatives in wide arithmetic; members on average.
  @Test(arguments: [1, 2]) func keptShare(outputs: Int) throws {
    var gen = Gen(seed: 21)
    let rows = NetworkData.rows(&gen, count: 80, inputs: 3, outputs: outputs)
    let fitted = try NetworkData.fit(
      .tangent, rows.picking(0..<40), hidden: 5, members: 2, subspace: 6, seed: 4)
    let (updated, reports) = try fitted.posterior.updated(rows, [Array(40..<70), Array(70..<80)])
    for (report, range) in zip([fitted.report] + reports, [0..<40, 40..<70, 70..<80]) {
      let shares = updated.members.indices.map { k -> Double in
        var whole = NetworkOracle(updated, hidden: 5, member: k)
        let kept = whole.rows(rows.picking(range), response: 0).phi
        whole.subspace = nil
        let all = whole.rows(rows.picking(range), response: 0).phi
        let squares = { (rows: [[Wide]]) -> Wide in rows.joined().map { $0 * $0 }.reduce(0, +) }
        return Double(squares(kept) / squares(all))
      }
      let share = try #require(report.subspaceShare)
      // Sums of some thousand squares, each to a few ε.
      let difference = abs(share - shares.reduce(0, +) / 2)
      #expect(difference < 1e-13)
      #expect(share < 1 && share > 0.3)
    }
  }

  @Test func membersHaveDirectionsOfTheirOwn() throws {
    var gen = Gen(seed: 2)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 2, outputs: 1)
    let members = try NetworkData.fit(.tangent, rows, hidden: 4, members: 2, subspace: 5, seed: 1).posterior.members
    #expect(members[0].subspace != members[1].subspace)
    for member in members { #expect(Self.departure(try #require(member.subspace)) < 1e-13) }
  }

  @Test func sizesThatCannotBe() throws {
    var gen = Gen(seed: 2)
    let rows = NetworkData.rows(&gen, count: 12, inputs: 2, outputs: 1)
    // 17 weights, 12 rows.
    for size in [0, -1, 17, 18, 13] {
      #expect(throws: UpdateError.self, "\(size)") {
        _ = try NetworkData.fit(.tangent, rows, hidden: 4, subspace: size, seed: 1)
      }
    }
    let posterior = try NetworkData.fit(.tangent, rows, hidden: 4, subspace: 12, seed: 1).posterior
    #expect(posterior.certificate.conditionalOn.contains(.init("subspace", fixedBy: 1)))
    #expect(posterior.weightNames() == (0..<12).map { "direction \($0)" })
  }

  @Test func differencesNeedOneSubspace() throws {
    var gen = Gen(seed: 2)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 2, outputs: 1)
    let one = try NetworkData.fit(.tangent, rows.picking(0..<20), hidden: 4, subspace: 6, seed: 1).posterior
    let same = try PosteriorDifference(one, one)
    #expect(same.maxAbsMean == 0 && same.klForward == 0)
    let later = try one.updated(rows.picking(20..<40))
    #expect(try #require(PosteriorDifference(one, later).klForward) > 0)
    let other = try NetworkData.fit(.tangent, rows.picking(0..<20), hidden: 4, subspace: 6, seed: 2).posterior
    #expect(throws: UpdateError.self) { _ = try PosteriorDifference(one, other) }
    let whole = try NetworkData.fit(.tangent, rows.picking(0..<20), hidden: 4, seed: 1).posterior
    #expect(throws: UpdateError.self) { _ = try PosteriorDifference(one, whole) }
  }

  /// What a file says of single rows. Of n ≤ P whole rows of derivatives the array's span is theirs: a row that was seen lies in it
  /// but for rounding, most that were not do not, which is where solving for rows begins. A sketch of M < n random directions holds
  /// one subspace, drawn before any row: both lie in it to the same share, M/P on average.
  @Test func aSketchHasNoSpanOfRows() throws {
    var gen = Gen(seed: 21)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: 1)
    let (seen, other) = (rows.picking(0..<30), rows.picking(30..<60))
    let whole = try NetworkData.fit(.tangent, seen, hidden: 9, seed: 4).posterior
    let sketch = try NetworkData.fit(.tangent, seen, hidden: 9, subspace: 12, isSketch: true, seed: 4).posterior
    let again = try NetworkData.fit(.tangent, other, hidden: 9, subspace: 12, isSketch: true, seed: 4).posterior
    #expect(sketch.members[0].subspace == again.members[0].subspace, "of the seed alone")
    #expect(Self.departure(try #require(sketch.members[0].subspace)) < 100 * epsilon)
    let tangent = try #require(whole.basis(of: whole.members[0]) as? TangentBasis)
    /// Shares of the rows' squares outside the span of the rows of `a`.
    func outside(_ a: Matrix, _ own: Rows) throws -> [Double] {
      let basis = a.orthonormalRows()
      let j = tangent.jacobian(own.x).rows
      let inside = Matrix.product(j, basis, transposeB: true).squaredRowNorms
      return zip(j.squaredRowNorms, inside).map { 1 - $1 / $0 }
    }
    let kept = whole.members[0].statistics.system(response: 0).root
    #expect(kept.rows == 30)
    // Rounding of a QR of 30 rows, times their condition; derivatives are smooth, so that others are near the span too, but outside it.
    let (inside, apart) = (try outside(kept, seen).map(abs), try outside(kept, other).sorted())
    #expect(inside.allSatisfy { $0 < 1e-8 })
    #expect(apart[15] > 1000 * (inside.max() ?? 1), "\(apart[15]), \(inside.max() ?? 1)")
    let s = try #require(sketch.members[0].subspace)
    let reduced = sketch.members[0].statistics.system(response: 0).root
    #expect(reduced.rows == 12 && reduced.columns == 12)
    let span = Matrix.product(reduced, s)
    let (own, fresh) = (try outside(span, seen), try outside(span, other))
    let all = own + fresh
    let mean = all.reduce(0, +) / 60
    let deviation = (all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 59).squareRoot()
    // Two means of 30, six standard errors.
    #expect(abs(own.reduce(0, +) - fresh.reduce(0, +)) / 30 < 6 * deviation * (2.0 / 30).squareRoot())
    #expect(own.allSatisfy { $0 > 0.2 })
    #expect(throws: UpdateError.self) {
      try NetworkData.fit(.tangent, seen, hidden: 9, subspace: 30, isSketch: true, seed: 4)
    }
  }
}
