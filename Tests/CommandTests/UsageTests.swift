import Foundation
import Testing

@Suite("flags, subcommands and help")
struct UsageTests {
  let folder = Scratch()

  init() {
    folder.write("D.csv", Table.smooth(rows: 20).csv())
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p")
  }

  static let badValues: [[String]] = [
    ["--method", "forest"], ["--hidden", "0"], ["--hidden", "abc"], ["--hidden", "5,,5"], ["--hidden", ""],
    ["--hidden=-3"], ["--hidden", "2.5"], ["--hidden", "99999999999999999999"], ["--hidden", "100000,100000"],
    ["--hidden", "20000", "--method", "last-layer"], ["--hidden", "2000", "--method", "tangent"],
    ["--subspace", "0"], ["--subspace=-5"], ["--subspace", "few"], ["--subspace", "251"], ["--subspace", "7000"],
    ["--method", "linear", "--subspace", "20"], ["--method", "last-layer", "--subspace", "20"],
    ["--subspace", "5000", "--hidden", "200,200"],
    ["--activation", "sine"], ["--likelihood", "normal"], ["--likelihood", "poisson", "--method", "linear"],
    ["--classes", "1"], ["--classes", "1001,"], ["--classes", "a,b", "--likelihood", "gaussian"],
    ["--classes", "a,b,c", "--likelihood", "bernoulli"], ["--classes", "a,b", "--method", "linear"],
    ["--labels", "D.csv"], ["--members", "0"], ["--members", "101"],
    ["--members", "two"], ["--members", "2", "--method", "linear"], ["--no-intercept", "--method", "tangent"],
    ["--prior-precision=-1"], ["--prior-precision", "much"], ["--prior-precision", "inf"],
    ["--prior-precision", "nan"],
    ["--prior-precision", "1e300"], ["--noise", "0"], ["--noise=-1"], ["--noise", "loud"], ["--noise", "1e300"],
    ["--noise", "1e-300"], ["--normalize", "minmax"], ["--normalize", "pixel", "--method", "linear"],
    ["--epochs", "0"], ["--epochs", "x"], ["--batch-size", "0"],
    ["--learning-rate", "0"], ["--learning-rate", "inf"], ["--learning-rate", "nan"], ["--learning-rate=-1"],
    ["--seed", "-1"], ["--seed", "x"], ["--seed", "18446744073709551616"], ["--threads", "0"], ["--threads", "many"],
    ["--threads=-4"], ["--delimiter", ""], ["--delimiter", "ab"], ["--delimiter", "\""], ["--delimiter", "ä"],
    ["--format", "xlsx"], ["--missing", "impute"], ["--target", "y"], ["--ignore", "y"],
    ["--curvature-draws=-1"], ["--curvature-draws", "few"], ["--curvature-draws", "2", "--method", "tangent"],
    ["--curvature-draws", "2", "--method", "kalman"], ["--curvature-draws", "2", "--method", "mean-field"],
  ]

  @Test("a value that cannot be meant is 64 and named", arguments: badValues)
  func badValue(flags: [String]) {
    let outcome = folder.run(["fit", "D.csv", "--target", "y", "-o", "q"] + flags)
    outcome.failed(64)
    let flag = String(flags[0].prefix { $0 != "=" })
    let about = ["--target", "--ignore"].contains(flag) ? "\"y\"" : flag
    let member = flags.last == "linear" && flag == "--members" ? "one member" : about
    #expect(outcome.stderr.contains(member), "\(outcome.stderr)")
    #expect(folder.files == ["D.csv", "p"])
  }

  static let badRest: [[String]] = [
    ["diff", "p", "p", "--tolerance=-1"], ["diff", "p", "p", "--tolerance", "nan"],
    ["diff", "p", "p", "--tolerance", "x"],
    ["diff", "p"], ["inspect"], ["inspect", "p", "p"], ["predict", "p"], ["evaluate", "p"], ["update", "p", "D.csv"],
    ["update", "p"], ["fit", "D.csv", "-o", "q"], ["fit", "D.csv", "--target", "y"], ["fit"], ["p", "D.csv"],
    ["--json"],
    ["fit", "D.csv", "--target"], ["predict", "p", "D.csv", "--threads", "0"],
    ["evaluate", "p", "D.csv", "--missing", "x"],
  ]

