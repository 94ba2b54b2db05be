import BNNInference
import BNNPosteriorFile
import Foundation
import Testing

@Suite("merge and forget")
struct MergeCommandTests {
  let folder = Scratch()
  let all = Table.smooth(rows: 120)

  init() {
    folder.write("D1.csv", all[0..<40].csv())
    for (k, start) in [40, 60, 80, 100].enumerated() {
      folder.write("D\(k + 2).csv", all[start..<(start + 20)].csv())
    }
  }

  private func difference(_ a: String, _ b: String) -> Double {
    let object = folder.run("diff", a, b, "--json").object()
    return max(object["max_rel_mean"] as? Double ?? .infinity, object["max_rel_sd"] as? Double ?? .infinity)
  }

  /// Files, processes and the command change nothing of E4: the bound of `MergeTests`, rounded up.
  @Test(
    "shards that were updated apart are one process", arguments: [true, false],
    methods + [["--method", "tangent", "--members", "2"]])
  func shards(keeping: Bool, method: [String]) {
    let flag = keeping ? ["--keep-sites"] : []
    folder.run(["fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "p1"] + method).succeeded()
    for k in 2...5 {
      folder.run(["update", "p1", "D\(k).csv", "-o", "s\(k)"] + flag).succeeded()
      folder.run("update", "p\(k - 1)", "D\(k).csv", "-o", "p\(k)").succeeded()
    }
    let merged = folder.run(
      "merge", "--prior", "p1", "s2", "s3", "s4", "s5", "-o", "m", "--label", "nightly", "--json"
    ).succeeded().object()
    #expect(merged["rows"] as? Int == 80 && merged["rows_total"] as? Int == 120)
    #expect((merged["certificate"] as? [String: Any])?["update"] as? String == "exact")
    #expect(difference("m", "p5") < 1e-9)
    // Merges of merges, in another order.
    folder.run("merge", "--prior", "p1", "s4", "s2", "-o", "m42").succeeded()
    folder.run("merge", "--prior", "p1", "s3", "m42", "s5", "-o", "n").succeeded()
    #expect(difference("n", "p5") < 1e-9)
    // Rows of any shard, of several one after another, and of the prior, were seen.
    folder.write("D34.csv", all[60..<100].csv())
    folder.run("update", "m", "D3.csv", "-o", "x").failed(2, "the batch of update 3")
    folder.run("update", "m", "D34.csv", "-o", "x").failed(2, "updates 3 to 4")
    folder.run("update", "n", "D1.csv", "-o", "x").failed(2, "update 1")
    folder.run("merge", "--prior", "p1", "m42", "s2", "-o", "x").failed(2, "m42 and s2 hold the same rows", "update 3")
    let refused = folder.run("merge", "--prior", "p1", "m42", "s2", "-o", "x", "--json")
    #expect((refused.object()["refused"] as? [String: String]) == ["why": "repeated_data"])
    folder.run("merge", "--prior", "p1", "m42", "s2", "-o", "y", "--allow-repeated-data").succeeded()
    let lines = folder.run("inspect", "n").succeeded().stdout
    #expect(lines.contains("5. merge of updates 3, 4 since 1"))
    #expect(lines.contains("7. merge of updates 2, 5, 6 since 1"))
    let commands = folder.run("inspect", "n", "--command").succeeded().outputLines
    #expect(
      commands.dropFirst().map { $0.replacingOccurrences(of: " --keep-sites", with: "") } == [
        "bnn-update update p1.safetensors D2.csv -o p2.safetensors",
        "bnn-update update p1.safetensors D3.csv -o p3.safetensors",
        "bnn-update update p1.safetensors D4.csv -o p4.safetensors",
        "bnn-update merge --prior p1.safetensors p3.safetensors p4.safetensors -o p5.safetensors",
        "bnn-update update p1.safetensors D6.csv -o p6.safetensors",
        "bnn-update merge --prior p1.safetensors p2.safetensors p5.safetensors p6.safetensors -o p7.safetensors",
      ])
    #expect(folder.run("inspect", "m").stdout.contains("rows seen:   120 in 5 batches"))
    #expect(folder.run("inspect", "m").stdout.contains("kept apart:  what updates 2, 3, 4, 5 said") == keeping)
  }

  @Test("linear models that were fitted apart need no prior")
  func linearFitsApart() {
    folder.write("all.csv", all.csv())
    folder.run("fit", "all.csv", "--target", "y", "--method", "linear", "-o", "one").succeeded()
    for k in 1...5 { folder.run("fit", "D\(k).csv", "--target", "y", "--method", "linear", "-o", "f\(k)").succeeded() }
    folder.run("merge", "f1", "f2", "f3", "f4", "f5", "-o", "m").succeeded()
    #expect(difference("m", "one") < 1e-11)
    #expect(folder.run("inspect", "m").stdout.contains("6. merge of updates 1, 2, 3, 4, 5, 120 rows"))
    folder.run("forget", "m", "D4.csv", "-o", "w").succeeded()
    folder.run("merge", "f1", "f2", "f3", "f5", "-o", "expected").succeeded()
    #expect(difference("w", "expected") < 1e-10)
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "t").succeeded()
    folder.run("merge", "t", "t", "-o", "x").failed(64, "--prior")
    folder.run("merge", "f1", "t", "-o", "x").failed(64, "t cannot be merged", "method")
  }

