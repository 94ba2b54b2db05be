import Foundation

/// What pages run with: the built command, the compiler's products, the pinned environment.
struct Toolbox: Sendable {
  /// The build folder of the running configuration: the one the test bundle is in.
  static let products: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    let beside = URL(fileURLWithPath: own).deletingLastPathComponent().path
    if FileManager.default.isExecutableFile(atPath: beside + "/bnn-update") { return beside }
    return repository + "/.build/release"
  }()

  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let pages = repository + "/Notebooks-md"
  static let data = URL(fileURLWithPath: repository).deletingLastPathComponent().path + "/shared/data"

  /// The folder in which a page's commands run.
  let folder: String

  /// How a program ended: exit status and all it said, on both streams.
  struct Outcome: Sendable {
    let status: Int32
    let text: String
    var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
  }

  private var environment: [String: String] {
    let own = ProcessInfo.processInfo.environment
    var result = [
      "PATH": Self.products + ":" + (own["PATH"] ?? "/usr/bin:/bin"), "HOME": folder, "TMPDIR": folder,
      "LANG": "C", "LC_ALL": "C", "TZ": "GMT", "COLUMNS": "80", "NO_COLOR": "1", "REPOSITORY": Self.repository,
    ]
    for name in ["LD_LIBRARY_PATH", "OPENBLAS_CORETYPE"] { result[name] = own[name] }
    if FileManager.default.fileExists(atPath: Self.data) { result["DATA"] = Self.data }
    return result
  }

  /// Runs a program to its end, or for two minutes.
  func run(_ words: [String]) async throws -> Outcome {
    let output = folder + "/.output-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: output) }
    guard FileManager.default.createFile(atPath: output, contents: nil),
      let handle = FileHandle(forWritingAtPath: output)
    else { throw CocoaError(.fileWriteUnknown) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "120"] + words
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in ended.resume() }
      do { try process.run() } catch { ended.resume(throwing: error) }
    }
    try handle.close()
    let bytes = FileManager.default.contents(atPath: output) ?? Data()
    return Outcome(status: process.terminationStatus, text: String(decoding: bytes, as: UTF8.self))
  }

  /// True when this shell command succeeds.
  func can(_ command: String) async throws -> Bool { try await run(["sh", "-c", command]).status == 0 }

  /// `swiftc` on one file, with the modules and objects that are already built: no package, no build lock.
  func compile(_ source: String, to program: String) async throws -> Outcome {
    var words = ["swiftc", "-swift-version", "6", "-module-cache-path", Self.products + "/ModuleCache"]
    words += ["-I", Self.products + "/Modules"]
    for name in ["CGSL", "COpenBLAS", "CZlib", "CLibCSV", "CXXHash"] {
      words += ["-Xcc", "-fmodule-map-file=\(Self.repository)/Sources/\(name)/module.modulemap"]
    }
    words += ["-Xcc", "-fmodule-map-file=\(Self.products)/CVectorLoops.build/module.modulemap"]
    words += [source, "-o", program] + (try objects())
    words += ["gsl", "openblas", "z", "csv", "xxhash", "m"].map { "-l\($0)" }
    return try await run(words)
  }

  /// The objects of what `import BNN` needs; not those that files which are gone have left behind.
  private func objects() throws -> [String] {
    let files = FileManager.default
    let others = ["BNNCommand.build", "BNNTestSupport.build"]
    return try files.contentsOfDirectory(atPath: Self.products).sorted().flatMap { name -> [String] in
      let isOurs = name.hasPrefix("BNN") || name == "CVectorLoops.build"
      guard isOurs, name.hasSuffix(".build"), !others.contains(name) else { return [] }
      let sources = "\(Self.repository)/Sources/\(name.dropLast(".build".count))"
      let present = Set(
        (files.enumerator(atPath: sources)?.compactMap { ($0 as? String)?.split(separator: "/").last.map(String.init) })
          ?? [])
      let inside = try files.contentsOfDirectory(atPath: "\(Self.products)/\(name)").sorted()
      return inside.filter { $0.hasSuffix(".o") && present.contains(String($0.dropLast(2))) }
        .map { "\(Self.products)/\(name)/\($0)" }
    }
  }
}
