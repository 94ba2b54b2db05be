import COpenBLAS

/// Many rows on their way into an information array, at the speed of a matrix product where that loses nothing.
///
/// Rows are taken in segments of fixed length, whatever pieces they come in. A segment that is well conditioned opens a
/// Gram matrix, to which further segments are added; it is condensed into the array by one Cholesky factorisation at the
/// end. So a batch of many segments costs one factorisation and one orthogonal merge, not one each.
///
/// Why several segments may share one Gram matrix: rounding in AᵢᵀAᵢ is relative to the squares of the column norms of
/// Aᵢ, and those only add up; so the sum S carries the relative error of one product, and what matters is the condition
/// of the column-scaled S alone. That is kept below `GramMatrix.conditionLimit` *before* a segment is added, while its
/// rows are still there to go through QR instead: from the last factorisation, of S₀, λ_min(S) ≥ λ_min(S₀)·min_j S₀ⱼⱼ/Sⱼⱼ
/// (matrices added are positive semidefinite) and λ_max(S) ≤ w (the trace) and ≤ the largest row sum;
/// where these bounds do not suffice, S is factorised anew.
///
/// With a column of ones, columns far from zero are nearly collinear with it. Then the rows are first centred by the
/// means c of the first segment, [1 A] = [1 A − 1cᵀ]·[1 cᵀ; 0 I], which the factor undoes in its first row only.
public struct RowAccumulator: Sendable {
  /// Rows of a segment, a multiple of `GramMatrix.slice`; fixed, since it decides bits.
  public static let segment = 20 * 192

  /// Whether a column of ones stands before the columns that are given.
  private let hasOnes: Bool
  /// The columns that are given.
  private let columns: Int
  /// Rows absorbed by this accumulator.
  public private(set) var count = 0
  private var array: InformationArray
  private var held: [Double] = []
  private var open: OpenGram?
  private var scratch: [Double] = []
  /// Leading rows of the segment to come that the open Gram matrix has measured already.
  private var ahead = 0
  /// Segments that go through QR without a trial, after trials that failed; doubled each time.
  private var pause = 0
  private var nextPause = 1

  private var width: Int { columns + (hasOnes ? 1 : 0) }

  /// - Parameters:
  ///   - array: what earlier rows said.
  ///   - ones: whether the array's first column is that of ones, which the rows given leave out.
  public init(onto array: InformationArray, ones: Bool) {
    self.array = array
    hasOnes = ones
    columns = array.width - (ones ? 1 : 0)
  }

  /// Absorbs rows (m × columns, row-major, finite). O(m·columns²); holds at most a segment.
  public mutating func absorb(_ rows: UnsafeBufferPointer<Double>, count m: Int) {
    precondition(rows.count == m * columns, "rows must have as many columns as the array")
    precondition(ahead <= m, "rows that were prepared must be absorbed")
    count += m
    guard let start = rows.baseAddress, columns > 0 else { return absorbOrthogonally(nil, count: m) }
    guard GramMatrix.isWorthwhile(rows: Self.segment, columns: width) else {
      return absorbOrthogonally(start, count: m)
    }
    var done = 0
    while done < m {
      let space = Self.segment - held.count / columns
      let some = min(space, m - done)
      if some == Self.segment {
        process(start + done * columns, count: some)
      } else {
        held.append(contentsOf: UnsafeBufferPointer(start: start + done * columns, count: some * columns))
        if some == space { processHeld() }
      }
      done += some
    }
  }

  /// Takes the products of rows while they are still in the processor's cache: the leading rows so far (m × columns) of
  /// a segment that will be absorbed next, whole. Changes nothing but the time that `absorb` takes.
  public mutating func prepare(_ rows: UnsafeBufferPointer<Double>, count m: Int) {
    guard let start = rows.baseAddress, held.isEmpty, open != nil else { return }
    let some = min(m, Self.segment) / GramMatrix.slice * GramMatrix.slice
    guard some > ahead else { return }
    open?.measure(start + ahead * columns, count: some - ahead, continuing: ahead > 0, scratch: &scratch)
    ahead = some
  }

  /// The array of all rows.
  public func settled() -> InformationArray {
    var last = self
    if !last.held.isEmpty { last.processHeld() }
    last.close()
    return last.array
  }

  // MARK: Segments

  private mutating func processHeld() {
    let rows = held
    held.removeAll(keepingCapacity: true)
    rows.withUnsafeBufferPointer { if let start = $0.baseAddress { process(start, count: rows.count / columns) } }
  }

  private mutating func process(_ rows: UnsafePointer<Double>, count m: Int) {
    if addToOpen(rows, count: m) || openWith(rows, count: m) { return }
    absorbOrthogonally(rows, count: m)
  }

  private mutating func addToOpen(_ rows: UnsafePointer<Double>, count m: Int) -> Bool {
    guard var gram = open, m >= GramMatrix.slice else { return false }
    open = nil
    if ahead < m {
      gram.measure(rows + ahead * columns, count: m - ahead, continuing: ahead > 0, scratch: &scratch)
    }
    ahead = 0
    if gram.admit() {
      open = gram
      return true
    }
    gram.condense(into: &array)
    return false
  }

  private mutating func openWith(_ rows: UnsafePointer<Double>, count m: Int) -> Bool {
    guard GramMatrix.isWorthwhile(rows: m, columns: width) else { return false }
    if pause > 0 {
      pause -= 1
      return false
    }
    var gram = OpenGram(columns: columns, hasOnes: hasOnes)
    gram.measure(rows, count: m, scratch: &scratch)
    var isOpen = gram.start()
    if !isOpen, hasOnes {
      gram.center(at: gram.segmentMeans)
      gram.measure(rows, count: m, scratch: &scratch)
      isOpen = gram.start()
    }
    guard isOpen else {
      (pause, nextPause) = (nextPause, 2 * nextPause)
      return false
    }
    open = gram
    return true
  }

  private mutating func close() {
    open?.condense(into: &array)
    open = nil
  }

  /// The way that is always right.
  private mutating func absorbOrthogonally(_ rows: UnsafePointer<Double>?, count m: Int) {
    var full = Matrix(rows: m, columns: width, storage: withOnes(rows, count: m))
    array.absorbOrthogonally(&full)
    scratch = full.storage
  }

  /// The rows with the column of ones, in the scratch memory.
  private mutating func withOnes(_ rows: UnsafePointer<Double>?, count m: Int) -> [Double] {
    var result = scratch
    scratch = []
    if result.count != m * width { result = [Double](repeating: 0, count: m * width) }
    let lead = width - columns
    result.withUnsafeMutableBufferPointer { target in
      guard let target = target.baseAddress else { return }
      for i in 0..<m {
        if hasOnes { target[i * width] = 1 }
        if let rows { (target + (i * width + lead)).update(from: rows + i * columns, count: columns) }
      }
    }
    return result
  }
}
