import Foundation
import Testing

/// Which target may see which: each only those on strictly lower floors.
private let floors: [[String]] = [
  ["CGSL", "COpenBLAS", "CZlib", "CLibCSV", "CXXHash", "CVectorLoops"],
  ["BNNLinearAlgebra", "BNNProbability", "BNNSafetensors"],
  ["BNNDatasets", "BNNModels", "BNNPosteriors"],
  ["BNNInference"],
  ["BNNPosteriorFile"],
  ["BNN", "BNNCommand"],
  ["bnn-update"],
]

private func floor(of target: String) -> Int? { floors.firstIndex { $0.contains(target) } }

@Suite struct FloorPlanTests {
  @Test(.enabled(if: Repository.has("swift"), "skipped: swift is not on PATH"))
  func targetsDependOnLowerFloorsOnly() throws {
    let manifest = try Repository.manifest()
    #expect(Set(manifest.sources.map(\.name)) == Set(floors.joined()))
    for target in manifest.sources {
      let own = try #require(floor(of: target.name), "\(target.name) has no floor")
      for dependency in target.dependencies where dependency.kind != "product" {
        let below = try #require(floor(of: dependency.name), "\(target.name) depends on \(dependency.name): no floor")
        #expect(below < own, "\(target.name) depends on \(dependency.name)")
      }
      // The only package from outside, and its only user.
      let products = target.dependencies.filter { $0.kind == "product" }.map(\.name)
      #expect(products == (target.name == "BNNCommand" ? ["ArgumentParser"] : []), "\(target.name)")
    }
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Repository.root.appendingPathComponent("Sources").path)
    #expect(Set(folders) == Set(manifest.sources.map(\.name)), "a folder of Sources is no target, or the reverse")
  }

  /// The imports themselves: SwiftPM lets a target import what another one has built, declared or not.
  @Test func importsAreOnLowerFloors() throws {
    for (path, text) in try Repository.swiftSources() {
      let target = String(path.prefix { $0 != "/" })
      let own = try #require(floor(of: target), "\(path)")
      for module in imports(of: text) {
        if let below = floor(of: module) { #expect(below < own, "\(path) imports \(module)") }
      }
    }
  }

  @Test(arguments: [
    ("COpenBLAS", ["BNNLinearAlgebra"]), ("CVectorLoops", ["BNNLinearAlgebra", "BNNProbability"]),
    ("CGSL", ["BNNProbability"]), ("CZlib", ["BNNDatasets"]),
    ("CLibCSV", ["BNNDatasets"]), ("CXXHash", ["BNNDatasets", "BNNPosteriorFile"]), ("ArgumentParser", ["BNNCommand"]),
  ])
  func libraryHasItsRoom(_ module: String, _ rooms: [String]) throws {
    let users = try Repository.swiftSources().filter { imports(of: $0.text).contains(module) }.map(\.path)
    #expect(!users.isEmpty, "nothing imports \(module)")
    for path in users { #expect(rooms.contains(String(path.prefix { $0 != "/" })), "\(path) imports \(module)") }
  }

  /// Modules named by the import lines, whatever attributes and access levels stand before.
  private func imports(of text: String) -> Set<String> {
    var modules: Set<String> = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "import"), at + 1 < words.count else { continue }
      let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
      guard words[..<at].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) }) else { continue }
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      let name = kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
      modules.insert(String(name.prefix { $0 != "." }))
    }
    return modules
  }
}