  @Test("what does not fit is refused, and nothing is written")
  func refusals() {
    for (k, seed) in [("p", "0"), ("q", "1")] {
      folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--seed", seed, "-o", k).succeeded()
    }
    folder.run("update", "p", "D2.csv", "-o", "p2").succeeded()
    folder.run("update", "q", "D3.csv", "-o", "q2").succeeded()
    folder.run("fit", "D1.csv", "--target", "y", "--method", "moving-tangent", "--hidden", "4", "-o", "mt").succeeded()
    let before = folder.files
    folder.run("merge", "--prior", "p", "p2", "q2", "-o", "x").failed(64, "q2 cannot be merged", "another fit")
    folder.run("merge", "--prior", "p2", "p", "-o", "x").failed(64, "history")
    folder.run("merge", "--prior", "mt", "mt", "-o", "x").failed(64, "moving tangents")
    folder.run("merge", "--prior", "p", "p2", "-o", "p2").failed(64, "p2")
    folder.run("merge", "--prior", "p", "p2", "-o", "q2").failed(73, "q2", "--force")
    folder.run("merge", "--prior", "none", "p2", "-o", "x").failed(66, "none")
    folder.run("merge", "--prior", "p", "-o", "x").failed(64)
    folder.run("update", "mt", "D2.csv", "--keep-sites", "-o", "x").failed(64, "kept apart")
    folder.run("forget", "p2", "D3.csv", "-o", "x").failed(65, "D3.csv", "no batch")
    folder.run("forget", "p2", "D1.csv", "-o", "x").failed(64, "first fit", "--linear-part-only")
    folder.run("forget", "p2", "D2.csv").failed(64, "--in-place")
    #expect(folder.files == before)
  }

