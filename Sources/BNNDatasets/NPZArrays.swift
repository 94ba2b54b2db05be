/// The arrays of an .npz file whole, as the weights of a network are kept; `NPZTable` reads them as columns.
public enum NPZArrays {
  /// One array, row-major.
  public struct Entry: Sendable, Equatable {
    public var name: String
    public var shape: [Int]
    public var values: [Double]
  }

  /// All arrays but those whose names are skipped, in the order of the file.
  ///
  /// - Throws: `DataError` for a file that is no archive, and for an array that holds no numbers.
  /// - Complexity: O(bytes of the file) time and memory.
  public static func read(path: String, skipping: (String) -> Bool = { _ in false }) throws(DataError) -> [Entry] {
    let archive = try ZipArchive(TableInput(path: path))
    var result: [Entry] = []
    for member in archive.entries where member.name.hasSuffix(".npy") {
      let name = String(member.name.dropLast(4))
      if skipping(name) { continue }
      let array = try NPYArray(bytes: ByteSource(archive.open(member)))
      guard case .number(let type) = array.element else {
        throw DataError(
          .badData, "the array \"\(excerpt(name.utf8))\" holds no numbers", file: path,
          remedy: "leave it out of the file")
      }
      array.select(columns: Array(0..<array.columns))
      var values: [Double] = []
      while array.row + 1 < array.rows {
        try array.advance()
        for column in 0..<array.columns { values.append(array.number(column, type) ?? .nan) }
      }
      result.append(Entry(name: name, shape: [array.rows] + array.rowShape, values: values))
    }
    return result
  }
}
