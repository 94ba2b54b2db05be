import Foundation
import Testing

/// Arguments of `fit` for each method, small enough to train in a moment.
let methods = [
  ["--method", "linear"], ["--method", "tangent", "--hidden", "6"], ["--method", "last-layer", "--hidden", "6,6"],
  ["--method", "parallel-branch", "--hidden", "6,6"],
  ["--method", "tangent", "--hidden", "6", "--subspace", "12"],
]

@Suite("fit → update → predict → evaluate → inspect → diff")
struct MainJobTests {
  let folder = Scratch()

  @Test("every step does its part", arguments: methods, [1, 2])
  func wholeStory(method: [String], targets: Int) {
    let all = Table.smooth(rows: 260, targets: targets)
    folder.write("D1.csv", all[0..<120].csv())
    folder.write("D2.csv", all[120..<200].csv())
    folder.write("test.csv", all[200..<260].csv())
    folder.write("X.csv", all[200..<260].columns("a", "b", "c").csv())
    let names = ["y", "z"].prefix(targets).flatMap { ["--target", $0] }

    let fit = folder.run(["fit", "D1.csv", "-o", "p1.safetensors"] + names + method).succeeded()
    #expect(fit.stdout.hasPrefix("p1.safetensors: fitted, 120 rows, \(method[1])"))
    let update = folder.run("update", "p1.safetensors", "D2.csv", "-o", "p2.safetensors").succeeded()
    #expect(update.stdout.hasPrefix("p2.safetensors: update 2, 80 rows (200 in all), \(method[1])"))
    let predict = folder.run("predict", "p2.safetensors", "X.csv", "-o", "predictions.csv").succeeded()
    #expect(predict.stdout == "predictions.csv: 60 predictions\n")
    #expect(folder.text("predictions.csv").split(separator: "\n").count == 61)
    let evaluate = folder.run("evaluate", "p2.safetensors", "test.csv").succeeded()
    #expect(evaluate.outputLines.count == targets)
    let inspect = folder.run("inspect", "p2.safetensors").succeeded()
    for word in ["rows seen:   200 in 2 batches", "certificate: exact", "1. fit, 120 rows", "2. update, 80 rows"] {
      #expect(inspect.stdout.contains(word))
    }
    let diff = folder.run("diff", "p1.safetensors", "p2.safetensors", "--tolerance", "1e-9")
    #expect(diff.exit == 2 && diff.stdout.contains("beyond the tolerance") && diff.stderr.isEmpty)
    #expect(folder.run("diff", "p1.safetensors", "p2.safetensors").exit == 0)
    let made = ["p1.safetensors", "p2.safetensors", "predictions.csv"]
    #expect(folder.files == ["D1.csv", "D2.csv", "X.csv"] + made + ["test.csv"])
  }