  @Test("forgotten rows are as if they had never been seen", arguments: [true, false], methods)
  func forgotten(keeping: Bool, method: [String]) throws {
    let flag = keeping ? ["--keep-sites"] : []
    folder.run(["fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "p1"] + method).succeeded()
    folder.run(["update", "p1", "D2.csv", "-o", "p2"] + flag).succeeded()
    folder.run(["update", "p2", "D3.csv", "-o", "p3"] + flag).succeeded()
    folder.run("update", "p1", "D3.csv", "-o", "p13").succeeded()
    let object = folder.run("forget", "p3", "D2.csv", "-o", "w", "--label", "asked to", "--json").succeeded().object()
    #expect(object["rows"] as? Int == -20 && object["rows_total"] as? Int == 60)
    // `ForgetTests` has the bound; small tables are well conditioned.
    #expect(difference("w", "p13") < 1e-9)
    #expect((object["forgetting_bound"] as? Double).map { $0 < 1e-9 } ?? keeping)
    let entries = folder.run("inspect", "w", "--json").object()["lineage"] as? [[String: Any]] ?? []
    #expect(entries.map { $0["action"] as? String } == ["fit", "update", "update", "forget"])
    #expect(entries.map { $0["rows"] as? Int } == [40, 20, 20, 20])
    let lines = folder.run("inspect", "w").stdout
    #expect(lines.contains("4. forget, 20 rows") && lines.contains("(forgotten since)") && lines.contains("asked to"))
    #expect(lines.contains("rows seen:   60 in 2 batches"))
    #expect(folder.run("inspect", "w", "--command").outputLines[3].contains("forget p3.safetensors D2.csv"))
    // Not twice; but they may come again, once.
    folder.run("forget", "w", "D2.csv", "-o", "x").failed(65, "no batch")
    folder.run("update", "w", "D2.csv", "-o", "again").succeeded()
    #expect(difference("again", "p3") < 1e-9)
    folder.run("update", "again", "D2.csv", "-o", "x").failed(2, "update 5")
    folder.write("D23.csv", all[40..<80].csv())
    folder.run("forget", "p3", "D23.csv", "--in-place").succeeded()
    #expect(difference("p3", "p1") < 1e-9)
    // By value and by bytes, what was kept apart survives the file.
    let file = try PosteriorFile(path: "\(folder.path)/p2")
    #expect(file.posterior.sites.map(\.number) == (keeping ? [0, 2] : []))
    #expect(try PosteriorFile.encode(file.posterior).bytes == folder.bytes("p2"))
  }

  @Test("a linear model that forgets everything is the prior")
  func everything() {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p1").succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2").succeeded()
    folder.write("D12.csv", all[0..<60].csv())
    folder.run("forget", "p2", "D12.csv", "-o", "e").succeeded()
    folder.run("predict", "e", "D3.csv").failed(1, "not identified")
    folder.run("update", "e", "D1.csv", "-o", "again").succeeded()
    #expect(difference("again", "p1") < 1e-12)
  }

  @Test(
    "laplace, kalman and mean-field: merged, and forgotten by what was kept",
    arguments: ["laplace", "kalman", "mean-field"])
  func gaussians(method: String) throws {
    let fit = ["fit", "D1.csv", "--target", "y", "--hidden", "4", "--method", method, "-o", "p1"]
    folder.run(fit).succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "s2", "--keep-sites").succeeded()
    folder.run("update", "p1", "D3.csv", "-o", "own").succeeded()
    folder.run("merge", "--prior", "p1", "s2", "own", "-o", "x").failed(64, "--keep-noise")
    if method == "laplace" {
      folder.run("update", "p1", "D2.csv", "-o", "followed").succeeded()
      folder.run("merge", "--prior", "p1", "followed", "own", "-o", "noise").succeeded()
      folder.run("evaluate", "noise", "D4.csv").succeeded()
    }
    folder.run("update", "p1", "D3.csv", "-o", "s3", "--keep-noise").succeeded()
    #expect(folder.run("inspect", "s3", "--command").outputLines.last?.contains("--keep-noise") == true)
    let object = folder.run("merge", "--prior", "p1", "s2", "s3", "-o", "m", "--json").succeeded().object()
    #expect(object["rows_total"] as? Int == 80)
    #expect((object["certificate"] as? [String: Any])?["update"] as? String == "approximate")
    folder.run("evaluate", "m", "D4.csv").succeeded()
    folder.run("forget", "s2", "D2.csv", "-o", "back").succeeded()
    #expect(difference("back", "p1") < 1e-8)
    folder.run("forget", "s3", "D3.csv", "-o", "x").failed(64, "--keep-sites")
    let file = try PosteriorFile(path: "\(folder.path)/s2")
    #expect(try PosteriorFile.encode(file.posterior).bytes == folder.bytes("s2"))
  }

