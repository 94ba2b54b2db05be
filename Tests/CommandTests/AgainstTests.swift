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

  @Test(
    "the commands that inspect prints make the same bytes again",
    arguments: [
      ["--method", "linear", "--no-intercept", "--prior-precision", "0.5"], ["--method", "linear", "--noise", "0.4"],
      ["--hidden", "3,2", "--activation", "softplus", "--members", "2", "--seed", "7"],
      ["--hidden", "4", "--method", "last-layer", "--normalize", "none", "--epochs", "5", "--batch-size", "8"],
    ])
  func remakes(flags: [String]) throws {
    let table = Table.smooth(rows: 60, seed: 5)
    folder.write("D1.csv", table[0..<40].csv())
    folder.write("D2.csv", table[40..<60].csv())
    folder.run(["fit", "D1.csv", "--target", "y", "--label", "first", "-o", "a1"] + flags).succeeded()
    folder.run("update", "a1", "D2.csv", "-o", "a2").succeeded()
    let lines = folder.run("inspect", "a2", "--command").succeeded().outputLines
    #expect(lines.count == 2)
    for line in lines {
      let words = line.split(separator: " ").map(String.init)
      #expect(words.first == "bnn-update")
      folder.run(Array(words.dropFirst())).succeeded()
    }
    #expect(folder.bytes("p2.safetensors") == folder.bytes("a2"))
  }
}
