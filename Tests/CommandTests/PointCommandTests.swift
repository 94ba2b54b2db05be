import Foundation
import Testing

@Suite("weights without a posterior")
struct PointCommandTests {
  let folder = Scratch()
  private static let quick = ["--epochs", "200", "--batch-size", "16"]
  private static let methods = ["hot-start", "freeze", "layer-rates", "ewc", "l2-start", "distil", "oversample"]

  init() {
    let table = Table.smooth(rows: 160)
    folder.write("D1.csv", table[0..<60].csv())
    folder.write("D2.csv", table[60..<120].csv())
    folder.write("T.csv", table[120..<160].csv())
  }

  private func fit(_ flags: [String] = [], to name: String = "p1.safetensors") -> Outcome {
    folder.run(["fit", "D1.csv", "--target", "y", "--hidden", "4", "--method", "point", "-o", name] + flags)
  }

  @Test("fit, every way of going on, evaluate, predict, inspect")
  func wholeRoad() throws {
    let fitted = fit(["--json"]).succeeded().object()
    #expect(fitted["method"] as? String == "point" && fitted["structure"] as? String == "diagonal")
    #expect(fitted["log_evidence_total"] is NSNull && fitted["log_evidence"] is Double)
    for method in Self.methods {
      let name = method + ".safetensors"
      let updated = folder.run(
        ["update", "p1.safetensors", "D2.csv", "--method", method, "-o", name, "--json"] + Self.quick
      ).succeeded().object()
      #expect(updated["method"] as? String == "point" && updated["passes"] as? Int == 200)
      #expect(updated["log_evidence"] is NSNull && updated["rows_total"] as? Int == 120)
      #expect((updated["strength"] is Double) == ["ewc", "l2-start", "distil", "oversample"].contains(method))
      let text = folder.run("inspect", name).succeeded().stdout
      #expect(text.contains("Update 2 by \(method): ") && text.contains("2. update, 60 rows, \(method)"))
      folder.run("evaluate", name, "T.csv").succeeded()
      folder.run("predict", name, "T.csv").succeeded()
      folder.run("evaluate", name, "T.csv", "--predictive", "network-monte-carlo").failed(64, "without a posterior")
    }
    // Without a method it is hot-start.
    folder.run(["update", "p1.safetensors", "D2.csv", "-o", "plain", "--quiet"] + Self.quick).succeeded()
    #expect(folder.bytes("plain") == folder.bytes("hot-start.safetensors"))
    let summary = folder.run(["update", "p1.safetensors", "D2.csv", "--method", "ewc", "-o", "e"] + Self.quick)
    #expect(summary.succeeded().stdout.contains("ewc, strength 1: 200 passes of Adam"))
  }

  @Test("a training is taken up where it ended")
  func resumed() throws {
    let given = [
      "--noise", "0.2", "--prior-precision", "0.5", "--batch-size", "16", "--keep-optimizer", "--members", "2",
    ]
    fit(given + ["--epochs", "2"], to: "whole").succeeded()
    fit(given + ["--epochs", "1", "--schedule-epochs", "2"]).succeeded()
    #expect(folder.run("inspect", "p1.safetensors").stdout.contains("Adam's state after 1 of 2 passes"))
    folder.run(
      "update", "p1.safetensors", "D1.csv", "--method", "hot-start", "--keep-optimizer", "--batch-size", "16",
      "--allow-repeated-data", "-o", "half"
    ).succeeded()
    let tables = ["whole", "half"].map { folder.run("predict", $0, "T.csv").succeeded().stdout }
    #expect(tables[0] == tables[1])
    #expect(folder.run("inspect", "half").stdout.contains("Adam's state after 2 of 2 passes"))
    folder.run("update", "p1.safetensors", "D2.csv", "--epochs", "2", "-o", "q").failed(64, "1 of 2 passes left")
    folder.run("update", "p1.safetensors", "D2.csv", "--fresh-optimizer", "--epochs", "2", "-o", "q").succeeded()
    #expect(!folder.run("inspect", "q").stdout.contains("Adam's state"))
  }

