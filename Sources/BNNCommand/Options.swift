import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriors
import Foundation

/// What every subcommand takes.
struct GlobalOptions: ParsableArguments {
  @Flag(name: .long, help: "Print one JSON object on stdout and nothing else there.")
  var json = false

  @Option(name: .long, help: "Seed of all random numbers.")
  var seed: UInt64 = 0

  @Option(name: .long, help: "Worker threads (default: all cores). Results do not depend on it.")
  var threads: Int?

  @Flag(name: .long, help: "No progress and no remarks on stderr.")
  var quiet = false

  var console: Console { Console(json: json, quiet: quiet) }
  var workers: Int { max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount) }

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, got \(threads)") }
  }
}

/// How tables are read.
struct DataOptions: ParsableArguments {
  @Option(name: .long, help: "Byte between the cells of a CSV file; tab or \\t is a tab.")
  var delimiter = ","

  @Option(name: .long, help: "csv, npy, npz or idx, where the name does not tell (needed for standard input).")
  var format: String?

  @Option(name: .long, help: "error or drop: what to do with a row that lacks a value (an empty cell, NA, null or ?).")
  var missing = "error"

  @Option(name: .long, help: "More texts that mean a missing value, comma-separated, such as -999,none.")
  var missingValues: String?

  private static let tabs = ["\\t", "tab"]

  func validate() throws {
    let byte = Self.tabs.contains(delimiter) ? "\t" : delimiter
    guard byte.utf8.count == 1, !["\"", "\n", "\r", "\0"].contains(byte) else {
      throw ValidationError("--delimiter must be one byte that is no quote and no line end, got \"\(delimiter)\"")
    }
    if let format, TableFormat(rawValue: format) == nil {
      throw ValidationError("--format is csv, npy, npz or idx, got \"\(format)\"")
    }
    guard MissingPolicy(rawValue: missing) != nil else {
      throw ValidationError("--missing is error or drop, got \"\(missing)\"")
    }
  }

  var options: TableOptions {
    let byte = Self.tabs.contains(delimiter) ? UInt8(ascii: "\t") : delimiter.utf8.first ?? UInt8(ascii: ",")
    return TableOptions(
      delimiter: byte, format: format.flatMap(TableFormat.init), missing: MissingPolicy(rawValue: missing) ?? .error,
      missingValues: names(missingValues) ?? [])
  }
}

