import ArgumentParser
import BNNInference
import BNNPosteriorFile

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "How far two posteriors of one model are apart; exit 2 beyond --tolerance.",
    usage: "bnn-update diff [<options>] <first> <second>")

  @Argument(help: "A posterior file.")
  var first: String

  @Argument(help: "Another of the same model.")
  var second: String

  @Option(name: .long, help: "Largest relative difference of means and deviations that counts as equal.")
  var tolerance: Double?

  @OptionGroup var global: GlobalOptions

  func validate() throws {
    if let tolerance, !(tolerance >= 0) {
      throw ValidationError("--tolerance must be a number that is not negative, got \(tolerance)")
    }
  }

  func run() throws {
    let console = global.console
    let a = try loadPosterior(first).posterior
    let b = try loadPosterior(second).posterior
    let difference = try PosteriorDifference(a, b)
    let within = tolerance.map { difference.isWithin($0) }
    console.result([
      ("max_abs_mean", .number(difference.maxAbsMean)), ("max_rel_mean", .number(difference.maxRelMean)),
      ("max_rel_sd", .number(difference.maxRelSd)), ("kl_forward", .optional(difference.klForward)),
      ("kl_backward", .optional(difference.klBackward)), ("rows", .array([.integer(a.rows), .integer(b.rows)])),
      ("within_tolerance", within.map { .boolean($0) } ?? .null),
      (
        "members",
        .array(
          difference.members.map { own in
            .object([
              ("max_abs_mean", .number(own.maxAbsMean)), ("max_rel_mean", .number(own.maxRelMean)),
              ("max_rel_sd", .number(own.maxRelSd)), ("kl_forward", .optional(own.klForward)),
              ("kl_backward", .optional(own.klBackward)),
            ])
          })
      ),
    ])
    if difference.members.count > 1 {
      for (k, own) in difference.members.enumerated() {
        console.say(
          "network \(k + 1): means by \(readable(own.maxAbsMean)) (relative \(readable(own.maxRelMean))), deviations by "
            + "\(readable(own.maxRelSd)); KL \(readable(own.klForward)) and \(readable(own.klBackward)) nats")
      }
    }
    console.say(
      "means differ by at most \(readable(difference.maxAbsMean)) (relative \(readable(difference.maxRelMean))), "
        + "deviations by \(readable(difference.maxRelSd))"
        + (difference.members.count > 1
          ? "" : "; KL \(readable(difference.klForward)) and \(readable(difference.klBackward)) nats")
        + (within.map { $0 ? "; within the tolerance" : "; beyond the tolerance" } ?? ""))
    if within == false { throw ExitCode(ExitStatus.found) }
  }
}
