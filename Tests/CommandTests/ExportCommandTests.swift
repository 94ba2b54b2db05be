import BNNInference
import BNNPosteriorFile
import BNNTestSupport
import Foundation
import Testing

/// Posteriors as arrays for other programs. The oracle is the arrays evaluated: here, by hand, or by PyTorch itself where there is one.
@Suite("export") struct ExportCommandTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 110, seed: 4, targets: 2)
    folder.write("d1.csv", all[0..<60].csv())
    folder.write("d2.csv", all[60..<90].csv())
    folder.write("new.csv", all[90..<110].csv())
  }

  private func numbers(_ csv: String, _ columns: [String]) -> [[Double]] {
    let lines = csv.split(separator: "\n").map { $0.split(separator: ",") }
    let places = columns.compactMap { name in lines[0].firstIndex { $0 == name } }
    return lines.dropFirst().map { line in places.compactMap { Double(line[$0]) } }
  }

  private func predictions(_ posterior: String, _ columns: [String], data: String = "new.csv") -> [[Double]] {
    numbers(folder.run("predict", posterior, data).stdout, columns)
  }

  private func tensors(_ file: String) throws -> [String: NamedTensor] {
    let all = try WeightFile.read(path: folder.path + "/" + file)
    return Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// W h + b, and tanh between two of them; of tensors with a step along their displacement.
  private func forward(_ own: [String: NamedTensor], _ x: [Double], prefix: String = "", step: Double = 0) -> [Double] {
    var h = x
    for module in [0, 2] {
      guard let weight = own["\(prefix)\(module).weight"], let bias = own["\(prefix)\(module).bias"] else { continue }
      let moved = ["weight", "bias"].map { own["displacement.\(module).\($0)"]?.values }
      func value(_ base: [Double], _ along: [Double]?, _ k: Int) -> Double { base[k] + step * (along?[k] ?? 0) }
      if module == 2 { h = h.map { tanh($0) } }
      h = (0..<weight.shape[0]).map { j in
        h.indices.reduce(value(bias.values, moved[1], j)) {
          $0 + value(weight.values, moved[0], j * h.count + $1) * h[$1]
        }
      }
    }
    return h
  }

  private func fit(_ words: String...) {
    folder.run(["fit", "d1.csv", "--target", "y", "--target", "z", "-o", "p"] + words).succeeded()
    folder.run("update", "p", "d2.csv", "-o", "q").succeeded()
  }

  @Test(
    "what is exported predicts as the posterior's mean",
    arguments: ["linear", "last-layer", "parallel-branch", "tangent"])
  func forms(method: String) throws {
    if method == "linear" { fit("--method", method) } else { fit("--method", method, "--hidden", "5") }
    folder.run("export", "q", "-o", "w.safetensors").succeeded()
    let own = try tensors("w.safetensors")
    let expected = predictions("q", ["y_mean", "z_mean"])
    #expect(expected.count == 20)
    for (x, y) in zip(numbers(folder.text("new.csv"), ["a", "b", "c"]), expected) {
      let scale = y.reduce(1) { max($0, abs($1)) }
      let found: [Double]
      switch method {
      case "tangent":
        // f + Jw by central differences along w: an error of h² times a third derivative, and of ε/h.
        let (up, down) = (
          forward(own, x, prefix: "network.", step: 1e-4), forward(own, x, prefix: "network.", step: -1e-4)
        )
        found = forward(own, x, prefix: "network.").indices.map {
          forward(own, x, prefix: "network.")[$0] + (up[$0] - down[$0]) / 2e-4
        }
      case "parallel-branch":
        let branch = own["branch.weight"]?.values ?? []
        found = forward(own, x, prefix: "network.").enumerated().map { c, f in
          x.indices.reduce(f) { $0 + branch[3 * c + $1] * x[$1] }
        }
      default: found = forward(own, x)
      }
      #expect(found.count == 2)
      for (a, b) in zip(found, y) { #expect(abs(a - b) < (method == "tangent" ? 1e-6 : 1e-11) * scale, "\(method)") }
    }
    let isPlain = ["linear", "last-layer"].contains(method)
    #expect(folder.files.contains("w.py") == !isPlain)
    #expect(folder.run("export", "q", "--to", "keras", "-o", "k.npz").exit == (isPlain ? 0 : 64))
    #expect(folder.files.contains("k.npz") == isPlain)
  }

  @Test("one network in the place of a tangent, of a moving tangent and of an ensemble, and what it costs")
  func singleNetwork() throws {
    for (name, words) in [
      ("t", ["--method", "tangent"]), ("m", ["--method", "moving-tangent"]),
      ("e", ["--method", "laplace", "--members", "3"]),
    ] {
      folder.run(["fit", "d1.csv", "--target", "y", "--ignore", "z", "--hidden", "6", "-o", name] + words).succeeded()
      let flags = name == "m" ? [] : ["--inputs", "d1.csv"]
      let object = folder.run(
        ["export", name, "--single-network", "--data", "new.csv", "--json", "--quiet", "-o", "\(name).safetensors"]
          + flags
      ).succeeded().object()
      let cost = object["single_network"] as? [String: Any] ?? [:]
      let scores = object["after"] as? [String: Any] ?? [:]
      folder.run(
        "import", "\(name).safetensors", "--activation", "tanh", "--normalize", "none", "--data", "d1.csv", "--target",
        "y", "-o",
        "\(name)i", "--ignore", "z", "--quiet"
      ).succeeded()
      let back = folder.run("evaluate", "\(name)i", "new.csv", "--json", "--quiet").succeeded().object()
      // Folding rounds every weight once.
      #expect(abs((back["rmse"] as? Double ?? 0) / (scores["rmse"] as? Double ?? 1) - 1) < 1e-9)
      // A tangent at the weights of its own training, and three networks of one function: within half the noise.
      #expect((cost["difference_held_out"] as? Double ?? 9) < 0.5, "\(name) \(cost)")
      guard name != "m" else { continue }
      let (a, b) = (predictions(name, ["mean"], data: "d1.csv"), predictions("\(name)i", ["mean"], data: "d1.csv"))
      #expect(a.count == 60 && b.count == 60)
      let squares: [Double] = zip(a, b).map { pow($0[0] - $1[0], 2) }
      let ratio: [Double] = [(0..<60).filter { $0 % 4 == 3 }, (0..<60).filter { $0 % 4 != 3 }].map {
        (rows: [Int]) -> Double in
        let sum: Double = rows.reduce(0) { $0 + squares[$1] }
        return (sum / Double(rows.count)).squareRoot()
      }
      let said = ["difference_held_out", "difference_fitted"].map { cost[$0] as? Double ?? 0 }
      // In units of one noise, whatever it is.
      #expect(abs(ratio[0] / ratio[1] / (said[0] / said[1]) - 1) < 1e-6, "\(name)")
    }
    folder.run("export", "t", "--single-network", "-o", "x").failed(64, "--inputs")
    folder.run("export", "e", "-o", "x").failed(64, "3 networks", "--single-network")
    folder.run("export", "t", "--inputs", "d1.csv", "-o", "x").failed(64, "--single-network")
    folder.run("export", "t", "--to", "onnx", "-o", "x").failed(64, "torch, numpy or keras")
    folder.run("export", "t", "-o", "x.py").failed(64, "both")
    #expect(!folder.files.contains("x"))
  }

  @Test("axes and flattened pixels as Keras has them", arguments: ["npz", "folder"])
  func keras(form: String) throws {
    // 2 × 2 kernels on 2 channels of 3 × 3, a normalisation of the flattened pixels, one output; evaluated as Keras does, channels last.
    var chance = Chance(3)
    func random(_ shape: [Int]) -> NamedTensor {
      NamedTensor(name: "", shape: shape, values: (0..<shape.reduce(1, *)).map { _ in chance.normal() })
    }
    var own = [
      "conv/kernel": random([2, 2, 2, 3]), "conv/bias": random([3]), "norm/gamma": random([12]),
      "norm/beta": random([12]),
      "norm/moving_mean": random([12]), "norm/moving_variance": random([12]), "out/kernel": random([12, 1]),
      "out/bias": random([1]),
    ]
    own["norm/moving_variance"]?.values = (0..<12).map { _ in 0.5 + chance.uniform() }
    let images = (0..<12).map { _ in (0..<18).map { _ in chance.normal() } }
    let kernel = own["conv/kernel"]?.values ?? []
    let expected = images.map { image -> Double in
      var flat: [Double] = []
      for y in 0..<2 {
        for x in 0..<2 {
          for o in 0..<3 {
            var z = own["conv/bias"]?.values[o] ?? 0
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
              for c in 0..<2 {
                let weight: Double = kernel[((dy * 2 + dx) * 2 + c) * 3 + o]
                let pixel: Double = image[(c * 3 + y + dy) * 3 + x + dx]
                z += weight * pixel
              }
            }
            flat.append(max(0, z))
          }
        }
      }
      var sum = own["out/bias"]?.values[0] ?? 0
      for k in flat.indices {
        func at(_ name: String) -> Double { own["norm/\(name)"]?.values[k] ?? 0 }
        let deviation: Double = (at("moving_variance") + 1e-3).squareRoot()
        let normal: Double = (flat[k] - at("moving_mean")) / deviation * at("gamma") + at("beta")
        sum += (own["out/kernel"]?.values[k] ?? 0) * normal
      }
      return sum
    }
    let named = own.map { NamedTensor(name: $0.key, shape: $0.value.shape, values: $0.value.values) }
    if form == "npz" {
      folder.write("w.npz", try WeightFile.npz(named))
    } else {
      // Names of files have no slash.
      try FileManager.default.createDirectory(atPath: folder.path + "/w.npz", withIntermediateDirectories: true)
      for tensor in named {
        folder.write("w.npz/\(tensor.name.replacing("/", with: ".")).npy", npy(tensor))
      }
    }
    folder.write(
      "net.json",
      #"{"input": {"shape": [2, 3, 3]}, "layers": [{"type": "conv2d", "name": "conv", "channels": 3, "kernel": 2, "activation": "relu"}, {"type": "flatten"}, {"type": "batch-norm", "name": "norm", "epsilon": 1e-3}, {"type": "dense", "name": "out", "units": 1}]}"#
    )
    let header = ((0..<18).map { "x\($0)" } + ["y"]).joined(separator: ",")
    let lines = zip(images, expected).map { image, y in (image + [y]).map { "\($0)" }.joined(separator: ",") }
    folder.write("i.csv", ([header] + lines).joined(separator: "\n") + "\n")
    folder.run(
      "import", "w.npz", "--layout", "keras", "--network", "net.json", "--target", "y", "--rows", "10", "--inputs",
      "i.csv",
      "--training-mse", "1", "-o", "p"
    ).succeeded()
    for (a, b) in zip(predictions("p", ["mean"], data: "i.csv"), expected) { #expect(abs(a[0] - b) < 1e-10) }
    // And back: the kernels are those that came, the normalisation is in the last layer.
    folder.run("export", "p", "--to", "keras", "-o", "back.npz").succeeded()
    let back = try tensors("back.npz")
    #expect(back["0.kernel"]?.values == own["conv/kernel"]?.values && back["0.kernel"]?.shape == [2, 2, 2, 3])
    let last = back["3.kernel"]?.values ?? back["2.kernel"]?.values ?? []
    #expect(last.count == 12)
    for k in last.indices {
      func at(_ name: String) -> Double { own["norm/\(name)"]?.values[k] ?? 0 }
      let scale = at("gamma") / (at("moving_variance") + 1e-3).squareRoot()
      #expect(abs(last[k] - scale * (own["out/kernel"]?.values[k] ?? 0)) < 1e-12)
    }
    folder.run(
      "import", "w.npz", "--network", "net.json", "--target", "y", "--rows", "10", "--inputs", "i.csv",
      "--training-mse", "1",
      "-o", "x"
    ).failed(65, "conv.weight [3, 2, 2, 2] is missing")
  }

  /// Version 1.0 of NumPy's format.
  private func npy(_ tensor: NamedTensor) -> [UInt8] {
    let shape = tensor.shape.map { "\($0)," }.joined(separator: " ")
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(shape)), }"
    let padded = text + String(repeating: " ", count: 117 - text.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8)
      + tensor.values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
  }

  @Test("an optimiser's state: its bias is taken out, and that of another network is refused")
  func adam() throws {
    let parameters = [("0.weight", [4, 3]), ("0.bias", [4]), ("2.weight", [1, 4]), ("2.bias", [1])]
    func file(_ name: String, _ tensors: [(String, [Int])], _ value: (Int) -> Double) throws {
      folder.write(
        name,
        try WeightFile.safetensors(
          tensors.enumerated().map { k, own in
            NamedTensor(name: own.0, shape: own.1, values: Array(repeating: value(k), count: own.1.reduce(1, *)))
          }))
    }
    try file("w.safetensors", parameters) { 0.1 * Double($0 + 1) }
    let steps = [7.0, 7, 7, 7]
    try file("v.safetensors", parameters) { 1e-3 * Double($0 + 1) / (1 - pow(0.999, steps[$0])) }
    let state = parameters.enumerated().flatMap { k, own in
      [("state.\(k).exp_avg_sq", own.1), ("state.\(k).step", []), ("state.\(k).exp_avg", own.1)]
    }
    try file("s.safetensors", state) { $0 % 3 == 1 ? steps[$0 / 3] : 1e-3 * Double($0 / 3 + 1) }
    let common = [
      "import", "w.safetensors", "--activation", "tanh", "--normalize", "none", "--target", "y", "--features", "a,b,c",
      "--rows", "60",
      "--batch-size", "8", "--loss", "mse", "--training-mse", "0.1",
    ]
    folder.run(common + ["--second-moments", "v.safetensors", "-o", "a"]).succeeded()
    folder.run(common + ["--second-moments", "s.safetensors", "-o", "b"]).succeeded()
    // One product more.
    folder.run("diff", "a", "b", "--tolerance", "1e-12").succeeded()
    try file("other.safetensors", [("state.0.exp_avg_sq", [5, 3]), ("state.0.step", []), ("state.9.exp_avg_sq", [1])]) {
      _ in 1
    }
    folder.run(common + ["--second-moments", "other.safetensors", "-o", "x"]).failed(
      65, "state.0.exp_avg_sq has the shape [5, 3], and 0.weight [4, 3]", "state.1.exp_avg_sq of 0.bias [4] is missing",
      "state.9.exp_avg_sq [1] is of no parameter")
    try file("stepless.safetensors", state.filter { !$0.0.hasSuffix("step") }) { _ in 1 }
    folder.run(common + ["--second-moments", "stepless.safetensors", "-o", "x"]).failed(65, "state.0.step is missing")
    folder.run(common + ["--second-moments", "s.safetensors", "--beta2", "1", "-o", "x"]).failed(64, "--beta2")
  }

  // MARK: PyTorch itself

  /// A Python with torch and safetensors: `BNN_PYTHON`, or python3.
  private static let python: String? = {
    let own = ProcessInfo.processInfo.environment["BNN_PYTHON"] ?? "python3"
    return Scratch().shell("\(own) -c 'import torch, safetensors.torch'").exit == 0 ? own : nil
  }()

  @Test(
    "PyTorch evaluates what is exported",
    .enabled(if: python != nil, "skipped: no python3 (or BNN_PYTHON) with torch and safetensors"),
    arguments: [
      "--method linear", "--method last-layer --hidden 5", "--method parallel-branch --hidden 5",
      "--method tangent --hidden 5",
      "--method tangent --hidden 5 --subspace 9", "--method laplace --hidden 5,4 --activation gelu",
      "--method laplace --network conv.json --normalize pixel", "--method laplace --network padded.json",
      "--method tangent --network padded.json --normalize pixel",
    ])
  func torch(words: String) {
    let convolution = { (padding: Int) in
      #"{"input": {"shape": [1, 1, 3]}, "layers": [{"type": "conv2d", "channels": 2, "kernel": \#(padding == 0 ? 1 : 3), "padding": \#(padding), "activation": "tanh"}, {"type": "layer-norm"}, {"type": "conv2d", "channels": 2, "kernel": 3, "padding": 1, "activation": "softplus"}, {"type": "residual", "layers": 2}, {"type": "max-pool", "kernel": 1}, {"type": "average-pool", "kernel": 1}, {"type": "flatten"}, {"type": "dense", "units": 2}]}"#
    }
    folder.write("conv.json", convolution(0))
    folder.write("padded.json", convolution(1))
    folder.run(
      ["fit", "d1.csv", "--target", "y", "--target", "z", "-o", "p"] + words.split(separator: " ").map(String.init)
    )
    .succeeded()
    folder.run("export", "p", "-o", "w.safetensors", "--module", "w.py", "--quiet").succeeded()
    folder.run("predict", "p", "new.csv", "-o", "f.csv").succeeded()
    folder.write(
      "check.py",
      """
      import csv, sys, torch
      sys.path.insert(0, ".")
      import w
      rows = list(csv.DictReader(open("new.csv")))
      x = torch.tensor([[float(row[name]) for name in "abc"] for row in rows], dtype=torch.float64)
      y = torch.tensor([[float(row[name + "_mean"]) for name in "yz"] for row in csv.DictReader(open("f.csv"))])
      f = w.load()(x.reshape(-1, 1, 1, 3) if "json" in sys.argv[1] else x)
      error = ((f - y).abs().max() / y.abs().max()).item()
      assert f.shape == (20, 2) and error < 1e-6, error
      """)
    let done = folder.shell("\(Self.python ?? "") check.py '\(words)'")
    #expect(done.exit == 0, "\(words): \(done.stderr)")
  }
}
