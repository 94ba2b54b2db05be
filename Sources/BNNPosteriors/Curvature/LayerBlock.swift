import BNNLinearAlgebra

/// The curvature of one layer's weights with each other: by pairs where the layer uses its weights once, else as it is.
enum LayerBlock: Sendable, Equatable {
  case pairs(PairSum)
  case dense(LayerShape, SymmetricSum)

  init(layer: LayerShape) {
    self =
      layer.positions == 1
      ? .pairs(PairSum(layer: layer)) : .dense(layer, SymmetricSum(dimension: layer.parameterCount))
  }

  var layer: LayerShape {
    switch self {
    case .pairs(let own): own.layer
    case .dense(let layer, _): layer
    }
  }

  /// Of a dense block rows of the Jacobian are formed, a bounded number at a time: O(rows·roots·P_l²).
  @inline(__always) mutating func absorb<Scalar: BLASScalar>(_ factors: LayerFactors<Scalar>, weight: Double) {
    switch self {
    case .pairs(var own):
      self = .pairs(PairSum(layer: LayerShape(inputs: 0, outputs: 0)))
      own.absorb(factors, weight: weight)
      self = .pairs(own)
    case .dense(let layer, var own):
      self = .dense(layer, SymmetricSum(dimension: 0))
      forJacobianRows(of: [factors][...], layers: [layer][...], as: Scalar.self) { range, rows in
        own.add(
          gramOf: rows, count: factors.roots * range.count, columns: layer.parameterCount, weight: weight)
      }
      self = .dense(layer, own)
    }
  }

  mutating func add(_ other: LayerBlock) {
    switch (self, other) {
    case (.pairs(var own), .pairs(let other)):
      own.add(other)
      self = .pairs(own)
    case (.dense(let layer, var own), .dense(_, let other)):
      own.add(other)
      self = .dense(layer, own)
    default: preconditionFailure("blocks of one layer")
    }
  }

  mutating func scale(by factor: Double) {
    switch self {
    case .pairs(var own):
      own.scale(by: factor)
      self = .pairs(own)
    case .dense(let layer, var own):
      own.scale(by: factor)
      self = .dense(layer, own)
    }
  }

  /// Of x in the order of θ.
  func times(_ x: ArraySlice<Double>) -> [Double] {
    switch self {
    case .pairs(let own): layer.flattened(own.times(layer.augmented(x)))
    case .dense(_, let own): own.times(Array(x))
    }
  }

  var diagonal: [Double] {
    switch self {
    case .pairs(let own): layer.flattened(own.diagonal)
    case .dense(_, let own): own.diagonal
    }
  }

  /// The block itself, in θ's order.
  var dense: SymmetricSum {
    switch self {
    case .pairs(let own): own.dense
    case .dense(_, let own): own
    }
  }

  /// Pairs of outputs × pairs of x̃, both as upper triangles row after row; of a dense block its upper triangle.
  func tensor(named name: String) -> CurvatureTensor {
    switch self {
    case .pairs(let own):
      CurvatureTensor(name: name, shape: [own.outputPairs, own.inputPairs], values: own.values)
    case .dense(_, let own):
      CurvatureTensor(name: name, shape: [own.packed.count], values: own.packed)
    }
  }

  init(layer: LayerShape, named name: String, from stored: inout CurvatureTensors) throws(CurvatureTensorError) {
    guard layer.positions == 1 else {
      self = .dense(layer, try stored.takeSymmetric(name, dimension: layer.parameterCount))
      return
    }
    var own = PairSum(layer: layer)
    own.values = try stored.take(name, shape: [own.outputPairs, own.inputPairs]).values
    if own.diagonal.storage.contains(where: { $0 < 0 }) {
      throw .value(name: name, index: own.values.firstIndex { $0 < 0 } ?? 0)
    }
    self = .pairs(own)
  }
}
