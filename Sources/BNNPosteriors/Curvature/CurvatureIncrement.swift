import BNNLinearAlgebra

/// Curvature with a part of it taken out, in the structures where that is again one of the structure.
extension AnyCurvature {
  /// What this curvature has gained since an earlier one that is a part of it; nil where the structure does not tell: low rank,
  /// and Kronecker structures once batches were joined to the nearest.
  public func increment(since earlier: AnyCurvature) -> AnyCurvature? {
    switch (self, earlier) {
    case (.kronecker(var own), .kronecker(let before)):
      guard let pairs = own.pairs.dropping(start: before.pairs) else { return nil }
      own.pairs = pairs
      return .kronecker(own)
    case (.kroneckerEigenvalue(var own), .kroneckerEigenvalue(let before)):
      guard let terms = own.terms.dropping(start: before.terms) else { return nil }
      own.terms = terms
      return .kroneckerEigenvalue(own)
    default: return removing(earlier)
    }
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
      guard let pairs = own.pairs.removing(batch.pairs) else { return nil }
      own.pairs = pairs
      return .kronecker(own)
    case (.kroneckerEigenvalue(var own), .kroneckerEigenvalue(let batch)):
      guard let terms = own.terms.removing(batch.terms) else { return nil }
      own.terms = terms
      return .kroneckerEigenvalue(own)
    default: return nil
    }
  }
}

/// Every layer's list of batches.
extension Array {
  /// What comes after lists that these begin with; nil if they do not.
  fileprivate func dropping<Term: Equatable>(start: [[Term]]) -> [[Term]]? where Element == [Term] {
    guard zip(self, start).allSatisfy({ $0.starts(with: $1) }) else { return nil }
    return zip(self, start).map { own, first in [Term](own.dropFirst(first.count)) }
  }

  /// Without what others hold; nil if it is not there.
  fileprivate func removing<Term: Equatable>(_ other: [[Term]]) -> [[Term]]? where Element == [Term] {
    var result = self
    for l in indices {
      for term in other[l] {
        guard let place = result[l].firstIndex(of: term) else { return nil }
        result[l].remove(at: place)
      }
    }
    return result
  }
}
