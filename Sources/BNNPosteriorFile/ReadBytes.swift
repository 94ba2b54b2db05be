#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension PosteriorFile {
  /// The bytes of a regular file.
  ///
  /// - Throws: `PosteriorFileError` of kind `missing` when there is no such file, it is a folder, or it cannot be opened.
  static func load(_ path: String) throws(PosteriorFileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let reason = errno == ENOENT ? "no such file" : "cannot be opened: \(String(cString: strerror(errno)))"
      throw PosteriorFileError(.missing, file: path, reason, remedy: "check the name")
    }
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw PosteriorFileError(
        .missing, file: path, "is a folder, not a posterior file", remedy: "name the file inside it")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size))
    var failed = false
    while true {
      let start = bytes.count
      let room = max(Int(status.st_size) - start + 1, 65_536)
      let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        var got = read(descriptor, buffer.baseAddress, room)
        while got < 0 && errno == EINTR { got = read(descriptor, buffer.baseAddress, room) }
        failed = got < 0
        count = max(0, got)
      }
      if failed {
        throw PosteriorFileError(.missing, file: path, "cannot be read: \(String(cString: strerror(errno)))")
      }
      if chunk.isEmpty { return bytes }
      if start == 0 { bytes = chunk } else { bytes.append(contentsOf: chunk) }
    }
  }
}
