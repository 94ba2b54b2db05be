import Foundation
import Testing

/// Papers: every page is in the index, cites works of references.bib, and keeps the house's form.
@Suite struct PapersTests {
  private static let folder = Repository.root.appendingPathComponent("Papers")

  static let pages: [String] = {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return all.filter { $0.hasSuffix(".md") && $0 != "README.md" }.sorted()
  }()

  private static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  /// The keys of the entries of references.bib.
  private static func keys() throws -> [String] {
    try text("references.bib").matches(of: #/(?m)^@[a-z]+\{([^,]+),/#).map { String($0.1) }
  }

  /// The keys that a page names in brackets, as in [mackay1992practical].
  private static func cited(_ page: String) throws -> [String] {
    try text(page).matches(of: #/\[([a-z]+[0-9]{4}[a-z]+|niststrd)\]/#).map { String($0.1) }
  }

  @Test func pagesAreThere() { #expect(Self.pages.count > 5) }

  @Test(arguments: pages) func isInTheIndex(_ page: String) throws {
    #expect(try Self.text("README.md").contains("(\(page))"))
  }

  @Test(arguments: pages) func citesWhatIsInTheBibliography(_ page: String) throws {
    let cited = try Self.cited(page)
    #expect(!cited.isEmpty, "\(page) names no key of references.bib, as [mackay1992practical]")
    let known = try Set(Self.keys())
    for key in cited { #expect(known.contains(key), "\(page): \(key) is not in references.bib") }
  }

  @Test func everyReferenceHasAPage() throws {
    let keys = try Self.keys()
    #expect(Set(keys).count == keys.count, "a key is there twice")
    let cited = try Set(Self.pages.flatMap(Self.cited))
    for key in keys { #expect(cited.contains(key), "no page cites \(key)") }
  }

  @Test(arguments: pages) func keepsTheForm(_ page: String) throws {
    let text = try Self.text(page)
    let headings = [
      "The claim", "The equations", "In the code", "Where we depart, and why", "What was published, and ours",
    ]
    for heading in headings { #expect(text.contains("\n## \(heading)"), "\(page) has no \"\(heading)\"") }
  }

  /// Paths that a page names are files of this repository.
  @Test(arguments: pages) func namesFilesThatAreThere(_ page: String) throws {
    for path in try Self.text(page).matches(of: #/`((?:Sources|Tests)/[A-Za-z0-9_\/.+-]+\.(?:swift|py|json))`/#) {
      let isThere = FileManager.default.fileExists(
        atPath: Repository.root.appendingPathComponent(String(path.1)).path)
      #expect(isThere, "\(page) names \(path.1)")
    }
  }
}