/// Targets that come in a file of their own.
struct LabelOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      The target, where it is in a file of its own beside images: IDX, .npy or CSV of one column, one label a row; once \
      per data file.
      """)
  var labels: [String] = []

  func validate() throws {
    guard labels.count <= 1 else {
      throw ValidationError("--labels is given once per data file: \(labels.count) are too many for one")
    }
  }

  /// The labels of a subcommand that takes one data file.
  var file: String? { labels.first }
}

/// The names in groups separated by semicolons, each a list separated by commas.
func groups(_ list: String?) -> [[String]]? {
  list.map { $0.split(separator: ";", omittingEmptySubsequences: false).compactMap { names(String($0)) } }
}

/// What to do with levels of categories that the first data did not have.
struct UnseenOptions: ParsableArguments {
  @Option(
    name: .long, help: "error or ignore: a level that D1 did not have (ignore: all inputs of the category are 0).")
  var unseen = "error"

  func validate() throws {
    guard UnseenPolicy(rawValue: unseen) != nil else {
      throw ValidationError("--unseen is error or ignore, got \"\(unseen)\"")
    }
  }

  func apply(to options: TableOptions) -> TableOptions {
    var options = options
    options.unseen = UnseenPolicy(rawValue: unseen) ?? .error
    return options
  }
}

/// The labels in `--classes`: a list, or 0, 1, … up to a number of them.
func classLabels(_ text: String?) -> [String]? {
  guard let labels = names(text), labels.count == 1, let count = Int(labels[0]),
    (2...TargetKind.mostClasses).contains(count)
  else { return names(text) }
  return (0..<count).map(String.init)
}

/// The names in a list separated by commas.
func names(_ list: String?) -> [String]? {
  list.map {
    $0.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
  }
}

/// Settings of one update that its lineage entry keeps, under these names, where they mattered.
enum UpdateSetting {
  static let missing = "missing"
  static let missingValues = "missing_values"
  static let unseen = "unseen"
  static let repeatedData = "allow_repeated_data"
  static let onePass = "one_pass"
  static let keepSites = "keep_sites"
  static let rounds = "rounds"
  static let keepNoise = "keep_noise"
  static let linearPartOnly = "linear_part_only"
  static let precision = "precision"
  static let processNoise = "process_noise"
  static let forgetting = LineageEntry.forgetting
  /// The structure of the posterior that mean-field inference, or weights without a posterior, took over.
  static let earlierStructure = "earlier_structure"
}

/// Whether single batches can be told from the rest later.
struct SiteOptions: ParsableArguments {
  @Flag(
    name: .long,
    help: """
      Keep what this batch says apart in the file, so that `forget` and `merge` need no subtraction (and laplace, kalman and mean-field can \
      forget at all). As large again as what all data said.
      """)
  var keepSites = false

  var lineage: [String: String] { keepSites ? [UpdateSetting.keepSites: "true"] : [:] }
}

/// What an update does with the noise.
struct NoiseOptions: ParsableArguments {
  @Flag(
    name: .long,
    help: """
      Leave the noise that D1 estimated as it is, as `merge` needs it of laplace, kalman and mean-field; it follows the batches \
      otherwise. A fit with --noise has it fixed anyway, and --keep-sites keeps it too.
      """)
  var keepNoise = false

  var lineage: [String: String] { keepNoise ? [UpdateSetting.keepNoise: "true"] : [:] }

  /// - Throws: `CommandFailure` for a posterior whose noise no flag keeps.
  func check(_ prior: Posterior, file: String) throws {
    guard keepNoise, !prior.model.method.keepsCurvature else { return }
    throw CommandFailure(
      ExitStatus.usage,
      "--keep-noise belongs to laplace, kalman, mean-field and point, and this posterior is of \(prior.model.methodName), whose noise "
        + "all rows estimate together", file: file, remedy: "leave the flag out")
  }
}

/// What is said of a posterior that is written.
struct WritingOptions: ParsableArguments {
  @Flag(name: .long, help: "Overwrite the output if it exists.")
  var force = false

  @Option(name: .long, help: "Words kept in this update's lineage entry.")
  var label: String?

  func validate() throws {
    if label?.unicodeScalars.contains(where: { $0.properties.generalCategory == .control && $0 != "\t" }) == true {
      throw ValidationError("--label is one line of text without control characters")
    }
  }

  static func check(output: String) throws {
    if output.isEmpty { throw ValidationError("-o needs the name of a file") }
    if output == "-" { throw ValidationError("a posterior is written to a file, not to standard output; name one") }
  }
}

/// Where a posterior goes.
struct OutputOptions: ParsableArguments {
  @Option(name: [.short, .long], help: "The posterior file to write.")
  var output: String

  @OptionGroup var writing: WritingOptions

  var force: Bool { writing.force }
  var label: String? { writing.label }

  func validate() throws { try WritingOptions.check(output: output) }
}

/// Where an updated posterior goes: to a new file, or over the one that was read.
struct ReplacementOptions: ParsableArguments {
  @Option(name: [.short, .long], help: "The posterior file to write.")
  var output: String?

  @Flag(name: .long, help: "Replace the posterior that is read, at once, if it is still the same.")
  var inPlace = false

  @OptionGroup var writing: WritingOptions

  var replaces: Bool { writing.force || inPlace }
  var label: String? { writing.label }

  func validate() throws {
    if inPlace, output != nil { throw ValidationError("-o and --in-place exclude each other") }
    if !inPlace, output == nil {
      throw ValidationError("name the file to write with -o, or replace the input with --in-place")
    }
    if let output { try WritingOptions.check(output: output) }
  }
}

/// A setting that is a number or `auto`.
struct AutoSetting: ExpressibleByArgument {
  var setting: Setting

  init?(argument: String) {
    if argument == "auto" {
      setting = .auto
    } else if let value = Double(argument), value.isFinite, value >= 0 {
      setting = .given(value)
    } else {
      return nil
    }
  }

  var defaultValueDescription: String { "auto" }

  /// Whether the square of the number, if it is one, is an ordinary number too.
  var isReasonable: Bool {
    if case .given(let value) = setting { return value == 0 || (1e-100...1e100).contains(value) }
    return true
  }
}
