import Foundation
import Testing

@Suite("the same work gives the same bytes")
struct ReproducibilityTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 300, targets: 2)
    folder.write("D1.csv", all[0..<150].csv())
    folder.write("D2.csv", all[150..<300].csv())
  }

  private func chain(_ name: String, _ options: [String], threads: String) {
    let targets = ["--target", "y", "--target", "z", "--threads", threads, "--quiet"]
    folder.run(["fit", "D1.csv", "-o", "\(name)1"] + targets + options).succeeded()
    folder.run("update", "\(name)1", "D2.csv", "-o", "\(name)2", "--threads", threads, "--quiet").succeeded()
  }

  @Test(
    "whatever the number of threads, the folder and the hour",
    arguments: methods + [["--hidden", "4", "--members", "3"], ["--hidden", "4", "--epochs", "3"]])
  func threads(options: [String]) {
    for threads in ["1", "2", "4"] { chain("t\(threads)-", options, threads: threads) }
    for other in ["t2-", "t4-"] {
      for step in ["1", "2"] { #expect(folder.bytes(other + step) == folder.bytes("t1-" + step), "\(other)\(step)") }
    }
    #expect(!folder.bytes("t1-2").isEmpty)
    let predictions = ["1", "2", "4"].map { threads in
      folder.run("predict", "t1-2", "D2.csv", "--threads", threads).succeeded().stdout
    }
    #expect(Set(predictions).count == 1)
    let scores = ["1", "3"].map { folder.run("evaluate", "t1-2", "D2.csv", "--threads", $0).succeeded().stdout }
    #expect(Set(scores).count == 1)
  }

  @Test("another seed is another network; a linear model has no chance in it")
  func seeds() {
    for (name, seed) in [("a", "0"), ("b", "1"), ("c", "18446744073709551615")] {
      chain("tangent-\(name)", ["--method", "tangent", "--hidden", "4", "--seed", seed], threads: "2")
      chain("linear-\(name)", ["--method", "linear", "--seed", seed], threads: "2")
    }
    #expect(folder.bytes("tangent-a1") != folder.bytes("tangent-b1"))
    #expect(folder.run("diff", "linear-a2", "linear-c2", "--tolerance", "0").exit == 0)
    let lineage = folder.run("inspect", "tangent-c1", "--json").object()["lineage"] as? [[String: Any]]
    #expect((lineage?.first?["seed"] as? NSNumber)?.uint64Value == .max)
  }

  @Test("the form of the input and the name of the file leave no trace")
  func noTrace() {
    chain("x", ["--method", "linear"], threads: "1")
    folder.write("other name.csv.gz", gzip(folder.text("D1.csv")))
    let options = ["--target", "y", "--target", "z", "--method", "linear", "-o", "y1"]
    folder.run(["fit", "other name.csv.gz"] + options, environment: ["TZ": "Asia/Tokyo", "LC_ALL": "C"]).succeeded()
    #expect(folder.bytes("y1") == folder.bytes("x1"))
    let text = String(decoding: folder.bytes("x1"), as: Unicode.UTF8.self)
    for word in ["D1.csv", "/tmp", "other name", folder.path] { #expect(!text.contains(word)) }
  }
}
