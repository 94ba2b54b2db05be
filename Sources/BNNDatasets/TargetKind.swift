/// What the values of the targets are; chosen on the first data and then frozen.
public enum TargetKind: Hashable, Sendable {
  /// Finite numbers.
  case number
  /// Integers y ≥ 0: how often something happened.
  case count
  /// One of C classes, by their labels; a data set holds the index of the label, 0 ..< C.
  case classes([String])

  /// More classes than this are refused: a network has an output for each.
  public static let mostClasses = 1000
}

/// What the targets of first data are to be.
public enum TargetChoice: Sendable, Equatable {
  /// Classes if no cell is a number, else numbers.
  case automatic
  case number
  case count
  /// The classes that the data have: texts, or integers.
  case classes
  /// These classes, in this order; the data need not have all of them.
  case declaredClasses([String])

  var isClasses: Bool {
    switch self {
    case .classes, .declaredClasses: true
    case .automatic, .number, .count: false
    }
  }

  /// What a first reading looks for in a column of targets.
  var role: ColumnRole {
    switch self {
    case .automatic: .target
    case .classes: .classes
    // What a target of these holds is checked when its rows are read, cell by cell.
    case .number, .count: .feature
    case .declaredClasses: .category
    }
  }
}

extension Schema {
  /// The labels of the classes, in order; nil for targets of numbers.
  public var classes: [String]? {
    if case .classes(let labels) = targetKind { labels } else { nil }
  }

  /// What is read of the cell of a target.
  var targetUse: ColumnUse {
    switch targetKind {
    case .number, .count: .number
    case .classes(let labels): .level(LevelCoder(classes: labels))
    }
  }

  /// Refuses a count that is none.
  static func checkCounts(_ values: [Double], targets: [String], rowNumbers: [Int], file: String) throws(DataError) {
    guard let bad = values.firstIndex(where: { Level.integer($0) == nil || $0 < 0 }) else { return }
    throw DataError(
      .badData, "\(values[bad]) is no count", file: file, row: rowNumbers[bad / targets.count],
      column: excerpt(targets[bad % targets.count].utf8),
      remedy: "a poisson likelihood needs integers from 0 on: correct the cell, or give --likelihood gaussian")
  }
}

// MARK: Classes of first data

extension Schema {
  /// The kind of the targets, given what a first reading found in their columns.
  ///
  /// - Throws: `DataError` for a cell that no such target has, for one class only and for too many.
  static func targetKind(
    _ choice: TargetChoice, targets: [String], profiles: [ColumnProfile], file: String
  ) throws(DataError) -> TargetKind {
    if choice.isClasses, targets.count > 1 { throw severalTargets(file: file) }
    for (name, profile) in zip(targets, profiles) {
      switch choice {
      case .automatic:
        guard let first = profile.firstText else { continue }
        guard profile.numbers == 0, profile.commaNumbers == 0 else {
          throw notANumber(first, column: name, use: .target, file: file)
        }
        guard targets.count == 1 else { throw severalTargets(file: file) }
        guard profile.dates < profile.texts else {
          throw DataError(
            .badData, "the target holds dates (\"\(first.text)\"), which are neither numbers nor classes", file: file,
            row: first.row, line: first.line, column: excerpt(name.utf8),
            remedy: "name another target, or give --likelihood categorical if each date is a class")
        }
        return try found(profile, column: name, file: file)
      case .number, .count:
        guard let first = profile.firstText else { continue }
        guard profile.numbers == 0, profile.commaNumbers == 0 else {
          throw notANumber(first, column: name, use: .target, file: file)
        }
        throw DataError(
          .badData, "the target is text (\"\(first.text)\"), and this likelihood needs numbers", file: file,
          row: first.row, line: first.line, column: excerpt(name.utf8),
          remedy: "name a target of numbers; classes need --likelihood categorical, or bernoulli for two")
      case .classes:
        if let fraction = profile.firstFraction {
          throw DataError(
            .badData, "\"\(fraction.text)\" is no class: a class is a text or an integer", file: file,
            row: fraction.row, line: fraction.line, column: excerpt(name.utf8),
            remedy: "correct the cell; a target of numbers needs --likelihood gaussian")
        }
        if profile.numbers > 0, let first = profile.firstText {
          throw DataError(
            .badData, "\"\(first.text)\" is not an integer, as other classes of this target are", file: file,
            row: first.row, line: first.line, column: excerpt(name.utf8),
            remedy: "correct the cell; if it means a missing value, give --missing-values '\(first.text)' --missing "
              + "drop; if both kinds are classes, declare all with --classes")
        }
        return try found(profile, column: name, file: file)
      case .declaredClasses(let labels):
        return .classes(try declared(labels))
      }
    }
    return choice == .count ? .count : .number
  }

  private static func severalTargets(file: String) -> DataError {
    DataError(
      .usage, "several targets cannot be classes", file: file, remedy: "name one target of classes, or join them in one"
    )
  }

  private static func found(_ profile: ColumnProfile, column: String, file: String) throws(DataError) -> TargetKind {
    let labels = Level.sorted(profile.levels)
    guard labels.count <= TargetKind.mostClasses else {
      throw DataError(
        .badData, "has more than \(TargetKind.mostClasses) different classes (\(listing(labels.prefix(3))), …)",
        file: file, column: excerpt(column.utf8), remedy: "name another target, or join classes")
    }
    guard labels.count > 1 else {
      throw DataError(
        .badData, "every row has the same class (\(listing(labels)))", file: file, column: excerpt(column.utf8),
        remedy: "declare all classes that may come with --classes, or fit on rows of two classes at least")
    }
    return .classes(labels)
  }

  /// Labels as a table would have them.
  private static func declared(_ labels: [String]) throws(DataError) -> [String] {
    let names = labels.map(Level.name(written:))
    func refusal(_ message: String) -> DataError {
      DataError(.usage, message, remedy: "give --classes the labels of all classes, or their number")
    }
    guard !names.contains("") else { throw refusal("a declared class has no name") }
    guard names.count > 1 else { throw refusal("one class is no choice") }
    guard names.count <= TargetKind.mostClasses else {
      throw refusal("\(names.count) declared classes are more than the \(TargetKind.mostClasses) that are possible")
    }
    var seen: Set<String> = []
    if let twice = names.first(where: { !seen.insert($0).inserted }) {
      throw refusal("the class \"\(excerpt(twice.utf8))\" is declared twice")
    }
    return names
  }
}
