import Foundation
import Testing

@Suite("Classes in heads")
struct HeadCommandTests {
  let folder = Scratch()

  /// Two tasks on the same two features: 0 or 1 by the sign of x, 2 or 3 by the sign of z.
  private static func table(_ range: Range<Int>, task: Int?) -> String {
    "x,z,y\n"
      + range.map { i in
        let (x, z) = (sin(Double(i) * 1.7), cos(Double(i) * 2.3))
        return (task ?? i % 2) == 0 ? "\(x),\(z),\(x > 0 ? 1 : 0)\n" : "\(x),\(z),\(z > 0 ? 3 : 2)\n"
      }.joined()
  }

  init() {
    folder.write("D1.csv", Self.table(0..<80, task: 0))
    folder.write("D2.csv", Self.table(80..<160, task: 1))
    folder.write("T.csv", Self.table(160..<240, task: nil))
    folder.write("T0.csv", Self.table(160..<240, task: 0))
  }

  private func fit(_ flags: [String], to name: String = "p") -> Outcome {
    folder.run(
      ["fit", "D1.csv", "--target", "y", "--hidden", "6", "--classes", "4", "--heads", "0,1;2,3", "-o", name] + flags)
  }

  @Test(
    "one task after the other: fit, update, evaluate, predict, inspect",
    arguments: [
      [], ["--method", "kalman"], ["--method", "kalman", "--one-pass"], ["--method", "tangent"],
      ["--structure", "kronecker", "--curvature", "fisher"], ["--epochs", "20", "--structure", "diagonal"],
    ])
  func wholeRoad(_ flags: [String]) throws {
    fit(flags).succeeded()
    folder.run("update", "p", "D2.csv", "--heads", "0,1;3,2", "-o", "q").succeeded()
    let before = folder.run("evaluate", "p", "T.csv", "--json").succeeded().object()
    let after = folder.run("evaluate", "q", "T.csv", "--json").succeeded().object()
    // Chance is right on half of the rows, and half are of a task that p never saw. A network that stays linearised where the first
    // task left it has features for that one alone.
    if !flags.contains("tangent") { #expect(try #require(after["accuracy"] as? Double) > 0.8) }
    #expect(try #require(after["nll"] as? Double) < #require(before["nll"] as? Double))
    #expect(folder.run("evaluate", "q", "T.csv").succeeded().stdout.contains("within the head of its class"))

    // The predictions of head 0 are the ones that its rows are scored by.
    let lines = folder.run("predict", "q", "T0.csv", "--head", "0", "--keep", "y").succeeded().outputLines
      .map { $0.split(separator: ",").map(String.init) }
    #expect(lines[0] == ["y", "class", "p_0", "p_1"])
    var nll = 0.0
    for line in lines.dropFirst() {
      let p = line.suffix(2).compactMap { Double($0) }
      #expect(abs(p[0] + p[1] - 1) < 1e-14 && line[1] == (p[1] > p[0] ? "1" : "0"))
      nll -= log(p[line[0] == "1" ? 1 : 0]) / 80
    }
    let own = folder.run("evaluate", "q", "T0.csv", "--json").succeeded().object()
    // Log of a number that was printed in full: rounding of the sum.
    #expect(abs(try #require(own["nll"] as? Double) - nll) < 1e-12)
    let other = folder.run("predict", "q", "T.csv", "--head", "1", "--json").succeeded().object()
    #expect(((other["predictions"] as? [[String: Any]])?[0]["p_3"] as? Double) != nil)

    #expect(folder.run("inspect", "q").succeeded().stdout.contains("heads:       0, 1; 2, 3 (2"))
    let command = folder.run("inspect", "p", "--command").succeeded().stdout
    #expect(command.contains("--heads '0,1;2,3'"))
    #expect(folder.shell(command.trimmingCharacters(in: .whitespacesAndNewlines)).exit == 0)
    #expect(folder.bytes("p1.safetensors") == folder.bytes("p"))
  }

  @Test("draws of the network itself, and every other predictive, know the head")
  func predictives() throws {
    fit([]).succeeded()
    for method in ["probit", "bridge", "monte-carlo", "network-monte-carlo", "plug-in"] {
      let lines = folder.run("predict", "p", "T0.csv", "--head", "0", "--predictive", method).succeeded().outputLines
      #expect(lines[0] == "class,p_0,p_1" && lines.count == 81)
      let own = folder.run("evaluate", "p", "T0.csv", "--predictive", method, "--json").succeeded().object()
      #expect(try #require(own["accuracy"] as? Double) > 0.8, "\(method)")
    }
  }

  @Test("heads alone declare the classes; a number of classes in text labels too")
  func declared() {
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--heads", "2,3;0,1", "-o", "p").succeeded()
    #expect(folder.run("inspect", "p").succeeded().stdout.contains("classes:     2, 3, 0, 1 (4)"))
    folder.run("predict", "p", "T.csv", "--head", "1").succeeded()
    folder.run("evaluate", "p", "T.csv", "--heads", "2,3;0,1").succeeded()
    // Two classes in one head are categorical, not one logit.
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--heads", "0,1", "-o", "one").succeeded()
    #expect(folder.run("inspect", "one").succeeded().stdout.contains("likelihood:  categorical"))
  }

  @Test("what is wrong about heads is said with the remedy")
  func refusals() {
    let start = ["fit", "D1.csv", "--target", "y", "--hidden", "4", "--classes", "4", "-o", "n", "--heads"]
    folder.run(start + ["0,1;2"]).failed(64, "two classes or more", "0,1;2")
    folder.run(start + ["0,1;;2,3"]).failed(64, "two classes or more")
    folder.run(start + ["0,1;1,2"]).failed(64, "\"1\" twice")
    folder.run(start + ["0,1;2,7"]).failed(64, "\"7\"", "0, 1, 2, 3")
    folder.run(start + ["0,1"]).failed(64, "2, 3", "no head", "--heads")
    folder.run(start + ["0,1;2,3", "--likelihood", "bernoulli"]).failed(64, "--heads", "bernoulli")
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "--heads", "0,1;2,3", "-o", "n").failed(
      64, "--heads", "laplace")
    #expect(folder.files == ["D1.csv", "D2.csv", "T.csv", "T0.csv"])

    fit([]).succeeded()
    folder.run("predict", "p", "T.csv").failed(64, "p", "heads", "--head", "0 (0, 1), 1 (2, 3)")
    folder.run("predict", "p", "T.csv", "--head", "2").failed(64, "no head 2", "1 (2, 3)")
    folder.run("predict", "p", "T.csv", "--head=-1").failed(64, "no head -1")
    folder.run("update", "p", "D2.csv", "--heads", "0,2;1,3", "-o", "n").failed(64, "0,2;1,3", "0,1;2,3")
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--classes", "4", "-o", "plain").succeeded()
    folder.run("predict", "plain", "T.csv", "--head", "0").failed(64, "plain", "no heads", "--head")
    folder.run("update", "plain", "D2.csv", "--heads", "0,1;2,3", "-o", "n").failed(64, "no heads")
    folder.run("evaluate", "p", "T.csv", "--against", "plain").failed(64, "plain", "heads")
  }

  @Test("compare scores every row within its head, as evaluate does")
  func compares() throws {
    fit([]).succeeded()
    folder.run("update", "p", "D2.csv", "--method", "hot-start", "-o", "q").succeeded()
    let found = folder.run(
      "compare", "D1.csv", "D2.csv", "--test", "T.csv", "--target", "y", "--hidden", "6", "--classes", "4", "--heads",
      "0,1;2,3", "--methods", "hot-start", "--json"
    ).succeeded().object()
    let methods = try #require(found["methods"] as? [[String: Any]])
    for (name, posterior) in [("stale", "p"), ("hot-start", "q")] {
      let own = try #require(methods.first { $0["name"] as? String == name })
      let alone = folder.run("evaluate", posterior, "T.csv", "--json").succeeded().object()
      // The same steps on the same rows; only threads differ, which decide nothing.
      #expect(try #require(own["nll"] as? Double) == #require(alone["nll"] as? Double), "\(name)")
    }
  }
}
