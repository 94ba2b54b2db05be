#if _endian(big)
  #error("safetensors files are little-endian and their data is copied without swapping bytes")
#endif

/// Reads safetensors files: 8 bytes with the length of the header, the header in JSON, the data.
///
/// A file is refused unless its header accounts for every byte of it exactly once: see ``read(_:)-([UInt8])``.
public enum SafetensorsReader {
  /// The longest header that is read, in bytes; it bounds what a file can make the reader allocate for it.
  public static let headerLimit = 100_000_000

  /// Reads a whole file held in an array.
  ///
  /// The rules, in the order in which they are checked: there are 8 bytes; they hold a length of at most
  /// ``headerLimit``, which fits into the file; the header is UTF-8 and one JSON object by ``StrictJSON`` (white space
  /// around it is accepted, a name given twice is not); `__metadata__`, if present, has strings only; every other entry
  /// has `dtype` F64 or F32, a `shape` and two `data_offsets` of numbers written with digits only (further fields are
  /// ignored); the number of bytes fits an `Int`; the tensors lie one behind the other from 0 without hole or overlap;
  /// each takes what its shape and dtype need; the last one ends with the file.
  ///
  /// F32 is widened, and with `widening` so are F16, BF16 and I64, which other programs write. The values themselves are not judged: NaN and infinities pass.
  ///
  /// - Throws: the ``SafetensorsError`` of the first rule broken. No memory for values is taken before all rules hold.
  public static func read(_ bytes: [UInt8], widening: Bool = false) throws(SafetensorsError) -> TensorFile {
    try bytes.withUnsafeBytes { bytes in
      Result { () throws(SafetensorsError) in try read(bytes, widening: widening) }
    }.get()
  }

  /// Reads a whole file held in memory, a mapped one for example, by the rules of ``read(_:)-([UInt8])``.
  ///
  /// The memory may be aligned in any way and is not referred to by the result.
  ///
  /// - Throws: the ``SafetensorsError`` of the first rule broken.
  public static func read(
    _ bytes: UnsafeRawBufferPointer, widening: Bool = false
  ) throws(SafetensorsError) -> TensorFile {
    let (header, data) = try split(bytes)
    let root: StrictJSON.Value
    do throws(StrictJSONError) {
      root = try StrictJSON.parse(header)
    } catch {
      throw .invalidHeader(error)
    }
    guard case .object(let members) = root else { throw .headerNotAnObject }

    var metadata: [String: String] = [:]
    var entries: [TensorEntry] = []
    for member in members {
      if member.name == TensorEntry.metadataName {
        metadata = try readMetadata(member.value)
      } else {
        entries.append(try TensorEntry(member, widening: widening))
      }
    }
    entries = try laidOut(entries, dataSize: data.count)
    var file = TensorFile(metadata: metadata, tensors: entries.map { $0.tensor(in: data) })
    file.halves = entries.filter { $0.dtype == .f16 || $0.dtype == .bf16 }.map(\.name)
    return file
  }

  private static func split(
    _ bytes: UnsafeRawBufferPointer
  ) throws(SafetensorsError) -> (header: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer) {
    let prefix = MemoryLayout<UInt64>.size
    guard bytes.count >= prefix else { throw .tooShort(fileSize: bytes.count) }
    let declared = bytes.loadUnaligned(as: UInt64.self)
    guard declared <= headerLimit else { throw .headerTooLarge(length: declared) }
    let length = Int(declared)
    let (dataStart, overflow) = prefix.addingReportingOverflow(length)
    guard !overflow, dataStart <= bytes.count else { throw .headerPastEnd(length: length, fileSize: bytes.count) }
    return (
      UnsafeRawBufferPointer(rebasing: bytes[prefix..<dataStart]),
      UnsafeRawBufferPointer(rebasing: bytes[dataStart...])
    )
  }

  private static func readMetadata(_ value: StrictJSON.Value) throws(SafetensorsError) -> [String: String] {
    guard case .object(let members) = value else { throw .metadataNotAnObject }
    var metadata: [String: String] = [:]
    for member in members {
      guard case .string(let text) = member.value else { throw .metadataValueNotAString(key: member.name) }
      metadata[member.name] = text
    }
    return metadata
  }

  /// The entries in the order of their data, once it is certain that they cover the data exactly.
  private static func laidOut(
    _ entries: [TensorEntry], dataSize: Int
  ) throws(SafetensorsError) -> [TensorEntry] {
    // The sort is stable, and an empty tensor sorts before the one that begins where it does.
    let sorted = entries.sorted { ($0.begin, $0.end) < ($1.begin, $1.end) }
    var expected = 0
    for entry in sorted {
      let (name, begin, end) = (entry.name, entry.begin, entry.end)
      if end < begin { throw .offsetsReversed(tensor: name, begin: begin, end: end) }
      if begin > expected { throw .hole(before: name, begin: begin, expected: expected) }
      if begin < expected { throw .overlap(tensor: name, begin: begin, expected: expected) }
      expected = end
    }
    for entry in sorted where entry.end - entry.begin != entry.byteCount {
      throw .sizeMismatch(tensor: entry.name, found: entry.end - entry.begin, needed: entry.byteCount)
    }
    if expected != dataSize { throw .dataSizeMismatch(found: dataSize, needed: expected) }
    return sorted
  }
}
