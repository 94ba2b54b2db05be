/// The columns of a model by name: chosen on the first data and then frozen, order included.
public struct Schema: Hashable, Sendable {
  /// The columns of the table that are features.
  public let featureColumns: [FeatureColumn]
  public let targets: [String]
  /// What the values of the targets are.
  public let targetKind: TargetKind
  /// Of classes, groups of their indices, each ascending: a row's class says which one the row belongs to, and it competes with
  /// the classes of that group only. Every class is in one, and a group has two or more; nil: all classes are one group.
  public let heads: [[Int]]?
  /// The column of row weights.
  public let weights: String?
  /// The column that says when a row was observed; no feature.
  public let time: String?
  /// The column that says which head a row is about, by its number from 0; no feature.
  public let task: String?
  /// The inputs of the model: a number's column by its name, a category as "column=level" for each level.
  public let features: [String]

  /// - Precondition: `heads`, if given, are groups as they must be (`areHeads`); a column of tasks is of heads.
  public init(
    featureColumns: [FeatureColumn], targets: [String], targetKind: TargetKind = .number, heads: [[Int]]? = nil,
    weights: String? = nil, time: String? = nil, task: String? = nil
  ) {
    precondition(task == nil || heads != nil, "tasks are the numbers of heads")
    if let heads {
      guard case .classes(let labels) = targetKind, Self.areHeads(heads, of: labels.count) else {
        preconditionFailure("heads have every class once, two or more each, in ascending order")
      }
    }
    self.featureColumns = featureColumns
    self.targets = targets
    self.targetKind = targetKind
    self.heads = heads
    self.weights = weights
    self.time = time
    self.task = task
    features = featureColumns.flatMap(\.inputs)
  }

  /// A schema of numbers only.
  public init(features: [String], targets: [String]) {
    self.init(featureColumns: features.map { FeatureColumn(name: $0) }, targets: targets)
  }

  /// What a table must have of the targets.
  public enum Targets: Sendable {
    /// All of them, and the column of weights if there is one.
    case required
    /// All of them or none; with only some of them, none is read. Weights are not read.
    case optional
    /// They are not read, as for a prediction, and may hold anything. Nor are weights.
    case none
  }

  /// Where in a table the columns of a schema are.
  public struct Columns: Sendable, Equatable {
    /// The index of each feature column, in the order of the schema.
    public let features: [Int]
    /// The index of each target, in the order of the schema; empty if they are absent.
    public let targets: [Int]
    /// The index of the column of weights; nil if there is none or it is not needed.
    public let weights: Int?
    /// The index of the column of times; likewise.
    public let time: Int?
    /// The index of the column of tasks; nil if there is none or the table lacks it.
    public let task: Int?
    /// The names of all other columns, in the order of the table; worth one line to the user.
    public let ignored: [String]
  }

