/// A Gram matrix of segments of rows, with their column of ones apart, and the newest segment's not yet added.
struct OpenGram: Sendable {
  private let columns: Int
  private let hasOnes: Bool
  /// What is subtracted from every row; nil for nothing.
  private var center: [Double]?
  private var total: GramMatrix
  private var totalSums: [Double]
  private var rows = 0.0
  /// The newest segment's.
  private var gram: GramMatrix
  private var sums: [Double]
  private var count = 0.0
  /// λ_min of the column-scaled total when it was last factorised, and the squares of its columns' norms then.
  private var smallest = 0.0
  private var reference: [Double] = []

  private var width: Int { columns + (hasOnes ? 1 : 0) }

  init(columns: Int, hasOnes: Bool) {
    self.columns = columns
    self.hasOnes = hasOnes
    total = GramMatrix(columns: columns)
    gram = total
    totalSums = [Double](repeating: 0, count: columns)
    sums = totalSums
  }

  /// The Gram matrix and the column sums of a segment, not added yet.
  ///
  /// - Parameter continuing: whether the rows follow those last measured in one segment, cut at a multiple of a slice.
  mutating func measure(
    _ segment: UnsafePointer<Double>, count m: Int, continuing: Bool = false, scratch: inout [Double]
  ) {
    if !continuing {
      for i in gram.upper.indices { gram.upper[i] = 0 }
      for j in sums.indices { sums[j] = 0 }
      count = 0
    }
    count += Double(m)
    let slice = GramMatrix.slice
    guard let center else {
      for start in stride(from: 0, to: m, by: slice) {
        let (own, some) = (segment + start * columns, min(slice, m - start))
        if hasOnes { addSums(own, count: some) }
        gram.add(own, count: some)
      }
      return
    }
    if scratch.count < slice * columns { scratch = [Double](repeating: 0, count: slice * columns) }
    for start in stride(from: 0, to: m, by: slice) {
      let some = min(slice, m - start)
      scratch.withUnsafeMutableBufferPointer { target in
        guard let target = target.baseAddress else { return }
        center.withUnsafeBufferPointer { center in
          for i in 0..<some {
            let (row, own) = (segment + (start + i) * columns, target + i * columns)
            for j in 0..<columns { own[j] = row[j] - center[j] }
          }
        }
        addSums(target, count: some)
        gram.add(target, count: some)
      }
    }
  }

  private mutating func addSums(_ rows: UnsafePointer<Double>, count m: Int) {
    sums.withUnsafeMutableBufferPointer { sums in
      var i = 0
      while i + 4 <= m {
        let row = rows + i * columns
        for j in 0..<columns {
          sums[j] += (row[j] + row[columns + j]) + (row[2 * columns + j] + row[3 * columns + j])
        }
        i += 4
      }
      while i < m {
        for j in 0..<columns { sums[j] += rows[i * columns + j] }
        i += 1
      }
    }
  }

  /// The means of the segment last measured.
  var segmentMeans: [Double] { sums.map { $0 / count } }

  mutating func center(at means: [Double]) { center = means }

  /// Takes the measured segment as the first; false if it is not well conditioned.
  mutating func start() -> Bool {
    (total, totalSums, rows) = (gram, sums, count)
    return isWellConditioned()
  }

  /// Adds the measured segment if the sum stays well conditioned; else leaves the total as it was, and returns false.
  mutating func admit() -> Bool {
    let squares = self.squares
    var ratio = Double.infinity
    for j in 0..<width {
      let sum = squares[j] + segmentSquare(j)
      guard sum.isFinite else { return false }
      ratio = min(ratio, reference[j] / sum)
    }
    let limit = GramMatrix.conditionLimit * GramMatrix.conditionLimit
    let least = smallest * ratio
    let isBounded = Double(width) < limit * least || (least > 0 && largestRowSum < limit * least)
    let before = isBounded ? nil : self
    total.add(gram)
    for j in 0..<columns { totalSums[j] += sums[j] }
    rows += count
    if isBounded || isWellConditioned() { return true }
    if let before { self = before }
    return false
  }

  /// ‖D^(−½) S D^(−½)‖_∞ ≥ λ_max of the total with the measured segment, column-scaled. O(w²).
  private var largestRowSum: Double {
    let (n, scale) = (rows + count, (0..<columns).map { j in diagonal(j).squareRoot() })
    let inverse = scale.map { $0 > 0 ? 1 / $0 : 0 }
    var sums = [Double](repeating: 0, count: columns)
    var first = 1.0
    if hasOnes {
      for j in 0..<columns {
        let cosine = abs(totalSums[j] + self.sums[j]) / n.squareRoot() * inverse[j]
        first += cosine
        sums[j] = cosine
      }
    }
    sums.withUnsafeMutableBufferPointer { sums in
      total.upper.withUnsafeBufferPointer { total in
        gram.upper.withUnsafeBufferPointer { gram in
          inverse.withUnsafeBufferPointer { inverse in
            for i in 0..<columns {
              let row = i * columns
              let own = inverse[i]
              sums[i] += abs(total[row + i] + gram[row + i]) * own * own
              var rest = 0.0
              for j in (i + 1)..<max(i + 1, columns) {
                let size = abs(total[row + j] + gram[row + j]) * inverse[j] * own
                rest += size
                sums[j] += size
              }
              sums[i] += rest
            }
          }
        }
      }
    }
    return max(hasOnes ? first : 0, sums.max() ?? 0)
  }

  /// The squared norm of a given column over total and segment.
  private func diagonal(_ j: Int) -> Double { total.upper[j * columns + j] + gram.upper[j * columns + j] }

  /// Absorbs the rows of the total into an array: their factor, with the centring undone.
  func condense(into array: inout InformationArray) {
    guard var r = matrix.factor(limit: .infinity)?.r else {
      preconditionFailure("a well conditioned Gram matrix has a Cholesky factor")
    }
    if let center { for j in 0..<columns { r[0, 1 + j] += r[0, 0] * center[j] } }
    array.absorb(factor: &r)
  }

  private mutating func isWellConditioned() -> Bool {
    guard let spectrum = matrix.factor()?.spectrum else { return false }
    smallest = spectrum.smallest * spectrum.smallest
    reference = squares
    return true
  }

  /// The squared norms of the columns of the total, the ones first.
  private var squares: [Double] {
    (hasOnes ? [rows] : []) + (0..<columns).map { total.upper[$0 * columns + $0] }
  }

  private func segmentSquare(_ j: Int) -> Double {
    guard hasOnes else { return gram.upper[j * columns + j] }
    return j == 0 ? count : gram.upper[(j - 1) * columns + j - 1]
  }

  /// The Gram matrix of the total with the column of ones first.
  private var matrix: GramMatrix {
    guard hasOnes else { return total }
    var full = GramMatrix(columns: width)
    full.upper[0] = rows
    for j in 0..<columns { full.upper[1 + j] = totalSums[j] }
    for i in 0..<columns {
      for j in i..<columns { full.upper[(i + 1) * width + j + 1] = total.upper[i * columns + j] }
    }
    return full
  }
}
