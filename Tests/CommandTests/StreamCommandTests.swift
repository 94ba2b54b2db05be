import Foundation
import Testing

@Suite("streams: the filter's updates")
struct StreamCommandTests {
  let folder = Scratch()
  private static let rows = 400

  init() {
    let table = Table.smooth(rows: Self.rows)
    folder.write("D1.csv", table[0..<100].csv())
    folder.write("D2.csv", table[100..<300].csv())
    folder.write("T.csv", table[300..<Self.rows].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "kalman", "--hidden", "4", "-o", "p").succeeded()
  }

  /// An update from a pipe whose end the shell makes.
  private func stream(_ feed: String, _ flags: String = "-o q") -> Outcome {
    folder.shell("{ \(feed); } | \"$BNN\" update p - --format csv \(flags)")
  }

  private func rows(in posterior: String) -> Int? {
    (folder.run("inspect", posterior, "--json").succeeded().object()["manifest"] as? [String: Any])?["rows"] as? Int
  }

  @Test(
    "fit, update from a file or a pipe, evaluate: the same posterior, byte for byte, with or without saves in between")
  func wholeRoad() throws {
    let update = folder.run("update", "p", "D2.csv", "-o", "q", "--json").succeeded().object()
    #expect(update["rows"] as? Int == 200 && update["rows_total"] as? Int == 300)
    #expect(update["method"] as? String == "kalman" && update["structure"] as? String == "full")
    #expect(try #require(update["log_evidence"] as? Double) < 0)
    #expect(try #require(update["shift"] as? Double) > 0 && update["distance_to_optimum"] is NSNull)
    stream("cat D2.csv", "-o r --save-every 7").succeeded()
    // One row at a time, as they arrive.
    stream("while read row; do echo \"$row\"; done < D2.csv", "-o s --threads 1").succeeded()
    #expect(folder.bytes("q") == folder.bytes("r") && folder.bytes("q") == folder.bytes("s"))
    let before = folder.run("evaluate", "p", "T.csv", "--json").succeeded().object()["rmse"] as? Double
    let after = folder.run("evaluate", "q", "T.csv", "--json").succeeded().object()["rmse"] as? Double
    #expect(try #require(after) < #require(before))
    folder.run("diff", "q", "q", "--tolerance", "0").succeeded()
    let lineage = folder.run("inspect", "q", "--json").succeeded().object()["lineage"] as? [[String: Any]]
    #expect(lineage?.count == 2 && lineage?[1]["rows"] as? Int == 200 && lineage?[1]["method"] as? String == "kalman")
  }

  @Test("a stream that stops, errs or closes: the good rows are in the posterior, the bad one is named")
  func faults() {
    stream("head -51 D2.csv; printf '1.5,2.5,'").failed(
      65, "standard input", "data row 51", "column c", "line end", "the 50 rows before it are in q")
    #expect(rows(in: "q") == 150)
    stream("head -51 D2.csv; printf '1.5,2.5,0.5,1.2'", "-o q --force").failed(
      65, "data row 51", "column y", "line end")
    stream("head -51 D2.csv; echo '1,2,x,4'; echo '1,2,3,4'", "-o q --force").failed(
      65, "data row 51", "column c", "\"x\" is not a number", "the 50 rows before it are in q")
    #expect(rows(in: "q") == 150)
    stream("head -51 D2.csv; echo '1,2'; echo '1,2,3,4'", "-o q --force").failed(65, "data row 51", "2 cells")
    stream("head -51 D2.csv; echo '1,2,1e300,4'; echo '1,2,3,4'", "-o q --force").failed(
      65, "data row 51", "column c", "too large", "the 50 rows before it are in q")
    #expect(rows(in: "q") == 150)
    stream("head -51 D2.csv", "-o r").succeeded()
    let object = stream("head -51 D2.csv; echo '1,2,x,4'", "-o q --force --json").object()
    let error = object["error"] as? [String: Any]
    #expect(error?["row"] as? Int == 51 && error?["column"] as? String == "c" && error?["exit"] as? Int == 65)
    // What is in the posterior is what the good rows alone would have made.
    #expect(folder.bytes("q") == folder.bytes("r"))
  }

