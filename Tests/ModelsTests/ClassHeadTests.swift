import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// Classes in heads: of a row the likelihood is that of the outputs of its head, taken alone. (That gradient and curvature
/// are derivatives, and samples of the density, is tested with all likelihoods: `LikelihoodCase`.)
@Suite struct ClassHeadTests {
  private static let groups = [[4, 0], [1, 3, 6], [5, 2]]

  private func rows(_ gen: inout Gen, _ count: Int) -> (f: Matrix, y: Matrix) {
    let f = gen.matrix(rows: count, columns: 7)
    return (f, Matrix(rows: count, columns: 1, storage: (0..<count).map { Double($0 % 7) }))
  }

  /// Density, gradient, roots and draws are those of a plain softmax of the head's outputs, bit for bit; the other outputs
  /// have none.
  @Test func aHeadIsItsOutputsAlone() throws {
    var gen = Gen(seed: 4)
    let (f, y) = rows(&gen, 21)
    let heads = try ClassHeads(Self.groups)
    let own = CategoricalLikelihood(heads: heads)
    #expect(own.outputs == 7 && own.targets == 1 && own.firstInvalid(targets: y) == nil)
    let densities = own.logDensities(outputs: f, targets: y)
    let gradients = own.gradients(outputs: f, targets: y)
    let roots = own.curvatureRoots(outputs: f, targets: y)
    #expect(roots.count == 2, "as many as the largest head needs")
    var stream = RandomStream(seed: 8)
    let drawn = own.sample(outputs: f, like: y, using: &stream)
    stream = RandomStream(seed: 8)
    for i in 0..<f.rows {
      let place = heads.place(of: i % 7)
      let outputs = heads.groups[place.head]
      #expect(outputs[place.position] == i % 7)
      let plain = CategoricalLikelihood(classes: outputs.count)
      let (part, target) = (Matrix([outputs.map { f[i, $0] }]), Matrix([[Double(place.position)]]))
      func scattered(_ values: [Double]) -> [Double] {
        var result = [Double](repeating: 0, count: 7)
        for (c, value) in zip(outputs, values) { result[c] = value }
        return result
      }
      #expect(densities[i] == plain.logDensities(outputs: part, targets: target)[0])
      #expect(Array(gradients.row(i)) == scattered(plain.gradients(outputs: part, targets: target).storage))
      let expected = plain.curvatureRoots(outputs: part, targets: target).map { scattered($0.storage) }
      #expect(roots.prefix(expected.count).map { Array($0.row(i)) } == expected)
      #expect(roots.dropFirst(expected.count).allSatisfy { $0.row(i).allSatisfy { $0 == 0 } })
      #expect(drawn[i, 0] == Double(outputs[Int(plain.sample(outputs: part, like: target, using: &stream)[0, 0])]))
    }
  }

  /// All classes in one head are no heads, bit for bit.
  @Test func oneHeadIsThePlainSoftmax() throws {
    var gen = Gen(seed: 5)
    let (f, y) = rows(&gen, 14)
    let one = CategoricalLikelihood(heads: try ClassHeads([[3, 0, 1, 2, 6, 5, 4]]))
    let plain = CategoricalLikelihood(classes: 7)
    #expect(one.logDensities(outputs: f, targets: y) == plain.logDensities(outputs: f, targets: y))
    #expect(one.gradients(outputs: f, targets: y) == plain.gradients(outputs: f, targets: y))
    #expect(one.curvatureRoots(outputs: f, targets: y) == plain.curvatureRoots(outputs: f, targets: y))
    var (a, b) = (RandomStream(seed: 1), RandomStream(seed: 1))
    #expect(one.sample(outputs: f, like: y, using: &a) == plain.sample(outputs: f, like: y, using: &b))
    #expect(one.heads?.groups == [[0, 1, 2, 3, 4, 5, 6]] && plain.heads == nil)
  }

  @Test func whatIsNoClassHasNoDensity() throws {
    let own = CategoricalLikelihood(heads: try ClassHeads([[0, 1], [2, 3]]))
    let (f, y) = (Matrix([[1, 2, 3, 4], [1, 2, 3, 4]]), Matrix([[4], [2]]))
    #expect(own.logDensities(outputs: f, targets: y)[0] == -.infinity)
    let gradients = own.gradients(outputs: f, targets: y)
    #expect(gradients.row(0).allSatisfy(\.isNaN) && gradients.row(1).allSatisfy(\.isFinite))
    #expect(own.curvatureRoots(outputs: f, targets: y).allSatisfy { $0.isFinite })
    #expect(own.firstInvalid(targets: y)?.row == 0)
  }

  @Test(arguments: [[[0, 1], [2]], [[0, 1], [1, 2]], [[0, 1], [3, 4]], [[0, 1], [2, -1]], [[0, 1], []]])
  func groupsThatAreNoPartition(_ groups: [[Int]]) {
    #expect(throws: LikelihoodError.self) { try ClassHeads(groups) }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.categorical.likelihood(classes: 4, heads: groups) }
  }

  @Test func kindsTakeHeads() throws {
    let own = try LikelihoodKind.categorical.likelihood(classes: 4, heads: [[2, 3], [0, 1]])
    #expect(own.heads?.groups == [[2, 3], [0, 1]] && own.outputs == 4)
    #expect(throws: LikelihoodError.self) {
      try LikelihoodKind.categorical.likelihood(classes: 5, heads: [[2, 3], [0, 1]])
    }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.bernoulli.likelihood(heads: [[0, 1]]) }
  }
}
