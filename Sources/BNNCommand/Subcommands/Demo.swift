import ArgumentParser
import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNProbability
import Foundation

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The whole story on a real data set that the command carries: D1, D2, and the union.",
    usage: "bnn-update demo [<options>] [<folder>]")

  @Argument(help: "Folder for its files; made if it is not there.")
  var folder = "bnn-update-demo"

  @Flag(name: .long, help: "Overwrite files of an earlier run.")
  var force = false

  @OptionGroup var global: GlobalOptions

  /// One line of the story's table.
  private struct Chapter {
    let name: String
    let words: String
    let scores: RegressionScores
  }

  func run() throws {
    let console = global.console
    try makeFolder()
    let parts = DemoData.parts()
    do {
      for part in parts { try DemoData.write(part, to: folder, replacing: force) }
    } catch let error as PosteriorFileError where !force {
      throw CommandFailure(
        ExitStatus.cannotWrite, error.message, file: error.file,
        remedy: "add --force to write over an earlier run, or name another folder: `bnn-update demo FOLDER`")
    }
    console.say(
      """
      Carbon dioxide in the air above Mauna Loa, weekly from 1958 to 2001, is learned by a small network (2-50-1).
      The weeks before 1990 are D1. The weeks from 1990 on are D2: they arrive when D1 is gone.
      Every fifth week of all 44 years is kept for testing. Files go to \(folder)/.

      """)

    let first = try step(["fit", "d1.csv", "--target", "co2_ppm", "-o", "p1.safetensors"], console)
    let second = try step(["update", "p1.safetensors", "d2.csv", "-o", "p2.safetensors"], console)
    let union = try step(["fit", "d1_and_d2.csv", "--target", "co2_ppm", "-o", "union.safetensors"], console)

    let test = try load("test.csv", first.schema)
    let atOnce = try unionOfSameModel(first, try load("d1_and_d2.csv", first.schema))
    let difference = try PosteriorDifference(second, atOnce)
    let chapters = try [
      ("d1_only", "trained on D1 only", first), ("updated", "updated with D2 alone", second),
      ("exact_union", "the same linearised network given D1 and D2 at once", atOnce),
      ("retrained", "a new network trained on D1 and D2", union),
    ].map { name, words, posterior in
      let scores = try posterior.scores(
        features: test.featureMatrix, targets: test.targetMatrix, threads: global.workers)
      return Chapter(name: name, words: words, scores: scores[0])
    }
    let missing = try drawPicture(first, second, union, test)
    tell(chapters, difference, missing, console)
  }

  private func makeFolder() throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure(
        ExitStatus.cannotWrite, "the folder cannot be made", file: folder, remedy: "name another folder")
    }
  }

  /// Runs a subcommand on files of the folder, saying how a user would call it.
  private func step(_ words: [String], _ console: Console) throws -> Posterior {
    console.say("$ bnn-update " + words.joined(separator: " "))
    var arguments = words.dropFirst().map { word in
      word.contains(".") ? "\(folder)/\(word)" : word
    }
    arguments += ["--seed", String(global.seed), "--threads", String(global.workers)] + (force ? ["--force"] : [])
    let summary: UpdateSummary
    if words[0] == "fit" {
      summary = try Fit.parse(arguments).execute(console)
    } else {
      summary = try Update.parse(arguments).execute(console)
    }
    summary.print(Console(json: console.json, quiet: true, speaksJSON: false))
    console.say("")
    return summary.posterior
  }

  private func load(_ name: String, _ schema: Schema) throws -> Dataset {
    try Dataset(readingAll: DatasetReader(path: "\(folder)/\(name)", schema: schema))
  }

  /// The posterior of the network linearised where D1 put it, given all rows in one batch and in random order: what the
  /// update must equal.
  private func unionOfSameModel(_ first: Posterior, _ rows: Dataset) throws -> Posterior {
    var stream = RandomStream(seed: global.seed)
    let order = stream.permutation(rows.rows)
    var update = SequentialUpdate(first.forgettingData())
    try update.absorb(
      features: rows.featureMatrix.gathering(order[...]), targets: rows.targetMatrix.gathering(order[...]),
      threads: global.workers)
    return try update.finish().posterior
  }

  private func drawPicture(_ first: Posterior, _ second: Posterior, _ union: Posterior, _ test: Dataset) throws
    -> String?
  {
    let panels = try [
      ("Trained on D1 only", first), ("Updated with D2 alone (D1 not needed)", second),
      ("A new network trained on D1 and D2", union),
    ].map { title, posterior in
      let predictions = try posterior.predictMixture(features: test.featureMatrix, threads: global.workers)
      return DemoPicture.Panel(
        title: title,
        points: try predictions.indices.map { i in
          let p = predictions[i]
          return (test.features[2 * i], test.targets[i], p.mean, try p.quantile(0.05), try p.quantile(0.95))
        })
    }
    return try DemoPicture(panels: panels, border: 1990).draw(in: folder, replacing: force)
  }

  private func tell(_ chapters: [Chapter], _ difference: PosteriorDifference, _ missing: String?, _ console: Console) {
    console.result(
      chapters.map { chapter in
        (
          chapter.name,
          .object([
            ("rmse", .number(chapter.scores.rootMeanSquaredError)),
            ("nll", .number(chapter.scores.negativeLogLikelihood)),
            ("coverage_90", .number(chapter.scores.coverage90)),
          ])
        )
      } + [
        ("max_rel_mean", .number(difference.maxRelMean)), ("max_rel_sd", .number(difference.maxRelSd)),
        ("folder", .string(folder)), ("picture", missing == nil ? .string("\(folder)/demo.svg") : .null),
      ])
    console.say("On the test weeks (root mean squared error in ppm, negative log-likelihood in nats a row):")
    for chapter in chapters {
      let words = chapter.words.padding(toLength: 52, withPad: " ", startingAt: 0)
      console.say(
        String(
          format: "  %@ rmse %6.3f   nll %6.3f   in the 90 %% band: %2.0f %%", words,
          chapter.scores.rootMeanSquaredError,
          chapter.scores.negativeLogLikelihood, 100 * chapter.scores.coverage90))
    }
    let (stale, updated, union) = (chapters[0].scores, chapters[1].scores, chapters[3].scores)
    let gap = stale.rootMeanSquaredError - union.rootMeanSquaredError
    console.say(
      """

      Updated and given all at once are the same posterior: means differ by \(readable(difference.maxRelMean)) of themselves, which is
      rounding. Retraining also moves the features, which the update keeps as D1 left them; that is what is left of the
      error: of the \(readable((gap * 1000).rounded() / 1000)) ppm between D1 only and retraining, the update closes \
      \(readable((1000 * (stale.rootMeanSquaredError - updated.rootMeanSquaredError) / gap).rounded() / 10)) %, without D1.
      """)
    if let missing {
      console.say("No picture: \(missing). `apt-get install gnuplot-nox`, then `cd \(folder) && gnuplot demo.gnuplot`.")
    } else {
      console.say("Picture: \(folder)/demo.svg")
    }
  }
}