  @Test("nothing good: nothing written")
  func nothing() {
    stream("head -1 D2.csv").failed(65, "no data rows")
    stream("head -1 D2.csv; echo '1,2,x,4'").failed(65, "data row 1", "column c")
    stream("true").failed(65, "is empty")
    #expect(folder.files == ["D1.csv", "D2.csv", "T.csv", "p"])
  }

  @Test("a bad row in a file leaves nothing behind, unless rows were to be saved on the way")
  func files() {
    folder.write("bad.csv", folder.text("D2.csv") + "1,2,x,4\n")
    folder.run("update", "p", "bad.csv", "-o", "q").failed(65, "bad.csv", "data row 201", "column c")
    #expect(!folder.files.contains("q"))
    folder.run("update", "p", "bad.csv", "-o", "q", "--save-every", "150").failed(
      65, "data row 201", "the 200 rows before it are in q")
    #expect(rows(in: "q") == 300)
  }

  @Test("interrupted: the rows so far are in the posterior", arguments: zip([SIGINT, SIGTERM], ["130", "143"]))
  func interruption(_ signal: Int32, _ exit: String) {
    // A shell gives a background job /dev/null to read; the pipe goes round that.
    let outcome = folder.shell(
      "{ head -61 D2.csv; sleep 4; } | sh -c 'exec 3<&0; \"$BNN\" update p - --format csv -o q <&3 & pid=$!; sleep 1.5; "
        + "kill -\(signal) $pid; wait $pid; echo $?'")
    #expect(outcome.stdout == "\(exit)\n", "\(outcome.stderr)")
    #expect(outcome.stderr.contains("interrupted; the 60 rows so far are in q"), "\(outcome.stderr)")
    #expect(rows(in: "q") == 160)
    #expect(!folder.files.contains { $0.hasPrefix(".bnn") })
  }

  @Test("rows that were absorbed before are refused, and what was saved of them on the way is taken back")
  func repeated() {
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    folder.run("update", "q", "D2.csv", "-o", "r", "--save-every", "50").failed(2, "absorbed before")
    #expect(!folder.files.contains("r"))
    let old = folder.bytes("q")
    folder.run("update", "q", "D2.csv", "--in-place", "--save-every", "50").failed(2, "absorbed before")
    #expect(folder.bytes("q") == old)
    folder.run("update", "q", "D2.csv", "-o", "r", "--allow-repeated-data").succeeded()
  }

