import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// Tensors of a file that are not a curvature of the layers are refused by name.
@Suite struct CurvatureTensorTests {
  static let layers = [LayerShape(inputs: 2, outputs: 2), LayerShape(inputs: 2, outputs: 1)]

  private func tensors(_ structure: CurvatureStructure) -> [CurvatureTensor] {
    var gen = Gen(seed: 2)
    var curvature = AnyCurvature(structure, layers: Self.layers, rank: testRank)
    let factors = RandomFactors(&gen, layers: Self.layers, rows: 8, roots: 1)
    curvature.absorbBatch { own in factors.with(Float.self) { own.absorb($0) } }
    return curvature.tensors
  }

  private func read(_ structure: CurvatureStructure, _ tensors: [CurvatureTensor]) throws {
    _ = try AnyCurvature(structure, layers: Self.layers, rank: testRank, tensors: tensors)
  }

  @Test(arguments: CurvatureStructure.allCases)
  func damageIsNamed(_ structure: CurvatureStructure) throws {
    let good = tensors(structure)
    try read(structure, good)
    #expect(Set(good.map(\.name)).count == good.count)
    for t in good.indices {
      let name = good[t].name
      #expect(good[t].values.count == good[t].shape.reduce(1, *))
      var bad = good
      bad[t].values[0] = .nan
      #expect(throws: CurvatureTensorError.value(name: name, index: 0)) { try read(structure, bad) }
      bad = good
      bad[t].shape = [1] + bad[t].shape
      #expect(throws: CurvatureTensorError.self) { try read(structure, bad) }
      bad = good
      bad[t].values.removeLast()
      bad[t].shape[bad[t].shape.count - 1] -= 1
      #expect(throws: CurvatureTensorError.self) { try read(structure, bad) }
      if name == "directions" { continue }
      bad = good
      if structure == .kroneckerEigenvalue, !name.contains("S") {
        // The eigenvectors of a 1 × 1 matrix may be turned.
        guard bad[t].values.count > 1 else { continue }
        bad[t].values[0] += 1e-6
        #expect(throws: CurvatureTensorError.notOrthonormal(name: name)) { try read(structure, bad) }
        continue
      }
      bad[t].values[0] = -1
      #expect(throws: CurvatureTensorError.value(name: name, index: 0)) { try read(structure, bad) }
    }
    #expect(throws: CurvatureTensorError.unexpected(name: "z")) {
      try read(structure, good + [CurvatureTensor(name: "z", shape: [1], values: [1])])
    }
    if !structure.keepsBatches {
      #expect(throws: CurvatureTensorError.missing(name: good[0].name)) { try read(structure, Array(good.dropFirst())) }
    } else {
      // A list that ends early leaves its partner over.
      #expect(throws: CurvatureTensorError.self) { try read(structure, Array(good.dropFirst())) }
    }
  }

  @Test func errorsSayWhatIsWrong() {
    let error = CurvatureTensorError.shape(name: "0.A.0", expected: [6], found: [5])
    #expect(error.description.contains("0.A.0") && error.description.contains("[5]"))
    #expect(CurvatureTensorError.missing(name: "H").description.contains("\"H\""))
    #expect(CurvatureTensorError.unexpected(name: "H").description.contains("\"H\""))
    #expect(CurvatureTensorError.notOrthonormal(name: "0.U.0").description.contains("\"0.U.0\""))
    #expect(CurvatureTensorError.value(name: "H", index: 3).description.contains("3"))
  }
}