  @Test(
    "rounds see the shards' rows again, bring the merge nearer to one update with all rows, and are made again by inspect's commands"
  )
  func rounds() throws {
    // Classes of shards that lie apart, by a logistic regression: its optimum is one.
    folder.write("net.json", #"{"layers": [{"type": "dense", "units": 1}]}"#)
    func rows(_ shard: Int) -> [String] {
      (0..<25).map { i in
        let x = sin(Double(13 * i + 29 * shard)) + [0, -2, 0.5, 3][shard]
        return "\(x),\(x + 1.5 * sin(Double(78 * i * i + shard)) > 0.5 ? "yes" : "no")\n"
      }
    }
    for k in 0..<4 { folder.write("D\(k + 1).csv", "x,c\n" + rows(k).joined()) }
    folder.write("all.csv", "x,c\n" + (1..<4).flatMap(rows).joined())
    folder.run(
      "fit", "D1.csv", "--target", "c", "--network", "net.json", "--method", "laplace", "--prior-precision", "0.5",
      "-o", "p1.safetensors"
    ).succeeded()
    for k in 2...4 {
      folder.run("update", "p1.safetensors", "D\(k).csv", "-o", "p\(k).safetensors", "--quiet").succeeded()
    }
    folder.run("update", "p1.safetensors", "all.csv", "-o", "union", "--quiet").succeeded()
    let shards = ["p2.safetensors", "p3.safetensors", "p4.safetensors"]
    let merge = ["merge", "--prior", "p1.safetensors"] + shards
    let data = ["--data", "D2.csv", "--data", "D3.csv", "--data", "D4.csv"]
    folder.run(merge + ["-o", "m"]).succeeded()
    let outcome = folder.run(merge + ["--rounds", "12", "-o", "p5.safetensors"] + data).succeeded(notes: 1)
    #expect(outcome.stderr.contains("rounds moved the mean by "))
    func miss(_ name: String) -> Double {
      folder.run("diff", name, "union", "--json").object()["max_abs_mean"] as? Double ?? .infinity
    }
    #expect(miss("p5.safetensors") < 0.05 * miss("m"), "\(miss("p5.safetensors")), \(miss("m"))")
    let text = folder.run("inspect", "p5.safetensors").stdout
    #expect(text.contains("then 12 rounds in which every shard's rows were seen again"))
    let again = Scratch()
    for name in ["D1.csv", "D2.csv", "D3.csv", "D4.csv"] { again.write(name, folder.bytes(name)) }
    for line in folder.run("inspect", "p5.safetensors", "--command").succeeded().outputLines {
      #expect(again.shell(String(line)).exit == 0, "\(line)")
    }
    #expect(again.bytes("p5.safetensors") == folder.bytes("p5.safetensors") && !folder.bytes("p5.safetensors").isEmpty)

    // Independent weights, whose local step draws: it comes nearer, but for what the draws leave.
    folder.run(
      "fit", "D1.csv", "--target", "c", "--network", "net.json", "--method", "mean-field", "--prior-precision", "0.5",
      "-o", "v1"
    ).succeeded()
    for k in 2...4 { folder.run("update", "v1", "D\(k).csv", "-o", "v\(k)", "--quiet").succeeded() }
    folder.run("update", "v1", "all.csv", "-o", "whole", "--quiet").succeeded()
    folder.run("merge", "--prior", "v1", "v2", "v3", "v4", "-o", "v5").succeeded()
    folder.run(["merge", "--prior", "v1", "v2", "v3", "v4", "--rounds", "4", "-o", "v6", "--quiet"] + data).succeeded()
    let divergences = ["v5", "v6"].map {
      folder.run("diff", $0, "whole", "--json").object()["kl_forward"] as? Double ?? .infinity
    }
    #expect(divergences[1] < 0.2 * divergences[0], "\(divergences)")

    let other = ["--data", "D3.csv", "--data", "D2.csv", "--data", "D4.csv"]
    folder.run(merge + ["--rounds", "1", "-o", "x"] + other).failed(65, "D3.csv", "p2.safetensors has absorbed")
    folder.run(merge + ["--rounds", "1", "-o", "x"]).failed(64, "--data")
    folder.run(merge + ["-o", "x"] + data).failed(64, "--data belongs to --rounds")
    folder.run(["merge"] + shards + ["--rounds", "1", "-o", "x"] + data).failed(64, "--prior")
    #expect(!folder.files.contains("x"))
  }
}

@Suite("rows that were absorbed before")
struct RepeatedRowsCommandTests {
  let folder = Scratch()
  let all = Table.smooth(rows: 400)

