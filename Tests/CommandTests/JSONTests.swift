import Foundation
import Testing

@Suite("--json")
struct JSONTests {
  let folder = Scratch()

  static let summary = [
    "rows": "integer", "rows_total": "integer", "method": "text", "structure": "text", "parameters": "integer",
    "log_evidence": "number?", "log_evidence_total": "number?", "certificate": "object", "noise": "number",
    "prior_precision": "number", "seconds": "number", "misfit": "number?",
    "gap_guess": "number?",
  ]

  private func check(
    _ object: [String: Any], _ kinds: [String: String], _ location: SourceLocation = #_sourceLocation
  ) {
    for (key, kind) in kinds {
      let found = object[key] ?? "absent"
      #expect(isKind(object[key], kind), "\(key) should be \(kind): \(found)", sourceLocation: location)
    }
    for key in object.keys {
      #expect(key.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "_" }, "\(key)", sourceLocation: location)
    }
  }

  @Test("one object with the documented keys for every subcommand", arguments: methods)
  func documentedKeys(method: [String]) {
    let all = Table.smooth(rows: 100)
    folder.write("D1.csv", all[0..<50].csv())
    folder.write("D2.csv", all[50..<100].csv())
    let fit = folder.run(["fit", "D1.csv", "--target", "y", "-o", "p1", "--json"] + method).succeeded().object()
    check(fit, Self.summary)
    #expect(fit["rows"] as? Int == 50 && fit["method"] as? String == method[1])
    let update = folder.run("update", "p1", "D2.csv", "-o", "p2", "--json").succeeded().object()
    check(update, Self.summary.merging(["log_evidence": "number", "log_evidence_total": "number"]) { $1 })
    #expect(update["rows_total"] as? Int == 100)
    let certificate = update["certificate"] as? [String: Any] ?? [:]
    check(certificate, ["update": "text", "conditional_on": "list", "reasons": "list"])
    #expect(certificate["update"] as? String == "exact")
    for condition in certificate["conditional_on"] as? [[String: Any]] ?? [] {
      check(condition, ["what": "text", "fixed_by": "integer?"])
    }
    let kinds = ["rows": "integer", "nll": "number", "rmse": "number", "crps": "number", "coverage_90": "number"]
    check(folder.run("evaluate", "p2", "D2.csv", "--json").succeeded().object(), kinds)
    let diff = folder.run("diff", "p1", "p2", "--json").succeeded().object()
    let figures = ["max_abs_mean", "max_rel_mean", "max_rel_sd", "kl_forward", "kl_backward"].map { ($0, "number") }
    check(diff, Dictionary(uniqueKeysWithValues: figures))
    #expect(diff["within_tolerance"] is NSNull)
    let beyond = folder.run("diff", "p1", "p2", "--json", "--tolerance", "1e-12")
    #expect(beyond.exit == 2 && beyond.object()["within_tolerance"] as? Bool == false)
    let same = folder.run("diff", "p1", "p1", "--json", "--tolerance", "0").succeeded().object()
    #expect(same["within_tolerance"] as? Bool == true && same["kl_forward"] as? Double == 0)
    let predictions = folder.run("predict", "p2", "D2.csv", "--json").succeeded().object()
    check(predictions, ["rows": "integer", "predictions": "list"])
  }

