import Foundation
import Testing

@Suite("the forms in which data come")
struct InputFormTests {
  let folder = Scratch()
  let table = Table.smooth(rows: 30)
  let linear = ["--target", "y", "--method", "linear"]

  init() {
    folder.write("D.csv", table.csv())
    folder.run(["fit", "D.csv", "-o", "p"] + linear)
  }

  @Test("every spelling of one table gives the same file")
  func sameBytes() {
    folder.write("D.csv.gz", gzip(table.csv()))
    folder.write("bom.csv", "\u{FEFF}" + table.csv(lineEnd: "\r\n"))
    folder.write("semicolon.csv", table.csv(delimiter: ";"))
    folder.write("tab.csv", table.csv(delimiter: "\t"))
    folder.write("other.txt", table.csv())
    folder.write("-dash.csv", table.csv())
    folder.write("mit Leerzeichen und Ümläut 数.csv", table.csv())
    let forms = [
      ["tab.csv", "--delimiter", "tab"],
      ["D.csv.gz"], ["bom.csv"], ["semicolon.csv", "--delimiter", ";"], ["tab.csv", "--delimiter", "\\t"],
      ["tab.csv", "--delimiter", "\t"], ["other.txt", "--format", "csv"], ["./-dash.csv"],
      ["mit Leerzeichen und Ümläut 数.csv"],
    ]
    for (k, form) in forms.enumerated() {
      folder.run(["fit"] + form + linear + ["-o", "p\(k)"]).succeeded()
      #expect(folder.bytes("p\(k)") == folder.bytes("p"), "\(form)")
    }
    folder.run(["fit", "-", "--format", "csv", "-o", "piped"] + linear, stdin: table.csv()).succeeded()
    #expect(folder.bytes("piped") == folder.bytes("p"))
    folder.run(["fit", "-o", "after", "--target", "y", "--method", "linear", "--", "-dash.csv"]).succeeded()
    #expect(folder.bytes("after") == folder.bytes("p"))
  }

  @Test("arrays have columns 0, 1, …")
  func arrays() {
    folder.write("D.npy", table.npy)
    folder.run("fit", "D.npy", "--target", "3", "--method", "linear", "-o", "q").succeeded()
    let coefficients = folder.run("inspect", "q", "--json").object()["coefficients"] as? [[String: Any]]
    #expect(coefficients?.map { $0["name"] as? String } == ["(intercept)", "0", "1", "2"])
    folder.write("X.npy", Table(names: ["a", "b", "c"], rows: table.rows.map { Array($0.prefix(3)) }).npy)
    let own = folder.run("predict", "q", "X.npy").succeeded()
    #expect(own.stdout == folder.run("predict", "p", "D.csv").succeeded().stdout)
  }

  @Test("standard input needs a format")
  func inputWithoutFormat() {
    folder.run(["fit", "-", "-o", "q"] + linear, stdin: table.csv()).failed(64, "standard input", "--format csv")
    folder.write("D.dat", table.csv())
    folder.run("fit", "D.dat", "--target", "y", "-o", "q").failed(64, "D.dat", "--format csv")
    #expect(folder.files == ["D.csv", "D.dat", "p"])
  }

  @Test("columns in another order are fine, an extra one is worth a line")
  func otherColumns() {
    folder.write("turned.csv", table.columns("y", "c", "a", "b").csv())
    var wide = table.columns("a", "b", "c", "y")
    wide.names.insert("note", at: 1)
    for k in wide.rows.indices { wide.rows[k].insert(Double(k), at: 1) }
    folder.write("wide.csv", wide.csv())
    let expected = folder.run("predict", "p", "D.csv").succeeded().stdout
    #expect(folder.run("predict", "p", "turned.csv").succeeded().stdout == expected)
    let extra = folder.run("update", "p", "wide.csv", "-o", "q", "--allow-repeated-data").succeeded(notes: 1)
    #expect(extra.stderr == "wide.csv: ignoring column note\n")
    folder.run("update", "p", "wide.csv", "-o", "r", "--allow-repeated-data", "--quiet").succeeded()
    folder.run("update", "p", "turned.csv", "-o", "s", "--allow-repeated-data").succeeded()
    #expect(folder.bytes("q") == folder.bytes("r") && folder.bytes("q") == folder.bytes("s"))
    #expect(folder.run("evaluate", "p", "wide.csv").stderr == "wide.csv: ignoring column note\n")
    let predicted = folder.run("predict", "p", "wide.csv").succeeded(notes: 1)
    #expect(predicted.stderr == "wide.csv: ignoring column note\n" && predicted.stdout == expected)
  }

  @Test("--features and --ignore choose columns")
  func chosenColumns() {
    let wide = "id,a,word,y\n1,0.5,x,1\n2,1.5,y,2\n3,3,z,4\n4,4,w,4\n"
    folder.write("wide.csv", wide)
    folder.run(["fit", "wide.csv", "--features", "a", "-o", "f"] + linear + ["--quiet"]).succeeded()
    folder.run(["fit", "wide.csv", "--ignore", "id, word", "-o", "i"] + linear + ["--quiet"]).succeeded()
    #expect(folder.bytes("f") == folder.bytes("i"))
    folder.write("mixed.csv", wide + "5,6,7,8\n")
    folder.run(["fit", "mixed.csv", "-o", "x"] + linear).failed(65, "row 1", "column word", "--categorical word")
    folder.run(["fit", "wide.csv", "--features", "a,y", "-o", "x"] + linear).failed(64, "y", "twice")
    folder.run(["fit", "wide.csv", "--features", "a,q", "-o", "x"] + linear).failed(65, "q", "id, a, word, y")
    folder.run(["fit", "wide.csv", "--ignore", "id,a,word", "-o", "x"] + linear).failed(65, "feature")
    #expect(!folder.files.contains("x"))
  }

  @Test("rows with a missing value are left out when asked")
  func missingRows() {
    folder.write("holes.csv", "a,b,c,y\n1,2,3,4\n,2,3,4\n1,NA,3,4\n2,2,?,4\n2,3,1,null\n5,1,2,7\n")
    folder.run("update", "p", "holes.csv", "-o", "q").failed(65, "row 2", "column a", "--missing drop")
    // The rows that are left are not like the others either.
    let update = folder.run("update", "p", "holes.csv", "--missing", "drop", "-o", "q", "--json").succeeded(notes: 2)
    #expect(update.object()["rows"] as? Int == 2)
    #expect(update.stderr.contains("left out 4 rows"))
  }
}
