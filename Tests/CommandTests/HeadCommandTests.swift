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
    let lines = folder.run("predict", "q", "T0.csv", "--task", "0", "--keep", "y").succeeded().outputLines
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
    let other = folder.run("predict", "q", "T.csv", "--task", "1", "--json").succeeded().object()
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
      let lines = folder.run("predict", "p", "T0.csv", "--task", "0", "--predictive", method).succeeded().outputLines
      #expect(lines[0] == "class,p_0,p_1" && lines.count == 81)
      let own = folder.run("evaluate", "p", "T0.csv", "--predictive", method, "--json").succeeded().object()
      #expect(try #require(own["accuracy"] as? Double) > 0.8, "\(method)")
    }
  }

  @Test("heads alone declare the classes; a number of classes in text labels too")
  func declared() {
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--heads", "2,3;0,1", "-o", "p").succeeded()
    #expect(folder.run("inspect", "p").succeeded().stdout.contains("classes:     2, 3, 0, 1 (4)"))
    folder.run("predict", "p", "T.csv", "--task", "1").succeeded()
    folder.run("evaluate", "p", "T.csv", "--heads", "2,3;0,1").succeeded()
    // Two classes in one head are categorical, not one logit.
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--heads", "0,1", "-o", "one").succeeded()
    #expect(folder.run("inspect", "one").succeeded().stdout.contains("likelihood:  categorical"))
  }

  /// The rows of `table`, with the number of their task in a column in front.
  private static func tasks(_ range: Range<Int>, _ column: String = "task", wrong: [Int: String] = [:]) -> String {
    let lines = table(range, task: nil).split(separator: "\n").map(String.init)
    return
      ([column + "," + lines[0]]
      + lines.dropFirst().enumerated().map { i, line in "\(wrong[i] ?? String((range.lowerBound + i) % 2)),\(line)" })
      .joined(separator: "\n") + "\n"
  }

  @Test("a column of tasks tells the head of every row, at the fit and without it", arguments: [true, false])
  func taskColumn(_ isOfTheFit: Bool) throws {
    folder.write("M1.csv", Self.tasks(0..<120))
    folder.write("M2.csv", Self.tasks(120..<200))
    folder.write("N.csv", Self.tasks(200..<240))
    let flags = isOfTheFit ? ["--task-column", "task"] : ["--ignore", "task"]
    folder.run(["fit", "M1.csv", "--target", "y", "--hidden", "6", "--heads", "0,1;2,3", "-o", "p"] + flags).succeeded()
    let asked = isOfTheFit ? [] : ["--task-column", "task"]
    folder.run(["update", "p", "M2.csv", "-o", "q"] + asked).succeeded()
    let inspected = folder.run("inspect", "q").succeeded().stdout
    #expect(inspected.contains("features:    x, z\n") && inspected.contains("column task") == isOfTheFit)

    // Every row within its own head: the numbers that --task gives for it, and zero for the classes of others.
    let all = folder.run(["predict", "q", "N.csv"] + asked).succeeded().outputLines
    #expect(all[0] == "class,p_0,p_1,p_2,p_3" && all.count == 41)
    // Where the posterior does not know of the column, it is said to be left unread.
    let apart = (0..<2).map {
      folder.run("predict", "q", "N.csv", "--task", "\($0)").succeeded(notes: isOfTheFit ? 0 : 1).outputLines
    }
    for i in 1...40 {
      let own = apart[(i - 1) % 2][i].split(separator: ",")
      let zeros = ["0.0", "0.0"]
      let expected =
        [String(own[0])]
        + ((i - 1) % 2 == 0 ? own.dropFirst().map(String.init) + zeros : zeros + own.dropFirst().map(String.init))
      #expect(all[i].split(separator: ",").map(String.init) == expected)
    }
    let kept = folder.run(["predict", "q", "N.csv", "--keep", "task,y"] + asked).succeeded().outputLines
    #expect(kept[0] == "task,y,class,p_0,p_1,p_2,p_3" && kept[1].hasPrefix("0,"))
    #expect(kept[2].hasSuffix("," + all[2]))
    // Labels tell the same.
    let scores = folder.run(["evaluate", "q", "N.csv", "--json"] + asked).succeeded().object()
    folder.write("L.csv", Self.table(200..<240, task: nil))
    let plain = folder.run("evaluate", "q", "L.csv", "--json").succeeded().object()
    #expect(try #require(scores["nll"] as? Double) == #require(plain["nll"] as? Double))
    guard isOfTheFit else { return }
    let command = folder.run("inspect", "p", "--command").succeeded().stdout
    #expect(command.contains("--task-column task"))
    folder.write("D1.csv", Self.tasks(0..<120))
    #expect(folder.shell(command.trimmingCharacters(in: .whitespacesAndNewlines)).exit == 0)
    #expect(folder.bytes("p1.safetensors") == folder.bytes("p"))
    // Without the column rows without labels have no head, and rows with labels do.
    folder.run("predict", "q", "L.csv").failed(64, "L.csv", "no column \"task\"", "--task")
    folder.run("predict", "q", "L.csv", "--task", "0").succeeded()
    folder.run("update", "q", "L.csv", "-o", "r").succeeded()
  }

  @Test("a task that is none, and a class that is of another, are named with their row")
  func wrongTasks() throws {
    folder.write("M.csv", Self.tasks(0..<80))
    let start = ["fit", "M.csv", "--target", "y", "--hidden", "4", "--heads", "0,1;2,3"]
    folder.run(start + ["--task-column", "task", "-o", "p"]).succeeded()
    for (text, words) in [
      ("2", ["\"2\"", "no task"]), ("a", ["\"a\""]), ("", ["no task"]), ("0.5", ["\"0.5\""]), ("-1", ["\"-1\""]),
    ] {
      folder.write("W.csv", Self.tasks(0..<80, wrong: [4: text]))
      folder.run("predict", "p", "W.csv").failed(65, words: ["W.csv", "row 5", "task", "0 (0, 1), 1 (2, 3)"] + words)
      folder.run("update", "p", "W.csv", "-o", "n").failed(65, words: ["row 5", "task"])
    }
    folder.write("W.csv", Self.tasks(0..<80, wrong: [7: "0"]))
    for command in [["evaluate", "p", "W.csv"], ["update", "p", "W.csv", "-o", "n"]] {
      folder.run(command).failed(65, words: ["row 8", "of task 1", "of task 0"])
    }
    folder.run(
      "fit", "W.csv", "--target", "y", "--hidden", "4", "--heads", "0,1;2,3", "--task-column", "task", "-o", "n"
    ).failed(65, "row 8")
    folder.run("evaluate", "p", "T.csv", "--task", "0").failed(65, "row 2", "of task 1")
    folder.run("evaluate", "p", "T0.csv", "--task", "0").succeeded()
    folder.run("update", "p", "D2.csv", "--task", "0", "-o", "n").failed(65, "row 1")
    folder.run("update", "p", "D2.csv", "--task", "1", "-o", "q").succeeded()
    folder.run("predict", "p", "M.csv", "--task", "0", "--task-column", "task").failed(64, "--task")
    folder.run("predict", "p", "M.csv", "--task-column", "nothing").failed(65, "nothing")
    folder.run("fit", "M.csv", "--target", "y", "--task-column", "task", "--likelihood", "categorical", "-o", "n")
      .failed(64, "heads")
    #expect(folder.run("predict", "p", "T.csv").exit == 64)
    #expect(!folder.files.contains("n"))
  }

  @Test("a network file declares the heads")
  func networkFile() throws {
    let layers = #""layers": [{"type": "dense", "units": 6, "activation": "tanh"}, {"type": "dense", "units": 4}]"#
    folder.write("net.json", #"{"heads": [["0", "1"], ["2", "3"]], \#(layers)}"#)
    folder.run("fit", "D1.csv", "--target", "y", "--network", "net.json", "-o", "a").succeeded()
    fit([], to: "b").succeeded()
    #expect(
      folder.run("predict", "a", "T.csv", "--task", "1").succeeded().stdout
        == folder.run("predict", "b", "T.csv", "--task", "1").succeeded().stdout)
    // Flags come first.
    folder.run("fit", "D1.csv", "--target", "y", "--network", "net.json", "--heads", "0,2;1,3", "-o", "c").succeeded()
    #expect(folder.run("inspect", "c").succeeded().stdout.contains("heads:       0, 2; 1, 3"))
    for (heads, exit, words) in [
      (#"[["0", "1"], ["2"]]"#, 64, "two classes"), (#"[["0", "1,2"], ["2", "3"]]"#, 65, "comma"),
      ("[[0, 1]]", 65, "another kind"),
    ] {
      folder.write("bad.json", #"{"heads": \#(heads), \#(layers)}"#)
      folder.run("fit", "D1.csv", "--target", "y", "--network", "bad.json", "-o", "n").failed(Int32(exit), words)
    }
    folder.write("three.json", #"{"heads": [["0", "1"], ["2", "3", "4"]], \#(layers)}"#)
    folder.run("fit", "D1.csv", "--target", "y", "--network", "three.json", "-o", "n").failed(
      65, "three.json", "5 units")
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
    folder.run("predict", "p", "T.csv").failed(64, "T.csv", "heads", "--task", "--task-column", "0 (0, 1), 1 (2, 3)")
    folder.run("predict", "p", "T.csv", "--task", "2").failed(64, "no task 2", "1 (2, 3)")
    folder.run("predict", "p", "T.csv", "--task=-1").failed(64, "no task -1")
    folder.run("update", "p", "D2.csv", "--heads", "0,2;1,3", "-o", "n").failed(64, "0,2;1,3", "0,1;2,3")
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "--classes", "4", "-o", "plain").succeeded()
    folder.run("predict", "plain", "T.csv", "--task", "0").failed(64, "T.csv", "no heads", "--task")
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
