import BNNInference
import BNNPosteriorFile
import Foundation
import Testing

@Suite("forgetting and tempering")
struct TemperCommandTests {
  let folder = Scratch()
  /// Linear in the inputs: every network fits it alike.
  let all: Table = {
    var table = Table.smooth(rows: 360)
    var chance = Chance(5)
    for i in table.rows.indices { table.rows[i][3] = 2 * table.rows[i][0] - table.rows[i][1] + 0.5 * chance.normal() }
    return table
  }()

  init() {
    folder.write("D1.csv", all[0..<280].csv())
    folder.write("D2.csv", all[280..<320].csv())
    var other = all[320..<360]
    for i in other.rows.indices { other.rows[i][3] = 80 - 4 * other.rows[i][0] }
    folder.write("other.csv", other.csv())
  }

  private static let kinds = [
    ["--method", "linear"], ["--method", "tangent", "--hidden", "3"], ["--method", "last-layer", "--hidden", "3"],
    ["--method", "laplace", "--hidden", "3"],
  ]

  private func update(_ object: [String: Any]) -> String? {
    (object["certificate"] as? [String: Any])?["update"] as? String
  }

  @Test("by a given number is in the certificate, the history, the file and the commands", arguments: kinds)
  func given(method: [String]) throws {
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p"] + method).succeeded()
    // One batch in a hundred is called unlike the rest, on stderr; that is not asked here.
    let run = folder.run("update", "p", "D2.csv", "--forgetting", "0.5", "-o", "q", "--json")
    #expect(run.exit == 0)
    let made = run.object()
    #expect(made["forgetting"] as? Double == 0.5 && made["rows_effective"] as? Double == 180)
    #expect(made["rows_total"] as? Int == 320)
    #expect(update(made) == (method[1] == "laplace" ? "approximate" : "tempered"))
    let text = folder.run("inspect", "q").succeeded().stdout
    #expect(text.contains("rows seen:   320 in 2 batches, which count as 180"))
    #expect(text.contains("Earlier rows were made to count less, by update 2 0.5 times"))
    #expect(folder.run("inspect", "q", "--command").stdout.contains("--forgetting 0.5"))
    let read = try PosteriorFile(path: folder.path + "/q").posterior
    #expect(try PosteriorFile.encode(read).bytes == folder.bytes("q"))
    // Their spread is that of fewer rows.
    #expect(folder.run("update", "p", "D2.csv", "-o", "whole").exit == 0)
    #expect(folder.run("diff", "q", "whole", "--tolerance", "1e-3").exit == 2)
    if method[1] != "laplace" {
      folder.run("merge", "--prior", "p", "q", "-o", "m").failed(64, "made earlier rows count less")
    }
  }

  @Test("by the evidence of rows that are not like the earlier ones, and only of those", arguments: kinds)
  func byEvidence(method: [String]) throws {
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p"] + method).succeeded()
    let made = folder.run("update", "p", "other.csv", "--on-drift", "temper", "-o", "q", "--json").succeeded(notes: 1)
      .object()
    let power = try #require(made["forgetting"] as? Double)
    #expect(power < 1)
    #expect(abs(try #require(made["rows_effective"] as? Double) - (280 * power + 40)) < 1e-9)
    let text = folder.run("update", "p", "other.csv", "--on-drift", "temper", "-o", "r").succeeded(notes: 1)
    #expect(text.stdout.contains("times since this update: as "))
    // A batch of the same source is one of a hundred that is called different.
    let like = folder.run("update", "p", "D2.csv", "--on-drift", "temper", "-o", "s", "--json").object()
    let isFound = (like["drift"] as? [String: Any])?["found"] as? Bool
    #expect(isFound != nil && (like["forgetting"] is NSNull || isFound == true))
  }

