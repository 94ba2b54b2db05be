import Foundation
import Testing

/// Images and their labels through the command. The oracle of a fit is the same numbers as one csv table.
@Suite("images, labels, classes and counts")
struct ImageCommandTests {
  let folder = Scratch()

  /// 40 images of 2 × 3 bytes and labels 0, 1, 2; as IDX, and as a table with the columns "0" … "5", "label".
  private func write(_ name: String, rows: Range<Int>) {
    var chance = Chance(8)
    let images = (0..<80).map { _ in (0..<6).map { _ in UInt8(chance.bits() % 256) } }
    let labels = images.map { UInt8((Int($0[0]) + Int($0[3])) / 171) }
    folder.write("\(name)-images-idx3-ubyte", idx([rows.count, 2, 3], images[rows].flatMap { $0 }))
    folder.write("\(name)-labels-idx1-ubyte", idx([rows.count], Array(labels[rows])))
    let lines = rows.map { i in (images[i] + [labels[i]]).map { "\($0)" }.joined(separator: ",") }
    folder.write("\(name).csv", "0,1,2,3,4,5,label\n" + lines.joined(separator: "\n") + "\n")
    folder.write("\(name)-labels.csv", labels[rows].map { "\($0)\n" }.joined())
  }

  private func idx(_ sizes: [Int], _ data: [UInt8]) -> [UInt8] {
    let shape = sizes.flatMap { size in
      (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) }
    }
    return [0, 0, 8, UInt8(sizes.count)] + shape + data
  }

  private let images = "D1-images-idx3-ubyte"
  private let labels = ["--labels", "D1-labels-idx1-ubyte"]

  init() {
    write("D1", rows: 0..<40)
    write("D2", rows: 40..<80)
  }

  @Test(
    "images with labels are a table of their numbers",
    arguments: [["linear"], ["tangent", "--hidden", "3"]])
  func asTable(method: [String]) {
    let common = ["--likelihood", "gaussian", "--method"] + method
    folder.run(["fit", images, "-o", "p1"] + labels + common).succeeded()
    let rule = method[0] == "linear" ? [] : ["--normalize", "pixel"]
    folder.run(["fit", "D1.csv", "--target", "label", "-o", "q1"] + common + rule).succeeded()
    #expect(folder.bytes("p1") == folder.bytes("q1"))
    folder.run("update", "p1", "D2-images-idx3-ubyte", "--labels", "D2-labels.csv", "-o", "p2")
      .succeeded()
    folder.run("update", "q1", "D2.csv", "-o", "q2").succeeded()
    #expect(folder.bytes("p2") == folder.bytes("q2"))
    let own = folder.run("evaluate", "p2", images, "--labels", "D1-labels-idx1-ubyte").succeeded()
      .stdout
    #expect(own == folder.run("evaluate", "q2", "D1.csv").succeeded().stdout)
    #expect(
      folder.run("predict", "p2", images).succeeded().stdout
        == folder.run("predict", "q2", "D1.csv").stdout)
    let commands = folder.run("inspect", "p2", "--command").succeeded().stdout
    #expect(commands.contains("--normalize pixel") == (method[0] != "linear"))
    if method[0] != "linear" {
      folder.run("update", "p1", "D2.csv", "--normalize", "standard", "-o", "x").failed(
        64, "--normalize standard", "pixel")
    }
    folder.run("update", "p1", "D2.csv", "--classes", "3", "-o", "x").failed(
      64, "--classes 3", "no classes")
  }

  @Test("a convolutional network from a file: fit, update, evaluate, inspect, export, and the same again")
  func convolutions() {
    let network = #"""
      {"input": {"shape": [1, 2, 3]}, "likelihood": "categorical", "layers": [
        {"type": "conv2d", "channels": 2, "kernel": 2, "padding": 1, "activation": "relu"},
        {"type": "max-pool", "kernel": 2}, {"type": "flatten"}, {"type": "dense", "units": 3}]}
      """#
    folder.write("net.json", network)
    let fit = ["fit", images, "--network", "net.json", "--method", "laplace"] + labels
    for structure in ["full", "kronecker", "diagonal"] {
      folder.run(fit + ["--structure", structure, "-o", "p-\(structure)"]).succeeded()
      folder.run(
        "update", "p-\(structure)", "D2-images-idx3-ubyte", "--labels", "D2-labels.csv", "-o", "u-\(structure)"
      ).succeeded()
      let scores = folder.run("evaluate", "u-\(structure)", images, "--labels", "D1-labels.csv", "--json").succeeded()
      #expect(isKind(scores.object()["nll"], "number"))
    }
    folder.run(fit + ["--structure", "kronecker", "--weight-sharing", "reduce", "-o", "reduced"]).succeeded()
    #expect(folder.bytes("reduced") != folder.bytes("p-kronecker"))
    #expect(folder.run("inspect", "reduced", "--command").stdout.contains("--weight-sharing reduce"))
    #expect(folder.run("predict", "u-full", images).succeeded().outputLines.count == 41)
    let said = folder.run("inspect", "u-full").succeeded().stdout
    for words in ["images of 1 × 2 × 3", "conv 2 × 2 padded by 1 to 2 channels relu, max of 2 × 2, flatten, 3 identity"] {
      #expect(said.contains(words))
    }
    // The commands that inspect prints make the same network file.
    let commands = folder.run("inspect", "p-full", "--command").succeeded().outputLines
    #expect(commands.count == 2 && commands[1].contains("--network network.json"))
    let quoted = commands[0].split(separator: "'", omittingEmptySubsequences: false)
    folder.write("network.json", quoted.count > 3 ? String(quoted[3]) : "")
    folder.run(
      ["fit", images, "--network", "network.json", "--method", "laplace", "--structure", "full", "-o", "again"] + labels
    ).succeeded()
    #expect(folder.bytes("again") == folder.bytes("p-full"))
    let exported = folder.run("export", "u-full", "-o", "w.safetensors").succeeded(notes: 1)
    #expect(exported.stdout.contains("0.weight [2, 1, 2, 2], 0.bias [2], 4.weight [3, 4], 4.bias [3]"))
    #expect(exported.stderr.contains("(x − center)/scale"))
    folder.run(
      "compare", images, "D2-images-idx3-ubyte", "--test", images, "--network", "net.json", "--labels",
      "D1-labels-idx1-ubyte", "--labels", "D2-labels.csv", "--labels", "D1-labels.csv", "--methods",
      "hot-start,laplace-kronecker"
    ).succeeded()
  }

  @Test("network files that do not fit, and methods that take dense layers alone")
  func networksThatDoNotFit() {
    func refused(_ layers: String, _ flags: [String], _ code: Int32, _ words: String..., input: String = "[1, 2, 3]") {
      folder.write("net.json", #"{"input": {"shape": \#(input)}, "layers": [\#(layers)]}"#)
      folder.run(["fit", images, "--network", "net.json", "-o", "x"] + labels + flags).failed(code, words: words)
    }
    let conv = #"{"type": "conv2d", "channels": 2, "kernel": 2}, {"type": "flatten"}"#
    let whole = conv + #", {"type": "dense", "units": 3}"#
    refused(whole, ["--hidden", "3"], 64, "--network", "--hidden")
    refused(whole, ["--method", "mean-field"], 64, "dense layers", "--method laplace")
    refused(whole, ["--method", "kalman"], 64, "dense layers", "--method laplace")
    refused(whole, ["--method", "linear"], 64, "--network")
    refused(whole, ["--layers", "1"], 64, "no weights")
    refused(whole, ["--structure", "diagonal", "--weight-sharing", "reduce"], 64, "Kronecker")
    refused(whole, [], 65, "net.json", "8 numbers", "6 inputs", input: "[1, 2, 4]")
    refused(whole, [], 65, "[channels, height, width]", input: "[2, 3]")
    refused(conv + #", {"type": "dense", "units": 4}"#, [], 65, "4 identity", "3 units")
    refused(conv + #", {"type": "dense", "units": 3, "activation": "relu"}"#, [], 65, "without activation")
    refused(#"{"type": "conv2d", "channels": 2, "kernel": 5}"#, [], 65, "kernel of 5", "1 × 2 × 3")
    refused(#"{"type": "batch-norm"}, \#(whole)"#, [], 65, "bnn-update import", "layer-norm")
    folder.write("net.json", #"{"input": {"center": 2}, "layers": [\#(whole)]}"#)
    folder.run(["fit", images, "--network", "net.json", "-o", "x"] + labels).failed(65, "trained elsewhere")
    folder.run(["fit", images, "--network", "gone.json", "-o", "x"] + labels).failed(66, "gone.json")
    folder.write("net.json", #"{"input": {"shape": [1, 2, 3]}, "layers": [\#(whole)]}"#)
    folder.run(["fit", images, "--network", "net.json", "--epochs", "1", "-o", "p"] + labels).succeeded()
    for (method, word) in [("kalman", "dense layers"), ("mean-field", "--method")] {
      folder.run(
        "update", "p", "D2-images-idx3-ubyte", "--labels", "D2-labels.csv", "--method", method, "-o", "x"
      ).failed(64, word)
    }
    #expect(!folder.files.contains("x"))
  }

  @Test("labels that do not fit")
  func labelsThatDoNotFit() {
    let fit = ["--method", "linear", "-o", "x"]
    folder.write("short.csv", "1\n2\n")
    folder.run(["fit", images, "--labels", "short.csv"] + fit).failed(
      65, "short.csv: has 2 labels", "has 40 rows")
    folder.run(["fit", images, "--labels", "gone"] + fit).failed(66, "gone")
    folder.run(["fit", images, "--labels", images] + fit).failed(65, "6 columns", "labels are one")
    folder.run(["fit", images, "--target", "y"] + labels + fit).failed(64, "--labels", "\"y\"")
    folder.run(["fit", images] + labels + labels + fit).failed(64, "--labels", "once per data file")
    folder.run(["fit", images] + fit).failed(64, "--target")
    folder.run(["fit", "D1.csv"] + labels + fit).failed(64, "has a column \"label\"")
    folder.write("cut-idx3-ubyte", Array(folder.bytes(images).dropLast(7)))
    folder.run(["fit", "cut-idx3-ubyte"] + labels + fit).failed(
      65, "cut-idx3-ubyte", "cut off: 38 of its 40 rows")
    folder.run([
      "fit", images, "-o", "D1-labels.csv", "--labels", "D1-labels.csv", "--force", "--method",
      "linear",
    ])
    .failed(64, "the output D1-labels.csv")
    #expect(!folder.files.contains("x"))
  }

  @Test("targets that a likelihood cannot take")
  func targetsOfTheWrongKind() {
    func refused(_ table: String, _ flags: [String], _ code: Int32, _ words: String...) {
      folder.write("t.csv", table)
      folder.run(["fit", "t.csv", "--target", "y", "-o", "x"] + flags).failed(code, words: words)
    }
    let categorical = ["--likelihood", "categorical"]
    refused(
      "a,y\n1,0\n2,1.5\n3,2\n", categorical, 65, "row 2", "column y", "\"1.5\" is no class",
      "--likelihood gaussian")
    refused("a,y\n1,0\n2,x\n", categorical, 65, "row 2", "\"x\" is not an integer")
    refused("a,y\n1,4\n2,4\n", categorical, 65, "the same class (4)", "--classes")
    refused(
      "a,y\n1,u\n2,v\n3,w\n", ["--likelihood", "bernoulli"], 64, "two classes", "has 3",
      "categorical")
    refused(
      "a,y\n1,u\n2,w\n", ["--classes", "u,v"], 65, "row 2", "\"w\" is none of the classes", "u, v")
    refused("a,y\n1,7\n2,10\n", ["--classes", "10"], 65, "row 2", "\"10\" is none of the classes")
    refused("a,y\n1,0\n2,-3\n", ["--likelihood", "poisson"], 65, "row 2", "-3.0 is no count")
    refused(
      "a,y\n1,u\n2,v\n", ["--likelihood", "gaussian"], 65, "the target is text", "categorical")
    refused("a,y\n1,u\n2,v\n", ["--method", "linear"], 65, "the target is text")
    #expect(folder.files.allSatisfy { $0 != "x" })
  }

  @Test("classes of images, fixed at the first fit")
  func classes() {
    let small = ["--hidden", "3", "--epochs", "3"]
    folder.run(["fit", images, "-o", "p1"] + labels + small).succeeded()
    folder.run(
      ["fit", "D1.csv", "--target", "label", "--likelihood", "categorical", "--normalize", "pixel", "-o", "q1"] + small
    )
    .succeeded()
    #expect(folder.bytes("p1") == folder.bytes("q1"))
    folder.run(["fit", images, "--classes", "3", "-o", "r1"] + labels + small).succeeded()
    #expect(folder.bytes("p1") == folder.bytes("r1"))
    folder.run("update", "p1", "D2-images-idx3-ubyte", "--labels", "D2-labels.csv", "-o", "p2").succeeded()
    let scores = folder.run("evaluate", "p2", images, "--labels", "D1-labels.csv", "--json").succeeded().object()
    #expect(scores["rows"] as? Int == 40 && isKind(scores["accuracy"], "number"))
    #expect(folder.run("predict", "p2", images).succeeded().outputLines.count == 41)
    folder.run("update", "p1", "D2.csv", "--classes", "4", "-o", "x").failed(64, "--classes 4", "0,1,2")
    folder.write("new.csv", "0,1,2,3,4,5,label\n1,2,3,4,5,6,1\n1,2,3,4,5,6,3\n")
    folder.run("update", "p1", "new.csv", "-o", "x").failed(65, "row 2", "column label", "\"3\" is none of the classes")
    let commands = folder.run("inspect", "p2", "--command").succeeded().stdout
    #expect(commands.contains("--classes 0,1,2") && commands.contains("--normalize pixel"))
    #expect(!folder.files.contains("x"))
  }
}