  @Test("what is missing or too much", arguments: badRest)
  func incomplete(arguments: [String]) {
    let outcome = folder.run(arguments)
    #expect(outcome.exit == 64 && outcome.errorLines.first?.hasPrefix("Error: ") == true, "\(outcome.stderr)")
    outcome.isReadable()
    #expect(folder.files == ["D.csv", "p"])
  }

  @Test("an unknown flag", arguments: ["fit", "update", "predict", "evaluate", "inspect", "diff"])
  func unknownFlag(subcommand: String) {
    let rest = ["fit": ["D.csv", "--target", "y", "-o", "q"], "update": ["p", "D.csv", "-o", "q"], "inspect": ["p"]]
    let last = rest[subcommand] ?? ["p", subcommand == "diff" ? "p" : "D.csv"]
    folder.run([subcommand] + last + ["--bogus"]).failed(64, "--bogus")
    folder.run([subcommand] + last + ["--bogus", "7"]).isReadable()
    #expect(folder.files == ["D.csv", "p"])
  }

  static let misspelt = [
    ("fitt", "fit"), ("updat", "update"), ("prdict", "predict"), ("evalute", "evaluate"), ("inspct", "inspect"),
    ("dif", "diff"), ("hlep", "help"),
  ]

  @Test("a misspelt subcommand is answered with the nearest", arguments: misspelt)
  func nearest(word: String, meant: String) {
    folder.run(word, "p", "D.csv", "-o", "q").failed(64, "\"\(word)\"", "did you mean `bnn-update \(meant)`?")
    folder.run(word).failed(64, "`bnn-update \(meant)`")
  }

  @Test("a word like none of them is not guessed at")
  func farAway() {
    let outcome = folder.run("abracadabra", "D.csv", "-o", "q").failed(64, "abracadabra", "bnn-update --help")
    #expect(!outcome.stderr.contains("did you mean"))
    folder.run("gone.safetensors", "D.csv", "-o", "q").failed(66, "gone.safetensors")
    folder.run("./gone", "D.csv", "-o", "q").failed(66, "./gone")
  }

  @Test("no arguments: how to use it")
  func nothing() {
    let outcome = folder.run()
    #expect(outcome.exit == 64)
    for word in ["fit", "update", "predict", "evaluate", "inspect", "diff", "--help"] {
      #expect((outcome.stdout + outcome.stderr).contains(word))
    }
  }

  static let flags: [String: String] = [
    "fit": """
    --target --features --ignore --method --hidden --activation --likelihood --members --no-intercept --noise \
    --prior-precision --normalize --epochs --batch-size --learning-rate --output --force --label --delimiter --format \
    --missing --missing-values --categorical --time --weights --labels --classes
    """,
    "update": """
    --allow-repeated-data --output --force --label --target --features --method --hidden --activation --likelihood \
    --members --normalize --delimiter --format --missing --missing-values --unseen --categorical --time --weights --labels \
    --classes
    """,
    "predict": "--output --force --quantiles --keep --target --features --delimiter --format --missing --unseen",
    "evaluate": "--labels --target --features --delimiter --format --missing --unseen",
    "inspect": "", "diff": "--tolerance",
  ]

  @Test("--help of every subcommand has an abstract and every flag", arguments: flags)
  func help(subcommand: String, flags: String) {
    let help = folder.run(subcommand, "--help").succeeded()
    #expect(help.stdout.hasPrefix("OVERVIEW: ") && help.stdout.contains("USAGE: bnn-update \(subcommand)"))
    for flag in flags.split(separator: " ").map(String.init) + [
      "--json", "--seed", "--threads", "--quiet", "--version", "--help",
    ] {
      let line = help.outputLines.first { $0.contains(flag) && $0.hasPrefix("  ") }
      #expect(line != nil, "\(flag) in the help of \(subcommand)")
    }
    #expect(folder.run("help", subcommand).succeeded().stdout == help.stdout)
  }

  @Test("--help and --version of the whole")
  func whole() {
    let help = folder.run("--help").succeeded().stdout
    for word in ["fit", "update (default)", "predict", "evaluate", "inspect", "diff", "Exit codes", "130"] {
      #expect(help.contains(word))
    }
    let version = folder.run("--version").succeeded().stdout
    #expect(version.split(separator: ".").count == 3 && version.hasSuffix("\n"))
    let lineage = folder.run("inspect", "p", "--json").object()["lineage"] as? [[String: Any]]
    #expect(lineage?.first?["version"] as? String == version.trimmingCharacters(in: .newlines))
  }
}
