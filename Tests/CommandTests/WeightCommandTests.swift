import Foundation
import Testing

@Suite("row weights, kept columns and .npz")
struct WeightCommandTests {
  let folder = Scratch()
  let linear = ["--target", "y", "--method", "linear", "--weights", "w"]

  private func csv(_ rows: Range<Int>, weight: (Int) -> String) -> String {
    let table = Table.smooth(rows: 120)
    return "id,a,b,c,w,y\n"
      + rows.map { i in
        let row = table.rows[i]
        return "\"n,\(i)\",\(row[0]),\(row[1]),\(row[2]),\(weight(i)),\(row[3])\n"
      }.joined()
  }

  @Test("the column of weights belongs to the posterior", arguments: [["--method", "linear"], ["--hidden", "4"]])
  func property(method: [String]) {
    folder.write("D1.csv", csv(0..<60) { "\($0 % 4)" })
    folder.write("D2.csv", csv(60..<120) { "\(1 + $0 % 3)" })
    let fit = folder.run(
      ["fit", "D1.csv", "--target", "y", "--weights", "w", "--ignore", "id", "-o", "p"] + method
    ).succeeded(notes: 1)
    #expect(fit.stderr == "D1.csv: left out 15 rows of weight 0\n" && fit.stdout.contains("fitted, 45 rows"))
    folder.run("update", "p", "D2.csv", "-o", "q", "--weights", "w", "--quiet").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "r", "--weights", "a").failed(64, "--weights a", "has w")
    folder.write("none.csv", Table.smooth(rows: 9).csv())
    folder.run("update", "p", "none.csv", "-o", "r").failed(65, "no column w")
    folder.run("evaluate", "p", "none.csv").failed(65, "no column w")
    folder.run("predict", "q", "none.csv").succeeded()
    #expect(folder.run("inspect", "q", "--command").succeeded().stdout.contains("--weights w"))
    // The same rows with other weights are other rows.
    folder.write("D3.csv", csv(60..<120) { "\(2 + $0 % 3)" })
    folder.run("update", "q", "D3.csv", "-o", "r", "--quiet").succeeded()
    folder.run("update", "q", "D2.csv", "-o", "s", "--quiet").failed(2, "absorbed before")
  }

  @Test("weights of 1 are no weights, and unweighted posteriors have none")
  func ones() {
    folder.write("D.csv", csv(0..<60) { _ in "1" })
    folder.run(["fit", "D.csv", "--ignore", "id", "-o", "p"] + linear).succeeded()
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "--ignore", "id,w", "-o", "q").succeeded()
    folder.run("update", "q", "D.csv", "-o", "r", "--weights", "w").failed(64, "--weights w", "no row weights")
    for command in [["predict"], ["evaluate"]] {
      let outcomes = ["p", "q"].map { folder.run(command + [$0, "D.csv", "--quiet"]).succeeded().stdout }
      #expect(outcomes[0] == outcomes[1])
    }
  }

  @Test(
    "weights that are none",
    arguments: [
      ("-1", "the weight -1.0 is negative"), ("x", "\"x\" is not a number"), ("", "missing"), ("inf", "not a finite"),
    ])
  func bad(weight: String, words: String) {
    folder.write("D.csv", csv(0..<60) { $0 == 7 ? weight : "2" })
    folder.run(["fit", "D.csv", "--ignore", "id", "-o", "p"] + linear).failed(65, "data row 8", "column w", words)
    folder.write("zero.csv", csv(0..<60) { _ in "0" })
    folder.run(["fit", "zero.csv", "--ignore", "id", "-o", "p"] + linear).failed(65, "every row has the weight 0")
  }

  // MARK: Predictions out

  @Test("--keep copies columns in front, in every form")
  func keep() throws {
    folder.write("D.csv", csv(0..<60) { _ in "1" })
    folder.run(["fit", "D.csv", "--ignore", "id", "-o", "p"] + linear).succeeded()
    folder.write("X.csv", "note,c,b,a,id\n\"say \"\"ä\"\"\",1,2,3,007\n,4,5,6,\" 8\"\nx,7,8,9,1.50\n")
    let plain = folder.run("predict", "p", "X.csv", "--quiet").succeeded().outputLines
    let kept = folder.run("predict", "p", "X.csv", "--keep", "id,note", "-o", "k.csv").succeeded()
    #expect(kept.stdout == "k.csv: 3 predictions\n")
    let lines = folder.text("k.csv").split(separator: "\n")
    let front = ["id,note,", "007,\"say \"\"ä\"\"\",", "\" 8\",,", "1.50,x,"]
    #expect(lines == zip(front, plain).map { Substring($0 + $1) })
    #expect(folder.run("predict", "p", "X.csv", "--keep", "id,note").succeeded().stdout == folder.text("k.csv"))

    folder.run("predict", "p", "X.csv", "--keep", "id,note", "-o", "k.json").succeeded()
    let objects = try #require(
      JSONSerialization.jsonObject(with: Data(folder.bytes("k.json"))) as? [[String: Any]])
    #expect(objects.map { $0["id"] as? String } == ["007", " 8", "1.50"])
    #expect(objects.map { $0["note"] as? String } == ["say \"ä\"", "", "x"])
    let mean = objects.compactMap { $0["mean"] as? Double }
    // Foundation's JSON reader is right to some units in the last place.
    for (own, line) in zip(mean, plain.dropFirst()) {
      let expected = Double(line.split(separator: ",")[0]) ?? .nan
      #expect(abs(own - expected) <= 1e-14 * abs(expected))
    }
    #expect(mean.count == 3)

    // What .npz holds is read again as a table: its mean as the target of a fit without noise.
    folder.run("predict", "p", "X.csv", "--keep", "id,note", "-o", "k.npz").succeeded()
    folder.run("predict", "p", "k.npz").failed(65, "no column a", "id, note, mean, sd")
    folder.run("predict", "p", "X.csv", "--keep", "idd").failed(65, "idd (did you mean id?)")
    folder.run("predict", "p", "X.csv", "--keep", "id,id").failed(64, "twice")
    folder.write("M.csv", "mean,a,b,c\n1,2,3,4\n")
    folder.run("predict", "p", "M.csv", "--keep", "mean").failed(64, "--keep mean", "rename")
    folder.run("predict", "p", "X.csv", "-o", "k.xlsx").failed(64, ".npz")
    #expect(!folder.files.contains("k.xlsx"))
  }

  @Test("features may be kept too, and a target need not be readable")
  func keepFeatures() {
    folder.write("D.csv", csv(0..<60) { _ in "1" })
    folder.run(["fit", "D.csv", "--ignore", "id", "-o", "p"] + linear).succeeded()
    folder.write("X.csv", "a,b,c,y\n1,2,3,unknown\n1.0,2,3,\n")
    let out = folder.run("predict", "p", "X.csv", "--keep", "a,y").succeeded().outputLines
    #expect(
      out.map { $0.split(separator: ",", omittingEmptySubsequences: false).prefix(2).joined(separator: ",") } == [
        "a,y", "1,unknown", "1.0,",
      ])
  }

  @Test("several targets and quantiles have names of their own")
  func severalTargets() {
    folder.write("D.csv", Table.smooth(rows: 60, targets: 2).csv())
    folder.run("fit", "D.csv", "--target", "y", "--target", "z", "--method", "linear", "-o", "p").succeeded()
    let header = folder.run("predict", "p", "D.csv", "--quantiles", "0.025,0.975", "--keep", "y").succeeded().stdout
    let first = "y,y_mean,y_sd,y_epistemic_sd,y_aleatoric_sd,y_q2.5,y_q97.5"
    #expect(header.hasPrefix(first + ",z_mean,z_sd,z_epistemic_sd,z_aleatoric_sd,z_q2.5,z_q97.5\n"))
  }
}
