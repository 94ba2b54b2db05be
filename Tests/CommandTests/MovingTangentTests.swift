import Foundation
import Testing

@Suite("fit --method moving-tangent")
struct MovingTangentTests {
  let folder = Scratch()
  private static let fit = ["--target", "y", "--hidden", "5", "--method", "moving-tangent"]

  init() {
    let all = Table.smooth(rows: 90)
    folder.write("D1.csv", all[0..<40].csv())
    folder.write("D2.csv", all[40..<75].csv())
    folder.write("D3.csv", all[75..<90].csv())
  }

  private func conditions(_ object: [String: Any]) -> [String: Int?] {
    let certificate = object["certificate"] as? [String: Any]
    let all = certificate?["conditional_on"] as? [[String: Any]] ?? []
    return Dictionary(uniqueKeysWithValues: all.map { ($0["what"] as? String ?? "", $0["fixed_by"] as? Int) })
  }

  private func update(_ object: [String: Any]) -> String? {
    (object["certificate"] as? [String: Any])?["update"] as? String
  }

  @Test("fit, move, stay and move again: what is said, and the same commands make the same bytes")
  func chain() throws {
    let fit = folder.run(["fit", "D1.csv", "-o", "p1.safetensors", "--json"] + Self.fit).succeeded().object()
    #expect(fit["misfit"] is NSNull && update(fit) == "exact" && fit["method"] as? String == "moving-tangent")
    let moved = folder.run("update", "p1.safetensors", "D2.csv", "-o", "p2.safetensors", "--json", "--seed", "4")
      .succeeded()
      .object()
    #expect(try #require(moved["misfit"] as? Double) >= 0 && update(moved) == "approximate")
    #expect(conditions(moved) == ["normalisation": 1, "linearisation point": 2])
    let stay = ["update", "p2.safetensors", "D3.csv", "--method", "tangent", "-o", "p3.safetensors"]
    let stayed = folder.run(stay + ["--json"]).succeeded().object()
    #expect(stayed["misfit"] is NSNull && conditions(stayed) == ["normalisation": 1, "linearisation point": 2])

    let words = folder.run("inspect", "p3.safetensors").succeeded().stdout
    for part in [
      "store:       what all rows said at the first linearisation point, on ", "kept of the inputs: a mixture of ",
      "the least and largest value of each of the 3 columns", "fewer rows than columns of the store",
      "linearisation point, fixed by update 2",
      "moved with the batch of update 2", "3. update, 15 rows, tangent",
    ] { #expect(words.contains(part), "\(part)\n\(words)") }

    let lines = folder.run("inspect", "p3.safetensors", "--command").succeeded().outputLines
    #expect(lines.count == 3 && lines[2].contains("--method tangent") && !lines[1].contains("--method"))
    let again = Scratch()
    for name in ["D1.csv", "D2.csv", "D3.csv"] { again.write(name, folder.bytes(name)) }
    for line in lines {
      let outcome = again.shell(String(line))
      #expect(outcome.exit == 0, "\(line): \(outcome.stderr)")
    }
    for name in ["p1", "p2", "p3"].map({ $0 + ".safetensors" }) {
      #expect(again.bytes(name) == folder.bytes(name) && !folder.bytes(name).isEmpty, "\(name)")
    }
  }

  @Test("the number of threads leaves no trace, and one member is the first of two")
  func threads() {
    for (name, members, threads) in [("a", "2", "1"), ("b", "2", "2"), ("c", "1", "2")] {
      folder.run(["fit", "D1.csv", "-o", name, "--members", members, "--threads", threads] + Self.fit).succeeded()
      folder.run("update", name, "D2.csv", "-o", name + "2", "--threads", threads).succeeded()
    }
    #expect(folder.bytes("a2") == folder.bytes("b2") && !folder.bytes("a2").isEmpty)
    let members = ["a2", "c2"].map { name in
      (folder.run("inspect", name, "--json").object()["members"] as? [[String: Any]])?.first?["log_evidence"] as? Double
    }
    #expect(members[0] != nil && members[0] == members[1])
  }

  @Test("fewer rows than weights, one-row batches, and words of a move")
  func fewRows() {
    let all = Table.smooth(rows: 90)
    folder.write("few.csv", all[0..<3].csv())
    folder.write("one.csv", all[50..<51].csv())
    let fit = folder.run(["fit", "few.csv", "-o", "p"] + Self.fit).succeeded()
    #expect(fit.stdout.contains("to move the linearisation point up to"))
    let moved = folder.run("update", "p", "one.csv", "-o", "q").succeeded()
    #expect(moved.stdout.contains("the linearisation point moved; the map that carries the earlier rows there misses "))
    folder.run("update", "q", "D1.csv", "-o", "r").succeeded()
    folder.run("update", "q", "D2.csv", "-o", "s", "--method", "tangent").succeeded()
    for name in ["q", "r", "s"] {
      folder.run("predict", name, "D2.csv", "-o", name + ".csv").succeeded()
      folder.run("evaluate", name, "D2.csv").succeeded()
    }
    folder.run("diff", "q", "r").succeeded()
  }

  @Test("what it cannot do is 64 with a remedy, and leaves nothing")
  func refusals() {
    let two = Table.smooth(rows: 40, targets: 2)
    folder.write("two.csv", two.csv())
    let before = folder.files
    folder.run(["fit", "two.csv", "--target", "z", "-o", "p"] + Self.fit).failed(64, "one target", "use tangent")
    folder.run(["fit", "D1.csv", "--prior-precision", "0", "-o", "p"] + Self.fit).failed(64, "needs a prior")
    folder.run(["fit", "D1.csv", "--subspace", "3", "-o", "p"] + Self.fit).failed(64, "--subspace")
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "100,100", "--method", "moving-tangent", "-o", "p")
      .failed(64, "weights")
    #expect(folder.files == before)
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "5", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "--method", "moving-tangent", "-o", "q").failed(64, "moving-tangent", "tangent")
    folder.run(["fit", "D1.csv", "-o", "m"] + Self.fit).succeeded()
    folder.run("update", "m", "D2.csv", "--method", "linear", "-o", "q").failed(64, "linear", "moving-tangent")
    folder.run("evaluate", "m", "D2.csv", "--method", "tangent").failed(64)
    #expect(!folder.files.contains("q"))
  }
}
