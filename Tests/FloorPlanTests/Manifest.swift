import Foundation

/// Package.swift as `swift package dump-package` sees it, and the repository around it.
struct Manifest: Decodable {
  struct Target: Decodable {
    let name: String
    let type: String
    let path: String?
    let dependencies: [Dependency]
  }

  /// `{"byName": ["X", null]}`, `{"target": ["X", null]}` or `{"product": ["X", "package", …]}`.
  struct Dependency: Decodable {
    let kind: String
    let name: String

    private struct Words: Decodable {
      let first: String
      init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        first = try container.decode(String.self)
      }
    }

    init(from decoder: any Decoder) throws {
      let entry = try decoder.singleValueContainer().decode([String: Words].self).first
      guard let entry else {
        throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no kind"))
      }
      (kind, name) = (entry.key, entry.value.first)
    }
  }

  let targets: [Target]

  /// Targets that are not tests or their support.
  var sources: [Target] { targets.filter { $0.type != "test" && !($0.path ?? "").hasPrefix("Tests/") } }
}

enum Repository {
  /// The folder of Package.swift.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Loads the manifest in a scratch folder of its own: `swift test` holds the lock of the usual one.
  static func manifest() throws -> Manifest {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("floor-plan-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    let output = try run(
      "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path, "dump-package")
    return try JSONDecoder().decode(Manifest.self, from: output)
  }

  /// What `git ls-files` lists, nil outside a checkout.
  static func trackedFiles() -> [String]? {
    guard let output = try? run("git", "-C", root.path, "ls-files") else { return nil }
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Every Swift file under Sources, by its path there.
  static func swiftSources() throws -> [(path: String, text: String)] {
    let folder = root.appendingPathComponent("Sources")
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return try paths.filter { $0.hasSuffix(".swift") }.sorted().map {
      ($0, try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8))
    }
  }

  /// True when a program of this name is on PATH.
  static func has(_ program: String) -> Bool { (try? run(program, "--version")) != nil }

  struct Failure: Error {
    let command: [String]
    let status: Int32
  }

  /// Standard output of a program found on PATH.
  static func run(_ words: String...) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(command: words, status: process.terminationStatus) }
    return output
  }
}
