import BNNDatasets
import BNNInference
import BNNPosteriorFile
import BNNProbability
import Testing

@Suite struct DriftFileTests {
  private func posterior(_ scores: [ScoreReference], inputs: Bool) throws -> Posterior {
    let schema = Schema(
      featureColumns: [FeatureColumn(name: "x"), FeatureColumn(name: "c", levels: ["a", "b"])], targets: ["y"])
    var own = Posterior.linear(schema: schema)
    var sketch: InputSketch?
    if inputs {
      let x = try #require(ColumnSketch(cuts: [-1, 0.1, 7], counts: [2, 0, 3.5, 1], isDiscrete: false))
      let c = try #require(ColumnSketch(cuts: [-0.5, 0.5], counts: [0, 4.5, 2], isDiscrete: true))
      sketch = InputSketch(columns: [x, c], rows: 6.5, squares: 7)
    }
    own.drift = DriftReference(inputs: sketch, scores: scores)
    return own
  }

  @Test(arguments: [true, false], [0, 2]) func survivesTheFile(inputs: Bool, count: Int) throws {
    let moments = SampleMoments(count: 60, mean: -0.25, variance: 2, skewness: 0.5)
    let own = try posterior(
      (0..<count).map { $0 == 0 ? ScoreReference(residual: moments, loss: moments) : ScoreReference(square: moments) },
      inputs: inputs)
    let bytes = try PosteriorFile.encode(own).bytes
    let read = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(read.drift == (inputs || count > 0 ? own.drift : nil))
    #expect(try PosteriorFile.encode(read).bytes == bytes)
  }
}
