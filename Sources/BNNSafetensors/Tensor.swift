/// A named array of numbers in row-major order: the last extent of `shape` varies fastest.
///
/// Rank 0 (`shape == []`, one value) and extents of zero (no values) are legal. Any `Double` may be a value, NaN and
/// the infinities included: a tensor with a NaN is therefore unequal to its own copy, as the NaN is.
public struct Tensor: Sendable, Equatable {
  public var name: String
  public var shape: [Int]
  /// The values in row-major order. Their number is the product of `shape`; the writer checks that it still is.
  public var values: [Double]

  /// Makes a tensor.
  ///
  /// - Precondition: no extent is negative and `values.count` is the product of `shape`.
  public init(name: String, shape: [Int], values: [Double]) {
    precondition(
      Tensor.elementCount(of: shape) == values.count,
      "the number of values must be the product of the shape")
    self.name = name
    self.shape = shape
    self.values = values
  }

  /// The product of `shape`, or `nil` if an extent is negative or the tensor cannot be addressed.
  ///
  /// Extents of zero are left out of the overflow check's product, as NumPy does: otherwise `[0, 2⁶², 2⁶²]` would pass
  /// as an empty tensor and overflow in whoever computes its strides.
  static func elementCount(of shape: [Int]) -> Int? {
    var nonzeroBytes = MemoryLayout<Double>.size
    var isEmpty = false
    for extent in shape {
      if extent < 0 { return nil }
      if extent == 0 {
        isEmpty = true
        continue
      }
      let (product, overflow) = nonzeroBytes.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      nonzeroBytes = product
    }
    return isEmpty ? 0 : nonzeroBytes / MemoryLayout<Double>.size
  }
}

/// The content of a safetensors file.
public struct TensorFile: Sendable, Equatable {
  /// The strings under `__metadata__`; empty if the file has none.
  public var metadata: [String: String]
  /// The tensors, after reading in the order in which their values lie in the file.
  public var tensors: [Tensor]
  /// The names of those that were read from F16 or BF16, in the same order; a file that is written has none.
  public internal(set) var halves: [String] = []

  public init(metadata: [String: String] = [:], tensors: [Tensor] = []) {
    self.metadata = metadata
    self.tensors = tensors
  }
}
