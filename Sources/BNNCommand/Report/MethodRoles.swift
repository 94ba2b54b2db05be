import BNNInference

/// Who is who among the compared methods: the two ends of the scale, and the best that needs no row of D1.
struct MethodRoles {
  /// Also the class in the page's style.
  enum Role: String { case best, own, old, stale, union }

  typealias Method = ComparisonReport.MethodResult

  let report: ComparisonReport
  let staleIndex: Int?
  let unionIndex: Int?
  let bestIndex: Int?
  /// The score by which the best is the best: the log-likelihood, unless only the error has a gap.
  let deciding: Score

  init(_ report: ComparisonReport) {
    self.report = report
    let methods = report.methods
    staleIndex = methods.firstIndex { $0.name == "stale" }
    unionIndex = methods.lastIndex { $0.name == "union" }
    let deciding: Score = report.nll.isNone && !report.error.isNone ? .error : .nll
    self.deciding = deciding
    let ends = [staleIndex, unionIndex]
    let candidates = methods.indices.filter { index in
      !ends.contains(index) && !methods[index].needsOldData && methods[index].failure == nil
        && deciding.of(methods[index])?.score.isFinite == true
    }
    // On paired splits the largest share is the smallest mean score.
    bestIndex = candidates.min { (deciding.of(methods[$0])?.score ?? 0) < (deciding.of(methods[$1])?.score ?? 0) }
  }

  var stale: Method? { staleIndex.map { report.methods[$0] } }
  var union: Method? { unionIndex.map { report.methods[$0] } }
  var best: Method? { bestIndex.map { report.methods[$0] } }

  func role(_ index: Int) -> Role {
    switch index {
    case staleIndex: .stale
    case unionIndex: .union
    case bestIndex: .best
    default: report.methods[index].needsOldData ? .old : .own
    }
  }

  /// Everything but the two ends of the scale.
  var updates: [Int] { report.methods.indices.filter { $0 != staleIndex && $0 != unionIndex } }

  /// Doing nothing, the best, the hot start where `withHotStart`, and the union: as many as were compared.
  func shown(withHotStart: Bool) -> [Int] {
    let hot = withHotStart ? report.methods.firstIndex { $0.name.hasPrefix("hot") } : nil
    var seen: [Int] = []
    for index in [staleIndex, bestIndex, hot, unionIndex].compactMap({ $0 }) where !seen.contains(index) {
      seen.append(index)
    }
    return seen
  }

  /// What a caption calls a method: the name, with what the two ends are.
  func title(_ index: Int) -> String {
    switch role(index) {
    case .stale: "stale (D1 only)"
    case .union: "union (retrained)"
    case .best: "\(report.methods[index].name) (best without D1)"
    case .own, .old: report.methods[index].name
    }
  }
}

/// The two scores of every method; less is better in both.
enum Score {
  case nll, error

  func of(_ method: ComparisonReport.MethodResult) -> ComparisonReport.GapClosed? {
    self == .nll ? method.nll : method.error
  }

  func gap(_ report: ComparisonReport) -> ComparisonReport.Gap { self == .nll ? report.nll : report.error }

  func name(_ report: ComparisonReport) -> String {
    switch self {
    case .nll: "negative log-likelihood"
    case .error: report.isClassification ? "error rate" : "root mean squared error"
    }
  }

  /// After a number; the error's unit is the target's own.
  var unit: String { self == .nll ? " nats a row" : "" }

  /// Decimals that show two digits of the scores' standard errors.
  func decimals(_ report: ComparisonReport) -> Int {
    let errors = report.methods.compactMap { of($0)?.standardError }.filter { $0.isFinite && $0 > 0 }.sorted()
    return ReportText.decimals(for: errors.isEmpty ? nil : errors[errors.count / 2])
  }
}
