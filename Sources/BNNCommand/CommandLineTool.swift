import ArgumentParser
import BNNLinearAlgebra
import BNNPosteriorFile
import Foundation

/// The version of library and command; part of every lineage entry.
public let libraryVersion = "0.1.0"

/// The command's front door: parses, runs, and turns every error into words, JSON and an exit code.
public enum CommandLineTool {
  /// Runs with the process's arguments and never returns.
  public static func run() -> Never {
    BLASThreads.endIdleWorkers()
    Console.openStandardStreams()
    Interruption.install()
    exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  /// Runs with these arguments; returns the exit code.
  public static func run(_ arguments: [String]) -> Int32 {
    let json = arguments.contains("--json")
    do {
      if let failure = unknownFirstWord(arguments) { throw failure }
      var command = try BNNUpdate.parseAsRoot(arguments)
      try command.run()
      return ExitStatus.done
    } catch let code as ExitCode {
      return code.rawValue
    } catch let error where isParserMessage(error) {
      let code = BNNUpdate.exitCode(for: error).rawValue
      if code == 0 {
        Console.write(BNNUpdate.fullMessage(for: error) + "\n", to: STDOUT_FILENO)
      } else {
        report(
          CommandFailure(ExitStatus.usage, BNNUpdate.message(for: error), words: BNNUpdate.fullMessage(for: error)),
          json)
      }
      return code
    } catch {
      let failure = CommandFailure(error)
      report(failure, json)
      return failure.exit
    }
  }

  /// Errors that the argument parser made itself; it knows how to word them. Help and version requests are among them.
  private static func isParserMessage(_ error: any Error) -> Bool {
    if error is CleanExit || error is ValidationError { return true }
    let type = String(reflecting: Swift.type(of: error))
    return type.hasPrefix("ArgumentParser.")
  }

  private static func report(_ failure: CommandFailure, _ json: Bool) {
    if json {
      var members: [(String, JSONText)] = [("schema_version", .integer(1))]
      if let refused = failure.refused { members.append(("refused", .object([("why", .string(refused))]))) }
      members.append(
        (
          "error",
          .object([
            ("exit", .integer(Int(failure.exit))), ("message", .string(failure.message)),
            ("file", .optional(failure.file)), ("row", failure.row.map { .integer($0) } ?? .null),
            ("column", .optional(failure.column)), ("remedy", .optional(failure.remedy)),
          ])
        ))
      Console.write(JSONText.object(members).text + "\n", to: STDOUT_FILENO)
    }
    let words = failure.words.hasPrefix("Error:") ? failure.words : "bnn-update: \(failure.words)"
    Console.write(Console.plain(words) + "\n", to: STDERR_FILENO)
  }

  /// A first word that is neither subcommand nor file is answered with the nearest subcommand.
  private static func unknownFirstWord(_ arguments: [String]) -> CommandFailure? {
    guard let word = arguments.first, !word.hasPrefix("-") else { return nil }
    let names = BNNUpdate.configuration.subcommands.compactMap { $0._commandName } + ["help"]
    if names.contains(word) || FileManager.default.fileExists(atPath: word) { return nil }
    // The default subcommand takes a posterior first; a word that looks like a path is a file that is not there.
    if word.contains("/") || word.contains(".") { return nil }
    let nearest = names.min { distance($0, word) < distance($1, word) } ?? "help"
    let isNear = distance(nearest, word) <= max(2, word.count / 2)
    return CommandFailure(
      ExitStatus.usage, "\"\(word)\" is neither a subcommand nor a file",
      remedy: isNear ? "did you mean `bnn-update \(nearest)`?" : "see `bnn-update --help`")
  }

  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
}

/// The root command.
struct BNNUpdate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bnn-update",
    abstract: "Update a trained network with new data only.",
    discussion: """
      The posterior after D1 is kept in a file and is the prior for D2: what `update` gives is what all rows together \
      would have given, exactly where the model is linear in the weights that move. `update` is the default subcommand.

      Exit codes: 0 done; 1 the computation failed; 2 a check found what it looks for; 64 usage; 65 bad data or a \
      corrupt posterior; 66 no such input; 73 cannot write; 130 interrupted.
      """,
    version: libraryVersion,
    subcommands: [
      Fit.self, Update.self, Predict.self, Evaluate.self, Inspect.self, Diagnose.self, Diff.self, MergeCommand.self,
      Forget.self,
      Compare.self, Import.self, Export.self, Demo.self,
    ],
    defaultSubcommand: Update.self)
}
