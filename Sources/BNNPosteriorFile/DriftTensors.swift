import BNNDatasets
import BNNInference
import BNNProbability
import BNNSafetensors

/// The tensors by which later rows are compared with earlier ones (`DriftReference`), once a file; a posterior that keeps nothing of
/// it has none of them:
///
/// | name | shape | what |
/// |---|---|---|
/// | `drift.scores` | [S, 12] | of D1's rows, left out: number, mean, variance and skewness of e, of e² and of −log p; a number of 0 is none |
/// | `drift.rows` | [2] | rows that the columns describe, and Σ n²/m over batches of n rows of which m were looked at |
/// | `drift.sizes` | [d, 2] | of every feature column: how many places, and 1 where they are its different values |
/// | `drift.cuts` | [Σ] | places, ascending, one column after another |
/// | `drift.counts` | [Σ + d] | rows below, between and from them on |
extension DriftReference {
  var tensors: [Tensor] {
    var result: [Tensor] = []
    if !scores.isEmpty {
      var values: [Double] = []
      for own in scores {
        for moments in [own.residual, own.square, own.loss] {
          values += moments.map { [$0.count, $0.mean, $0.variance, $0.skewness] } ?? [0, 0, 0, 0]
        }
      }
      result.append(Tensor(name: "drift.scores", shape: [scores.count, 12], values: values))
    }
    if let inputs {
      let sizes = inputs.columns.flatMap { own -> [Double] in [Double(own.cuts.count), own.isDiscrete ? 1 : 0] }
      let (cuts, counts) = (inputs.columns.flatMap(\.cuts), inputs.columns.flatMap(\.counts))
      result += [
        Tensor(name: "drift.rows", shape: [2], values: [inputs.rows, inputs.squares]),
        Tensor(name: "drift.sizes", shape: [inputs.columns.count, 2], values: sizes),
        Tensor(name: "drift.cuts", shape: [cuts.count], values: cuts),
        Tensor(name: "drift.counts", shape: [counts.count], values: counts),
      ]
    }
    return result
  }

  /// Takes the tensors `drift.…`; nil when there are none.
  init?(from store: inout TensorStore, model: ModelDescription) throws(PosteriorFileError) {
    let shape = store.shape(of: "drift.scores")
    let isDescribed = store.shape(of: "drift.rows") != nil
    guard shape != nil || isDescribed else { return nil }
    var scores: [ScoreReference] = []
    if let count = shape?.first {
      let values = try store.take("drift.scores", shape: [count, 12])
      for i in stride(from: 0, to: values.count, by: 12) {
        let moments = try stride(from: i, to: i + 12, by: 4).map { start throws(PosteriorFileError) -> SampleMoments? in
          guard values[start] >= 0, values[start + 2] >= 0 else {
            throw store.corrupt("drift.scores has a number of rows or a variance below 0")
          }
          return values[start] == 0
            ? nil
            : SampleMoments(
              count: values[start], mean: values[start + 1], variance: values[start + 2], skewness: values[start + 3])
        }
        scores.append(ScoreReference(residual: moments[0], square: moments[1], loss: moments[2]))
      }
    }
    self.init(
      inputs: isDescribed ? try Self.inputs(from: &store, columns: model.schema.featureColumns.count) : nil,
      scores: scores)
  }

  private static func inputs(
    from store: inout TensorStore, columns d: Int
  ) throws(PosteriorFileError) -> InputSketch {
    let rows = try store.take("drift.rows", shape: [2])
    let sizes = try store.take("drift.sizes", shape: [d, 2])
    let cuts = try store.take("drift.cuts", shape: nil)
    let counts = try store.take("drift.counts", shape: nil)
    let isWhole = stride(from: 0, to: sizes.count, by: 2).allSatisfy { i -> Bool in
      let (size, flag) = (sizes[i], sizes[i + 1])
      return size >= 0 && size < 1e6 && size == size.rounded() && (flag == 0 || flag == 1)
    }
    guard isWhole, rows.allSatisfy({ $0 >= 0 }) else { throw store.corrupt("drift.sizes or drift.rows are not counts") }
    let places = stride(from: 0, to: sizes.count, by: 2).map { Int(sizes[$0]) }
    guard places.reduce(0, +) == cuts.count, cuts.count + d == counts.count else {
      throw store.corrupt("drift.cuts and drift.counts do not fit drift.sizes")
    }
    var columns: [ColumnSketch] = []
    var (here, there) = (0, 0)
    for (c, size) in places.enumerated() {
      let own = ColumnSketch(
        cuts: Array(cuts[here..<(here + size)]), counts: Array(counts[there..<(there + size + 1)]),
        isDiscrete: sizes[2 * c + 1] == 1)
      guard let own else { throw store.corrupt("drift.cuts are not ascending, or drift.counts below 0") }
      columns.append(own)
      here += size
      there += size + 1
    }
    return InputSketch(columns: columns, rows: rows[0], squares: rows[1])
  }
}
