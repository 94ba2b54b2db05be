import Foundation
import Testing

/// `evaluate --against` and `inspect --command`.
@Suite("comparing and remaking") struct AgainstTests {
  let folder = Scratch()

  @Test("a better posterior is better: exit 0, and the difference is that of the two scores")
  func better() throws {
    let table = Table.smooth(rows: 240, seed: 3)
    folder.write("D1.csv", table[0..<20].csv())
    folder.write("D2.csv", table[20..<160].csv())
    folder.write("T.csv", table[160..<240].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p1").succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2").succeeded()
    let both = folder.run("evaluate", "p2", "T.csv", "--against", "p1", "--json").succeeded().object()
    let against = try #require(both["against"] as? [String: Any])
    let difference = try #require(against["nll_difference"] as? Double)
    let (own, other) = (try #require(both["nll"] as? Double), try #require(against["nll"] as? Double))
    // A mean of differences against a difference of means: rounding of 80 additions.
    #expect(abs(difference - (own - other)) < 1e-12 * max(1, abs(own), abs(other)))
    #expect(difference < 0)
    #expect(against["worse"] as? Bool == false)
    #expect(both["refused"] == nil)
  }

  @Test("a worse posterior is refused with exit 2, and the result is printed all the same")
  func worse() throws {
    let table = Table.smooth(rows: 240, seed: 4)
    folder.write("D1.csv", table[0..<10].csv())
    folder.write("D2.csv", table[10..<160].csv())
    folder.write("T.csv", table[160..<240].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p1").succeeded()
    folder.run("update", "p1", "D2.csv", "-o", "p2").succeeded()
    let run = folder.run("evaluate", "p1", "T.csv", "--against", "p2", "--json")
    #expect(run.exit == 2)
    let object = run.object()
    #expect((object["refused"] as? [String: Any])?["why"] as? String == "worse")
    #expect((object["against"] as? [String: Any])?["worse"] as? Bool == true)
    let words = folder.run("evaluate", "p1", "T.csv", "--against", "p2")
    #expect(words.exit == 2)
    #expect(words.stdout.contains("worse by more than two standard errors"))
  }

  @Test("posteriors of other columns cannot be compared")
  func otherColumns() {
    folder.write("D.csv", Table.smooth(rows: 40).csv())
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("fit", "D.csv", "--target", "y", "--ignore", "a", "--method", "linear", "-o", "q").succeeded()
    folder.run("evaluate", "p", "D.csv", "--against", "q").failed(64, "q", "columns")
    folder.run("evaluate", "p", "D.csv", "--against", "none").failed(66, "none")
  }

  @Test("files that are no posteriors, no targets, one row, the same posterior")
  func wrong() {
    let table = Table.smooth(rows: 40)
    folder.write("D.csv", table.csv())
    folder.write("one.csv", table[0..<1].csv())
    folder.write("X.csv", table.columns("a", "b", "c").csv())
    folder.write("far.csv", "a,b,c,y\n1,1,1,1e99\n")
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "--noise", "0.4", "-o", "q").succeeded()
    folder.run("evaluate", "p", "D.csv", "--against", "D.csv").failed(65, "D.csv", "is not a posterior file")
    folder.run("evaluate", "p", "X.csv", "--against", "q").failed(65, "X.csv", "y")
    folder.run("evaluate", "p", "gone.csv", "--against", "q").failed(66, "gone.csv")
    let same = folder.run("evaluate", "p", "D.csv", "--against", "p").succeeded()
    #expect(same.stdout.contains("both score the same: 0 ± 0 nats a row"))
    // One row has no standard error, so nothing is worse by two of them.
    let single = folder.run("evaluate", "p", "one.csv", "--against", "q", "--json").succeeded().object()
    let against = single["against"] as? [String: Any]
    #expect(against?["standard_error"] is NSNull && against?["worse"] as? Bool == false)
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "--noise", "1e-60", "-o", "r").succeeded()
    folder.run("evaluate", "r", "far.csv", "--against", "r").failed(1, "far.csv", "cannot be compared")
  }