  /// Finds the columns in a header, in whatever order they are there.
  ///
  /// - Parameters:
  ///   - readsTime: whether the column of times, if there is one, must be there.
  ///   - task: a column of tasks that must be there; nil takes the schema's, if it is.
  /// - Throws: `DataError` that names all missing columns, the nearest name there is for each, and what there is; or a
  ///   column of the schema that is there twice.
  /// - Complexity: O(columns); with missing ones O(missing × columns).
  public func resolve(
    header: [String], targets wanted: Targets = .required, readsTime: Bool = false, task given: String? = nil,
    file: String
  ) throws(DataError) -> Columns {
    let index = Dictionary(header.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let absent = targets.contains { index[$0] == nil }
    let present = wanted == .none || wanted == .optional && absent ? [] : targets
    let weighted = wanted == .required ? weights : nil
    let timed = readsTime ? time : nil
    let names = featureColumns.map(\.name)
    // One that is a feature too is not asked for twice.
    let tasks = (given ?? task.flatMap { index[$0] == nil ? nil : $0 }).flatMap { names.contains($0) ? nil : $0 }
    let asked = names + present + [weighted, timed, tasks].compactMap { $0 }
    let missing = asked.filter { index[$0] == nil }
    guard missing.isEmpty else { throw Self.missing(missing, header: header, file: file) }
    let used = Set(asked)
    if let twice = Self.repeated(header.filter(used.contains)).first {
      throw DataError(
        .badData, "the column \"\(excerpt(twice.utf8))\" is there twice", file: file, remedy: "rename one of them")
    }
    let known = used.union([weights, time].compactMap { $0 } + (wanted == .none ? targets : []))
    return Columns(
      features: names.compactMap { index[$0] }, targets: present.compactMap { index[$0] },
      weights: weighted.flatMap { index[$0] }, time: timed.flatMap { index[$0] },
      task: (given ?? task).flatMap { index[$0] },
      ignored: header.filter { !known.contains($0) })
  }

  /// The schema of first data, every feature taken for a number; `Schema.fit` finds the categories.
  ///
  /// - Parameters:
  ///   - targets: names of columns of the header.
  ///   - features: names of columns, in the order wanted; if nil, all columns that are nothing else.
  ///   - ignore: names of columns that are no features.
  ///   - weights, time, task: names of columns that are no features.
  ///   - allowingNoFeatures: accept a table of targets only.
  /// - Throws: `DataError` if the header repeats a name, lacks a name asked for, or a column is asked to be two things.
  public static func choose(
    header: [String], targets: [String], features: [String]? = nil, ignore: [String] = [], weights: String? = nil,
    time: String? = nil, task: String? = nil, allowingNoFeatures: Bool = false, file: String
  ) throws(DataError) -> Schema {
    let twice = repeated(header)
    guard twice.isEmpty else {
      throw DataError(
        .badData, "the header has columns of the same name: \(listing(twice))", file: file,
        remedy: "give each column a name of its own")
    }
    let special = [weights, time, task].compactMap { $0 }
    let asked = targets + (features ?? []) + ignore + special
    let known = Set(header)
    let missing = asked.filter { !known.contains($0) }
    guard missing.isEmpty else { throw Self.missing(missing, header: header, file: file) }
    if let both = repeated(asked).first {
      throw DataError(
        .usage, "the column \"\(excerpt(both.utf8))\" is asked for twice", file: file,
        remedy: "name it once, as target, as feature, as ignored, as weights, as time or as task")
    }
    let others = Set(targets + ignore + special)
    let chosen = features ?? header.filter { !others.contains($0) }
    guard !chosen.isEmpty || allowingNoFeatures else {
      throw DataError(
        .badData, "no column is left as a feature", file: file,
        remedy: "the columns are: \(listing(header)); name fewer as targets or ignored")
    }
    // The index column that data frames write has no name, and as a feature it would pass unnoticed.
    if features == nil, let unnamed = chosen.firstIndex(of: "") {
      let position = header.firstIndex(of: "") ?? unnamed
      throw DataError(
        .badData, "column \(position + 1) has no name; row numbers?", file: file,
        remedy: "give it a name, or leave it out with --ignore ''")
    }
    return Schema(
      featureColumns: chosen.map { FeatureColumn(name: $0) }, targets: targets, weights: weights, time: time)
  }

  private static func repeated(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    var twice: [String] = []
    for name in names where !seen.insert(name).inserted && !twice.contains(name) { twice.append(name) }
    return twice
  }

  static func missing(_ names: [String], header: [String], file: String) -> DataError {
    let described = names.map { name in
      nearest(to: name, in: header).map { "\(excerpt(name.utf8)) (did you mean \(excerpt($0.utf8))?)" } ?? name
    }
    return DataError(
      .badData, "there is no column \(listing(described))", file: file, remedy: "the columns are: \(listing(header))")
  }

  /// The name with the fewest edits between, if a third of the letters or fewer differ; case counts for nothing.
  private static func nearest(to name: String, in header: [String]) -> String? {
    let wanted = Array(name.lowercased().prefix(100))
    var best: (name: String, edits: Int)?
    for candidate in header.prefix(1000) {
      let edits = editDistance(wanted, Array(candidate.lowercased().prefix(100)))
      if edits <= max(1, wanted.count / 3), edits < wanted.count, edits < best?.edits ?? Int.max {
        best = (candidate, edits)
      }
    }
    return best?.name
  }

  /// The fewest letters to insert, delete or replace (Levenshtein).
  private static func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    var row = Array(0...right.count)
    for (i, letter) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (letter == other ? 0 : 1))
        diagonal = above
      }
    }
    return row[right.count]
  }
}
