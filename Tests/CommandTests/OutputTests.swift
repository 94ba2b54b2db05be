import Foundation
import Testing

@Suite("outputs appear whole or not at all")
struct OutputTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 60)
    folder.write("D1.csv", all[0..<30].csv())
    folder.write("D2.csv", all[30..<60].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p")
    try? FileManager.default.createDirectory(atPath: folder.path + "/sub", withIntermediateDirectories: false)
    symlink("D1.csv", folder.path + "/link.csv")
    symlink("nowhere", folder.path + "/dangling.csv")
  }

  static let commands = [
    ["fit", "D2.csv", "--target", "y", "--method", "linear"], ["update", "p", "D2.csv"], ["predict", "p", "D2.csv"],
  ]

  static let places: [(output: String, words: [String])] = [
    ("no/where.csv", ["no/where.csv", "folder does not exist"]), ("p/x.csv", ["is not a folder"]),
    ("link.csv", ["symbolic link"]), ("dangling.csv", ["symbolic link"]), ("/dev/null/x.csv", ["is not a folder"]),
  ]

  @Test("places where nothing can be written", arguments: commands, places)
  func impossible(command: [String], place: (output: String, words: [String])) {
    let before = folder.files
    for force in [[], ["--force"]] {
      folder.run(command + ["-o", place.output] + force).failed(73, words: place.words)
    }
    #expect(folder.files == before)
    #expect(folder.text("D1.csv").hasPrefix("a,b,c,y"))
  }

  @Test("a folder, a device, a folder that may not be written to", arguments: Array(commands.prefix(2)))
  func folders(command: [String]) {
    folder.run(command + ["-o", "sub"]).failed(73, "is a folder", "name a file inside it")
    folder.run(command + ["-o", "sub/"]).isReadable()
    folder.run(command + ["-o", "."]).failed(73, "is a folder")
    folder.run(command + ["-o", "/dev/null", "--force"]).failed(73, "not a regular file")
    folder.run(command + ["-o", "-"]).failed(64, "standard output")
    folder.run(command + ["-o", ""]).failed(64, "-o needs the name of a file")
    if getuid() != 0 {
      chmod(folder.path + "/sub", 0o555)
      folder.run(command + ["-o", "sub/q"]).failed(73, "cannot be written to")
      chmod(folder.path + "/sub", 0o755)
    }
    folder.run(command + ["-o", "sub/ä b.safetensors"]).succeeded()
  }

  @Test("nothing is overwritten without --force", arguments: commands)
  func existing(command: [String]) {
    folder.write("out.csv", "precious")
    let before = folder.files
    folder.run(command + ["-o", "out.csv"]).failed(73, "out.csv", "already exists", "--force")
    #expect(folder.text("out.csv") == "precious" && folder.files == before)
    folder.run(command + ["-o", "out.csv", "--force"]).succeeded()
    #expect(folder.text("out.csv") != "precious" && folder.files == before)
  }

  @Test("an input is never the output, even with --force", arguments: commands)
  func inputIsOutput(command: [String]) {
    folder.write("p.csv", folder.bytes("p"))
    let (data, posterior) = (folder.bytes("D2.csv"), folder.bytes("p.csv"))
    for name in ["D2.csv", "./D2.csv", "sub/../D2.csv"] {
      folder.run(command + ["-o", name, "--force"]).failed(64, "D2.csv", "that is read")
    }
    if command[0] != "fit" {
      folder.run([command[0], "p.csv", "D2.csv", "-o", "./p.csv", "--force"]).failed(64, "p.csv", "that is read")
    }
    #expect(folder.bytes("D2.csv") == data && folder.bytes("p.csv") == posterior)
  }

  @Test("files follow the user's mask, and a failure with --force keeps the old file")
  func permissions() {
    let mode = folder.shell("umask 027; \"$BNN\" update p D2.csv -o q > messages && stat -c %a q")
    #expect(mode.stdout == "640\n" && mode.exit == 0)
    let old = folder.bytes("q")
    folder.write("bad.csv", "a,b,c,y\n1,2,3,x\n")
    folder.run("update", "p", "bad.csv", "-o", "q", "--force").failed(65, "bad.csv")
    #expect(folder.bytes("q") == old)
  }

  @Test("a full disk", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullDisk() {
    let predict = folder.shell("\"$BNN\" predict p D2.csv > /dev/full")
    #expect(predict.exit == 73 && predict.stderr.contains("standard output") && predict.errorLines.count == 1)
    let limited = folder.shell("ulimit -f 0; \"$BNN\" update p D2.csv -o q 2> /dev/null")
    #expect(limited.exit != 0 && !folder.files.contains("q"))
  }
}