  @Test("an update makes predictions better where the first batch never was", arguments: methods)
  func learns(method: [String]) {
    let all = Table.smooth(rows: 300, seed: 7)
    let low = all.rows.filter { $0[1] < 1 }
    folder.write("D1.csv", Table(names: all.names, rows: Array(low.prefix(25))).csv())
    folder.write("D2.csv", all[0..<200].csv())
    folder.write("test.csv", all[200..<300].csv())
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p1"] + method).succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2", "--quiet").succeeded()
    let scores = ["p1", "p2"].map { folder.run("evaluate", $0, "test.csv", "--json").succeeded().object() }
    let rmse = scores.compactMap { $0["rmse"] as? Double }
    #expect(rmse.count == 2 && rmse[1] < rmse[0])
  }

  @Test("linear: batches one by one are the union")
  func linearUnion() {
    let all = Table.smooth(rows: 90, targets: 2)
    folder.write("D1.csv", all[0..<3].csv())
    folder.write("D2.csv", all[3..<50].csv())
    folder.write("D3.csv", all[50..<90].csv())
    folder.write("all.csv", all.csv())
    let options = ["--target", "y", "--target", "z", "--method", "linear"]
    folder.run(["fit", "D1.csv", "-o", "p1"] + options).succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2").succeeded()
    folder.run("p2", "D3.csv", "-o", "p3").succeeded()
    folder.run(["fit", "all.csv", "-o", "union"] + options).succeeded()
    let diff = folder.run("diff", "p3", "union", "--tolerance", "1e-9").succeeded()
    #expect(diff.stdout.contains("within the tolerance"))
  }

  @Test(
    "networks: order and cut of later batches do not matter, in every member",
    arguments: Array(methods.dropFirst()) + [["--method", "tangent", "--hidden", "5", "--members", "3"]], [1, 2])
  func orderAndSplit(method: [String], targets: Int) {
    let all = Table.smooth(rows: 200, targets: targets)
    let parts = ["D1": 0..<80, "A": 80..<140, "B": 140..<200, "A1": 80..<81, "A2": 81..<140, "AB": 80..<200]
    for (name, rows) in parts { folder.write("\(name).csv", all[rows].csv()) }
    let names = ["y", "z"].prefix(targets).flatMap { ["--target", $0] }
    folder.run(["fit", "D1.csv", "-o", "p"] + names + method).succeeded()
    for chain in [["A", "B"], ["B", "A"], ["A1", "B", "A2"], ["AB"]] {
      var last = "p"
      for (k, part) in chain.enumerated() {
        let next = chain.joined(separator: "+") + (k == chain.count - 1 ? "" : " \(k)")
        folder.run("update", last, "\(part).csv", "-o", next, "--quiet").succeeded()
        last = next
      }
    }
    for other in ["B+A", "A1+B+A2", "AB"] {
      let diff = folder.run("diff", "A+B", other, "--tolerance", "1e-9").succeeded()
      #expect(diff.stdout.contains("within the tolerance"))
      let each = folder.run("diff", "A+B", other, "--json").succeeded().object()["members"] as? [[String: Any]]
      #expect(each?.count == (method.last == "3" ? 3 : 1))
      for member in each ?? [] {
        #expect((member["max_rel_mean"] as? Double ?? 1) <= 1e-9 && (member["kl_forward"] as? Double ?? 1) <= 1e-9)
      }
    }
  }

  @Test("members: inspect lists each of them, and another number of them is another posterior")
  func members() throws {
    let all = Table.smooth(rows: 90)
    folder.write("D1.csv", all[0..<50].csv())
    folder.write("D2.csv", all[50..<90].csv())
    let options = ["D1.csv", "--target", "y", "--hidden", "4", "--json"]
    let three = folder.run(["fit"] + options + ["--members", "3", "-o", "three"]).succeeded().object()
    let one = folder.run(["fit"] + options + ["-o", "one"]).succeeded().object()
    for name in ["three", "one"] { folder.run("update", name, "D2.csv", "-o", name + "2").succeeded() }
    let listed = try #require(
      folder.run("inspect", "three", "--json").succeeded().object()["members"] as? [[String: Any]])
    #expect(listed.count == 3)
    let first = listed[0].mapValues { $0 as? Double }
    // The first member of three is the one of one.
    #expect(first["log_evidence"] == one["log_evidence_total"] as? Double)
    #expect(first["noise"] == one["noise"] as? Double && first["prior_precision"] == one["prior_precision"] as? Double)
    let noise = listed.compactMap { $0["noise"] as? Double }
    let mean = try #require(three["noise"] as? Double)
    #expect(noise.count == 3 && abs(mean - noise.reduce(0, +) / 3) < 1e-14 * mean)
    let words = folder.run("inspect", "three2").succeeded().stdout
    for k in 1...3 { #expect(words.contains("network \(k): noise ")) }
    folder.run("diff", "three", "one").failed(64, "3 and 1 members")
    folder.run("diff", "one2", "three2", "--json").isReadable()
    folder.run("update", "three2", "D2.csv", "--members", "1", "-o", "q").failed(64, "--members 1", "has 3")
    // Predictions of a mixture can be scored against those of one network.
    let against = folder.run("evaluate", "three2", "D2.csv", "--against", "one2", "--json")
    #expect([0, 2].contains(against.exit) && against.object()["against"] is [String: Any])
  }

  @Test("diff refuses posteriors that are not about the same weights")
  func incomparable() {
    folder.write("D.csv", Table.smooth(rows: 40).csv())
    for (k, method) in methods.enumerated() {
      folder.run(["fit", "D.csv", "--target", "y", "-o", "p\(k)"] + method).succeeded()
    }
    folder.run("fit", "D.csv", "--target", "y", "--ignore", "a", "--method", "linear", "-o", "q").succeeded()
    folder.run("diff", "p0", "p1").failed(64, "linear", "tangent")
    folder.run("diff", "p0", "q").failed(64, "columns")
    folder.run("diff", "p0", "p9").failed(66, "p9", "no such file")
  }
}
