import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNProbability

/// The exit codes of the command, documented in `--help`.
enum ExitStatus {
  static let done: Int32 = 0
  /// The computation failed.
  static let failed: Int32 = 1
  /// A check found what it looks for.
  static let found: Int32 = 2
  static let usage: Int32 = 64
  static let badData: Int32 = 65
  static let noInput: Int32 = 66
  static let cannotWrite: Int32 = 73
  static let interrupted: Int32 = 130
}

/// Why a subcommand ended without its result: words for people, fields for programs.
struct CommandFailure: Error, Sendable {
  var exit: Int32
  var message: String
  var file: String?
  var row: Int?
  var column: String?
  var remedy: String?
  /// Why a check refused: `repeated_data`, …
  var refused: String?
  /// The whole sentence for stderr.
  var words: String

  init(
    _ exit: Int32, _ message: String, file: String? = nil, row: Int? = nil, column: String? = nil,
    remedy: String? = nil, refused: String? = nil, words: String? = nil
  ) {
    self.exit = exit
    self.message = message
    self.file = file
    self.row = row
    self.column = column
    self.remedy = remedy
    self.refused = refused
    self.words = words ?? ((file.map { "\($0): " } ?? "") + message + (remedy.map { "; \($0)" } ?? ""))
  }

  static func usage(_ message: String, remedy: String? = nil) -> CommandFailure {
    CommandFailure(ExitStatus.usage, message, remedy: remedy)
  }

  /// Any error of the library in the command's terms.
  init(_ error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure
    case let error as DataError:
      self.init(
        error.exitCode, error.message, file: error.file, row: error.row, column: error.column, remedy: error.remedy,
        words: error.description)
    case let error as PosteriorFileError:
      let exit: Int32
      switch error.kind {
      case .missing: exit = ExitStatus.noInput
      case .corrupt: exit = ExitStatus.badData
      case .cannotWrite: exit = ExitStatus.cannotWrite
      }
      self.init(exit, error.message, file: error.file, remedy: error.remedy)
    case UpdateError.unsuitable(let message): self.init(ExitStatus.usage, message)
    case UpdateError.repeatedData(let message):
      self.init(
        ExitStatus.found, message,
        remedy: "counting data twice makes a posterior too sure; --allow-repeated-data does it all the same",
        refused: "repeated_data")
    case let error as UpdateError: self.init(ExitStatus.failed, error.description)
    case let error as LinearAlgebraError:
      self.init(
        ExitStatus.failed, error.description,
        remedy: "the columns may be nearly dependent or extreme; try a prior (--prior-precision auto)")
    case let error as GSLError: self.init(ExitStatus.failed, "a special function failed: \(error.description)")
    default: self.init(ExitStatus.failed, "\(error)")
    }
  }
}
