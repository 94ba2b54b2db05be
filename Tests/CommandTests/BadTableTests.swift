import Foundation
import Testing

@Suite("tables that are none")
struct BadTableTests {
  let folder = Scratch()

  init() {
    folder.write("D.csv", Table.smooth(rows: 20).csv())
    folder.run("fit", "D.csv", "--target", "y", "--method", "linear", "-o", "p")
    try? FileManager.default.createDirectory(atPath: folder.path + "/folder.csv", withIntermediateDirectories: false)
  }

  /// What is in the file, the exit code, and words of the one line that says so.
  static let tables: [(content: String, exit: Int32, words: [String])] = [
    ("", 65, ["is empty"]),
    ("\n\n\n", 65, ["is empty"]),
    ("a,b,c,y\n", 65, ["header but no data rows"]),
    ("a,b,c,y", 65, ["header but no data rows"]),
    ("a,b,c,y\n1,2,3,4\n1,2,3\n1,2,3,4\n", 65, ["data row 2 (line 3)", "3 cells", "4 columns"]),
    ("a,b,c,y\n1,2,3,4\n\n1,2,3,4,5\n", 65, ["data row 2 (line 4)", "5 cells", "4 columns"]),
    ("a,b,c,y\n1,2,3,4\n1,two,3,4\n", 65, ["data row 2 (line 3)", "column b", "\"two\" is not a number"]),
    ("a,b,c,y\n1,2,3,4\n1,inf,3,4\n", 65, ["data row 2", "column b", "inf", "not a finite number"]),
    ("a,b,c,y\n1,2,3,-1e999\n", 65, ["data row 1", "column y", "not a finite number"]),
    ("a,b,c,y\nNaN,2,3,4\n", 65, ["data row 1", "column a", "missing", "--missing drop"]),
    ("a,b,c,y\n1,2,,4\n", 65, ["data row 1", "column c", "missing", "--missing drop"]),
    ("a,b,c,y\n1,\"2\n,3,4\n", 65, ["quoted cell"]),
    ("a,b,c,y\n1,\"2,5\",3,4\n", 65, ["column b", "decimal point"]),
    ("a;b;c;y\n1;2;3;4\n", 65, ["';'", "--delimiter"]),
    ("a\tb\tc\ty\n1\t2\t3\t4\n", 65, ["a tab", "--delimiter tab"]),
    ("1,2,3,4\n1,2,3,4\n", 65, ["looks like data", "header"]),
    ("a,b,c,y\n1,2,3,4\n1,2,3,1e200\n", 65, ["data row 2", "column y", "1e+200", "too large", "unit"]),
    ("\u{0}\u{1}\u{2}", 65, ["UTF-8"]),
    ("{\"a\": [1, 2]}\n", 65, ["x.csv"]),
    ("a,b,b,c,y\n1,2,3,4,5\n", 65, ["\"b\"", "twice", "rename"]),
    ("a,b,d,y\n1,2,3,4\n", 65, ["no column c", "a, b, d, y"]),
    ("A,b,c,y\n1,2,3,4\n", 65, ["no column a", "did you mean A"]),
  ]

  @Test("each is refused with the right code, one line and no output", arguments: tables)
  func refused(content: String, exit: Int32, words: [String]) {
    folder.write("x.csv", content)
    let before = folder.files
    folder.run("update", "p", "x.csv", "-o", "q").failed(exit, words: words + ["x.csv"])
    // What is wrong with a target is no matter for a prediction.
    let predict = folder.run("predict", "p", "x.csv", "-o", "q.csv", "--target", "y")
    if predict.exit == 0 { unlink(folder.path + "/q.csv") } else { predict.isReadable() }
    folder.run("evaluate", "p", "x.csv").failed(exit, words: words)
    #expect(folder.files == before)
  }

  @Test("the target must be there for update and evaluate, not for predict")
  func targetMissing() {
    folder.write("x.csv", "a,b,c\n1,2,3\n")
    folder.run("update", "p", "x.csv", "-o", "q").failed(65, "no column y", "a, b, c")
    folder.run("evaluate", "p", "x.csv").failed(65, "no column y")
    folder.run("predict", "p", "x.csv").succeeded()
    folder.run("fit", "D.csv", "--target", "yy", "-o", "q").failed(65, "no column yy", "did you mean y", "a, b, c, y")
    #expect(!folder.files.contains("q"))
  }

  @Test("no rows: predict and evaluate say so and write nothing")
  func noRows() {
    folder.write("x.csv", "a,b,c,y\n")
    folder.run("predict", "p", "x.csv").failed(65, "no data rows")
    folder.run("predict", "p", "x.csv", "-o", "out.csv").failed(65, "no data rows")
    folder.run("evaluate", "p", "x.csv").failed(65, "no data rows")
    folder.write("x.csv", "a,b,c,y\n1,,2,3\n,1,2,3\n")
    folder.run("predict", "p", "x.csv", "--missing", "drop").failed(65, "2 data rows", "missing value")
    folder.run(
      "fit", "x.csv", "--target", "y", "--missing", "drop", "--method", "linear", "-o", "q"
    ).failed(65, "2 data rows", "missing value")
    #expect(folder.files == ["D.csv", "folder.csv", "p", "x.csv"])
  }

  static let subcommands = ["fit", "update", "predict", "evaluate"]

  @Test("an input that is not there, is a folder or may not be read", arguments: subcommands)
  func noInput(subcommand: String) {
    let start = subcommand == "fit" ? ["fit"] : [subcommand, "p"]
    let end = ["fit": ["--target", "y", "-o", "q"], "update": ["-o", "q"]][subcommand] ?? []
    folder.run(start + ["gone.csv"] + end).failed(66, "gone.csv", "no such file")
    folder.run(start + ["no/where.csv"] + end).failed(66, "no/where.csv", "no such file")
    folder.run(start + ["folder.csv"] + end).failed(66, "folder.csv", "is a folder")
    folder.run(start + [""] + end).isReadable()
    if getuid() != 0 {
      chmod(folder.path + "/D.csv", 0)
      folder.run(start + ["D.csv"] + end).failed(66, "D.csv", "permissions")
    }
    #expect(!folder.files.contains("q"))
  }

  @Test("other files are named for what they are")
  func otherFiles() {
    folder.write("x.npy", "a,b\n1,2\n")
    folder.run("update", "p", "x.npy", "-o", "q").failed(65, "not a NumPy array")
    folder.write("x.csv", Table.smooth(rows: 2).npy)
    folder.run("update", "p", "x.csv", "-o", "q").failed(65, "NumPy array", "--format npy")
    folder.write("x.npy", Array(Table.smooth(rows: 20).npy.dropLast(5)))
    folder.run("update", "p", "x.npy", "-o", "q").isReadable()
    folder.write("x.csv.gz", Array(gzip(Table.smooth(rows: 20).csv()).dropLast(20)))
    folder.run("update", "p", "x.csv.gz", "-o", "q").failed(65, "x.csv.gz")
    folder.write("x.csv.gz", "a,b\n1,2\n")
    folder.run("update", "p", "x.csv.gz", "-o", "q").failed(65, "not gzip")
    folder.write("x.csv", [0x50, 0x4B, 3, 4, 0, 0, 0, 0])
    folder.run("update", "p", "x.csv", "-o", "q").failed(65, "zip")
    folder.run("update", "p", "p", "-o", "q", "--format", "csv").failed(65, "p")
    #expect(!folder.files.contains("q"))
  }
}
