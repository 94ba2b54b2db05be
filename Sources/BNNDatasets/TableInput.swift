import Foundation

/// A table's file, opened once, that can be read more than once. What a pipe brings is kept in a temporary file without
/// a name, which is gone when this is released, even if the process is killed.
public final class TableInput {
  /// The name for messages: the path as given, or "standard input".
  public let file: String
  /// The path as given.
  let path: String
  /// The size in bytes.
  let size: Int
  let descriptor: Int32
  /// The labels of the rows in a file of their own, and the name of the column they are.
  let labels: (input: TableInput, name: String)?

  /// The name of the column of labels, unless another is asked for.
  public static let labelColumn = "label"

  /// Opens a file, or standard input for "-"; a pipe is read to its end.
  ///
  /// - Parameters:
  ///   - labels: a file with one label for each row: IDX, a NumPy array, or csv of one column with or without a header.
  ///     It is a column of the table, the last.
  ///   - labelColumn: the name of that column.
  /// - Throws: `DataError`: no such file, a folder, no permission, no room for the contents of a pipe.
  public init(path: String, labels: String? = nil, labelColumn: String = labelColumn) throws(DataError) {
    if path == "-", labels == "-" {
      throw DataError(
        .usage, "rows and labels cannot both come from standard input", remedy: "name a file with --labels")
    }
    self.labels = if let labels { (try TableInput(path: labels), labelColumn) } else { nil }
    let input = try InputFile(path: path)
    self.path = path
    file = input.name
    guard let length = input.size else {
      (descriptor, size) = try Self.spool(input)
      return
    }
    let copy = dup(input.descriptor)
    guard copy >= 0 else { throw InputFile.failure(errno, file: input.name) }
    (descriptor, size) = (copy, length)
  }

  deinit {
    close(descriptor)
  }

  /// A reader from the beginning.
  func open() throws(DataError) -> InputFile {
    // Readers of one input take turns; they share the place where the file stands.
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw InputFile.failure(errno, file: file) }
    let copy = dup(descriptor)
    guard copy >= 0 else { throw InputFile.failure(errno, file: file) }
    return InputFile(descriptor: copy, name: file, size: size)
  }

  private static func spool(_ input: InputFile) throws(DataError) -> (descriptor: Int32, size: Int) {
    func failed(_ code: Int32) -> DataError {
      DataError(
        .unreadable, "cannot be kept for a second reading: \(String(cString: strerror(code)))", file: input.name,
        remedy: "write it to a file and name that, or make room in the folder TMPDIR")
    }
    let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(folder)/bnn-update-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw failed(errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ByteSource.capacity, alignment: 16)
    defer { buffer.deallocate() }
    var size = 0
    do throws(DataError) {
      while true {
        let count = try input.read(into: buffer)
        if count == 0 { return (descriptor, size) }
        var done = 0
        while done < count {
          let written = write(descriptor, buffer.baseAddress! + done, count - done)
          if written < 0, errno == EINTR { continue }
          guard written > 0 else { throw failed(errno) }
          done += written
        }
        size += count
      }
    } catch {
      close(descriptor)
      throw error
    }
  }
}
