import Foundation
import Testing

@Suite("fit --subspace")
struct SubspaceTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 90)
    folder.write("D1.csv", all[0..<40].csv())
    folder.write("D2.csv", all[40..<90].csv())
  }

  @Test("what is kept is said on the terminal, in the object, in the lineage and by inspect")
  func shares() throws {
    let fit = folder.run("fit", "D1.csv", "--target", "y", "--hidden", "8", "--subspace", "15", "-o", "p").succeeded()
    #expect(fit.stdout.contains("tangent, 15 weights"))
    #expect(fit.stdout.contains("subspace: 15 directions of 41 weights keep "))
    #expect(fit.stdout.contains("the subspace of update 1"))
    let update = folder.run("update", "p", "D2.csv", "--subspace", "15", "-o", "q", "--json").succeeded(notes: 1)
      .object()
    let share = try #require(update["subspace_share"] as? Double)
    #expect(share > 0.5 && share < 1 && update["parameters"] as? Int == 15)
    let inspected = folder.run("inspect", "q", "--json").succeeded().object()
    let lineage = try #require(inspected["lineage"] as? [[String: Any]])
    #expect(lineage[1]["subspace_share"] as? Double == share)
    #expect(try #require(lineage[0]["subspace_share"] as? Double) > share)
    let certificate = inspected["certificate"] as? [String: Any]
    let conditions = try #require(certificate?["conditional_on"] as? [[String: Any]])
    #expect(conditions.contains { $0["what"] as? String == "subspace" && $0["fixed_by"] as? Int == 1 })
    #expect(folder.run("inspect", "q").stdout.contains("subspace:    15 directions of 41 weights"))
    folder.run("update", "p", "D2.csv", "--subspace", "14", "-o", "r").failed(64, "--subspace 14", "15")
  }

  @Test("more directions than rows are 65; a large network's note names the flag")
  func sizes() {
    folder.run("fit", "D1.csv", "--target", "y", "--subspace", "41", "-o", "p").failed(65, "D1.csv", "40 rows", "41")
    let large = folder.run("fit", "D1.csv", "--target", "y", "--hidden", "60,60", "--epochs", "1", "-o", "p")
    #expect(large.exit == 0 && large.stderr.contains("--subspace"), "\(large.stderr)")
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "100,100", "--method", "tangent", "-o", "q")
      .failed(64, "--subspace")
    let reduced = folder.run(
      "fit", "D1.csv", "--target", "y", "--hidden", "60,60", "--epochs", "1", "--subspace", "10", "-o", "r")
    reduced.succeeded()
    #expect(folder.files == ["D1.csv", "D2.csv", "p", "r"])
  }

  @Test("a sketch has fewer directions than rows, says what the file holds, and its commands make it again")
  func sketches() throws {
    let words = ["fit", "D1.csv", "--target", "y", "--hidden", "8", "--sketch-only"]
    folder.run(words + ["15", "-o", "p"]).succeeded()
    folder.run("update", "p", "D2.csv", "-o", "q").succeeded(notes: 1)
    let text = folder.run("inspect", "q").succeeded().stdout
    #expect(text.contains("15 random directions of 41 weights") && text.contains("span is not in the file"))
    let command = folder.run("inspect", "p", "--command").succeeded().stdout
    #expect(command.contains("--sketch-only 15"))
    let again = Scratch()
    again.write("D1.csv", folder.bytes("D1.csv"))
    #expect(again.shell(String(command.split(separator: "\n").first ?? "")).exit == 0)
    #expect(again.bytes("p1.safetensors") == folder.bytes("p") && !folder.bytes("p").isEmpty)
    folder.run(words + ["40", "-o", "r"]).failed(65, "D1.csv", "40 rows")
    folder.run(words + ["41", "-o", "r"]).failed(64, "--sketch-only 41")
    folder.run(words + ["15", "--subspace", "15", "-o", "r"]).failed(64, "exclude")
    folder.run(words + ["15", "--method", "last-layer", "-o", "r"]).failed(64, "--sketch-only belongs")
  }
}
