import Foundation
import Testing

@Suite("coefficients of `inspect`")
struct CoefficientTests {
  let folder = Scratch()
  let table = Table(
    names: ["u", "v", "y"], rows: [[0, 1, 1], [1, 0, 3], [2, 3, 2], [3, 1, 7], [4, 4, 5], [5, 2, 12]])

  /// Least squares of `table` in exact fractions: β = (7/5, 201/80, −117/80), RSS/(n − p) = 139/120, and the variances
  /// s²(XᵀX)⁻¹ on the diagonal.
  let means = [7.0 / 5, 201.0 / 80, -117.0 / 80]
  let variances = [139.0 / 200, 1807.0 / 19200, 973.0 / 6400]

  private func check(_ posterior: String, _ location: SourceLocation = #_sourceLocation) {
    let object = folder.run("inspect", posterior, "--json").succeeded().object()
    let found = object["coefficients"] as? [[String: Any]] ?? []
    #expect(found.map { $0["name"] as? String } == ["(intercept)", "u", "v"], sourceLocation: location)
    for (k, own) in found.enumerated() {
      let mean = own["mean"] as? Double ?? .nan
      let sd = own["sd"] as? Double ?? .nan
      #expect(abs(mean - means[k]) <= 1e-13 * abs(means[k]), sourceLocation: location)
      #expect(abs(sd - variances[k].squareRoot()) <= 1e-13 * sd, sourceLocation: location)
      #expect(own["dof"] as? Double == 3, sourceLocation: location)
      #expect(own["target"] as? String == "y", sourceLocation: location)
    }
    #expect(object["identified"] as? Bool == true, sourceLocation: location)
  }

  @Test("a flat prior gives least squares and its standard errors", arguments: ["standard", "none"])
  func leastSquares(normalize: String) {
    folder.write("D.csv", table.csv())
    folder.run(
      "fit", "D.csv", "--target", "y", "--method", "linear", "--prior-precision", "0", "--normalize", normalize, "-o",
      "p"
    ).succeeded()
    check("p")
  }

  @Test("row by row: not identified at first, the same numbers in the end")
  func rowByRow() {
    for k in table.rows.indices { folder.write("\(k).csv", table[k..<k + 1].csv()) }
    folder.run("fit", "0.csv", "--target", "y", "--method", "linear", "--prior-precision", "0", "-o", "p0").succeeded()
    for k in 1..<6 { folder.run("update", "p\(k - 1)", "\(k).csv", "-o", "p\(k)").succeeded() }
    check("p5")

    let early = folder.run("inspect", "p1", "--json").succeeded().object()
    #expect(early["identified"] as? Bool == false)
    #expect((early["not_identified"] as? [String])?.isEmpty == false)
    let coefficients = early["coefficients"] as? [[String: Any]] ?? []
    #expect(coefficients.count == 3 && coefficients.allSatisfy { $0["mean"] is NSNull && $0["sd"] is NSNull })
    folder.run("predict", "p1", "0.csv").failed(1, "not identified", "--prior-precision auto")
    folder.run("evaluate", "p1", "0.csv").failed(1, "not identified")
  }

  @Test("a known noise leaves no degrees of freedom to estimate")
  func knownNoise() {
    folder.write("D.csv", table.csv())
    let options = ["--target", "y", "--method", "linear", "--prior-precision", "0", "--noise", "2", "-o", "p"]
    folder.run(["fit", "D.csv"] + options).succeeded()
    let object = folder.run("inspect", "p", "--json").object()
    let found = object["coefficients"] as? [[String: Any]] ?? []
    for (k, own) in found.enumerated() {
      let expected = (variances[k] * 120 / 139).squareRoot() * 2
      #expect(abs((own["sd"] as? Double ?? .nan) - expected) <= 1e-13 * expected)
      #expect(own["dof"] is NSNull)
    }
    #expect(found.count == 3 && abs((object["noise"] as? Double ?? .nan) - 2) < 1e-14)
  }

  @Test("no intercept")
  func noIntercept() {
    folder.write("D.csv", "x,y\n1,1\n2,3\n3,2\n")
    let options = ["--target", "y", "--method", "linear", "--prior-precision", "0", "--no-intercept", "-o", "p"]
    folder.run(["fit", "D.csv"] + options).succeeded()
    let found = folder.run("inspect", "p", "--json").object()["coefficients"] as? [[String: Any]] ?? []
    // Σxy/Σx² = 13/14; s² = (14 − 169/14)/2, divided by 14.
    #expect(found.count == 1)
    #expect(abs((found.first?["mean"] as? Double ?? .nan) - 13.0 / 14) < 1e-14)
    #expect(abs((found.first?["sd"] as? Double ?? .nan) - (27.0 / 392).squareRoot()) < 1e-14)
  }
}
