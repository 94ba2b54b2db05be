import Foundation
import Testing

@Suite("Classes and counts")
struct ClassCommandTests {
  let folder = Scratch()

  /// Three kinds by the side on which a point lies, one row in ten of another kind.
  private static func table(_ range: Range<Int>, kinds: [String] = ["ant", "bee", "cat"]) -> String {
    "x,z,kind\n"
      + range.map { i in
        let (x, z) = (sin(Double(i) * 1.7), cos(Double(i) * 2.3))
        let kind = i % 10 == 0 ? i / 10 % 3 : x + z > 0.4 ? 2 : x > z ? 1 : 0
        return "\(x),\(z),\(kinds[kind])\n"
      }.joined()
  }

  init() {
    folder.write("D1.csv", Self.table(0..<60))
    folder.write("D2.csv", Self.table(60..<120))
    folder.write("T.csv", Self.table(120..<180))
  }

  @Test("text is classes by itself: fit, update, predict, evaluate")
  func wholeRoad() throws {
    let fit = folder.run("fit", "D1.csv", "--target", "kind", "--hidden", "5", "-o", "p", "--json").succeeded().object()
    #expect(fit["method"] as? String == "laplace" && fit["structure"] as? String == "full")
    #expect(fit["likelihood"] as? String == "categorical" && fit["rows"] as? Int == 60)
    #expect((fit["noise"] as? [Any])?.isEmpty ?? true, "classes have no noise")
    let timings = try #require(fit["timings"] as? [String: Double])
    #expect(timings.keys.sorted() == ["curvature", "evidence", "training"])
    let certificate = try #require(fit["certificate"] as? [String: Any])
    #expect(certificate["update"] as? String == "approximate")
    let update = folder.run("update", "p", "D2.csv", "-o", "q", "--json").succeeded().object()
    #expect(update["rows_total"] as? Int == 120)
    #expect(try #require(update["shift"] as? Double) > 0)
    #expect(try #require(update["distance_to_optimum"] as? Double) < 1e-3)
    #expect(try #require(update["curvature_drift"] as? Double) > 0 && fit["curvature_drift"] is NSNull)
    #expect(update["dispersion"] is NSNull)
    let share = try #require(fit["predictive_scale"] as? Double)
    #expect((0...1).contains(share) && update["predictive_scale"] as? Double == share)
    let description = folder.run("inspect", "q").succeeded().stdout
    #expect(description.contains("taken at the mean before") && description.contains("predictions: believe"))

    let predictions = folder.run("predict", "q", "T.csv", "--keep", "kind").succeeded().stdout
    let lines = predictions.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
    #expect(lines[0] == ["kind", "class", "p_ant", "p_bee", "p_cat"] && lines.count == 61)
    for line in lines.dropFirst() {
      let p = line.suffix(3).compactMap { Double($0) }
      // Three numbers of at most one, each rounded once.
      #expect(abs(p.reduce(0, +) - 1) < 1e-14)
      #expect(line[1] == ["ant", "bee", "cat"][p.indices.max { p[$0] < p[$1] } ?? 0])
    }
    let right = lines.dropFirst().count { $0[0] == $0[1] }
    let scores = folder.run("evaluate", "q", "T.csv", "--json").succeeded().object()
    // Foundation's reader of JSON may be off by a last digit.
    #expect(abs(try #require(scores["accuracy"] as? Double) - Double(right) / 60) < 1e-15)
    for key in ["nll", "brier", "ece"] { #expect(try #require(scores[key] as? Double) > 0) }
    // Every other row of a kind drawn at random would score log 3.
    #expect(try #require(scores["nll"] as? Double) < 1.0)
    let against = folder.run("evaluate", "q", "T.csv", "--against", "p", "--json").object()
    #expect((against["against"] as? [String: Any])?["accuracy"] != nil)
    let plain = folder.run("evaluate", "q", "T.csv", "--predictive", "plug-in", "--json").succeeded().object()
    #expect(plain["accuracy"] != nil)
  }

  @Test(
    "every structure, the last layer alone and the linearised network are updated and remade by inspect --command",
    arguments: [
      ["--structure", "full"], ["--structure", "block"], ["--structure", "kronecker"], ["--structure", "diagonal"],
      ["--structure", "low-rank", "--rank", "10"], ["--layers", "last"], ["--layers", "1"], ["--curvature", "fisher"],
      ["--curvature", "empirical-fisher"], ["--prior-per", "layer"], ["--prior-per", "weight"],
      ["--prior-per", "weight", "--structure", "low-rank", "--layers", "last"], ["--method", "tangent"],
      ["--method", "laplace", "--members", "2"], ["--epochs", "3"],
      ["--structure", "full", "--curvature-draws", "2"],
      ["--curvature-draws", "1", "--structure", "low-rank", "--rank", "9"],
      ["--structure", "kronecker-eigenvalue", "--curvature-draws", "2", "--epochs", "2"],
    ])
  func structures(_ flags: [String]) throws {
    let words = ["fit", "D1.csv", "--target", "kind", "--hidden", "4", "--likelihood", "categorical", "-o"]
    folder.run(words + ["p"] + flags).succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    #expect(folder.run("evaluate", "q", "T.csv", "--json").succeeded().object()["accuracy"] != nil)
    let inspected = folder.run("inspect", "q").succeeded().stdout
    #expect(inspected.contains("certificate: approximate"))
    #expect(inspected.contains("drawn weights") == flags.contains("--curvature-draws"))
    let same = folder.run("diff", "q", "q", "--tolerance", "0", "--json").succeeded().object()
    #expect(same["within_tolerance"] as? Bool == true)
    let commands = folder.run("inspect", "p", "--command").succeeded().stdout
    let remade = commands.split(separator: " ").dropFirst().map(String.init).map {
      $0.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    folder.run(remade).succeeded()
    let made = ["p", "p1.safetensors"].map { try? Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + $0)) }
    #expect(made[0] != nil && made[0] == made[1])
  }

