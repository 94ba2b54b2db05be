import BNNInference
import BNNPosteriorFile
import BNNTestSupport
import Foundation
import Testing

/// A network from elsewhere and back.
@Suite("import and export") struct ImportCommandTests {
  let folder = Scratch()
  let all = Table.smooth(rows: 120, seed: 8)

  init() {
    folder.write("d1.csv", all[0..<60].csv())
    folder.write("d2.csv", all[60..<90].csv())
    folder.write("new.csv", all[90..<120].csv())
  }

  private func means(_ posterior: String) -> [Double] {
    folder.run("predict", posterior, "new.csv").stdout.split(separator: "\n").dropFirst().compactMap {
      $0.split(separator: ",").first.flatMap { Double($0) }
    }
  }

  private func weights(_ tensors: [(String, [Int])], value: Double = 0.5) throws -> [UInt8] {
    try WeightFile.safetensors(
      tensors.map { NamedTensor(name: $0.0, shape: $0.1, values: Array(repeating: value, count: $0.1.reduce(1, *))) })
  }

  @Test("export, import, predict: the same numbers; and the result is updated as any other")
  func roundTrip() throws {
    folder.run("fit", "d1.csv", "--target", "y", "--method", "laplace", "--hidden", "5", "-o", "p").succeeded()
    for (form, file) in [("torch", "w.safetensors"), ("numpy", "w.npz")] {
      folder.run("export", "p", "--to", form, "-o", file).succeeded()
      folder.run(
        "import", file, "--activation", "tanh", "--normalize", "none", "--data", "d1.csv", "--target", "y", "-o",
        "i-\(form)"
      ).succeeded()
      let (a, b) = (means("p"), means("i-\(form)"))
      #expect(a.count == 30 && b.count == 30)
      let scale = a.reduce(0) { max($0, abs($1)) }
      // Folding rounds every weight once, and a sum of five tanh units what stands before it.
      #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-12 * scale })
    }
    let said = folder.run("inspect", "i-torch").succeeded().stdout
    #expect(said.contains("1. import, 60 rows"))
    folder.run("update", "i-torch", "d1.csv", "-o", "x").failed(2, "update 1")
    folder.run("update", "i-torch", "d2.csv", "-o", "u").succeeded()
    #expect(folder.run("evaluate", "u", "new.csv", "--json").succeeded().object()["rows"] as? Int == 30)
    folder.run("export", "u", "-o", "back.safetensors").succeeded()
    folder.run("export", "u", "-o", "back.safetensors").failed(73)
  }

  @Test("D1's inputs with D1's number of rows are as good as D1")
  func inputsOfD1() throws {
    folder.write(
      "w.safetensors",
      try weights([("net.0.weight", [4, 3]), ("net.0.bias", [4]), ("net.2.weight", [1, 4]), ("net.2.bias", [1])]))
    let common = [
      "import", "w.safetensors", "--activation", "relu", "--normalize", "none", "--target", "y", "--training-mse",
      "0.09",
    ]
    // Prior precision and noise by the evidence, from D1 or from its curvature, rows and error.
    folder.run(Array(common[..<8]) + ["--data", "d1.csv", "-o", "a"]).succeeded()
    let rmse = folder.run("evaluate", "a", "d1.csv", "--json").object()["rmse"] as? Double ?? 0
    folder.run(
      Array(common[..<8]) + ["--inputs", "d1.csv", "--rows", "60", "--training-mse", "\(rmse * rmse)", "-o", "b"]
    ).succeeded()
    // Fixed points to 1e-9 in the logarithms of both.
    folder.run("diff", "a", "b", "--tolerance", "1e-7").succeeded()
    let certificate =
      folder.run(
        "import", "w.safetensors", "--activation", "relu", "--normalize", "none", "--target", "y", "--inputs", "d1.csv",
        "--rows", "1000", "-o", "c", "--json"
      ).succeeded().object()["certificate"] as? [String: Any]
    #expect(certificate?["update"] as? String == "reconstructed")
    folder.run("update", "c", "d2.csv", "-o", "d").succeeded()
    // An optimiser's averages under the weights' names.
    folder.write(
      "v.safetensors",
      try weights(
        [("net.0.weight", [4, 3]), ("net.0.bias", [4]), ("net.2.weight", [1, 4]), ("net.2.bias", [1])], value: 1e-3))
    folder.write(
      "other.safetensors",
      try weights([("net.0.weight", [4, 3]), ("net.0.bias", [4]), ("out.weight", [1, 4]), ("out.bias", [1])]))
    let adam = common + ["--rows", "60", "--batch-size", "8", "--loss", "mse", "--features", "a,b,c"]
    folder.run(adam + ["--second-moments", "v.safetensors", "-o", "e"]).succeeded()
    folder.run("update", "e", "d2.csv", "-o", "f").succeeded()
    folder.run(adam + ["--second-moments", "other.safetensors", "-o", "x"]).failed(
      65, "other.safetensors", "net.2.weight [1, 4] is missing", "out.bias [1] is of no layer")
  }

