import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNSafetensors

/// The tensors of rows that are kept, once a file; a posterior without such rows has none of them:
///
/// | name | shape | what |
/// |---|---|---|
/// | `memory.features` | [K, d] | the model's inputs in their own units |
/// | `memory.targets` | [K, T] | targets in theirs; the index of the class |
/// | `memory.weights` | [K] | row weights; absent if every row weighs 1 |
/// | `memory.batch` | [K] | the number, from 1, of the batch that each row came with |
extension RowMemory {
  var tensors: [Tensor] {
    [
      Tensor(name: "memory.features", shape: [rows, features.columns], values: features.storage),
      Tensor(name: "memory.targets", shape: [rows, targets.columns], values: targets.storage),
      Tensor(name: "memory.batch", shape: [rows], values: batches.map { Double($0) }),
    ] + (weights.map { [Tensor(name: "memory.weights", shape: [rows], values: $0)] } ?? [])
  }

  /// Takes the tensors `memory.…`; nil when there are none.
  ///
  /// - Parameter seen: how many rows the posterior has absorbed.
  init?(from store: inout TensorStore, model: ModelDescription, seen: Int) throws(PosteriorFileError) {
    guard let count = store.shape(of: "memory.features")?.first else { return nil }
    guard count >= 1, count <= seen else {
      throw store.corrupt("memory.features has \(count) rows of the \(seen) that were seen")
    }
    let (d, t) = (model.schema.features.count, model.schema.targets.count)
    let features = try store.take("memory.features", shape: [count, d])
    let values = try store.take("memory.targets", shape: [count, t])
    let targets = Matrix(rows: count, columns: t, storage: values)
    // The variance of a noise decides nothing about which targets there are.
    let likelihood = try? model.likelihood.likelihood(
      targets: t, classes: model.schema.classes?.count ?? 2, heads: model.schema.heads)
    if let invalid = likelihood?.firstInvalid(targets: targets) {
      throw store.corrupt("memory.targets has a target that its model cannot have: \(invalid)")
    }
    var weights: [Double]?
    if store.shape(of: "memory.weights") != nil { weights = try store.take("memory.weights", shape: [count]) }
    guard weights?.allSatisfy({ $0 > 0 }) != false else {
      throw store.corrupt("memory.weights has one that is not positive")
    }
    let batches = try store.take("memory.batch", shape: [count])
    // Every batch has a row.
    guard batches.allSatisfy({ $0 >= 1 && $0 <= Double(seen) && $0 == $0.rounded() }) else {
      throw store.corrupt("memory.batch does not hold the numbers of batches")
    }
    self.init(
      features: Matrix(rows: count, columns: d, storage: features), targets: targets, weights: weights,
      batches: batches.map { Int($0) })
  }
}