  @Test("what cannot forget, or is asked twice, says so")
  func refusals() {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "kalman", "--hidden", "3", "-o", "k").succeeded()
    folder.run("update", "k", "D2.csv", "--on-drift", "temper", "-o", "x").failed(
      64, "a filter forgets before every row")
    folder.run("fit", "D1.csv", "--target", "y", "--method", "moving-tangent", "--hidden", "3", "-o", "m").succeeded()
    folder.run("update", "m", "D2.csv", "--forgetting", "0.5", "-o", "x").failed(64, "cannot be made to count less")
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "--forgetting", "0.5", "--on-drift", "temper", "-o", "x").failed(
      64, "give one of them")
    folder.run("update", "p", "D2.csv", "--forgetting", "0", "-o", "x").failed(64, "--forgetting")
    folder.run("update", "p", "D2.csv", "--on-drift", "cry", "-o", "x").failed(64, "warn, fail or temper")
    folder.run("update", "p", "D2.csv", "-o", "p2").succeeded()
    folder.run("update", "p2", "other.csv", "--forgetting", "0.5", "-o", "p3").succeeded(notes: 1)
    folder.run("forget", "p3", "D2.csv", "-o", "x").failed(64, "update 3 made these rows count less")
    folder.run("forget", "p3", "other.csv", "-o", "w").succeeded()
    #expect(!folder.files.contains("x"))
  }
}

@Suite("diagnose and diff")
struct DiagnoseCommandTests {
  let folder = Scratch()
  let all = Table.smooth(rows: 160)

  init() {
    folder.write("D1.csv", all[0..<120].csv())
    folder.write("D2.csv", all[120..<160].csv())
  }

  @Test("a sound posterior is exit 0, one with a column that is a sum is exit 2 and names it")
  func columns() throws {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    let fine = folder.run("diagnose", "p", "--json").succeeded().object()
    #expect(fine["needs_attention"] as? Bool == false)
    #expect(
      (fine["findings"] as? [[String: Any]])?.contains { $0["kind"] as? String == "effective-parameters" } == true)
    var sum = all[0..<120]
    sum.names.append("sum")
    for i in sum.rows.indices { sum.rows[i].append(sum.rows[i][0] + sum.rows[i][1]) }
    folder.write("sum.csv", sum.csv())
    folder.run("fit", "sum.csv", "--target", "y", "--method", "linear", "-o", "s").succeeded()
    let text = folder.run("diagnose", "s")
    #expect(text.exit == 2 && text.stdout.contains("! collinear (a, b, sum): 3; "))
    #expect(text.stderr.isEmpty)
    folder.run("diagnose", "D1.csv").failed(65, "is not a posterior file")
  }

  @Test("with the posterior before it, how the spread fell")
  func earlier() throws {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    #expect(folder.run("diagnose", "q", "--earlier", "p").succeeded().stdout.contains("contraction ("))
    folder.run("diagnose", "p", "--earlier", "q").failed(64, "has not seen fewer rows")
  }

  @Test(
    "diff says which weight moved most and what that does to predictions",
    arguments: [["linear"], ["laplace", "--hidden", "3"]])
  func predictions(method: [String]) throws {
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p", "--method"] + method).succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    folder.write("new.csv", all[100..<130].columns("a", "b", "c").csv())
    let made = folder.run("diff", "p", "q", "--data", "new.csv", "--json").succeeded().object()
    let predictions = try #require(made["predictions"] as? [String: Any])
    #expect(predictions["rows"] as? Int == 30)
    // The same by two tables of predictions.
    func table(_ name: String) -> [[Double]] {
      folder.run("predict", name, "new.csv", "-o", "\(name).csv").succeeded()
      return folder.text("\(name).csv").split(separator: "\n").dropFirst().map {
        $0.split(separator: ",").compactMap { Double($0) }
      }
    }
    let shifts = zip(table("p"), table("q")).map { abs($0[0] - $1[0]) / $0[1] }
    let most = try #require(predictions["max_shift"] as? [String: Any])
    #expect(abs(try #require(most["value"] as? Double) - (shifts.max() ?? -1)) < 1e-9)
    #expect(most["row"] as? Int == (shifts.firstIndex(of: shifts.max() ?? 0) ?? -2) + 1)
    #expect(abs(try #require(predictions["mean_shift"] as? Double) - shifts.reduce(0, +) / 30) < 1e-9)
    #expect(try #require(made["max_shift"] as? Double) > 0)
    let weight = try #require(made["max_shift_weight"] as? String)
    #expect(method[0] == "linear" ? ["(intercept)", "a", "b", "c"].contains(weight) : weight.hasPrefix("layers."))
    #expect(folder.run("diff", "p", "q", "--data", "new.csv").succeeded().stdout.contains("predictions of 30 rows"))
  }
}
