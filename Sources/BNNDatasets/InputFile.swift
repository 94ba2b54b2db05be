import Foundation

/// Bytes that are read once from front to back.
protocol ByteReader: AnyObject {
  /// The name for messages.
  var name: String { get }
  /// The number of bytes there will be in all, if that is known without reading them.
  var size: Int? { get }
  /// Reads at least one byte unless the bytes have ended; returns how many.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int
}

/// An open file or standard input, read once from front to back. Closed when released.
final class InputFile: ByteReader {
  /// The name for messages.
  let name: String
  /// The size in bytes of a regular file; unknown for a pipe.
  let size: Int?
  let descriptor: Int32

  init(path: String) throws(DataError) {
    guard path != "-" else {
      name = "standard input"
      size = nil
      descriptor = STDIN_FILENO
      return
    }
    name = path
    let opened = open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw Self.failure(errno, file: path) }
    descriptor = opened
    var status = stat()
    guard fstat(opened, &status) == 0 else {
      size = nil
      throw Self.failure(errno, file: path)
    }
    size = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    if status.st_mode & S_IFMT == S_IFDIR { throw Self.failure(EISDIR, file: path) }
  }

  /// Takes over an open file, from where it stands.
  init(descriptor: Int32, name: String, size: Int?) {
    self.descriptor = descriptor
    self.name = name
    self.size = size
  }

  deinit {
    if descriptor > STDIN_FILENO { close(descriptor) }
  }

  /// Reads at least one byte unless the file has ended; returns how many.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    while true {
      let count = Foundation.read(descriptor, target.baseAddress, target.count)
      if count >= 0 { return count }
      if errno != EINTR { throw Self.failure(errno, file: name) }
    }
  }

  static func failure(_ code: Int32, file: String) -> DataError {
    switch code {
    case ENOENT, ENOTDIR:
      DataError(.missingInput, "there is no such file", file: file, remedy: "check the path")
    case EISDIR:
      DataError(.unreadable, "is a folder, not a file", file: file, remedy: "name one file in it")
    case EACCES:
      DataError(.unreadable, "may not be read by this user", file: file, remedy: "check its permissions")
    default:
      DataError(.unreadable, "cannot be read: \(String(cString: strerror(code)))", file: file)
    }
  }
}