  @Test("the whole chain can be made again, from a point and from laplace")
  func chains() throws {
    let fits = [
      ["--method", "point", "--epochs", "50", "--keep-optimizer", "--schedule-epochs", "80"],
      ["--method", "laplace", "--structure", "kronecker"],
      ["--method", "laplace", "--structure", "full", "--prior-per", "layer"],
    ]
    let updates = [
      ["--method", "hot-start", "--keep-optimizer", "--epochs", "30"],
      ["--method", "ewc", "--strength", "0.5"] + Self.quick,
      ["--method", "layer-rates", "--rate-decay", "0.3", "--gradual-unfreezing", "--new-layers", "1"] + Self.quick,
    ]
    folder.write("D3.csv", folder.text("T.csv"))
    for (first, second) in zip(fits, updates) {
      for name in ["p1", "p2", "p3"] {
        try? FileManager.default.removeItem(atPath: "\(folder.path)/\(name).safetensors")
      }
      folder.run(["fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "p1.safetensors"] + first).succeeded()
      folder.run(["update", "p1.safetensors", "D2.csv", "-o", "p2.safetensors", "--seed", "3"] + second).succeeded()
      folder.run(
        ["update", "p2.safetensors", "D3.csv", "-o", "p3.safetensors", "--method", "freeze", "--freeze-layers", "1"]
          + Self.quick
      ).succeeded()
      try folder.expectRemade(["p1", "p2", "p3"], "\(first)")
    }
  }

  @Test("what does not go together is refused with a remedy")
  func refusals() {
    fit().succeeded()
    func update(_ flags: String...) -> Outcome {
      folder.run(["update", "p1.safetensors", "D2.csv", "-o", "x"] + flags)
    }
    update("--strength", "2").failed(64, "--strength", "hot-start")
    update("--method", "freeze", "--strength", "2").failed(64, "--strength", "freeze")
    update("--method", "ewc", "--freeze-layers", "1").failed(64, "--freeze-layers", "ewc")
    update("--method", "ewc", "--new-layers", "1").failed(64, "--new-layers")
    update("--method", "ewc", "--rate-decay", "0.5", "--gradual-unfreezing").failed(64, "--rate-decay")
    update("--method", "ewc", "--keep-optimizer").failed(64, "--keep-optimizer")
    update("--method", "ewc", "--fresh-optimizer").failed(64, "--fresh-optimizer")
    update("--method", "freeze", "--freeze-layers", "2").failed(64, "0 to 1")
    update("--method", "oversample", "--strength", "0").failed(64, "above 0")
    update("--strength", "-1").failed(64)
    update("--method", "layer-rates", "--rate-decay", "2").failed(64, "--rate-decay")
    update("--draws", "2").failed(64, "--draws")
    update("--method", "laplace").failed(64, "disagrees")
    update("--method", "mean-field").failed(64, "mean-field")
    update("--method", "kalman").failed(64, "kalman")
    for flags in [["--structure", "full"], ["--layers", "last"], ["--prior-per", "layer"]] {
      fit(flags, to: "x").failed(64, "--structure")
    }
    fit(["--keep-optimizer"], to: "x").failed(64, "--epochs")
    fit(["--epochs", "3", "--schedule-epochs", "5"], to: "x").failed(64, "--keep-optimizer")
    fit(["--epochs", "3", "--keep-optimizer", "--schedule-epochs", "2"], to: "x").failed(64, "--schedule-epochs 2")
    folder.run(
      "fit", "D1.csv", "--target", "y", "--hidden", "4", "--method", "laplace", "--keep-optimizer", "-o", "x"
    ).failed(64, "--keep-optimizer")
    folder.run("fit", "D1.csv", "--target", "y", "--hidden", "4", "-o", "t").succeeded()
    folder.run("update", "t", "D2.csv", "--method", "ewc", "-o", "x").failed(64, "point", "laplace")
    folder.run("update", "t", "D2.csv", "--strength", "1", "-o", "x").failed(64, "--strength")
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/x"))
  }
}
