import Foundation
import Testing

/// `compare` on files and on one file that is cut.
@Suite("compare") struct CompareCommandTests {
  let folder = Scratch()

  private func writeTables() {
    let table = Table.smooth(rows: 160, seed: 5)
    folder.write("all.csv", table.csv())
    folder.write("D1.csv", table[0..<40].csv())
    folder.write("D2.csv", table[40..<110].csv())
    folder.write("T.csv", table[110..<160].csv())
  }

  @Test("every method has its score, between stale and union; the page is one file")
  func everything() throws {
    writeTables()
    let object = folder.run(
      "compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--hidden", "4", "--methods",
      "linear,tangent,hot-start", "--report", "out.html", "--json"
    ).succeeded().object()
    let methods = try #require(object["methods"] as? [[String: Any]])
    #expect(methods.map { $0["name"] as? String } == ["stale", "linear", "tangent", "hot-start", "union"])
    for method in methods {
      #expect(method["nll"] as? Double != nil && method["rmse"] as? Double != nil)
      #expect(method["kept_bytes"] as? Int != nil && method["seconds"] as? Double != nil)
      #expect(method["gap_closed"] as? [String: Any] != nil)
    }
    #expect(methods.map { $0["needs_old_data"] as? Bool } == [false, false, false, false, true])
    #expect((object["rows"] as? [String: Any])?["d1"] as? Int == 40)
    #expect((object["no_gap"] as? [String: Any])?["nll"] as? Bool != nil)
    let page = folder.text("out.html")
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("hot-start"))
    folder.run(
      "compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--hidden", "4", "--methods", "linear",
      "--report", "out.html"
    ).failed(73, "out.html")
    #expect(folder.text("out.html") == page)
  }

  @Test("the union is what fit and evaluate give of the concatenated file")
  func union() throws {
    writeTables()
    let table = Table.smooth(rows: 160, seed: 5)
    folder.write("both.csv", table[0..<110].csv())
    let object = folder.run(
      "compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--hidden", "4", "--methods", "linear",
      "--json"
    ).succeeded().object()
    let methods = try #require(object["methods"] as? [[String: Any]])
    folder.run("fit", "both.csv", "--target", "y", "--method", "linear", "-o", "u").succeeded()
    let own = folder.run("evaluate", "u", "T.csv", "--json").succeeded().object()
    let (a, b) = (try #require(methods[1]["nll"] as? Double), try #require(own["nll"] as? Double))
    // E1 for a well-conditioned linear model.
    #expect(abs(a - b) < 1e-9)
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "p").succeeded()
    let stale = folder.run("evaluate", "p", "T.csv", "--json").succeeded().object()
    #expect(methods[0]["nll"] as? Double == stale["nll"] as? Double)
  }

  @Test("one file is cut along a feature or time, in batches, with several seeds; classes too")
  func cut() throws {
    writeTables()
    let object = folder.run(
      "compare", "all.csv", "--order", "feature", "--along", "b", "--target", "y", "--hidden", "3", "--methods",
      "tangent", "--seeds", "2", "--stream", "3", "--json"
    ).succeeded().object()
    let methods = try #require(object["methods"] as? [[String: Any]])
    #expect((methods[1]["stream_nll"] as? [Double])?.count == 3)
    #expect(methods[1]["old_rows_nll"] as? Double != nil && methods[1]["new_rows_nll"] as? Double != nil)
    #expect((object["rows"] as? [String: Any])?["test"] as? Int == 16)
    folder.run(
      "compare", "all.csv", "--order", "time", "--target", "y", "--hidden", "3", "--methods", "linear", "--quiet"
    ).succeeded()
    var table = Table.smooth(rows: 120, seed: 6)
    for i in table.rows.indices { table.rows[i][3] = table.rows[i][3] > 2 ? 1 : 0 }
    folder.write("classes.csv", table.csv())
    let classes = folder.run(
      "compare", "classes.csv", "--order", "random", "--target", "y", "--classes", "2", "--hidden", "3", "--methods",
      "laplace,ewc,last-layer", "--json"
    ).succeeded().object()
    let own = try #require(classes["methods"] as? [[String: Any]])
    for method in own {
      let accuracy = try #require(method["accuracy"] as? Double)
      #expect(accuracy >= 0 && accuracy <= 1)
    }
  }

  @Test("what is missing or contradicts itself is said")
  func wrong() {
    writeTables()
    folder.run("compare", "D1.csv", "D2.csv", "--target", "y").failed(64, "--test")
    folder.run("compare", "all.csv", "D2.csv", "--order", "random", "--target", "y").failed(64, "--order")
    folder.run("compare", "D1.csv", "D2.csv", "--test", "T.csv").failed(64, "--target")
    folder.run("compare", "D1.csv", "D2.csv", "--test", "none.csv", "--target", "y").failed(66, "none.csv")
    folder.run("compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--methods", "magic").failed(
      64, "magic", "tangent")
    folder.run("compare", "all.csv", "--order", "feature", "--along", "q", "--target", "y").failed(64, "--along q", "a")
    folder.run("compare", "all.csv", "--order", "sideways", "--target", "y").failed(64, "sideways")
    folder.run(
      "compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--report", "D2.csv", "--force"
    ).failed(64, "D2.csv")
  }
}
