import Foundation

/// The arrays of an .npz file, or of a folder of .npy files, whole, as the weights of a network are kept; `NPZTable` reads them as
/// columns.
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
      result.append(try entry(name, ByteSource(archive.open(member)), file: path))
    }
    return result
  }

  /// The .npy files of a folder under their names without the ending, in the order of the names.
  ///
  /// - Throws: as `read(path:skipping:)`; for a folder without such files.
  public static func read(folder: String, skipping: (String) -> Bool = { _ in false }) throws(DataError) -> [Entry] {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".npy") }
    guard !names.isEmpty else {
      throw DataError(.badData, "is a folder without .npy files", file: folder, remedy: "name the folder of the arrays")
    }
    var result: [Entry] = []
    for file in names.sorted() where !skipping(String(file.dropLast(4))) {
      let path = folder + "/" + file
      result.append(try entry(String(file.dropLast(4)), ByteSource(InputFile(path: path)), file: path))
    }
    return result
  }

  private static func entry(_ name: String, _ bytes: ByteSource, file: String) throws(DataError) -> Entry {
    let array = try NPYArray(bytes: bytes)
    guard case .number(let type) = array.element else {
      throw DataError(
        .badData, "the array \"\(excerpt(name.utf8))\" holds no numbers", file: file,
        remedy: "leave it out")
    }
    array.select(columns: Array(0..<array.columns))
    var values: [Double] = []
    while array.row + 1 < array.rows {
      try array.advance()
      for column in 0..<array.columns { values.append(array.number(column, type) ?? .nan) }
    }
    return Entry(name: name, shape: [array.rows] + array.rowShape, values: values)
  }
}
