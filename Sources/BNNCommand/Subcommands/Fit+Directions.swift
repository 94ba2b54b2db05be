import ArgumentParser
import BNNDatasets
import BNNInference

/// Weights that move in some directions only, and members that move as one.
extension Fit {
  /// Of the weights, where they do not move in all.
  var directions: Int? { subspace ?? sketchOnly }
  var directionsFlag: String { sketchOnly == nil ? "--subspace" : "--sketch-only" }

  func validateDirections() throws {
    if let sketchOnly {
      guard subspace == nil else { throw ValidationError("--subspace and --sketch-only exclude each other") }
      guard sketchOnly >= 1 else { throw ValidationError("--sketch-only must be at least 1, got \(sketchOnly)") }
    }
    if let subspace = directions {
      guard subspace >= 1 else { throw ValidationError("--subspace must be at least 1, got \(subspace)") }
      guard subspace <= TangentLimit.possible else {
        throw ValidationError("\(directionsFlag) can be at most \(TangentLimit.possible), got \(subspace)")
      }
      guard method == nil || method == Method.tangent.rawValue else {
        throw ValidationError("\(directionsFlag) belongs to --method tangent")
      }
    }
    if join {
      guard model.members > 1 else { throw ValidationError("--join takes several members: add --members 3") }
      guard method == Method.tangent.rawValue || method == Method.movingTangent.rawValue, directions == nil else {
        throw ValidationError("--join belongs to --method tangent and moving-tangent, without \(directionsFlag)")
      }
      guard model.mayBeGaussian else { throw ValidationError("--join belongs to --likelihood gaussian") }
    }
  }

  func checkSubspace(_ count: Int, weights: Int) throws {
    guard count < weights else {
      throw CommandFailure.usage(
        "\(directionsFlag) \(count) is no reduction: the network has \(weights) weights",
        remedy: weights <= TangentLimit.possible ? "leave \(directionsFlag) out" : "use fewer directions")
    }
    guard count <= TangentLimit.subspace / weights else {
      throw CommandFailure.usage(
        "\(count) directions of \(weights) weights are more numbers than the \(TangentLimit.subspace) that are possible",
        remedy: "use \(directionsFlag) \(max(1, TangentLimit.subspace / weights)) or less")
    }
  }

  /// Whether D1 has rows enough.
  func checkDirections(rows: Int, _ schema: Schema, _ reader: DatasetReader) throws {
    if let sketchOnly, sketchOnly >= rows * schema.targets.count {
      throw CommandFailure(
        ExitStatus.badData,
        "a sketch of \(sketchOnly) directions hides nothing of \(rows) rows", file: reader.file,
        remedy: "use fewer directions than there are rows, or more rows")
    }
    if let subspace, subspace > rows * schema.targets.count {
      throw CommandFailure(
        ExitStatus.badData,
        "\(rows) rows determine at most \(rows * schema.targets.count) directions, not the \(subspace) of "
          + "--subspace", file: reader.file, remedy: "use a smaller --subspace, or more rows")
    }
  }
}
