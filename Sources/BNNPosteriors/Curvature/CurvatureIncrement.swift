import BNNLinearAlgebra

/// Curvature with a part of it taken out, in the structures where that is again one of the structure.
extension AnyCurvature {
  /// What this curvature has gained since an earlier one that is a part of it; nil where the structure does not tell: low rank,
  /// and Kronecker products once batches were joined to the nearest.
  public func increment(since earlier: AnyCurvature) -> AnyCurvature? {
    guard case .kronecker(let own) = self, case .kronecker(let before) = earlier else { return removing(earlier) }
    var result = KroneckerCurvature(layers: own.layers, sharing: own.sharing)
    for (l, pairs) in own.pairs.enumerated() {
      guard pairs.starts(with: before.pairs[l]) else { return nil }
      result.pairs[l] = Array(pairs.dropFirst(before.pairs[l].count))
    }
    return .kronecker(result)
  }

  /// Without a batch that was appended; nil as for `increment`.
  public func removing(_ batch: AnyCurvature) -> AnyCurvature? {
    guard structure == batch.structure, layers == batch.layers else { return nil }
    switch (self, batch) {
    case (.full, .full), (.block, .block), (.diagonal, .diagonal):
      var (result, negative) = (self, batch)
      negative.scale(by: -1)
      result.append(negative)
      return result
    case (.kronecker(var own), .kronecker(let batch)):
      for l in own.pairs.indices {
        for pair in batch.pairs[l] {
          guard let place = own.pairs[l].firstIndex(of: pair) else { return nil }
          own.pairs[l].remove(at: place)
        }
      }
      return .kronecker(own)
    default: return nil
    }
  }
}
