import BNNDatasets
import BNNSafetensors

/// The tensors of the sample of fingerprints (`RowSketch`), once a file; a posterior without one has none of them:
///
/// | name | shape | what |
/// |---|---|---|
/// | `row_sketch.bound` | [1] | below which all fingerprints are kept, at most 2⁵³ |
/// | `row_sketch.fingerprints` | [K] | ascending |
/// | `row_sketch.repeated` | [R, 2] | those that several rows have: their place among them and how many; absent if none |
extension RowSketch {
  var tensors: [Tensor] {
    let ordered = counts.sorted { $0.key < $1.key }
    let repeated = ordered.enumerated().filter { $1.value > 1 }.flatMap { [Double($0), Double($1.value)] }
    return [
      Tensor(name: "row_sketch.bound", shape: [1], values: [Double(bound)]),
      Tensor(name: "row_sketch.fingerprints", shape: [ordered.count], values: ordered.map { Double($0.key) }),
    ]
      + (repeated.isEmpty
        ? [] : [Tensor(name: "row_sketch.repeated", shape: [repeated.count / 2, 2], values: repeated)])
  }

  /// Takes the tensors `row_sketch.…`; nil when there are none.
  init?(from store: inout TensorStore) throws(PosteriorFileError) {
    guard store.shape(of: "row_sketch.bound") != nil else { return nil }
    let bound = try store.take("row_sketch.bound", shape: [1])
    let fingerprints = try store.take("row_sketch.fingerprints", shape: nil)
    let places = store.shape(of: "row_sketch.repeated")
    let repeated =
      try places.map { shape throws(PosteriorFileError) in
        try store.take("row_sketch.repeated", shape: [shape.first ?? 0, 2])
      } ?? []
    let isWhole = (bound + fingerprints + repeated).allSatisfy { $0 >= 0 && $0 <= 0x1p53 && $0 == $0.rounded() }
    var counts = Dictionary(fingerprints.map { ($0, 1) }, uniquingKeysWith: { first, _ in first })
    for i in stride(from: 0, to: repeated.count, by: 2) where isWhole && Int(repeated[i]) < fingerprints.count {
      counts[fingerprints[Int(repeated[i])]] = Int(repeated[i + 1])
    }
    guard isWhole, zip(fingerprints, fingerprints.dropFirst()).allSatisfy({ $0 < $1 }),
      let own = RowSketch(
        bound: UInt64(bound[0]), counts: Dictionary(uniqueKeysWithValues: counts.map { (UInt64($0.key), $0.value) }))
    else { throw store.corrupt("row_sketch does not hold fingerprints in ascending order below its bound") }
    self = own
  }
}