  @Test("inspect: manifest, lineage, what is identified", arguments: methods)
  func inspect(method: [String]) {
    let all = Table.smooth(rows: 60)
    folder.write("D1.csv", all[0..<40].csv())
    folder.write("D2.csv", all[40..<60].csv())
    let label = "näxt \"week\"\t\\ 数"
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p1", "--seed", "5"] + method).succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2", "--label", label).succeeded()
    let first = folder.run("inspect", "p1", "--json").succeeded().object()
    let object = folder.run("inspect", "p2", "--json").succeeded().object()
    check(
      object,
      [
        "manifest": "object", "lineage": "list", "identified": "truth", "not_identified": "list", "digest": "text",
        "noise": "number", "prior_precision": "number", "certificate": "object",
        "memory_rows": "integer",
      ])
    let lineage = object["lineage"] as? [[String: Any]] ?? []
    #expect(lineage.map { $0["action"] as? String } == ["fit", "update"])
    #expect(lineage.map { $0["rows"] as? Int } == [40, 20])
    #expect(lineage.map { $0["number"] as? Int } == [1, 2])
    #expect(lineage.first?["seed"] as? Int == 5 && lineage.last?["label"] as? String == label)
    #expect(lineage.last?["parent"] as? String == first["digest"] as? String)
    #expect((object["coefficients"] != nil) == (method[1] == "linear"))
    #expect(folder.run("inspect", "p2").succeeded().stdout.contains("näxt"))
  }

  @Test("several targets are lists")
  func lists() {
    folder.write("D.csv", Table.smooth(rows: 50, targets: 2).csv())
    let options = ["--target", "y", "--target", "z", "--method", "linear", "--json", "-o", "p"]
    let fit = folder.run(["fit", "D.csv"] + options).succeeded().object()
    #expect((fit["noise"] as? [Double])?.count == 2 && (fit["prior_precision"] as? [Double])?.count == 2)
    let scores = folder.run("evaluate", "p", "D.csv", "--json").succeeded().object()
    for key in ["nll", "rmse", "crps", "coverage_90"] { #expect((scores[key] as? [Double])?.count == 2) }
  }

  @Test("what is not identified is null, not NaN")
  func nulls() {
    folder.write("D.csv", Table.smooth(rows: 2).csv())
    let options = ["--target", "y", "--method", "linear", "--prior-precision", "0", "--json", "-o", "p"]
    let fit = folder.run(["fit", "D.csv"] + options).succeeded().object()
    #expect(fit["noise"] is NSNull && fit["log_evidence"] is NSNull && fit["identified"] as? Bool == false)
    let diff = folder.run("diff", "p", "p", "--json").succeeded().object()
    #expect(diff["kl_forward"] is NSNull)
    let members = folder.run(
      "fit", "D.csv", "--target", "y", "--hidden", "2", "--members", "2", "--json", "-o", "m"
    ).succeeded().object()
    #expect(members["members"] as? Int == 2)
    #expect(folder.run("diff", "m", "m", "--json").succeeded().object()["kl_backward"] is NSNull)
  }

  static let failures: [(arguments: [String], exit: Int, fields: [String: String])] = [
    (["update", "gone", "D.csv", "-o", "q"], 66, ["file": "gone"]),
    (["update", "p", "gone.csv", "-o", "q"], 66, ["file": "gone.csv"]),
    (["update", "p", "text.csv", "-o", "q"], 65, ["file": "text.csv", "row": "2", "column": "b"]),
    (["update", "p", "short.csv", "-o", "q"], 65, ["file": "short.csv", "row": "1"]),
    (["update", "p", "D.csv", "-o", "q"], 2, ["file": "D.csv"]),
    (["update", "p", "E.csv", "-o", "p"], 64, [:]),
    (["update", "p", "E.csv", "-o", "D.csv"], 73, ["file": "D.csv"]),
    (["fit", "D.csv", "--target", "w", "-o", "q"], 65, ["file": "D.csv"]),
    (["fit", "D.csv", "--target", "y", "--bogus", "-o", "q"], 64, [:]),
    (["fitt", "D.csv"], 64, [:]), ([], 64, [:]),
  ]

  @Test("an error is an object too, and its words are on stderr", arguments: failures)
  func errors(arguments: [String], exit: Int, fields: [String: String]) {
    folder.write("D.csv", Table.smooth(rows: 20).csv())
    folder.write("E.csv", Table.smooth(rows: 20, seed: 2).csv())
    folder.write("text.csv", "a,b,c,y\n1,2,3,4\n1,x,3,4\n")
    folder.write("short.csv", "a,b,c,y\n1,2,3\n")
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p")
    let before = folder.files
    let outcome = folder.run(arguments + ["--json"])
    #expect(outcome.exit == Int32(exit))
    if !arguments.isEmpty { outcome.isReadable() }
    let object = outcome.object()
    let error = object["error"] as? [String: Any] ?? [:]
    check(
      error,
      ["exit": "integer", "message": "text", "file": "text?", "row": "integer?", "column": "text?", "remedy": "text?"])
    #expect(error["exit"] as? Int == exit)
    for key in ["file", "row", "column"] {
      #expect(fields[key] == (error[key] is NSNull ? nil : error[key].map { "\($0)" }), "\(key) of \(error)")
    }
    let words = (error["message"] as? String ?? "–").split(separator: "\n").first ?? "–"
    #expect(outcome.stderr.contains(words))
    #expect(((object["refused"] as? [String: Any])?["why"] as? String) == (exit == 2 ? "repeated_data" : nil))
    #expect(folder.files == before)
  }
}
