import Foundation
import Testing

@Suite("predictions")
struct PredictionTests {
  let folder = Scratch()
  let table = Table.smooth(rows: 40, targets: 2)

  init() {
    folder.write("D.csv", table.csv())
    folder.write("X.csv", table[0..<5].columns("a", "b", "c").csv())
    folder.run("fit", "D.csv", "--target", "y", "--ignore", "z", "--method", "linear", "-o", "p")
    folder.run("fit", "D.csv", "--target", "y", "--target", "z", "--method", "linear", "-o", "two")
  }

  @Test("csv on standard output and in a file, json in a file and with --json say the same")
  func forms() throws {
    let text = folder.run("predict", "p", "X.csv").succeeded().stdout
    #expect(text.hasPrefix("mean,sd,epistemic_sd,aleatoric_sd,q05,q50,q95\n"))
    #expect(folder.run("predict", "p", "X.csv", "-o", "-").succeeded().stdout == text)
    #expect(folder.run("predict", "p", "X.csv", "-o", "out.csv").succeeded().stdout == "out.csv: 5 predictions\n")
    #expect(folder.text("out.csv") == text)
    let piped = folder.run("predict", "p", "-", "--format", "csv", stdin: folder.text("X.csv")).succeeded()
    #expect(piped.stdout == text)
    folder.run("predict", "p", "X.csv", "-o", "out.json").succeeded()
    let rows = text.split(separator: "\n").dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
    let names = ["mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q50", "q95"]
    let file = try JSONSerialization.jsonObject(with: Data(folder.bytes("out.json"))) as? [[String: Double]] ?? []
    let stream = folder.run("predict", "p", "X.csv", "--json").succeeded().object()
    // JSONSerialization may miss the last digit; the texts are the same.
    for (own, row) in zip(file, rows) {
      #expect(zip(names, row).allSatisfy { abs((own[$0] ?? .nan) - $1) <= 1e-15 * abs($1) })
      #expect(row.allSatisfy { folder.text("out.json").contains(":\($0)") })
    }
    #expect(file.count == 5 && rows.count == 5)
    #expect((stream["predictions"] as? [[String: Double]]) == file && stream["rows"] as? Int == 5)
    let both = folder.run("predict", "p", "X.csv", "-o", "out2.csv", "--json").succeeded().object()
    #expect(both["output"] as? String == "out2.csv" && folder.text("out2.csv") == text)
    for row in rows {
      #expect(row[4] < row[5] && row[5] < row[6] && abs(row[0] - row[5]) < 1e-9 && row[2] < row[1])
      // The sd of the Student-t with 40 degrees of freedom, the two parts on its scale.
      let scale = row[2] * row[2] + row[3] * row[3]
      #expect(abs(row[1] * row[1] - scale * 40 / 38) < 1e-9)
    }
  }

  @Test("--quantiles")
  func quantiles() {
    let text = folder.run("predict", "p", "X.csv", "--quantiles", "0.25, 0.975").succeeded()
    #expect(text.outputLines.first == "mean,sd,epistemic_sd,aleatoric_sd,q25,q97.5")
    let several = folder.run("predict", "two", "X.csv", "--quantiles", "0.5").succeeded()
    #expect(
      several.outputLines.first
        == "y_mean,y_sd,y_epistemic_sd,y_aleatoric_sd,y_q50,z_mean,z_sd,z_epistemic_sd,z_aleatoric_sd,z_q50")
    for p in ["0.001", "0.29", "0.07", "0.999"] {
      let header = folder.run("predict", "p", "X.csv", "--quantiles", p).succeeded().outputLines[0]
      let name = header.split(separator: ",")[4]
      #expect(abs((Double(name.dropFirst()) ?? .nan) - 100 * (Double(p) ?? 0)) < 1e-9 && name.count <= 6, "\(name)")
    }
  }

  static let noProbabilities = ["0", "1", "1.5", "-0.1", "x", "", ",", "0.1,,0.2", "nan", "0.5,0.5"]

  @Test("quantile flags that mean nothing", arguments: noProbabilities)
  func badQuantiles(value: String) {
    folder.run("predict", "p", "X.csv", "--quantiles=\(value)").failed(64, "--quantiles")
  }

  @Test("only .csv and .json can be written", arguments: ["out.parquet", "out", "out.CSV.bak"])
  func suffix(name: String) {
    folder.run("predict", "p", "X.csv", "-o", name).failed(64, name, ".csv")
    #expect(!folder.files.contains(name))
  }

  @Test("a model of the target's units: shifting and scaling the target shifts and scales the predictions")
  func units() {
    var scaled = table.columns("a", "b", "c", "y")
    for k in scaled.rows.indices { scaled.rows[k][3] = 1000 * scaled.rows[k][3] - 7 }
    folder.write("S.csv", scaled.csv())
    folder.run("fit", "S.csv", "--target", "y", "--method", "linear", "-o", "s").succeeded()
    let pairs = ["p", "s"].map { own in
      let lines = folder.run("predict", own, "X.csv").outputLines.dropFirst()
      return lines.map { $0.split(separator: ",").compactMap { Double($0) } }
    }
    for (own, other) in zip(pairs[0], pairs[1]) {
      #expect(abs(1000 * own[0] - 7 - other[0]) < 1e-6 && abs(1000 * own[1] - other[1]) < 1e-6)
    }
  }
}
