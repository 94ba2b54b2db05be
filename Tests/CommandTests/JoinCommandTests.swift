import Testing

@Suite("fit --join")
struct JoinCommandTests {
  let folder = Scratch()

  init() {
    let all = Table.smooth(rows: 90)
    folder.write("D1.csv", all[0..<50].csv())
    folder.write("D2.csv", all[50..<90].csv())
  }

  @Test("one network of the members' units; updates are exact; the command lines of inspect make it again")
  func joins() throws {
    let words = ["fit", "D1.csv", "--target", "y", "--hidden", "6", "--method", "tangent", "--members", "3", "--join"]
    folder.run(words + ["-o", "p"]).succeeded()
    let update = folder.run("update", "p", "D2.csv", "-o", "q", "--json").succeeded().object()
    // Three inputs: 18 units of four weights, and the last layer's 19.
    #expect(update["parameters"] as? Int == 91 && update["members"] as? Int == 1)
    let command = folder.run("inspect", "p", "--command").succeeded().stdout
    #expect(command.contains("--hidden 6 ") && command.contains("--members 3 --join"), "\(command)")
    folder.run("predict", "q", "D2.csv").succeeded()
  }

  @Test("what cannot be joined is said before anything is trained")
  func refusals() {
    folder.write("n.json", #"{"layers": [{"type": "dense", "units": 1}]}"#)
    func fails(_ words: String..., says: String) {
      folder.run(["fit", "D1.csv", "--target", "y", "-o", "p", "--join"] + words).failed(64, says)
    }
    fails("--method", "tangent", says: "--members")
    fails("--method", "last-layer", "--members", "2", says: "--method tangent and moving-tangent")
    fails("--members", "2", says: "--method tangent and moving-tangent")
    fails("--method", "tangent", "--members", "2", "--subspace", "9", says: "--subspace")
    fails("--method", "tangent", "--members", "2", "--network", "n.json", says: "hidden layer")
    fails("--method", "tangent", "--members", "30", "--hidden", "100", says: "× 15001 matrix")
    #expect(folder.files == ["D1.csv", "D2.csv", "n.json"])
  }
}