  @Test("--uncertainty adds the entropy of the classes and the spread of the outputs, which is larger far away")
  func uncertainty() throws {
    folder.run("fit", "D1.csv", "--target", "kind", "--hidden", "4", "--structure", "full", "-o", "p").succeeded()
    folder.write("far.csv", "x,z\n0.1,0.1\n300,-200\n")
    let lines = folder.run("predict", "p", "far.csv", "--uncertainty").succeeded().stdout.split(separator: "\n")
    let names = lines[0].split(separator: ",").map(String.init)
    #expect(names.suffix(2) == ["entropy", "output_sd"])
    let rows = lines.dropFirst().map { $0.split(separator: ",").dropFirst().compactMap { Double($0) } }
    for row in rows {
      let entropy = row.prefix(3).reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
      #expect(abs(row[3] - entropy) < 1e-12)
    }
    #expect(rows[1][4] > rows[0][4])
    let plain = folder.run("predict", "p", "far.csv").succeeded().stdout.split(separator: "\n")
    #expect(lines[1].hasPrefix(plain[1]))
    folder.run("fit", "D1.csv", "--target", "x", "--ignore", "kind", "--method", "linear", "-o", "q").succeeded()
    folder.run("predict", "q", "D1.csv", "--uncertainty").failed(64, "--uncertainty", "epistemic_sd")
    folder.run("update", "p", "D2.csv", "--method", "hot-start", "--epochs", "1", "-o", "h").succeeded()
    folder.run("predict", "h", "far.csv", "--uncertainty").failed(64, "laplace", "leave --uncertainty out")
  }

  @Test("a class that D1 did not have, one class only, and methods that know no classes are refused")
  func refusals() {
    folder.run("fit", "D1.csv", "--target", "kind", "--hidden", "3", "-o", "p").succeeded()
    folder.write("new.csv", "x,z,kind\n0,0,ant\n1,1,dog\n")
    folder.run("update", "p", "new.csv", "-o", "q").failed(
      65, "new.csv", "data row 2", "dog", "ant, bee, cat", "--classes")
    folder.write("one.csv", "x,z,kind\n0,0,ant\n1,1,ant\n")
    folder.run("fit", "one.csv", "--target", "kind", "-o", "q").failed(65, "one.csv", "same class", "--classes")
    folder.run("fit", "D1.csv", "--target", "kind", "--method", "linear", "-o", "q").failed(65, "D1.csv", "text")
    folder.run("fit", "D1.csv", "--target", "kind", "--likelihood", "categorical", "--method", "last-layer", "-o", "q")
      .failed(64, "categorical", "last-layer")
    folder.run("fit", "D1.csv", "--target", "kind", "--prior-precision", "0", "-o", "q").failed(64, "prior")
    folder.run("fit", "D1.csv", "--target", "kind", "--noise", "1", "-o", "q").failed(64, "--noise", "categorical")
    folder.run("fit", "D1.csv", "--target", "kind", "--layers", "7", "-o", "q").failed(64, "--layers 7", "2")
    folder.run("fit", "D1.csv", "--target", "x", "--structure", "full", "--method", "tangent", "-o", "q")
      .failed(64, "--structure")
    folder.run(
      "fit", "D1.csv", "--target", "kind", "--hidden", "5", "--epochs", "3", "--learning-rate", "1e6", "-o", "q"
    ).failed(1, "diverged", "--learning-rate")
    folder.run(
      "fit", "D1.csv", "--target", "kind", "--prior-per", "weight", "--structure", "kronecker", "-o", "q"
    ).failed(64, "--prior-per weight", "kronecker", "--structure full")
    folder.run("fit", "D1.csv", "--target", "kind", "--prior-per", "input", "-o", "q").failed(
      64, "--prior-per", "layer")
    folder.run("fit", "D1.csv", "--target", "x", "--prior-per", "layer", "--method", "tangent", "-o", "q")
      .failed(64, "--prior-per")
    folder.run("update", "p", "D2.csv", "--likelihood", "gaussian", "-o", "q").failed(64, "gaussian", "categorical")
    #expect(folder.files == ["D1.csv", "D2.csv", "T.csv", "new.csv", "one.csv", "p"])
  }

