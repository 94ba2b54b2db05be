import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels

/// What the flags say of the data: the target, its likelihood and its classes, and the normalisation.
extension ModelOptions {
  /// The names of the target columns; `isLabelled` where labels come in a file of their own.
  func targets(isLabelled: Bool) -> [String] { isLabelled ? [TableInput.labelColumn] : target }

  private var givenKind: LikelihoodKind? { likelihood.flatMap(LikelihoodKind.init) }

  /// Whether the likelihood that was asked for, if one was, is a Gaussian one.
  var mayBeGaussian: Bool { givenKind == nil || givenKind == .gaussian }

  /// Whether a flag says that targets are classes, and which flag.
  var classFlag: String? { heads != nil ? "--heads" : classes != nil ? "--classes" : nil }

  /// The labels in `--heads`, group by group.
  var headLabels: [[String]]? { groups(heads) }

  /// The labels in `--classes`, or those in `--heads`.
  private var declaredClasses: [String]? { classLabels(classes) ?? headLabels?.flatMap { $0 } }

  func validateTarget(isLabelled: Bool) throws {
    if isLabelled {
      guard target.isEmpty || target == [TableInput.labelColumn] else {
        throw ValidationError(
          "--labels is the target, under the name \"\(TableInput.labelColumn)\"; leave --target \"\(target[0])\" out")
      }
    } else if target.isEmpty {
      throw ValidationError("name the target column with --target")
    }
  }

  /// Of flags that are about classes.
  func validateClasses() throws {
    if let likelihood, givenKind == nil {
      let all = LikelihoodKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--likelihood is one of \(all); got \"\(likelihood)\"")
    }
    try validateHeads()
    guard let declared = declaredClasses else { return }
    if let kind = givenKind, !kind.isClassification {
      throw ValidationError("--classes belongs to --likelihood categorical or bernoulli, not to \(kind.rawValue)")
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
    guard groups.allSatisfy({ $0.count >= 2 && !$0.contains("") }) else {
      throw ValidationError("--heads is groups of two classes or more, such as \"0,1;2,3\"; got \"\(heads)\"")
    }
    var seen: Set<String> = []
    if let twice = groups.flatMap({ $0 }).first(where: { !seen.insert($0).inserted }) {
      throw ValidationError("--heads has the class \"\(twice)\" twice; every class is in one head")
    }
  }

  /// What a first reading is to make of the columns. Labels of images are classes, unless a flag says otherwise.
  ///
  /// - Parameters:
  ///   - takesClasses: whether the method does.
  ///   - task: the column that says which head a row is about.
  func choice(isLabelled: Bool, takesClasses: Bool = true, task: String? = nil) -> ColumnChoice {
    ColumnChoice(
      targets: targets(isLabelled: isLabelled), kind: targetChoice(isLabelled: isLabelled, takesClasses: takesClasses),
      heads: headLabels, features: names(features), ignore: names(ignore) ?? [], categorical: names(categorical) ?? [],
      weights: weights, time: time, task: task)
  }

  private func targetChoice(isLabelled: Bool, takesClasses: Bool) -> TargetChoice {
    if let declared = declaredClasses { return .declaredClasses(declared) }
    switch givenKind {
    case nil: return !takesClasses ? .number : isLabelled ? .classes : .automatic
    case .gaussian, .heteroscedastic: return .number
    case .poisson: return .count
    case .bernoulli, .categorical: return .classes
    }
  }

  /// The likelihood that was asked for, or is asked by the targets.
  func likelihoodKind(_ schema: Schema) throws -> LikelihoodKind {
    let kind: LikelihoodKind =
      if let givenKind { givenKind } else if let classes = schema.classes {
        classes.count == 2 && schema.heads == nil ? .bernoulli : .categorical
      } else { .gaussian }
    if kind == .bernoulli, let classes = schema.classes, classes.count != 2 {
      throw CommandFailure.usage(
        "--likelihood bernoulli takes two classes, and the target has \(classes.count)",
        remedy: "use --likelihood categorical")
    }
    return kind
  }

  /// How features are normalised: images by all pixels together, unless a flag says otherwise.
  func normalisationRule(_ format: TableFormat) -> NormalisationRule {
    normalize.flatMap(NormalisationRule.init) ?? (format == .idx ? .pixel : .standard)
  }

  /// Columns that the flags leave out by name or by naming the others; no news to the user.
  func unused(_ header: [String]) -> [String] { features == nil ? names(ignore) ?? [] : header }

  var prior: PriorSettings { PriorSettings(precision: priorPrecision.setting, noise: noise.setting) }
}
