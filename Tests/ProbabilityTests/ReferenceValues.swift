import Foundation

/// A row of Fixtures/values.json, which Fixtures/make_values.py made with mpmath.
struct Reference: Codable, Sendable, CustomStringConvertible {
  var arguments: [Double]
  var value: Double

  var description: String { "\(arguments) → \(value)" }

  static let all: [String: [Reference]] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("Fixtures/values.json")) else { return [:] }
    return (try? JSONDecoder().decode([String: [Reference]].self, from: data)) ?? [:]
  }()

  static func rows(_ name: String) -> [Reference] { all[name] ?? [] }
}