  @Test("a Laplace posterior is continued row by row; drift is asked for by flags and said in the certificate")
  func laplace() throws {
    for structure in ["full", "diagonal", "low-rank"] {
      folder.run(
        "fit", "D1.csv", "--target", "y", "--method", "laplace", "--structure", structure, "--rank", "6", "--hidden",
        "4",
        "-o", "l", "--force"
      ).succeeded()
      folder.run("update", "l", "D2.csv", "--method", "kalman", "-o", "m", "--force").succeeded()
      let drift = folder.run(
        "update", "l", "D2.csv", "--method", "kalman", "--process-noise", "1e-6", "--forgetting", "0.99", "-o", "d",
        "--force", "--json"
      ).succeeded().object()
      let reasons = (drift["certificate"] as? [String: Any])?["reasons"] as? [String]
      #expect(reasons?.contains { $0.contains("forgot by 0.99") && $0.contains("process noise") } == true)
      let commands = folder.run("inspect", "d", "--command").succeeded().stdout
      #expect(commands.contains("--method kalman --process-noise 1e-06 --forgetting 0.99"))
      folder.run("predict", "d", "T.csv").succeeded()
    }
    folder.run(
      "fit", "D1.csv", "--target", "y", "--method", "laplace", "--structure", "kronecker", "--hidden", "4", "-o", "k"
    ).succeeded()
    folder.run("update", "k", "D2.csv", "--method", "kalman", "-o", "m", "--force").failed(64, "kronecker")
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "n").succeeded()
    folder.run("update", "n", "D2.csv", "--process-noise", "0.9", "-o", "m", "--force").failed(
      64, "--process-noise", "kalman")
    folder.run("update", "n", "D2.csv", "--method", "kalman", "-o", "m", "--force").failed(64, "kalman", "linear")
  }

  @Test("one pass from the prior, every structure and likelihood; inspect --command makes it again")
  func onePass() throws {
    folder.write(
      "K.csv",
      "x,z,kind,n\n"
        + (0..<80).map { i in
          let (x, z) = (sin(Double(i) * 1.7), cos(Double(i) * 2.3))
          return
            "\(x),\(z),\(["ant", "bee", "cat"][i % 10 == 0 ? i / 10 % 3 : x + z > 0.4 ? 2 : x > z ? 1 : 0]),\(i % 4)\n"
        }.joined())
    for flags in [
      ["--target", "z", "--ignore", "kind"], ["--target", "kind", "--ignore", "n"],
      ["--target", "n", "--ignore", "kind", "--likelihood", "poisson", "--structure", "diagonal"],
      ["--target", "z", "--target", "n", "--ignore", "kind", "--structure", "low-rank", "--rank", "3"],
      ["--target", "z", "--ignore", "kind", "--noise", "0.5", "--prior-precision", "2", "--forgetting", "0.99"],
      ["--target", "z", "--ignore", "kind", "--members", "2", "--single-precision"],
      ["--target", "z", "--ignore", "kind", "--layers", "last"],
    ] {
      let words = ["fit", "K.csv", "--method", "kalman", "--one-pass", "--hidden", "3", "-o", "a", "--force"] + flags
      // Columns left out are named in one line.
      #expect(folder.run(words).exit == 0, "\(flags)")
      #expect(folder.run("update", "a", "K.csv", "--allow-repeated-data", "-o", "b", "--force").exit == 0)
      #expect(folder.run("evaluate", "b", "K.csv").exit == 0)
      folder.write("D1.csv", folder.bytes("K.csv"))
      let remade = folder.run("inspect", "a", "--command").stdout.split(separator: " ").dropFirst().map {
        $0.trimmingCharacters(in: .whitespacesAndNewlines)
      }
      #expect(folder.run(remade + ["--force"]).exit == 0)
      #expect(folder.bytes("a") == folder.bytes("p1.safetensors"), "\(flags)")
    }
    folder.run("fit", "K.csv", "--target", "z", "--one-pass", "-o", "c").failed(64, "--one-pass", "kalman")
    folder.run(
      "fit", "K.csv", "--target", "z", "--ignore", "kind", "--method", "kalman", "--structure", "block", "-o", "c"
    ).failed(64, "block", "low-rank")
  }

  @Test("the last layer alone is exact: one batch or many, in any order")
  func exact() throws {
    folder.run(
      "fit", "D1.csv", "--target", "y", "--method", "kalman", "--layers", "last", "--hidden", "4", "-o", "e", "--force"
    ).succeeded()
    let lines = folder.text("D2.csv").split(separator: "\n")
    folder.write("back.csv", ([lines[0]] + lines[1...].reversed()).joined(separator: "\n") + "\n")
    folder.write("one.csv", (lines[..<60]).joined(separator: "\n") + "\n")
    folder.write("two.csv", ([lines[0]] + lines[60...]).joined(separator: "\n") + "\n")
    folder.run("update", "e", "D2.csv", "-o", "u").succeeded()
    folder.run("update", "e", "back.csv", "-o", "v").succeeded()
    folder.run("update", "e", "one.csv", "-o", "w1").succeeded()
    let last = folder.run("update", "w1", "two.csv", "-o", "w2", "--json").succeeded().object()
    #expect((last["certificate"] as? [String: Any])?["update"] as? String == "exact")
    for other in ["v", "w2"] { folder.run("diff", "u", other, "--tolerance", "1e-9").succeeded() }
  }
}