  @Test(
    "draws of the network's own weights, for classes and counts; not of a linearised network's or of a linear model's")
  func networkMonteCarlo() throws {
    let draws = ["--predictive", "network-monte-carlo"]
    folder.run("fit", "D1.csv", "--target", "kind", "--hidden", "4", "-o", "p").succeeded()
    let first = folder.run(["predict", "p", "T.csv"] + draws).succeeded().stdout
    #expect(first == folder.run(["predict", "p", "T.csv"] + draws).succeeded().stdout)
    #expect(first != folder.run(["predict", "p", "T.csv", "--seed", "1"] + draws).succeeded().stdout)
    for line in first.split(separator: "\n").dropFirst() {
      #expect(abs(line.split(separator: ",").dropFirst().compactMap { Double($0) }.reduce(0, +) - 1) < 1e-12)
    }
    let own = folder.run(["evaluate", "p", "T.csv", "--json"] + draws).succeeded().object()
    let plain = folder.run("evaluate", "p", "T.csv", "--json").succeeded().object()
    #expect(try #require(own["nll"] as? Double) != plain["nll"] as? Double)
    for likelihood in ["poisson", "gaussian", "heteroscedastic"] {
      folder.write("n.csv", "x,n\n" + (0..<40).map { "\(Double($0 % 13) / 13),\($0 % 4 + $0 % 13)\n" }.joined())
      let flags = ["--target", "n", "--likelihood", likelihood, "--method", "laplace", "--hidden", "2", "--force"]
      folder.run(["fit", "n.csv"] + flags + ["-o", "n"]).succeeded()
      let scores = folder.run(["evaluate", "n", "n.csv", "--json"] + draws).succeeded().object()
      #expect(try #require(scores["nll"] as? Double) < 5)
      let lines = folder.run(["predict", "n", "n.csv"] + draws).succeeded().stdout.split(separator: "\n")
      #expect(lines.count == 41)
    }
    folder.run("fit", "D1.csv", "--target", "kind", "--method", "tangent", "--hidden", "3", "-o", "t").succeeded()
    folder.run(["predict", "t", "T.csv"] + draws).failed(64, "linearised")
    folder.run("fit", "n.csv", "--target", "n", "--method", "linear", "-o", "l").succeeded()
    folder.run(["evaluate", "l", "n.csv"] + draws).failed(64, "linear", "Laplace")
  }

  @Test("counts: a rate per row, quantiles that are whole numbers; a count that is none is named")
  func counts() throws {
    func rows(_ range: Range<Int>) -> String {
      "x,n\n" + range.map { "\(Double($0 % 13) / 13),\(Int(exp(1 + Double($0 % 13) / 8)) + $0 % 3)\n" }.joined()
    }
    folder.write("C1.csv", rows(0..<40))
    folder.write("C2.csv", rows(40..<90))
    folder.run("fit", "C1.csv", "--target", "n", "--likelihood", "poisson", "--hidden", "3", "-o", "c").succeeded()
    // The note: all these rows are rows of C1 too.
    let update = folder.run("update", "c", "C2.csv", "-o", "d", "--json").succeeded(notes: 1).object()
    #expect(try #require(update["dispersion"] as? Double) < 1.5)
    folder.write(
      "wild.csv", "x,n\n" + (0..<200).map { "\(Double($0 % 13) / 13),\($0 % 2 == 0 ? 1 : 30 + $0 % 13)\n" }.joined())
    let wild = folder.run("update", "d", "wild.csv", "-o", "w").succeeded()
    #expect(wild.stdout.contains("times as much as Poisson counts") && wild.stdout.contains("heteroscedastic"))
    let lines = folder.run("predict", "d", "C2.csv").succeeded().stdout.split(separator: "\n")
    #expect(lines[0] == "mean,sd,epistemic_sd,aleatoric_sd,q05,q50,q95")
    let values = lines[1].split(separator: ",").compactMap { Double($0) }
    #expect(values.count == 7 && values.suffix(3).allSatisfy { $0 == $0.rounded() })
    let scores = folder.run("evaluate", "d", "C2.csv", "--json").succeeded().object()
    #expect(try #require(scores["nll"] as? Double) < 4 && scores["crps"] is NSNull)
    folder.write("bad.csv", "x,n\n0.5,3\n0.5,2.5\n")
    folder.run("update", "d", "bad.csv", "-o", "e").failed(65, "bad.csv", "2.5", "data row 2")
  }
}
