import BNNModels

extension PlainModel {
  /// A Python file that makes a `torch.nn.Module` of this and loads the weights from a file beside it.
  ///
  /// - Parameter file: its name.
  public func torchModule(weights file: String) -> String {
    let network = Network(spec)
    let (d, c) = (spec.inputs, network.outputs)
    let inputs = spec.image.map { "\($0.channels), \($0.height), \($0.width)" } ?? "\(d)"
    var parts = [
      """
      \"\"\"The network whose weights are in the safetensors file beside this one.

      load() gives a torch.nn.Module: of (n, \(inputs)) numbers in their own units it makes (n, \(c)).
      \"\"\"
      import pathlib

      import torch
      from safetensors.torch import load_file
      from torch import nn
      """
    ]
    let hasResiduals = network.layers.contains { $0.bypass != nil }
    if hasResiduals { parts.append(Self.residuals) }
    if network.layers.contains(where: { $0 is Scale }) { parts.append(Self.scale) }
    let modules = spec.layers.indices.flatMap { self.modules(ofLayer: $0, network) }
    parts.append(
      """
      def network():
          return \(hasResiduals ? "Residuals" : "nn.Sequential")(
      \(modules.map { "        \($0),\n" }.joined())    )
      """)
    let make: String
    switch form {
    case .network: make = "network()"
    case .branch:
      make = "Branch()"
      parts.append(
        """
        class Branch(nn.Module):
            \"\"\"The network, and beside it what is linear in the inputs.\"\"\"

            def __init__(self):
                super().__init__()
                self.network, self.branch = network(), nn.Linear(\(d), \(c), bias=False)

            def forward(self, x):
                return self.network(x) + self.branch(x.flatten(1))
        """)
    case .tangent:
      make = "Tangent()"
      parts.append(
        """
        class Tangent(nn.Module):
            \"\"\"f(x; a) + J(x; a) w, a the weights of `network` and w those of `displacement`.\"\"\"

            def __init__(self):
                super().__init__()
                self.network, self.displacement = network(), network()

            def forward(self, x):
                a, w = (dict(part.named_parameters()) for part in (self.network, self.displacement))
                value, slope = torch.func.jvp(
                    lambda own: torch.func.functional_call(self.network, own, (x,)), (a,), (w,))
                return value + slope
        """)
    }
    var load = [
      "def load(file=pathlib.Path(__file__).with_name(\(Self.literal(file))), dtype=torch.float64):",
      "    model = \(make).to(dtype)", "    model.load_state_dict(load_file(file), strict=True)",
    ]
    if let inputScaling {
      let shape = spec.image == nil ? "" : ".reshape(\(inputs))"
      load += [
        "    center, scale = (torch.tensor(own, dtype=dtype)\(shape) for own in (CENTER, SCALE))",
        "    model.register_forward_pre_hook(lambda _, x: ((x[0] - center) / scale,))",
      ]
      parts.append("CENTER = \(inputScaling.center)\nSCALE = \(inputScaling.scale)")
    }
    parts.append((load + ["    return model.eval()"]).joined(separator: "\n"))
    return parts.joined(separator: "\n\n\n") + "\n"
  }

  private static let residuals = """
    class Plus(nn.Module):
        \"\"\"Adds what went into another module.\"\"\"

        def __init__(self, module):
            super().__init__()
            self.module = module


    class Residuals(nn.Sequential):
        def forward(self, x):
            inputs = []
            for own in self:
                inputs.append(x)
                x = x + inputs[own.module] if isinstance(own, Plus) else own(x)
            return x
    """

  private static let scale = """
    class Scale(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return self.factor * x
    """

  /// The layer, and its activation.
  private func modules(ofLayer index: Int, _ network: Network) -> [String] {
    let layer = network.layers[index]
    var result: [String]
    switch spec.layers[index] {
    case .dense(let units, _): result = ["nn.Linear(\(layer.inputs), \(units))"]
    case .convolution2D(let channels, let kernel, let stride, let padding, _):
      let incoming = layer.tensors[0].shape[1]
      result = ["nn.Conv2d(\(incoming), \(channels), \(kernel), stride=\(stride), padding=\(padding))"]
    case .maxPool2D(let kernel, let stride, let padding):
      result = ["nn.MaxPool2d(\(kernel), stride=\(stride), padding=\(padding))"]
    case .averagePool2D(let kernel, let stride, let padding):
      result = ["nn.AvgPool2d(\(kernel), stride=\(stride), padding=\(padding))"]
    case .flatten: result = ["nn.Flatten()"]
    case .layerNorm(let epsilon): result = ["nn.LayerNorm(\(layer.tensors[0].shape), eps=\(epsilon))"]
    case .residual(let count):
      result = ["Plus(\(network.moduleNumbers[index - count]))"]
    case .scale(let factor): result = ["Scale(\(factor))"]
    case .activation: result = []
    }
    if result.isEmpty || layer.activation != .identity { result.append(Self.module(layer.activation)) }
    return result
  }

  private static func module(_ activation: Activation) -> String {
    switch activation {
    case .identity: "nn.Identity()"
    case .tanh: "nn.Tanh()"
    case .relu: "nn.ReLU()"
    case .gelu: "nn.GELU()"
    case .sigmoid: "nn.Sigmoid()"
    case .softplus: "nn.Softplus(threshold=40)"
    }
  }

  private static func literal(_ text: String) -> String {
    "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
  }
}