  @Test(
    "the commands that inspect prints make the same bytes again",
    arguments: [
      ["--method", "linear", "--no-intercept", "--prior-precision", "0.5"], ["--method", "linear", "--noise", "0.4"],
      ["--hidden", "3,2", "--activation", "softplus", "--members", "2", "--seed", "7"],
      ["--hidden", "4", "--method", "last-layer", "--normalize", "none", "--epochs", "5", "--batch-size", "8"],
      ["--method", "linear", "--missing", "drop", "--features", "c,a"],
      ["--hidden", "3", "--missing", "drop", "--learning-rate", "0.00001", "--epochs", "2"],
      ["--hidden", "5", "--subspace", "9", "--members", "2"],
    ])
  func remakes(flags: [String]) throws {
    let table = Table.smooth(rows: 60, seed: 5)
    let hole = flags.contains("drop") ? "1,,2,3\n" : ""
    folder.write("D1.csv", table[0..<40].csv() + hole)
    folder.write("D2.csv", table[40..<60].csv() + hole)
    folder.shell("cp D2.csv D3.csv; cp D1.csv D4.csv")
    let label = "it's $HOME `x` \\ \"q\" !"
    let missing = flags.contains("drop") ? ["--missing", "drop", "--quiet"] : []
    folder.run(["fit", "D1.csv", "--target", "y", "--label", label, "-o", "a", "--quiet"] + flags).succeeded()
    folder.run(["update", "a", "D2.csv", "--label=-x", "--in-place"] + missing).succeeded()
    folder.run(["update", "a", "D3.csv", "--in-place", "--allow-repeated-data", "--seed", "3"] + missing).succeeded()
    folder.run(["update", "a", "D4.csv", "--in-place", "--allow-repeated-data"] + missing).succeeded()
    remake(4)
    #expect(folder.bytes("p4.safetensors") == folder.bytes("a"))
  }

  @Test("names that a shell or a list would take apart")
  func hostileNames() {
    var table = Table.smooth(rows: 60, seed: 5)
    table.names = ["-a", "it's $b", "c \\ c", "-y"]
    folder.write("D1.csv", table.csv())
    folder.run("fit", "D1.csv", "--target=-y", "--method", "linear", "-o", "a").succeeded()
    remake(1)
    #expect(folder.bytes("p1.safetensors") == folder.bytes("a"))
    let text = table.csv().split(separator: "\n", maxSplits: 1)[1]
    folder.write("E1.csv", "\"a,b\",b, c ,y\n" + text)
    folder.run("fit", "E1.csv", "--target", "y", "--method", "linear", "-o", "b").succeeded()
    folder.shell("mv E1.csv D1.csv; rm p1.safetensors")
    folder.run("inspect", "a", "--command", "--json").succeeded()
    folder.shell("mv b a")
    remake(1)
    #expect(folder.bytes("p1.safetensors") == folder.bytes("a"))
  }

  /// Runs what `inspect a --command` prints, as a person would: pasted into a shell.
  private func remake(_ count: Int) {
    let lines = folder.run("inspect", "a", "--command").succeeded().stdout
    #expect(lines.split(separator: "\n").count == count)
    folder.write("again.sh", "set -e\n" + lines)
    let outcome = folder.shell("sh again.sh")
    #expect(outcome.exit == 0, "\(lines)\n\(outcome.stderr)")
  }

  @Test("labels are one line; control characters of files do not reach a terminal")
  func labels() {
    folder.write("D.csv", Table.smooth(rows: 40).csv())
    let fit = ["fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p", "--label"]
    for label in ["a\nb", "\u{1B}[2J", "\u{7F}", "\r"] { folder.run(fit + [label]).failed(64, "--label") }
    folder.run(fit + ["week\t7, ünïcode 数"]).succeeded()
    #expect(folder.run("inspect", "p").succeeded().stdout.contains("week\t7, ünïcode 数"))
    folder.write("E.csv", Table.smooth(rows: 40).csv().replacingOccurrences(of: "a,b", with: "\u{1B}[31m,b"))
    folder.run("fit", "E.csv", "--target", "y", "--method", "linear", "-o", "q").succeeded()
    let shown = folder.run("inspect", "q").succeeded().stdout + folder.run("update", "q", "D.csv", "-o", "r").stderr
    #expect(!shown.contains("\u{1B}") && shown.contains("\u{FFFD}[31m"))
  }
}
