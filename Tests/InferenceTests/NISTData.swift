import BNNTestSupport
import Foundation

/// One linear set of NIST's Statistical Reference Datasets with its certified values.
struct NISTSet: Sendable, CustomStringConvertible {
  var name: String
  var x: [Double]
  var y: [Double]
  /// Powers of x beside the intercept.
  var degree: Int
  var intercept: Bool
  var estimate: [Double]
  var deviation: [Double]
  var description: String { name }

  /// The design's rows, the column of ones left out.
  var rows: Rows {
    var columns = Rows(
      x: .init(rows: x.count, columns: degree), y: .init(rows: y.count, columns: 1, storage: y))
    for i in x.indices {
      var power = 1.0
      for j in 0..<degree {
        power *= x[i]
        columns.x[i, j] = power
      }
    }
    return columns
  }

  /// Two sets typed in, so that a checkout without ../shared has them (certified to 15 digits;
  /// https://www.itl.nist.gov/div898/strd/lls/lls.shtml).
  static let typed = [norris, noInt2]

  static let norris = NISTSet(
    name: "Norris",
    x: [
      0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0,
      447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3,
      229.2, 669.1, 448.9, 0.5,
    ],
    y: [
      0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3,
      448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6,
      228.9, 668.4, 449.2, 0.2,
    ],
    degree: 1, intercept: true, estimate: [-0.262323073774029, 1.00211681802045],
    deviation: [0.232818234301152, 0.429796848199937E-03])

  static let noInt2 = NISTSet(
    name: "NoInt2", x: [4, 5, 6], y: [3, 4, 4], degree: 1, intercept: false, estimate: [0.727272727272727],
    deviation: [0.420827318078432E-01])

  // MARK: ../shared

  private struct Certified: Decodable {
    var k: Int
    var design: String
    var exact_estimate_40digits: [String]
    var exact_sd_40digits: [String]
  }

  /// Every set of ../shared/data/nist/linear, by name; empty where it is not there.
  static func shared() throws -> [NISTSet] {
    guard let folder = sharedData("nist/linear") else { return [] }
    let json = try Data(contentsOf: folder.appendingPathComponent("certified.json"))
    let certified = try JSONDecoder().decode([String: Certified].self, from: json)
    return try certified.sorted { $0.key < $1.key }.map { name, own in
      let text = try String(contentsOf: folder.appendingPathComponent("\(name).csv"), encoding: .utf8)
      let cells = text.split(whereSeparator: \.isNewline).dropFirst().map { line in
        line.split(separator: ",").map { Double($0) ?? Double("0\($0)") ?? Double("\($0)0") ?? .nan }
      }
      let intercept = own.design.hasPrefix("1")
      return NISTSet(
        name: name, x: cells.map { $0[1] }, y: cells.map { $0[0] }, degree: own.k - (intercept ? 1 : 0),
        intercept: intercept, estimate: own.exact_estimate_40digits.map { Double($0) ?? .nan },
        deviation: own.exact_sd_40digits.map { Double($0) ?? .nan })
    }
  }
}
