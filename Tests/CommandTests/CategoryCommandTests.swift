import Foundation
import Testing

/// Tables of real life through the command. The oracle of a category is the same table with its inputs written out by
/// hand as columns of 0 and 1.
@Suite("tables with categories, dates and missing values")
struct CategoryCommandTests {
  let folder = Scratch()

  /// Rows of a city, a day, a number and a target, and the same with the city as two or three columns.
  private func write(rows: Range<Int>, as name: String, missing: Set<Int> = [], dropsFirst: Bool = false) {
    var chance = Chance(5)
    let all = (0..<200).map { _ in (chance.bits() % 3, chance.normal(), chance.normal()) }
    let cities = ["Bonn", "Köln", "Trier"]
    var text = "city,day,x,y\n"
    var numbers = (dropsFirst ? "" : "Bonn,") + "Köln,Trier,x,y\n"
    for i in rows {
      let (city, x, noise) = all[i]
      let y = Double(city) * 2 + 3 * x + 0.1 * noise
      let day = String(format: "2020-01-%02d", 1 + i % 28)
      text += missing.contains(i) ? "\(cities[Int(city)]),\(day),?,\(y)\n" : "\(cities[Int(city)]),\(day),\(x),\(y)\n"
      guard !missing.contains(i) else { continue }
      let inputs = (dropsFirst ? 1..<3 : 0..<3).map { Int(city) == $0 ? "1" : "0" }
      numbers += (inputs + ["\(x)", "\(y)"]).joined(separator: ",") + "\n"
    }
    folder.write(name + ".csv", text)
    folder.write(name + "_numbers.csv", numbers)
  }

  private func means(_ posterior: String) -> [Double] {
    let object = folder.run("inspect", posterior, "--json").succeeded().object()
    let list = object["coefficients"] as? [[String: Any]] ?? []
    return list.compactMap { $0["mean"] as? Double } + list.compactMap { $0["sd"] as? Double }
  }

