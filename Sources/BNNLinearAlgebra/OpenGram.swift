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
  mutating func measure(_ segment: UnsafePointer<Double>, count m: Int, scratch: inout [Double]) {
    for i in gram.upper.indices { gram.upper[i] = 0 }
    for j in sums.indices { sums[j] = 0 }
    count = Double(m)
    guard let center else {
      if hasOnes { addSums(segment, count: m) }
      return gram.add(segment, count: m)
    }
    let slice = GramMatrix.slice
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
    let isBounded = Double(width) < limit * smallest * ratio
    let before = isBounded ? nil : self
    total.add(gram)
    for j in 0..<columns { totalSums[j] += sums[j] }
    rows += count
    if isBounded || isWellConditioned() { return true }
    if let before { self = before }
    return false
  }

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
