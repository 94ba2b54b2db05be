extension ArrayTable {
  /// The arrays of an .npz file: one of one dimension is a column of its name, one of two dimensions the columns
  /// `name.0`, `name.1`, …. An array that cannot be a column counts as one until it is read, which is an error: so it can
  /// be left out by name.
  convenience init(zip input: TableInput, options: TableOptions) throws(DataError) {
    let archive = try ZipArchive(input)
    var members: [Member] = []
    for entry in archive.entries where entry.name.hasSuffix(".npy") {
      let name = String(entry.name.dropLast(4))
      let open = { () throws(DataError) in try NPYArray(bytes: ByteSource(archive.open(entry))) }
      do throws(DataError) {
        let array = try open()
        members.append(
          Member(
            names: array.dimensions == 1 ? [name] : (0..<array.columns).map { "\(name).\($0)" }, rows: array.rows,
            isNumeric: array.element.isNumber, open: open))
      } catch {
        members.append(Member(names: [name], rows: nil, isNumeric: false, open: open))
      }
    }
    guard !members.isEmpty else {
      throw DataError(
        .badData, "is a zip archive without NumPy arrays", file: input.file,
        remedy: "write it with numpy.savez; export a spreadsheet as csv")
    }
    self.init(members, file: input.file, options: options)
  }
}