  @Test("what does not fit is named")
  func misfits() throws {
    func refused(
      _ tensors: [(String, [Int])], _ words: String...,
      more: [String] = ["--activation", "tanh", "--normalize", "none"]
    ) throws {
      folder.write("w.safetensors", try weights(tensors))
      folder.run(["import", "w.safetensors", "--target", "y", "--data", "d1.csv", "-o", "x"] + more).failed(
        65, words: words)
    }
    try refused([("a.weight", [4, 3])], "a.weight [4, 3] without a.bias")
    try refused(
      [("c.weight", [4, 3, 3, 3]), ("c.bias", [4])], "only dense layers", "c.weight [4, 3, 3, 3], a convolution's")
    try refused([("0.weight", [4, 3]), ("0.bias", [4]), ("0.running_mean", [4])], "0.running_mean [4]")
    try refused(
      [("0.weight", [4, 3]), ("0.bias", [4]), ("2.weight", [1, 5]), ("2.bias", [1])], "do not fit", "0.weight [4, 3]",
      "2.weight [1, 5]")
    try refused(
      [("0.weight", [4, 2]), ("0.bias", [4]), ("2.weight", [1, 4]), ("2.bias", [1])], "0.weight has the shape [4, 2]",
      "3 features")
    try refused([("0.weight", [4, 3]), ("0.bias", [4]), ("2.weight", [2, 4]), ("2.bias", [2])], "2 outputs")
    try refused(
      [("0.weight", [4, 3]), ("0.bias", [4]), ("2.weight", [1, 4]), ("2.bias", [1])], "--activation",
      more: ["--normalize", "none"])
    folder.write(
      "net.json",
      #"{"layers": [{"type": "dense", "name": "0", "units": 4, "activation": "tanh"}, {"type": "dense", "name": "1", "units": 1}]}"#
    )
    try refused(
      [("0.weight", [5, 3]), ("0.bias", [4]), ("2.weight", [1, 4])], "0.weight has the shape [5, 3], not [4, 3]",
      "1.bias [1] is missing", "2.weight [1, 4] is of no layer", more: ["--network", "net.json"])
    folder.write("net.json", #"{"layers": [{"type": "dense", "units": 4, "padding": 1}]}"#)
    try refused([("0.weight", [5, 3])], "net.json", "unknown key \"padding\"", more: ["--network", "net.json"])
    folder.write(
      "w.safetensors",
      try WeightFile.safetensors([
        NamedTensor(name: "weight", shape: [1, 3], values: [1, .nan, 2]),
        NamedTensor(name: "bias", shape: [1], values: [0]),
      ]))
    folder.run("import", "w.safetensors", "--target", "y", "--data", "d1.csv", "--normalize", "none", "-o", "x").failed(
      65, "weight holds nan at place 1")
    // torch.save's archive, and what it wrote before.
    for start: [UInt8] in [[0x50, 0x4B, 3, 4, 0, 0], [0x80, 2, 0x8A, 0x0A]] {
      folder.write("m.pt", start)
      folder.run("import", "m.pt", "--target", "y", "--data", "d1.csv", "--normalize", "none", "-o", "x").failed(
        65, "pickled", "save_file")
    }
    folder.run("import", "w.safetensors", "--target", "y", "--rows", "100", "--normalize", "none", "-o", "x").failed(
      64, "--inputs", "--second-moments")
    folder.run("import", "w.safetensors", "--target", "y", "--data", "d1.csv", "-o", "x").failed(64, "--normalize")
    #expect(!folder.files.contains("x"))
  }

  @Test("half precision is converted, and counters are passed over")
  func halfPrecision() throws {
    // 1, −0.5, 2⁻²⁴ (the smallest) in F16; 1 in BF16; a counter.
    let header =
      #"{"n.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"weight":{"dtype":"F16","shape":[1,3],"data_offsets":[8,14]},"bias":{"dtype":"BF16","shape":[1],"data_offsets":[14,16]}}"#
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
    bytes += [7, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x3C, 0x00, 0xB8, 0x01, 0x00, 0x80, 0x3F]
    folder.write("h.safetensors", bytes)
    let tensors = try WeightFile.read(path: folder.path + "/h.safetensors")
    #expect(tensors.first { $0.name == "weight" }?.values == [1, -0.5, 0x1p-24])
    #expect(tensors.first { $0.name == "bias" }?.values == [1] && tensors.count == 2)
    let said = folder.run(
      "import", "h.safetensors", "--target", "y", "--data", "d1.csv", "--normalize", "none", "-o", "p"
    ).succeeded(notes: 1).stderr
    // In the order in which they lie in the file; the counter is none of them.
    #expect(said.contains("2 tensors of half precision converted: weight, bias"))
    folder.write("w.safetensors", try weights([("weight", [1, 3]), ("bias", [1])]))
    let whole = folder.run(
      "import", "w.safetensors", "--target", "y", "--data", "d1.csv", "--normalize", "none", "-o", "q"
    ).succeeded().stderr
    #expect(!whole.contains("half precision"))
  }

  @Test("a network that other people trained on MNIST", .needsSharedData("pretrained"))
  func pretrained() throws {
    guard let file = sharedData("pretrained/mnist_mlp_784_100_10_sigmoid.safetensors"),
      let golden = sharedData("pretrained/mnist_mlp_784_100_10_sigmoid.golden_logits.csv"),
      let images = sharedData("images/mnist/t10k-images-idx3-ubyte.gz"),
      let labels = sharedData("images/mnist/t10k-labels-idx1-ubyte.gz")
    else { return }
    folder.write(
      "net.json",
      #"{"format_version": 1, "input": {"divide_by": 255, "center": 0.1307, "scale": 0.3081}, "likelihood": "categorical", "layers": [{"type": "dense", "name": "fc1", "units": 100, "activation": "sigmoid"}, {"type": "dense", "name": "fc2", "units": 10}]}"#
    )
    folder.run(
      "import", file.path, "--network", "net.json", "--rows", "60000", "--inputs", images.path, "--target", "label",
      "--structure", "diagonal", "-o", "p"
    ).succeeded()
    let scores = folder.run("evaluate", "p", images.path, "--labels", labels.path, "--json").succeeded().object()
    // As published: 0.9780 and 0.0811, to the digits given.
    #expect(abs((scores["accuracy"] as? Double ?? 0) - 0.9780) < 1e-9)
    #expect(abs((scores["nll"] as? Double ?? 0) - 0.0811) < 5e-5)
    try checkGolden("p", images, golden)
  }

  @Test("a convolutional network that other people trained on MNIST", .needsSharedData("pretrained"))
  func pretrainedConvolutions() throws {
    guard let file = sharedData("pretrained/mnist_cnn_burn.safetensors"),
      let golden = sharedData("pretrained/mnist_cnn_burn.golden_logits.csv"),
      let images = sharedData("images/mnist/t10k-images-idx3-ubyte.gz"),
      let labels = sharedData("images/mnist/t10k-labels-idx1-ubyte.gz")
    else { return }
    let convolutions = [("conv1", 8), ("conv2", 16), ("conv3", 24)].map { name, channels in
      #"{"type": "conv2d", "name": "\#(name)", "channels": \#(channels), "kernel": 3, "activation": "relu"}"#
    }
    folder.write(
      "net.json",
      """
      {"input": {"shape": [1, 28, 28], "divide_by": 255, "center": 0.1307, "scale": 0.3081}, "likelihood": "categorical",
       "layers": [\(convolutions.joined(separator: ", ")), {"type": "batch-norm", "name": "norm1"}, {"type": "flatten"},
         {"type": "dense", "name": "fc1", "units": 32, "activation": "relu"}, {"type": "dense", "name": "fc2", "units": 10},
         {"type": "batch-norm", "name": "norm2"}]}
      """)
    folder.run(
      "import", file.path, "--network", "net.json", "--rows", "60000", "--inputs", images.path, "--target", "label",
      "--layers", "last", "--structure", "diagonal", "-o", "p"
    ).succeeded()
    let scores = folder.run("evaluate", "p", images.path, "--labels", labels.path, "--json").succeeded().object()
    // As published: 0.9917 and 0.0281, to the digits given.
    #expect(abs((scores["accuracy"] as? Double ?? 0) - 0.9917) < 1e-9)
    #expect(abs((scores["nll"] as? Double ?? 0) - 0.0281) < 5e-5)
    try checkGolden("p", images, golden)
  }

  @Test("an ONNX graph that other people trained on MNIST", .needsSharedData("pretrained"))
  func pretrainedGraph() throws {
    guard let file = sharedData("pretrained/mnist_mlp_784_512_512_10_relu.onnx"),
      let golden = sharedData("pretrained/mnist_mlp_784_512_512_10_relu.golden_logits.csv"),
      let images = sharedData("images/mnist/t10k-images-idx3-ubyte.gz"),
      let labels = sharedData("images/mnist/t10k-labels-idx1-ubyte.gz")
    else { return }
    folder.write("net.json", #"{"input": {"divide_by": 255}, "likelihood": "categorical"}"#)
    folder.run(
      "import", file.path, "--network", "net.json", "--rows", "60000", "--inputs", images.path, "--target", "label",
      "--layers", "last", "--structure", "diagonal", "-o", "p"
    ).succeeded(notes: 1)
    let scores = folder.run("evaluate", "p", images.path, "--labels", labels.path, "--json").succeeded().object()
    // As published, to the digits given. The note: the network was trained on pixels of [0, 1], which have no mean of 0.
    #expect(abs((scores["accuracy"] as? Double ?? 0) - 0.9643) < 1e-9)
    try checkGolden("p", images, golden)
  }

  @Test("an ONNX graph says its layers; what it says twice or not at all is said")
  func graphs() throws {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("InferenceTests/Fixtures/ONNX")
    for name in ["dense", "matmul"] {
      try FileManager.default.copyItem(
        at: source.appendingPathComponent("\(name).onnx"), to: URL(fileURLWithPath: "\(folder.path)/\(name).onnx"))
    }
    folder.write("D.csv", "a,b,c,u,v\n" + (0..<20).map { "\($0),\($0 % 3),\($0 % 5),\($0 % 7),\($0 % 4)\n" }.joined())
    let words = ["--data", "D.csv", "--target", "u", "--target", "v", "-o"]
    folder.run(["import", "dense.onnx"] + words + ["p", "--normalize", "standard"]).succeeded()
    folder.run(["import", "matmul.onnx"] + words + ["q"]).succeeded()
    folder.run("predict", "q", "D.csv").succeeded()
    folder.run(["import", "dense.onnx"] + words + ["r"]).failed(64, "--normalize")
    folder.run(["import", "dense.onnx"] + words + ["r", "--normalize", "none", "--activation", "tanh"]).failed(
      64, "--activation")
    folder.run(["import", "dense.onnx"] + words + ["r", "--normalize", "none", "--layout", "keras"]).failed(
      64, "--layout")
    folder.run(["import", "matmul.onnx"] + words + ["r", "--normalize", "standard"]).failed(64, "itself")
    folder.write("n.json", #"{"layers": [{"type": "dense", "units": 2}]}"#)
    folder.run(["import", "dense.onnx"] + words + ["r", "--network", "n.json"]).failed(65, "n.json", "layers")
    folder.write("cut.onnx", String(repeating: "\u{1}", count: 40))
    folder.run(["import", "cut.onnx"] + words + ["r", "--normalize", "none"]).failed(65, "cut.onnx", "no ONNX model")
    #expect(!folder.files.contains("r"))
  }

  /// The probabilities of the first 20 images are those of the golden logits.
  private func checkGolden(_ posterior: String, _ images: URL, _ golden: URL) throws {
    let rows = folder.run("predict", posterior, images.path).stdout.split(separator: "\n").dropFirst().prefix(20).map {
      $0.split(separator: ",").dropFirst().compactMap { Double($0) }
    }
    let logits = try String(contentsOf: golden, encoding: .utf8).split(separator: "\n").dropFirst().map {
      $0.split(separator: ",").compactMap { Double($0) }
    }
    #expect(logits.count == 20 && rows.count == 20)
    for (p, z) in zip(rows, logits) {
      let top = z.max() ?? 0
      let sum = z.reduce(0) { $0 + exp($1 - top) }
      // Logits of about 10 in single precision: an error of 1e-5 at most in a probability.
      for (own, value) in zip(p, z) { #expect(abs(own - exp(value - top) / sum) < 1e-5) }
      #expect(p.count == 10)
    }
  }
}
