import BNNInference
import BNNPosteriorFile
import Foundation
import Testing

@Suite("drift")
struct DriftCommandTests {
  let folder = Scratch()
  /// Linear in the inputs: every network fits it alike.
  let all: Table = {
    var table = Table.smooth(rows: 400)
    var chance = Chance(5)
    for i in table.rows.indices { table.rows[i][3] = 2 * table.rows[i][0] - table.rows[i][1] + 0.5 * chance.normal() }
    return table
  }()

  init() {
    folder.write("D1.csv", all[0..<250].csv())
    folder.write("like.csv", all[250..<400].csv())
    var other = all[250..<400]
    for i in other.rows.indices { other.rows[i][1] += 3 }
    folder.write("other.csv", other.csv())
  }

  private static let kinds = [
    ["--method", "linear"], ["--method", "tangent", "--hidden", "3"], ["--method", "last-layer", "--hidden", "3"],
    ["--method", "laplace", "--hidden", "3"], ["--method", "tangent", "--hidden", "3", "--members", "2"],
    ["--method", "moving-tangent", "--hidden", "3"], ["--method", "mean-field", "--hidden", "3", "--epochs", "2"],
    ["--method", "kalman", "--hidden", "3"], ["--method", "point", "--hidden", "3"],
  ]

  @Test("is found and named, or ends the update with nothing written", arguments: kinds)
  func found(method: [String]) throws {
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p"] + method).succeeded()
    let warned = folder.run("update", "p", "other.csv", "-o", "q").succeeded(notes: 1)
    #expect(warned.stderr.contains("not like those before them") && warned.stderr.contains("b (p = "))
    #expect(warned.stdout.contains("drift: these rows are not like those before them"))
    let history = folder.run("inspect", "q").succeeded().stdout
    #expect(history.contains("drift of") && history.contains("column sketch: 31 values or fewer of each of 3 columns"))
    let object = folder.run("inspect", "q", "--json").succeeded().object()
    let entry = try #require((object["lineage"] as? [[String: Any]])?.last?["drift"] as? [String: Any])
    #expect((entry["reasons"] as? [String])?.contains("b") == true)
    #expect(try #require(entry["p_value"] as? Double) < 1e-6)

    let json = folder.run("update", "p", "other.csv", "--on-drift", "fail", "-o", "r", "--json")
    #expect(json.exit == 2)
    #expect((json.object()["refused"] as? [String: String]) == ["why": "drift"])
    folder.run("update", "p", "other.csv", "--on-drift", "fail", "-o", "r").failed(
      2, "not like those before", "other.csv")
    #expect(!folder.files.contains("r"))
  }