  @Test("a category is its columns of 0 and 1", arguments: [[], ["--prior-precision", "0"]], ["linear", "tangent"])
  func asColumns(prior: [String], method: String) throws {
    guard method == "linear" || prior.isEmpty else { return }
    write(rows: 0..<90, as: "D1", missing: [3, 17], dropsFirst: !prior.isEmpty)
    write(rows: 90..<150, as: "D2", missing: [100], dropsFirst: !prior.isEmpty)
    let common = ["--target", "y", "--method", method] + (method == "linear" ? [] : ["--hidden", "4"]) + prior
    let drop = ["--missing", "drop"]
    let fit = folder.run(["fit", "D1.csv", "--time", "day", "-o", "p1"] + common + drop).succeeded(notes: 1)
    #expect(fit.stderr.contains("left out 2 rows with a missing value"))
    folder.run(["update", "p1", "D2.csv", "-o", "p2"] + drop).succeeded(notes: 1)
    folder.run(["fit", "D1_numbers.csv", "-o", "q1"] + common).succeeded()
    folder.run("update", "q1", "D2_numbers.csv", "-o", "q2").succeeded()
    let one = folder.run(["predict", "p2", "D2.csv"] + drop).succeeded(notes: 1).stdout
    #expect(one == folder.run("predict", "q2", "D2_numbers.csv").succeeded().stdout)
    if method == "linear" { #expect(means("p2") == means("q2") && means("p2").count == (prior.isEmpty ? 10 : 8)) }
    // In one go, by an absorbed union: the city's levels are the same.
    let entries = folder.run("inspect", "p2", "--json").succeeded().object()["lineage"] as? [[String: Any]] ?? []
    #expect(entries.map { $0["time_range"] as? [String] } == [["2020-01-01", "2020-01-28"], ["2020-01-01", "2020-01-28"]])
    #expect(entries.map { $0["settings"] as? [String: String] }.allSatisfy { $0?["missing"] == "drop" })
    let score = folder.run(["evaluate", "p2", "D2.csv", "--json"] + drop).succeeded(notes: 1).object()
    #expect(score["rows"] as? Int == 59)
  }

  @Test("levels never seen are refused, or counted")
  func unseen() {
    write(rows: 0..<50, as: "D1")
    folder.run("fit", "D1.csv", "--target", "y", "--ignore", "day", "--method", "linear", "-o", "p").succeeded()
    folder.write("new.csv", "city,x,y\nBonn,1,3\nMainz,1,4\n")
    let words = ["data row 2 (line 3)", "column city", "\"Mainz\"", "Bonn, Köln, Trier", "--unseen ignore"]
    folder.run("update", "p", "new.csv", "-o", "q").failed(65, words: words)
    folder.run("predict", "p", "new.csv", "-o", "q.csv").failed(65, words: words)
    folder.run("evaluate", "p", "new.csv").failed(65, words: words)
    let update = folder.run("update", "p", "new.csv", "-o", "q", "--unseen", "ignore").succeeded(notes: 1)
    #expect(update.stderr.contains("1 row has a level of city that D1 did not have"))
    let commands = folder.run("inspect", "q", "--command").succeeded().stdout
    #expect(commands.contains("--categorical city") && commands.contains("--unseen ignore"))
    folder.run("update", "p", "new.csv", "-o", "r", "--unseen", "maybe").failed(64, "--unseen")
  }

  @Test("properties that disagree name both values")
  func properties() {
    write(rows: 0..<50, as: "D1")
    write(rows: 50..<90, as: "D2")
    folder.run("fit", "D1.csv", "--target", "y", "--time", "day", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q", "--categorical", "x").failed(64, "--categorical x", "categories city")
    folder.run("update", "p", "D2.csv", "-o", "q", "--time", "x").failed(64, "--time x", "has day")
    folder.run("update", "p", "D2.csv", "-o", "q", "--features", "x").failed(64, "--features x", "has city,x")
    let same = ["--categorical", "city", "--time", "day", "--features", "city,x", "--target", "y"]
    folder.run(["update", "p", "D2.csv", "-o", "q"] + same).succeeded()
    folder.write("lacks.csv", "city,x,y\nBonn,1,3\n")
    folder.run("update", "p", "lacks.csv", "-o", "r").failed(65, "no column day")
    folder.run("evaluate", "p", "lacks.csv").succeeded()
    folder.run("predict", "p", "lacks.csv").succeeded()
    folder.write("lacks2.csv", "day,x,y\n2020-01-01,1,3\n")
    folder.run("update", "p", "lacks2.csv", "-o", "r").failed(65, "no column city", "day, x, y")
  }

  @Test("what people try")
  func tries() {
    let fit = ["--target", "y", "--method", "linear", "-o", "p"]
    write(rows: 0..<50, as: "D1")
    folder.run(["fit", "D1.csv"] + fit).failed(65, "column day", "holds dates", "--time day")
    folder.run(["fit", "D1.csv", "--target", "city", "--time", "day", "--method", "linear", "-o", "p"]).failed(
      65, "column city", "the target is text")
    folder.write("table.xlsx", [0x50, 0x4B, 3, 4, 0, 0, 0, 0])
    folder.run(["fit", "table.xlsx"] + fit).failed(64, "spreadsheet", "save the sheet as csv")
    folder.write("table.csv", [0x50, 0x4B, 3, 4, 0, 0, 0, 0])
    folder.run(["fit", "table.csv"] + fit).failed(65, "zip archive", "save a spreadsheet as csv")
    folder.write("comma.csv", "x;y\n1,5;2,5\n1,7;2,9\n")
    folder.run(["fit", "comma.csv"] + fit).failed(65, "';'", "--delimiter")
    folder.run(["fit", "comma.csv", "--delimiter", ";"] + fit).failed(65, "data row 1", "decimal point")
    folder.write("t.tsv", "x\ty\n1\t2\n")
    folder.run(["fit", "t.tsv"] + fit).failed(64, "--format csv --delimiter tab")
    folder.write("ids.csv", "id,x,y\n" + (0..<150).map { "n\($0),\($0),\($0 * $0 % 7)\n" }.joined())
    folder.run(["fit", "ids.csv"] + fit).failed(65, "column id", "more than 100", "--ignore id")
    #expect(!folder.files.contains("p"))
    let piped = folder.shell("cat ids.csv | \"$BNN\" fit - --format csv --ignore id --target y --method linear -o p")
    #expect(piped.exit == 0, "\(piped.stderr)")
  }
}
