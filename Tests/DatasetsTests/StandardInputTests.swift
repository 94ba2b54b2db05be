import Foundation
import Testing

@testable import BNNDatasets

/// Standard input belongs to the process, so the test borrows it for a moment; nothing else here reads it.
@Suite(.serialized) struct StandardInputTests {
  private func fromStandardInput<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    let saved = dup(STDIN_FILENO)
    let file = open(path, O_RDONLY)
    try #require(file >= 0)
    dup2(file, STDIN_FILENO)
    defer {
      if saved >= 0 {
        dup2(saved, STDIN_FILENO)
        close(saved)
      }
      close(file)
    }
    return try body()
  }

  @Test func readsEitherFormat() throws {
    let folder = try TemporaryFolder()
    let csv = try folder.write("a,b\n1,2\n")
    #expect(try fromStandardInput(csv) { try read("-", options: TableOptions(format: .csv)) }.rows == [[1, 2]])
    let packed = try folder.write(folder.gzip("a,b\n1,2\n".utf8), as: "t.gz")
    #expect(try fromStandardInput(packed) { try read("-", options: TableOptions(format: .csv)) }.rows == [[1, 2]])
    let array = fixture("one_dimension.npy")
    #expect(try fromStandardInput(array) { try read("-", options: TableOptions(format: .npy)) }.rows.count == 3)
    let bad = try folder.write("a,b\n1,x\n")
    let error = try fromStandardInput(bad) { failure("-", options: TableOptions(format: .csv)) }
    check(error, .badData, ["standard input, data row 1 (line 2), column b"], row: 1, column: "b")
  }
}
