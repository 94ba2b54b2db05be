import BNNDatasets
import BNNInference
import BNNSafetensors
import Foundation

/// Weights as other programs keep them: safetensors, .npz or a folder of .npy files.
public enum WeightFile {
  /// All tensors but counters (`num_batches_tracked`). F16, BF16 and F32 are converted.
  ///
  /// - Parameter noting: is told the names of those that had half precision, if there are any.
  /// - Throws: `PosteriorFileError`, or `DataError` for an .npz file.
  public static func read(path: String, noting: ([String]) -> Void = { _ in }) throws -> [NamedTensor] {
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    if path.hasSuffix(".npz") || isFolder.boolValue {
      let arrays =
        try isFolder.boolValue
        ? NPZArrays.read(folder: path, skipping: NetworkWeights.isIgnored)
        : NPZArrays.read(path: path, skipping: NetworkWeights.isIgnored)
      return arrays.map { NamedTensor(name: $0.name, shape: $0.shape, values: $0.values) }
    }
    let bytes = try PosteriorFile.load(path)
    if bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.first == 0x80 {
      throw PosteriorFileError(
        .corrupt, file: path,
        "is a pickled file, as torch.save writes it, which is a program and could do anything when it is read",
        remedy: "convert it in Python: `from safetensors.torch import save_file` and "
          + "`save_file(torch.load(\"\(path)\", weights_only=True), \"weights.safetensors\")`")
    }
    do {
      let content = try SafetensorsReader.read(bytes, widening: true)
      if content.metadata["format"] == PosteriorFile.format {
        throw PosteriorFileError(
          .corrupt, file: path, "is a posterior already", remedy: "update it as it is, or export its weights first")
      }
      let halves = content.halves.filter { !NetworkWeights.isIgnored($0) }
      if !halves.isEmpty { noting(halves) }
      return content.tensors.filter { !NetworkWeights.isIgnored($0.name) }.map {
        NamedTensor(name: $0.name, shape: $0.shape, values: $0.values)
      }
    } catch let error as SafetensorsError {
      throw PosteriorFileError(
        .corrupt, file: path, "is no safetensors file with weights: \(error)",
        remedy: "name a .safetensors or .npz file, or a folder of .npy files")
    }
  }

  /// The network of an ONNX file.
  ///
  /// - Throws: `PosteriorFileError` where it cannot be read, `ImportError` where it is none.
  public static func graph(path: String) throws -> ONNXNetwork { try ONNXNetwork(try PosteriorFile.load(path)) }

  /// A safetensors file of F64.
  public static func safetensors(_ tensors: [NamedTensor]) throws -> [UInt8] {
    try SafetensorsWriter.write(
      TensorFile(
        metadata: ["format": "pt"],
        tensors: tensors.map { Tensor(name: $0.name, shape: $0.shape, values: $0.values) }))
  }

  /// An .npz file of doubles.
  public static func npz(_ tensors: [NamedTensor]) throws -> [UInt8] {
    try NPZWriter.bytes(tensors.map { ($0.name, .array($0.values, shape: $0.shape)) })
  }
}
