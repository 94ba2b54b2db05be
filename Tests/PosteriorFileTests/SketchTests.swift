import BNNDatasets
import BNNInference
import BNNPosteriorFile
import Testing

@Suite struct SketchTests {
  private func posterior(_ values: [Double]) -> Posterior {
    var own = Posterior.linear(schema: Schema(features: ["x"], targets: ["y"]))
    var sketch = RowSketch()
    Dataset(features: values, featureCount: 1, rows: values.count).forEachRowHash { sketch.add($0) }
    sketch.settle()
    own.rowSketch = sketch
    return own
  }

  @Test(arguments: [[], [1, 2, 3], [1, 2, 2, 3, 3, 3], (0..<3000).map { Double($0 % 1700) }])
  func survivesTheFile(values: [Double]) throws {
    let own = posterior(values)
    let bytes = try PosteriorFile.encode(own).bytes
    let read = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(read.rowSketch == own.rowSketch)
    #expect(try PosteriorFile.encode(read).bytes == bytes)
  }
}