@Suite("--in-place") struct InPlaceTests {
  let folder = Scratch()

  @Test("replaces the posterior by what -o would have written, and leaves nothing else")
  func replaces() {
    let table = Table.smooth(rows: 60)
    folder.write("D1.csv", table[0..<40].csv())
    folder.write("D2.csv", table[40..<60].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
    folder.run("update", "p", "D2.csv", "--in-place").succeeded()
    #expect(folder.bytes("p") == folder.bytes("q"))
    #expect(folder.files == ["D1.csv", "D2.csv", "p", "q"])
  }

  @Test("a refusal leaves the posterior as it was; -o and --in-place exclude each other, and one is needed")
  func refuses() {
    let table = Table.smooth(rows: 60)
    folder.write("D1.csv", table[0..<40].csv())
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    let before = folder.bytes("p")
    folder.run("update", "p", "D1.csv", "--in-place").failed(2, "absorbed before")
    folder.run("update", "p", "D1.csv").failed(64, "-o", "--in-place")
    folder.run("update", "p", "D1.csv", "-o", "q", "--in-place").failed(64, "--in-place")
    #expect(folder.bytes("p") == before)
  }

  /// A posterior `p`, and `q` after one update of it.
  private func prepare() {
    let table = Table.smooth(rows: 80)
    for (name, rows) in [("D1", 0..<40), ("D2", 40..<60), ("D3", 60..<80)] {
      folder.write("\(name).csv", table[rows].csv())
    }
    folder.run("fit", "D1.csv", "--target", "y", "--method", "linear", "-o", "p").succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded()
  }

  @Test("a symlink is refused, its target untouched; who could not read the old file cannot read the new one")
  func linksAndPermissions() {
    prepare()
    symlink("p", folder.path + "/link")
    let before = folder.bytes("p")
    folder.run("update", "link", "D2.csv", "--in-place").failed(73, "link", "symbolic link")
    #expect(folder.bytes("p") == before)
    folder.run("update", "p", "p", "--in-place").failed(64, "p", "that is read")
    folder.run("update", "D2.csv", "p", "--in-place").failed(65, "D2.csv", "posterior first")
    folder.run("update", "gone", "D2.csv", "--in-place").failed(66, "gone")
    chmod(folder.path + "/p", 0o600)
    folder.run("update", "p", "D2.csv", "--in-place").succeeded()
    chmod(folder.path + "/q", 0o640)
    folder.run("update", "p", "D3.csv", "-o", "q", "--force").succeeded()
    #expect(folder.shell("stat -c %a p q").stdout == "600\n640\n")
  }

  /// The posterior is read before the data, which come by a pipe: what happens to the file between is up to the test.
  @Test("a posterior that another program replaced or removed meanwhile is left alone", arguments: ["cp q p", "rm p"])
  func changed(meanwhile: String) {
    prepare()
    let outcome = folder.shell(
      "(sleep 1; \(meanwhile); cat D3.csv) | \"$BNN\" update p - --format csv --in-place --json")
    #expect(outcome.exit == 73)
    #expect(outcome.stderr.contains("p: was changed by another program"))
    let error = outcome.object()["error"] as? [String: Any]
    #expect(error?["exit"] as? Int == 73 && error?["file"] as? String == "p" && error?["remedy"] is String)
    #expect(folder.bytes("p") == (meanwhile == "rm p" ? [] : folder.bytes("q")))
    #expect(folder.files.allSatisfy { !$0.hasPrefix(".") })
  }

  @Test("interrupted, the posterior is what it was")
  func interrupted() {
    prepare()
    let before = folder.bytes("p")
    let outcome = folder.shell(
      """
      mkfifo f; (head -c 20 D3.csv; sleep 2) > f &
      "$BNN" update p - --format csv --in-place < f & pid=$!
      sleep 0.5; kill -INT $pid; wait $pid
      """)
    #expect(outcome.exit == 130 && outcome.stderr.contains("interrupted; nothing was written"))
    #expect(folder.bytes("p") == before && folder.files.allSatisfy { !$0.hasPrefix(".") })
  }
}
