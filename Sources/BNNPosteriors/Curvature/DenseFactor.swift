import BNNLinearAlgebra

/// Λ block by block, each RᵀR: one block of all layers for a full structure, one a layer for a block structure.
public struct DenseFactor: CurvatureFactor {
  private let layers: [LayerShape]
  private let blocks: [TriangularFactor]

  init(layers: [LayerShape], blocks: [SymmetricSum], prior: PriorPrecision) throws(LinearAlgebraError) {
    self.layers = layers
    let precisions = prior.expanded(layers)
    var (triangles, start): ([TriangularFactor], Int) = ([], 0)
    for block in blocks {
      do {
        triangles.append(
          try TriangularFactor(choleskyOf: block.upper(plus: precisions[start..<(start + block.dimension)])))
      } catch .notPositiveDefinite(let order) {
        throw .notPositiveDefinite(order: start + order)
      } catch .singular(let index) {
        throw .notPositiveDefinite(order: start + index + 1)
      }
      start += block.dimension
    }
    self.blocks = triangles
  }

  public var logDeterminant: Double { blocks.reduce(0) { $0 + $1.logDeterminant } }

  /// O(Σ P²) over the blocks, as `halfSolve`.
  public func solve(_ b: [Double]) -> [Double] { mapBlocks(b) { $0.solve($1) } }

  public func halfSolve(_ z: [Double]) -> [Double] { mapBlocks(z) { $0.backSolve($1) } }

  public var marginalVariances: [Double] { blocks.flatMap { $0.marginalVariances() } }

  private func mapBlocks(_ x: [Double], _ body: (TriangularFactor, [Double]) -> [Double]) -> [Double] {
    var start = 0
    return blocks.flatMap { block in
      defer { start += block.dimension }
      return body(block, Array(x[start..<(start + block.dimension)]))
    }
  }

  /// ‖R⁻ᵀφ‖² by triangular solves with rows of the Jacobian, a bounded number at a time: O(rows·C·Σ P²). For many rows in
  /// single precision of a block that is one layer, δ_cᵀ(x̃ᵀΣⱼⱼ'x̃)δ_c' from the inverse Σ by one product of pairs,
  /// O(P³ + rows·P²/2): an inverse loses digits that such rows do not have.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func functionalCovariances<Scalar: BLASScalar>(_ jacobian: [LayerFactors<Scalar>]) -> Matrix {
    let roots = jacobian.first?.roots ?? 0
    var result = Matrix(rows: jacobian.first?.rows ?? 0, columns: roots.squared)
    guard jacobian.areFactors(of: layers) else { return result }
    result.storage.withUnsafeMutableBufferPointer { result in
      guard let result = result.baseAddress else { return }
      for (block, own) in zip(blocks, blockLayers) {
        if Scalar.self == Float.self, own.count == 1, layers[own.lowerBound].positions == 1,
          jacobian[own.lowerBound].rows * roots > 4 * block.dimension
        {
          let covariance = PairCovariance(of: block, layer: layers[own.lowerBound])
          covariance.add(jacobian[own.lowerBound], into: result)
          continue
        }
        forJacobianRows(of: jacobian[own], layers: layers[own], as: Double.self) { range, rows in
          block.whiten(rows, count: roots * range.count)
          addProducts(
            rows, count: range.count, roots: roots, width: block.dimension,
            into: result + range.lowerBound * roots * roots)
        }
      }
    }
    return result
  }

  /// The layers of every block.
  private var blockLayers: [Range<Int>] {
    blocks.count == layers.count ? layers.indices.map { $0..<($0 + 1) } : [layers.indices]
  }
}

/// S_cc' ← S_cc' + ⟨row c, row c'⟩ of every input row; root c of row i is row c·count + i.
private func addProducts(
  _ rows: UnsafePointer<Double>, count: Int, roots: Int, width: Int, into result: UnsafeMutablePointer<Double>
) {
  for i in 0..<count {
    let own = result + i * roots * roots
    for c in 0..<roots {
      for d in c..<roots {
        let value = innerProduct(rows + (c * count + i) * width, rows + (d * count + i) * width, count: width)
        own[c * roots + d] += value
        if d > c { own[d * roots + c] += value }
      }
    }
  }
}

/// Eigenvalues of every block for priors with one precision in it; Cholesky's factors for others.
struct DenseSweep: PriorSweep {
  private let layers: [LayerShape]
  private let blocks: [Block]

  private struct Block: Sendable {
    var sum: SymmetricSum
    var layers: Range<Int>
    /// λ ≥ 0.
    var values: [Double]
    /// Σ over a layer's weights of v², layers × P; empty where there is one layer, whose share is all.
    var shares: [[Double]]
  }

  init(layers: [LayerShape], blocks: [SymmetricSum]) throws(LinearAlgebraError) {
    self.layers = layers
    let isOne = blocks.count != layers.count
    var own: [Block] = []
    for (l, sum) in blocks.enumerated() {
      let range = isOne ? layers.indices : l..<(l + 1)
      guard range.count > 1 else {
        let values = try SymmetricEigen.values(of: sum.upper)
        own.append(Block(sum: sum, layers: range, values: values.map { max(0, $0) }, shares: []))
        continue
      }
      let eigen = try SymmetricEigen(of: sum.upper)
      let shares = layers[range].ranges.map { weights in
        (0..<sum.dimension).map { k in
          eigen.vectors.row(k).dropFirst(weights.lowerBound).prefix(weights.count).reduce(0) { $0 + $1 * $1 }
        }
      }
      own.append(Block(sum: sum, layers: range, values: eigen.values.map { max(0, $0) }, shares: shares))
    }
    self.blocks = own
  }

  func logDeterminant(_ prior: PriorPrecision) -> Double {
    reduce(prior) { block, precisions in
      if let one = precisions.common { return logSum(block.values.map { $0 + one }) }
      let factor = try? TriangularFactor(choleskyOf: block.sum.upper(plus: precisions))
      return factor?.logDeterminant ?? .nan
    }.reduce(0, +)
  }

  func effectiveWeights(_ prior: PriorPrecision) -> [Double] {
    reduce(prior) { block, precisions in
      if let one = precisions.common {
        let determined = block.values.map { $0 / ($0 + one) }
        return block.shares.isEmpty ? [determined.reduce(0, +)] : block.shares.map { dot($0, determined) }
      }
      guard let factor = try? TriangularFactor(choleskyOf: block.sum.upper(plus: precisions)) else {
        return block.layers.map { _ in .nan }
      }
      let open = zip(precisions, factor.marginalVariances()).map { 1 - $0 * $1 }
      return layers[block.layers].ranges.map { open[$0].reduce(0, +) }
    }.flatMap { $0 }
  }

  private func reduce<Result>(
    _ prior: PriorPrecision, _ body: (Block, ArraySlice<Double>) -> Result
  ) -> [Result] {
    let precisions = prior.expanded(layers)
    var start = 0
    return blocks.map { block in
      defer { start += block.sum.dimension }
      return body(block, precisions[start..<(start + block.sum.dimension)])
    }
  }
}

extension ArraySlice<Double> {
  /// The number that all are.
  fileprivate var common: Double? { allSatisfy { $0 == first } ? first : nil }
}
