import Foundation
import Testing

@Suite struct HouseRuleTests {
  @Test func filesAreShortAndEndWithANewline() throws {
    let files = try Repository.swiftSources()
    #expect(!files.isEmpty)
    for (path, text) in files {
      #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 <= 800, "\(path) is too long")
      #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"), "\(path) does not end with one newline")
    }
  }

  /// Crashes that an error should be, and chance outside the seeded streams.
  @Test(arguments: ["try!", "fatalError(", "Double.random", ".shuffle(", "SystemRandomNumberGenerator"])
  func isNotUsed(_ word: String) throws {
    for (path, text) in try Repository.swiftSources() {
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        // A comment may say why it is not used.
        let code = line.components(separatedBy: "//")[0]
        #expect(!code.contains(word), "\(path), line \(number + 1)")
      }
    }
  }

  @Test(.enabled(if: Repository.trackedFiles() != nil, "skipped: not a git checkout"))
  func topLevelIsBare() throws {
    let allowed: Set = ["Package.swift", "Sources", "Tests", "Notebooks-md", "Papers", "README.md"]
    let entries = Set((Repository.trackedFiles() ?? []).map { String($0.prefix { $0 != "/" }) })
    #expect(entries.contains("Package.swift"))
    #expect(entries.filter { !$0.hasPrefix(".") }.subtracting(allowed).isEmpty)
  }
}
