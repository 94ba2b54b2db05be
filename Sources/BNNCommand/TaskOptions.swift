import ArgumentParser
import BNNDatasets

/// How the head that a row is about is told, where classes are in heads.
struct TaskOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      Where classes are in heads: the number, from 0, of the head that all rows are about. Rows without labels are predicted within it;       labels that are there must be of it.
      """)
  var task: Int?

  @Option(
    name: .long,
    help: """
      Where classes are in heads: the column that has the number of each row's head; no feature (default: that of the fit, where the       table has it).
      """)
  var taskColumn: String?

  func validate() throws {
    guard task == nil || taskColumn == nil else {
      throw ValidationError("--task is for all rows, and --task-column for each of them: give one")
    }
  }

  var choice: TaskChoice { task.map { .head($0) } ?? taskColumn.map { .column($0) } ?? .automatic }
}
