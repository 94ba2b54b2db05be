import Foundation
import Testing

struct AttackListTests {
  /// Every line of ATTACKS.md names a test that exists, and no test is named twice.
  @Test func everyAttackHasItsTest() throws {
    let package = testsDirectory.deletingLastPathComponent().deletingLastPathComponent()
    let list = try String(contentsOf: package.appending(path: "Sources/BNNSafetensors/ATTACKS.md"), encoding: .utf8)
    let sources = try FileManager.default.contentsOfDirectory(at: testsDirectory, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "swift" }
      .map { try String(contentsOf: $0, encoding: .utf8) }
      .joined()
    let tests = list.matches(of: /\| `(\w+)` \|$/.anchorsMatchLineEndings()).map { String($0.1) }
    #expect(tests.count > 40)
    #expect(Set(tests).count == tests.count)
    for test in tests {
      #expect(sources.contains("func \(test)("), "\(test) is listed in ATTACKS.md but does not exist")
    }
  }
}
