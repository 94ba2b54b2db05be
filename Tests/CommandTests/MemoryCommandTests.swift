import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import Testing

@Suite("rows that a file keeps")
struct MemoryCommandTests {
  let folder = Scratch()

  @Test("inspect says how many")
  func inspect() throws {
    folder.write("D.csv", Table.smooth(rows: 30).csv())
    folder.run("fit", "D.csv", "--target", "y", "--hidden", "2", "-o", "p").succeeded()
    let plain = folder.run("inspect", "p").succeeded().stdout
    #expect(plain.contains("sums over rows, not rows") && !plain.contains("are kept in the file"))
    #expect(folder.run("inspect", "p", "--json").succeeded().object()["memory_rows"] as? Int == 0)

    var posterior = try PosteriorFile(path: folder.path + "/p").posterior
    posterior.memory = RowMemory(
      features: Matrix([[1, 2, 3], [4, 5, 6]]), targets: Matrix([[7], [8]]), batches: [1, 1])
    try PosteriorFile.write(posterior, to: folder.path + "/q")
    let text = folder.run("inspect", "q").succeeded().stdout
    #expect(text.contains("2 rows of the data are kept in the file") && !text.contains("not rows"))
    #expect(folder.run("inspect", "q", "--json").succeeded().object()["memory_rows"] as? Int == 2)
  }
}