  /// Of rows from the same source the chance to be refused is 1 in 100, and these are not.
  @Test("is not seen in rows of the same source", arguments: kinds.dropLast())
  func notFound(method: [String]) throws {
    folder.run(["fit", "D1.csv", "--target", "y", "-o", "p"] + method).succeeded()
    let made = folder.run("update", "p", "like.csv", "--on-drift", "fail", "-o", "q", "--json").succeeded().object()
    let drift = try #require(made["drift"] as? [String: Any])
    #expect(drift["found"] as? Bool == false)
    for question in ["scatter", "level", "inputs"] { #expect(drift[question] is [String: Any], "\(question)") }
    #expect(folder.run("inspect", "q").succeeded().stdout.contains("no drift (p = "))
    // A batch that was absorbed belongs to what the next one is compared with.
    let read = try PosteriorFile(path: folder.path + "/q").posterior
    #expect(abs(try #require(read.drift?.inputs).rows - 400) < 1e-6)
  }

  @Test("of classes and counts is found by how probable they are")
  func classes() throws {
    var table = all
    for i in table.rows.indices { table.rows[i][3] = table.rows[i][3] > 0 ? 1 : 0 }
    folder.write("c1.csv", table[0..<250].csv())
    folder.write("like.csv", table[250..<400].csv())
    for i in table.rows.indices { table.rows[i][3] = 1 - table.rows[i][3] }
    folder.write("wrong.csv", table[250..<400].csv())
    folder.run(
      "fit", "c1.csv", "--target", "y", "--likelihood", "bernoulli", "--method", "laplace", "--hidden", "3", "-o", "p"
    ).succeeded()
    let like = folder.run("update", "p", "like.csv", "-o", "q", "--json").succeeded().object()
    #expect((like["drift"] as? [String: Any])?["found"] as? Bool == false)
    let wrong = folder.run("update", "p", "wrong.csv", "-o", "q", "--force", "--json").succeeded(notes: 1).object()
    #expect((wrong["drift"] as? [String: Any])?["reasons"] as? [String] == ["scatter"])
  }

  @Test("of a category is a change of its shares")
  func categories() throws {
    func rows(_ range: Range<Int>, _ level: (Int) -> String) -> String {
      "x,colour,y\n" + range.map { "\(all.rows[$0][0]),\(level($0)),\(all.rows[$0][3])\n" }.joined()
    }
    folder.write("d1.csv", rows(0..<200) { $0 % 4 == 0 ? "red" : "blue" })
    folder.write("d2.csv", rows(200..<300) { $0 % 4 == 0 ? "blue" : "red" })
    folder.run("fit", "d1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    let made = folder.run("update", "p", "d2.csv", "-o", "q", "--json").succeeded(notes: 1).object()
    let drift = try #require(made["drift"] as? [String: Any])
    #expect((drift["reasons"] as? [String])?.contains("colour") == true)
    let columns = try #require((drift["inputs"] as? [String: Any])?["columns"] as? [[String: Any]])
    #expect(columns.first?["name"] as? String == "colour" && columns.first?["test"] as? String == "chi-squared")
    #expect(folder.run("inspect", "p").stdout.contains("all different values of 1 columns"))
  }

  @Test("is not looked for in columns where nothing is kept of them")
  func without() throws {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "--no-column-sketch", "-o", "p").succeeded()
    #expect(!folder.run("inspect", "p").stdout.contains("column sketch"))
    #expect(folder.run("inspect", "p", "--command").stdout.contains("--no-column-sketch"))
    let made = folder.run("update", "p", "other.csv", "-o", "q", "--json").succeeded(notes: 1).object()
    let drift = try #require(made["drift"] as? [String: Any])
    #expect(drift["inputs"] is NSNull && drift["scatter"] is [String: Any])
  }

  @Test("of a stream is judged at its end, and what was saved on the way goes")
  func stream() throws {
    folder.run("fit", "D1.csv", "--target", "y", "--method", "kalman", "--hidden", "3", "-o", "p").succeeded()
    folder.run("update", "p", "other.csv", "--save-every", "50", "--on-drift", "fail", "-o", "q").failed(2, "not like")
    #expect(!folder.files.contains("q"))
    folder.run("update", "p", "like.csv", "--save-every", "50", "--on-drift", "fail", "-o", "q").succeeded()
  }

  @Test("goes with what is forgotten, and adds up in a merge")
  func algebra() throws {
    func columns(_ name: String) throws -> [[Double]] {
      try #require(PosteriorFile(path: folder.path + "/" + name).posterior.drift?.inputs).columns.map(\.counts)
    }
    func isNear(_ a: [[Double]], _ b: [[Double]]) -> Bool {
      zip(a, b).allSatisfy { zip($0, $1).allSatisfy { abs($0 - $1) < 1e-6 } }
    }
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "like.csv", "-o", "a").succeeded()
    folder.run("update", "p", "other.csv", "-o", "b").succeeded(notes: 1)
    folder.run("update", "a", "other.csv", "-o", "ab").succeeded(notes: 1)
    folder.run("merge", "--prior", "p", "a", "b", "-o", "m").succeeded()
    #expect(isNear(try columns("m"), try columns("ab")))
    folder.run("forget", "ab", "other.csv", "-o", "w").succeeded()
    #expect(isNear(try columns("w"), try columns("a")))
    // The places between which rows are counted are D1's values.
    folder.run("forget", "ab", "D1.csv", "-o", "v").succeeded()
    #expect(try PosteriorFile(path: folder.path + "/v").posterior.drift == nil)
  }
}
