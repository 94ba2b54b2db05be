import BNNDatasets
import BNNSafetensors

/// The tensors of the sample of fingerprints (`RowSketch`), once a file; a posterior without one has none of them:
///
/// | name | shape | what |
/// |---|---|---|
/// | `row_sketch.bound` | [1] | below which all fingerprints are kept, at most 2⁵³ |
/// | `row_sketch.fingerprints` | [K] | ascending |
/// | `row_sketch.counts` | [K] | how many rows have each |
extension RowSketch {
  var tensors: [Tensor] {
    let ordered = counts.sorted { $0.key < $1.key }
    return [
      Tensor(name: "row_sketch.bound", shape: [1], values: [Double(bound)]),
      Tensor(name: "row_sketch.fingerprints", shape: [ordered.count], values: ordered.map { Double($0.key) }),
      Tensor(name: "row_sketch.counts", shape: [ordered.count], values: ordered.map { Double($0.value) }),
    ]
  }

  /// Takes the tensors `row_sketch.…`; nil when there are none.
  init?(from store: inout TensorStore) throws(PosteriorFileError) {
    guard store.shape(of: "row_sketch.bound") != nil else { return nil }
    let bound = try store.take("row_sketch.bound", shape: [1])
    let fingerprints = try store.take("row_sketch.fingerprints", shape: nil)
    let counts = try store.take("row_sketch.counts", shape: [fingerprints.count])
    let isWhole = (bound + fingerprints + counts).allSatisfy { $0 >= 0 && $0 <= 0x1p53 && $0 == $0.rounded() }
    guard isWhole, zip(fingerprints, fingerprints.dropFirst()).allSatisfy({ $0 < $1 }),
      let own = RowSketch(
        bound: UInt64(bound[0]),
        counts: Dictionary(uniqueKeysWithValues: zip(fingerprints, counts).map { (UInt64($0), Int($1)) }))
    else { throw store.corrupt("row_sketch does not hold fingerprints in ascending order below its bound") }
    self = own
  }
}
