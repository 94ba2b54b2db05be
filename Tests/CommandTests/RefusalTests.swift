import Foundation
import Testing

@Suite("properties that the file fixes, and data seen before")
struct RefusalTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 90)
    folder.write("D1.csv", all[0..<40].csv())
    folder.write("D2.csv", all[40..<60].csv())
    folder.write("D3.csv", all[60..<90].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4,4", "-o", "p")
  }

  static let disagreements = [
    ("--target", "z", "y"), ("--features", "a,b", "a,b,c"), ("--method", "linear", "tangent"),
    ("--hidden", "50", "4,4"), ("--activation", "relu", "tanh"), ("--likelihood", "poisson", "gaussian"),
    ("--members", "3", "1"), ("--normalize", "none", "standard"),
  ]

  @Test("a flag that disagrees names both values", arguments: disagreements)
  func disagreement(flag: String, given: String, held: String) {
    folder.run("update", "p", "D2.csv", flag, given, "-o", "q").failed(64, "p: ", flag, given, held)
    folder.run("predict", "p", "D2.csv", flag, given).failed(64, flag, given, held)
    folder.run("evaluate", "p", "D2.csv", flag, given).failed(64, flag, given, held)
    #expect(folder.files == ["D1.csv", "D2.csv", "D3.csv", "p"])
    folder.run("update", "p", "D2.csv", flag, held, "-o", "q").succeeded()
  }

  @Test("the same data again are refused, whatever the order of rows and columns")
  func repeated() {
    folder.run("update", "p", "D2.csv", "-o", "p2").succeeded()
    folder.run("update", "p2", "D3.csv", "-o", "p3").succeeded()
    let rows = Table.smooth(rows: 90).rows
    let names = ["a", "b", "c", "y"]
    folder.write("turned.csv", Table(names: names, rows: rows[40..<60].reversed()).columns("y", "b", "a", "c").csv())
    folder.write("D23.csv", Table(names: names, rows: Array(rows[40..<90])).csv())
    let before = folder.files
    folder.run("update", "p", "D1.csv", "-o", "q").failed(2, "D1.csv", "update 1", "--allow-repeated-data")
    folder.run("update", "p3", "D1.csv", "-o", "q").failed(2, "update 1")
    folder.run("update", "p3", "turned.csv", "-o", "q").failed(2, "turned.csv", "update 2")
    folder.run("update", "p3", "D23.csv", "-o", "q").failed(2, "updates 2 to 3")
    #expect(folder.files == before)
    let object = folder.run("update", "p3", "D1.csv", "-o", "q", "--json").object()
    #expect((object["refused"] as? [String: String]) == ["why": "repeated_data"])
    folder.run("update", "p3", "D1.csv", "-o", "q", "--allow-repeated-data").succeeded()
    #expect(folder.run("inspect", "q").stdout.contains("rows seen:   130 in 4 batches"))
  }

  @Test("a failed update leaves the prior as it was")
  func priorUntouched() {
    let before = folder.bytes("p")
    folder.run("update", "p", "D1.csv", "-o", "q")
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "p", "--force")
    #expect(folder.bytes("p") == before)
  }
}
