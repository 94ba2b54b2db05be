import BNNLinearAlgebra
import BNNProbability

/// How rows are chosen that stand for a batch when the rest of it is gone: the coresets of variational continual learning (Nguyen,
/// Li, Bui & Turner 2018).
public enum MemorySelection: String, Codable, CaseIterable, Sendable {
  /// Every set of rows alike.
  case random
  /// One after another the row that is farthest from those chosen, from a random first one on (Gonzalez 1985, "Clustering to
  /// minimize the maximum intercluster distance"): no row is farther from the nearest of them than twice what the best choice of
  /// as many rows could reach.
  case kCentre = "k-centre"

  /// The indices of `count` rows, ascending; of all rows where there are no more.
  ///
  /// Two rows of the same values are both chosen by `kCentre` only where there are fewer different rows than `count`; of rows
  /// equally far it takes the first.
  ///
  /// - Parameters:
  ///   - x: normalised inputs, n × d, row-major.
  ///   - columns: d.
  ///   - threads: the result does not depend on it.
  /// - Complexity: `random` O(n); `kCentre` O(n·count·d) time and O(n) memory.
  @_specialize(where Scalar == Double)
  @_specialize(where Scalar == Float)
  public func chosen<Scalar: BLASScalar>(
    _ count: Int, of x: [Scalar], columns: Int, stream: RandomStream, threads: Int = 1
  ) -> [Int] {
    precondition(columns > 0 && x.count.isMultiple(of: columns), "inputs are rows × columns")
    precondition(count >= 0, "there is no negative number of rows")
    let rows = x.count / columns
    guard count < rows else { return Array(0..<rows) }
    guard count > 0 else { return [] }
    var stream = stream
    switch self {
    case .random: return stream.permutation(rows).prefix(count).sorted()
    case .kCentre:
      return FarthestPoints(x, columns: columns).chosen(count, first: stream.integer(below: rows), threads: threads)
        .sorted()
    }
  }
}

/// The greedy choice of centres: of every row the squared distance to the nearest centre so far.
private struct FarthestPoints<Scalar: BLASScalar> {
  /// Rows that one thread looks at in one go; each row's distance is its own, so that only the order of ties depends on it,
  /// which is that of the rows.
  private static var piece: Int { 2048 }

  /// Some neighbouring rows.
  private struct Piece: Sendable {
    let first: Int
    /// Squared distances; −1 of a centre, which is never chosen again.
    var distances: [Scalar]
    /// The first of the farthest.
    var farthest = 0
  }

  let x: [Scalar]
  let columns: Int
  private var pieces: [Piece]

  init(_ x: [Scalar], columns: Int) {
    self.x = x
    self.columns = columns
    let rows = x.count / columns
    pieces = stride(from: 0, to: rows, by: Self.piece).map { first in
      Piece(first: first, distances: [Scalar](repeating: .infinity, count: min(Self.piece, rows - first)))
    }
  }

  /// Centres in the order in which they are chosen.
  @_specialize(where Scalar == Double)
  @_specialize(where Scalar == Float)
  func chosen(_ count: Int, first: Int, threads: Int) -> [Int] {
    var pieces = pieces
    var centres = [first]
    while centres.count < count {
      let (before, centre) = (pieces, centres[centres.count - 1])
      pieces = parallelMap(before.count, threads: threads) { approached(before[$0], centre) }
      var best = pieces[0]
      for piece in pieces.dropFirst() where piece.distances[piece.farthest] > best.distances[best.farthest] {
        best = piece
      }
      centres.append(best.first + best.farthest)
    }
    return centres
  }

  /// The piece with one more centre.
  private func approached(_ piece: Piece, _ centre: Int) -> Piece {
    var result = piece
    let count = piece.distances.count
    x.withUnsafeBufferPointer { x in
      result.distances.withUnsafeMutableBufferPointer { distances in
        guard let x = x.baseAddress else { return }
        let own = x + centre * columns
        for i in 0..<count where distances[i] >= 0 {
          distances[i] = min(distances[i], Self.squaredDistance(x + (piece.first + i) * columns, own, columns))
        }
        if (0..<count).contains(centre - piece.first) { distances[centre - piece.first] = -1 }
        result.farthest = 0
        for i in 0..<count where distances[i] > distances[result.farthest] { result.farthest = i }
      }
    }
    return result
  }

  /// Σ (aⱼ − bⱼ)² in sixteen partial sums: differences, since ‖a‖² + ‖b‖² − 2aᵀb is not 0 for equal rows.
  @inline(__always) private static func squaredDistance(
    _ a: UnsafePointer<Scalar>, _ b: UnsafePointer<Scalar>, _ count: Int
  ) -> Scalar {
    let (p, q) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
    let size = MemoryLayout<SIMD16<Scalar>>.stride
    var sums = SIMD16<Scalar>.zero
    for k in 0..<count / 16 {
      let difference =
        p.loadUnaligned(fromByteOffset: k * size, as: SIMD16<Scalar>.self)
        - q.loadUnaligned(fromByteOffset: k * size, as: SIMD16<Scalar>.self)
      sums += difference * difference
    }
    let eight = sums.lowHalf + sums.highHalf
    let four = eight.lowHalf + eight.highHalf
    var sum = (four[0] + four[2]) + (four[1] + four[3])
    for j in count / 16 * 16..<count {
      let difference = a[j] - b[j]
      sum += difference * difference
    }
    return sum
  }
}
