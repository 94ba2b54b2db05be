import BNNSafetensors
import CXXHash

/// XXH3-128 of a posterior's manifest and of every tensor's name, shape and bytes: finds accidents (a flipped bit, a
/// truncated copy), not forgery. 32 hexadecimal digits.
enum ContentDigest {
  static func of(manifest: String, tensors: [Tensor]) -> String {
    let state = XXH3_createState()
    defer { XXH3_freeState(state) }
    XXH3_128bits_reset(state)
    func add(_ bytes: UnsafeRawBufferPointer) { XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }
    func add(_ text: String) {
      var length = UInt64(text.utf8.count)
      withUnsafeBytes(of: &length) { add($0) }
      Array(text.utf8).withUnsafeBytes { add($0) }
    }
    for tensor in tensors.sorted(by: { $0.name < $1.name }) {
      add(tensor.name)
      tensor.shape.map(Int64.init).withUnsafeBytes { add($0) }
      tensor.values.withUnsafeBytes { add($0) }
    }
    add(manifest)
    let digest = XXH3_128bits_digest(state)
    return hexadecimal(digest.high64) + hexadecimal(digest.low64)
  }

  private static func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
