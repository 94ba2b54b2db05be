import Foundation
import Testing

@Suite("extreme data: an answer or one clear line, never a crash, never NaN")
struct ExtremeDataTests {
  let folder = Scratch()

  static let tables: [(name: String, content: String)] = [
    ("constant target", "a,y\n1,2\n2,2\n3,2\n4,2\n"),
    ("constant feature", "a,b,y\n1,1,2\n1,2,3\n1,3,1\n1,4,2\n"),
    ("all zero", "a,y\n0,0\n0,0\n0,0\n"),
    ("one row", "a,y\n1,2\n"), ("two equal rows", "a,y\n1,2\n1,2\n"),
    ("more outputs than rows", "a,y,z,u,v\n1,2,3,4,5\n2,5,4,3,2\n"),
    ("two equal columns", "a,b,y\n1,1,2\n2,2,3\n3,3,1\n"),
    ("more features than rows", "a,b,c,d,e,f,g,y\n1,2,3,4,5,6,7,8\n8,6,4,2,3,5,7,9\n"),
    ("feature equal to the target", "a,y\n1,1\n2,2\n3,3\n4,4\n"),
    ("huge features", "a,y\n1e300,2\n2e300,5\n-3e300,4\n1e299,1\n"),
    ("huge target", "a,y\n1,2e300\n2,5e300\n-3,4e300\n2,1e300\n"),
    ("large", "a,y\n1e130,2e130\n2e130,5e130\n-3e130,4e130\n1e129,1e130\n"),
    ("tiny features", "a,y\n1e-300,2\n2e-300,5\n-3e-300,4\n5e-300,1\n"),
    ("tiny target", "a,y\n1,2e-300\n2,5e-300\n-3,4e-300\n2,1e-300\n"),
    ("denormal", "a,y\n5e-324,1\n0,2\n5e-324,3\n0,1\n"),
    ("one outlier", "a,y\n1,2\n2,3\n3,1\n1e100,1e100\n"),
    ("large offset", "a,y\n1000000000001,2\n1000000000002,3\n1000000000003,5\n1000000000004,4\n"),
    ("hostile names", "\"a,\"\"b\",y\n1,2\n2,3\n3,5\n"), ("unnamed", ",y\n1,2\n2,3\n"),
  ]

  @Test(
    "every method on every table", arguments: tables,
    methods + [
      ["--method", "linear", "--prior-precision", "0"], ["--method", "moving-tangent", "--hidden", "4"],
    ])
  func survives(table: (name: String, content: String), method: [String]) {
    folder.write("x.csv", table.content)
    let names = table.content.prefix { $0 != "\n" }.split(separator: ",").map(String.init)
    let targets = ["y", "z", "u", "v"].filter { names.contains($0) }.flatMap { ["--target", $0] }
    let fit = folder.run(["fit", "x.csv", "-o", "p"] + targets + method)
    guard fit.exit == 0 else {
      #expect([1, 64, 65].contains(fit.exit), "\(fit.stderr)")
      fit.isReadable()
      #expect(folder.files == ["x.csv"])
      return
    }
    for arguments in [
      ["predict", "p", "x.csv"], ["evaluate", "p", "x.csv", "--json"], ["inspect", "p", "--json"],
      ["update", "p", "x.csv", "-o", "q", "--allow-repeated-data"], ["predict", "q", "x.csv"],
    ] {
      let outcome = folder.run(arguments)
      let words = outcome.stdout.lowercased()
      #expect(!words.contains("nan") && !words.contains("inf,") && !words.contains(",inf"), "\(arguments): \(words)")
      if outcome.exit != 0 {
        outcome.isReadable()
        #expect([1, 65, 66].contains(outcome.exit), "\(arguments): \(outcome.stderr)")
      }
    }
  }

  @Test("a network needs two rows, and says what takes one")
  func oneRow() {
    folder.write("x.csv", "a,y\n1,2\n")
    folder.run("fit", "x.csv", "--target", "y", "-o", "p").failed(65, "two rows", "--method linear")
    folder.run("fit", "x.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
  }

  @Test("numbers that no square can hold are named with their cell")
  func hugeCell() {
    folder.write("x.csv", "a,y\n1,2\n2,3\n4,-5e200\n")
    folder.run("fit", "x.csv", "--target", "y", "--method", "linear", "-o", "p")
      .failed(65, "x.csv", "data row 3", "column y", "-5e+200", "too large")
    #expect(folder.files == ["x.csv"])
  }

  @Test("a header of many columns")
  func wide() {
    let names = (0..<20_000).map { "c\($0)" }.joined(separator: ",")
    let row = (0..<20_000).map { "\($0 % 7)" }.joined(separator: ",")
    folder.write("x.csv", "y,\(names)\n1,\(row)\n2,\(row)\n")
    folder.run("fit", "x.csv", "--target", "y", "--features", "c0,c19999", "--method", "linear", "-o", "p", "--quiet")
      .succeeded()
    folder.run("fit", "x.csv", "--target", "nope", "-o", "q").failed(65, "nope", "and 19981 more")
    folder.write("endless.csv", String(repeating: "a,", count: 3_000_000))
    folder.run("predict", "p", "endless.csv").failed(65, "endless.csv", "first row does not end")
  }

  @Test("training that goes wrong ends in an answer or a line", arguments: ["1e10", "1e300", "1e-300"])
  func learningRate(rate: String) {
    folder.write("x.csv", Table.smooth(rows: 20).csv())
    let fit = folder.run(
      "fit", "x.csv", "--target", "y", "--hidden", "3", "--epochs", "3", "--learning-rate", rate, "-o", "p")
    if fit.exit == 0 { folder.run("predict", "p", "x.csv").succeeded() } else { fit.failed(1) }
  }
}
