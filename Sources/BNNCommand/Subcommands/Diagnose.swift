import ArgumentParser
import BNNInference

struct Diagnose: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "What the data could teach a posterior's weights and what they could not; exit 2 when something needs attention.",
    usage: "bnn-update diagnose [<options>] <posterior>",
    discussion: """
      Each finding is a number, what it means, and (marked with !) what to do: directions that no row has informed, by column, or by \
      layer and unit of a network; dead, idle and identical units; how many parameters the rows determine; the posterior's spread beside \
      the prior's; symmetries; batches that were absorbed although they were unlike the rows before.
      """)

  @Argument(help: "The posterior file.")
  var posterior: String

  @Option(name: .long, help: "The posterior that it came from by updates, to see how its spread falls with the rows.")
  var earlier: String?

  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let file = try loadPosterior(posterior)
    let findings = try file.posterior.diagnosis(earlier: try earlier.map { try loadPosterior($0).posterior })
    console.result([
      ("needs_attention", .boolean(findings.contains { $0.needsAttention })),
      (
        "findings",
        .array(
          findings.map {
            .object([
              ("kind", .string($0.kind.rawValue)), ("subject", .optional($0.subject)), ("value", .number($0.value)),
              ("meaning", .string($0.meaning)), ("remedy", .optional($0.remedy)),
              ("needs_attention", .boolean($0.needsAttention)),
            ])
          })
      ),
    ])
    for own in findings {
      console.say(
        "\(own.needsAttention ? "!" : " ") \(own.kind.rawValue)\(own.subject.map { " (\($0))" } ?? ""): \(readable(own.value)); "
          + own.meaning + (own.remedy.map { ". \($0.prefix(1).uppercased())\($0.dropFirst())" } ?? ""))
    }
    if findings.contains(where: \.needsAttention) { throw ExitCode(ExitStatus.found) }
  }
}