  @Test("some of them: a warning with numbers, in every method", arguments: methods + [["--method", "kalman"]])
  func warning(method: [String]) {
    folder.write("D1.csv", all[0..<200].csv())
    folder.write("D2.csv", all[150..<250].csv())
    folder.write("D3.csv", all[300..<400].csv())
    folder.run(["fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "p1"] + method).succeeded()
    let run = folder.run("update", "p1", "D2.csv", "-o", "p2", "--json").succeeded(notes: 1)
    #expect(run.stderr.contains("about 50 of these 100 rows seem to be in the posterior already"))
    let object = run.object()
    #expect(object["repeated_rows_estimate"] as? Double == 50 && object["repeated_rows_expected"] as? Double == 0)
    #expect(object["repeated_rows_standard_error"] as? Double == 0)
    let honest = folder.run("update", "p2", "D3.csv", "-o", "p3", "--json").succeeded().object()
    #expect(honest["repeated_rows_estimate"] as? Double == 0 && honest["repeated_rows_p_value"] as? Double == 1)
    // After they were forgotten they may come again, but for those that D1 has.
    guard method[1] != "kalman" else { return }
    folder.run("forget", "p3", "D2.csv", "-o", "w").succeeded()
    folder.write("rest.csv", all[200..<250].csv())
    folder.run("update", "w", "rest.csv", "-o", "x").succeeded()
    folder.run("update", "w", "D2.csv", "-o", "x", "--force", "--quiet").succeeded()
    folder.run("update", "w", "D2.csv", "-o", "x", "--force", "--allow-repeated-data").succeeded()
    #expect(folder.run("inspect", "w").stdout.contains("row sketch:  fingerprints of 300 rows"))
  }

  @Test("no sample, no warning")
  func withoutSketch() {
    folder.write("D1.csv", all[0..<200].csv())
    folder.write("D2.csv", all[150..<250].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "--no-row-sketch", "-o", "p1").succeeded()
    let object = folder.run("update", "p1", "D2.csv", "-o", "p2", "--json").succeeded().object()
    #expect(object["repeated_rows_estimate"] is NSNull)
    #expect(!folder.run("inspect", "p2").stdout.contains("row sketch"))
    #expect(folder.run("inspect", "p2", "--command").stdout.contains("--no-row-sketch"))
  }

  @Test("shards that share single rows are told by their merge's sample")
  func mergedSketch() throws {
    folder.write("D1.csv", all[0..<200].csv())
    folder.write("D2.csv", all[200..<300].csv())
    folder.write("D3.csv", all[300..<400].csv())
    folder.write("D4.csv", all[250..<350].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p1").succeeded()
    for k in 2...3 { folder.run("update", "p1", "D\(k).csv", "-o", "s\(k)").succeeded() }
    folder.run("merge", "--prior", "p1", "s2", "s3", "-o", "m").succeeded()
    #expect(try PosteriorFile(path: "\(folder.path)/m").posterior.rowSketch?.counts.count == 400)
    folder.run("update", "m", "D4.csv", "-o", "x").succeeded(notes: 1)
  }
}
