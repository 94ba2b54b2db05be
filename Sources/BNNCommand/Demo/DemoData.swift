import BNNPosteriorFile
import Foundation

/// Mauna Loa's weekly CO₂, 1958–2001 (public domain; SOURCE.md beside this file), cut in its natural order: every fifth
/// row is a test row, D1 is what remains before 1990, D2 what remains from 1990 on.
enum DemoData {
  /// The first row, counted from 0, of the weeks of 1990.
  static let border = 1599

  struct Part: Sendable {
    let name: String
    let rows: [[Double]]
  }

  static let header = "year,day_of_year,co2_ppm"

  /// D1, D2, their union in time order, and the test rows.
  static func parts() -> [Part] {
    let text = String(decoding: PackageResources.mauna_loa_co2_csv, as: UTF8.self)
    let rows = text.split(separator: "\n").dropFirst().map { line in
      line.split(separator: ",").compactMap { Double($0) }
    }
    let train = rows.indices.filter { $0 % 5 != 4 }
    let test = rows.indices.filter { $0 % 5 == 4 }
    return [
      Part(name: "d1.csv", rows: train.filter { $0 < border }.map { rows[$0] }),
      Part(name: "d2.csv", rows: train.filter { $0 >= border }.map { rows[$0] }),
      Part(name: "d1_and_d2.csv", rows: train.map { rows[$0] }),
      Part(name: "test.csv", rows: test.map { rows[$0] }),
    ]
  }

  static func write(_ part: Part, to folder: String, replacing: Bool) throws {
    let lines = part.rows.map { row in
      String(format: "%.4f,%.0f,%.1f", row[0], row[1], row[2])
    }
    let text = ([header] + lines).joined(separator: "\n") + "\n"
    try AtomicFile.write(Array(text.utf8), to: "\(folder)/\(part.name)", replacing: replacing)
  }
}
