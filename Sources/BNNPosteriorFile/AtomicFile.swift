import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Outputs appear whole or not at all: bytes go to a temporary name in the same folder, are synced, and then take their
/// name in one step.
public enum AtomicFile {
  /// Checks, before any work is done, that `path` could be written: no folder, no symlink, not there already unless
  /// `replacing`, and a folder that can be written to.
  public static func check(_ path: String, replacing: Bool) throws(PosteriorFileError) {
    var status = stat()
    if lstat(path, &status) == 0 {
      let kind = status.st_mode & S_IFMT
      if kind == S_IFLNK { throw refuse(path, "is a symbolic link", "name the file it points to") }
      if kind == S_IFDIR { throw refuse(path, "is a folder", "name a file inside it") }
      if kind != S_IFREG { throw refuse(path, "is not a regular file", "name another file") }
      guard replacing else { throw refuse(path, "already exists", "choose another name or add --force") }
    }
    let folder = folder(of: path)
    guard stat(folder, &status) == 0 else {
      throw refuse(path, "its folder does not exist", "create the folder \(folder) first")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw refuse(path, "\(folder) is not a folder", nil) }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw refuse(path, "its folder cannot be written to", "choose another folder")
    }
  }

  /// Writes `bytes` under `path`. A new file is linked to its name, which refuses an existing one without a race; a
  /// replacement is a rename, and whoever could not read the old file cannot read the new one.
  public static func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws(PosteriorFileError) {
    try check(path, replacing: replacing)
    let folder = folder(of: path)
    var old = stat()
    let mode: mode_t? = replacing && lstat(path, &old) == 0 ? old.st_mode & 0o777 : nil
    // O_EXCL as in mkstemp, but with the mode that the user's mask leaves: to read the mask it would have to be set,
    // which another thread that writes at the same moment would see.
    var temporary = ""
    var descriptor: Int32 = -1
    for _ in 0..<100 where descriptor < 0 {
      temporary = "\(folder)/.bnn-update-\(String(UInt64.random(in: .min ... .max), radix: 36))"
      descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode == nil ? 0o666 : 0o600)
      if descriptor < 0, errno != EEXIST { break }
    }
    guard descriptor >= 0 else { throw failure(path, "cannot create a temporary file beside it") }
    TemporaryFiles.add(temporary)
    defer { TemporaryFiles.remove(temporary) }
    var open = true
    func abandon(_ what: String) -> PosteriorFileError {
      let error = failure(path, what)
      if open { close(descriptor) }
      unlink(temporary)
      return error
    }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0 {
        if errno == EINTR { continue }
        throw abandon("cannot be written")
      }
      written += count
    }
    if let mode, fchmod(descriptor, mode) != 0 { throw abandon("cannot keep its permissions") }
    guard fsync(descriptor) == 0 else { throw abandon("cannot be flushed to disk") }
    open = false
    guard close(descriptor) == 0 else { throw abandon("cannot be closed") }
    if replacing {
      guard rename(temporary, path) == 0 else { throw abandon("cannot be replaced") }
    } else {
      guard link(temporary, path) == 0 else {
        if errno == EEXIST {
          unlink(temporary)
          throw refuse(path, "already exists", "choose another name or add --force")
        }
        throw abandon("cannot be created")
      }
      unlink(temporary)
    }
    let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    let folder = String(path[..<slash])
    return folder.isEmpty ? "/" : folder
  }

  private static func refuse(_ path: String, _ message: String, _ remedy: String?) -> PosteriorFileError {
    PosteriorFileError(.cannotWrite, file: path, message, remedy: remedy)
  }

  private static func failure(_ path: String, _ message: String) -> PosteriorFileError {
    PosteriorFileError(.cannotWrite, file: path, "\(message): \(String(cString: strerror(errno)))")
  }
}

/// Temporary files that exist at this moment, so that an interrupted program can take them away.
public enum TemporaryFiles {
  private static let lock = NSLock()
  nonisolated(unsafe) private static var names: Set<String> = []

  static func add(_ name: String) { _ = lock.withLock { names.insert(name) } }
  static func remove(_ name: String) { _ = lock.withLock { names.remove(name) } }

  /// Unlinks all of them; for a signal's handler on its own queue, never inside a C signal handler.
  public static func removeAll() {
    lock.withLock {
      for name in names { unlink(name) }
      names = []
    }
  }
}
