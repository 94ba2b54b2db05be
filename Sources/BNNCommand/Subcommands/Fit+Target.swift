import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels

/// What the flags of `fit` say of the data: the target, its likelihood and its classes, and the normalisation.
extension Fit {
  /// The names of the target columns.
  var targets: [String] { labels.file == nil ? target : [TableInput.labelColumn] }

  private var givenKind: LikelihoodKind? { likelihood.flatMap(LikelihoodKind.init) }

  /// Whether the method takes classes.
  private var takesClasses: Bool {
    method == nil || keepsCurvature || method == Method.tangent.rawValue
  }

  /// The labels in `--heads`, group by group.
  var headLabels: [[String]]? { groups(heads) }

  /// The labels in `--classes`: a list, or 0, 1, … up to a number of them; or those in `--heads`.
  private var declaredClasses: [String]? {
    guard let labels = names(classes) else { return headLabels?.flatMap { $0 } }
    guard labels.count == 1, let count = Int(labels[0]), (2...TargetKind.mostClasses).contains(count) else {
      return labels
    }
    return (0..<count).map(String.init)
  }

  func validateTarget() throws {
    if labels.file != nil {
      guard target.isEmpty || target == [TableInput.labelColumn] else {
        throw ValidationError(
          "--labels is the target, under the name \"\(TableInput.labelColumn)\"; leave --target \"\(target[0])\" out")
      }
    } else if target.isEmpty {
      throw ValidationError("name the target column with --target")
    }
    if let likelihood {
      guard let kind = LikelihoodKind(rawValue: likelihood) else {
        let all = LikelihoodKind.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--likelihood is one of \(all); got \"\(likelihood)\"")
      }
      if kind != .gaussian, let method, !keepsCurvature, method != Method.tangent.rawValue {
        throw ValidationError(
          "--likelihood \(likelihood) belongs to --method laplace, kalman, mean-field or tangent, not \(method)")
      }
      if kind != .gaussian, subspace != nil { throw ValidationError("--subspace belongs to --likelihood gaussian") }
    }
    try validateHeads()
    guard let declared = declaredClasses else { return }
    if let kind = givenKind, !kind.isClassification {
      throw ValidationError("--classes belongs to --likelihood categorical or bernoulli, not to \(kind.rawValue)")
    }
    guard takesClasses, subspace == nil else {
      throw ValidationError("--classes belongs to --method laplace, kalman, mean-field or tangent")
    }
    guard declared.count > 1 else {
      throw ValidationError(
        "--classes is a list of labels, or their number from 2 to \(TargetKind.mostClasses); got \"\(classes ?? "")\"")
    }
    if givenKind == .bernoulli, declared.count != 2 {
      throw ValidationError("--classes are two for --likelihood bernoulli, got \(declared.count)")
    }
  }

  private func validateHeads() throws {
    guard let heads, let groups = headLabels else { return }
    if let kind = givenKind, kind != .categorical {
      throw ValidationError("--heads belongs to --likelihood categorical, not to \(kind.rawValue)")
    }
    guard takesClasses, subspace == nil else {
      throw ValidationError("--heads belongs to --method laplace, kalman, mean-field or tangent")
    }
    guard groups.allSatisfy({ $0.count >= 2 && !$0.contains("") }) else {
      throw ValidationError("--heads is groups of two classes or more, such as \"0,1;2,3\"; got \"\(heads)\"")
    }
    var seen: Set<String> = []
    if let twice = groups.flatMap({ $0 }).first(where: { !seen.insert($0).inserted }) {
      throw ValidationError("--heads has the class \"\(twice)\" twice; every class is in one head")
    }
  }

  /// What a first reading is to make of the target. Labels of images are classes, unless a flag says otherwise.
  var targetChoice: TargetChoice {
    if let declared = declaredClasses { return .declaredClasses(declared) }
    switch givenKind {
    case nil: return !takesClasses ? .number : labels.file == nil ? .automatic : .classes
    case .gaussian, .heteroscedastic: return .number
    case .poisson: return .count
    case .bernoulli, .categorical: return .classes
    }
  }

  /// How features are normalised: images by all pixels together, unless a flag says otherwise.
  func normalisationRule(_ format: TableFormat) -> NormalisationRule {
    normalize.flatMap(NormalisationRule.init) ?? (format == .idx ? .pixel : .standard)
  }
}
