/// How the head that a row is about is told (`Schema.heads`).
public enum TaskChoice: Sendable, Equatable {
  /// By the schema's column of tasks where the table has it, else by the row's class.
  case automatic
  /// All rows are about the head of this number.
  case head(Int)
  /// By a column of numbers of heads.
  case column(String)

  /// The column that must be there.
  var column: String? { if case .column(let name) = self { name } else { nil } }

  /// Whether it is the same for all rows.
  var isHead: Bool { if case .head = self { true } else { false } }

  /// - Throws: `DataError` for a choice where there are no heads, or of a head that is not there.
  func check(_ schema: Schema, file: String) throws(DataError) {
    guard self != .automatic else { return }
    guard let heads = schema.heads else {
      throw DataError(
        .usage, "the posterior has no heads", file: file, remedy: "leave --task and --task-column out")
    }
    if case .head(let own) = self, !heads.indices.contains(own) {
      throw DataError(
        .usage, "there is no task \(own)", file: file, remedy: "name one by its number: \(schema.taskListing)")
    }
  }
}

extension Schema {
  /// The heads with their numbers, for an error.
  public var taskListing: String {
    let all = headLabels ?? []
    return all.prefix(20).enumerated().map { "\($0) (\(listing($1)))" }.joined(separator: ", ")
      + (all.count > 20 ? ", …" : "")
  }

  /// The head of every row as a table tells it.
  ///
  /// - Parameters:
  ///   - column: the name of the column; its texts are `texts`.
  ///   - classes: the class of every row, which must be of that head; empty where the table has none.
  /// - Throws: `DataError` for a text that is no number of a head, and for a class that is of another.
  func tasks(
    _ texts: [String], column: String, classes: [Double], rowNumbers: [Int], file: String
  ) throws(DataError) -> [Int] {
    var result: [Int] = []
    for (i, text) in texts.enumerated() {
      // Tables of floating-point numbers have 1.0 for 1.
      guard let value = Double(text.filter { !$0.isWhitespace }), let task = Int(exactly: value),
        heads?.indices.contains(task) == true
      else {
        throw DataError(
          .badData, "\"\(excerpt(text.utf8))\" is no task", file: file, row: rowNumbers[i],
          column: excerpt(column.utf8),
          remedy: "tasks are the numbers of the heads: \(taskListing)")
      }
      result.append(task)
    }
    try check(classes, areOf: result, rowNumbers: rowNumbers, file: file)
    return result
  }

  /// - Throws: `DataError` for a row whose class is of another head than its task.
  func check(
    _ classes: [Double], areOf tasks: [Int], rowNumbers: [Int], file: String
  ) throws(DataError) {
    guard let heads, case .classes(let labels) = targetKind else { return }
    for (i, own) in classes.enumerated() where !heads[tasks[i]].contains(Int(own)) {
      let other = heads.firstIndex { $0.contains(Int(own)) } ?? 0
      throw DataError(
        .badData,
        "the class \(excerpt(labels[Int(own)].utf8)) is of task \(other), and the row is said to be of task \(tasks[i])",
        file: file, row: rowNumbers[i], column: excerpt(targets[0].utf8),
        remedy: "correct the task or the class; the tasks are \(taskListing)")
    }
  }
}
