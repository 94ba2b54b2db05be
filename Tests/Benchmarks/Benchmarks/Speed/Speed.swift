import BNN
import Benchmark
import Foundation

// Inside the process and at a tenth of the size; `speed.py` beside this package has the whole command beside NumPy.

let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .cpuTotal, .peakMemoryResident], maxDuration: .seconds(5), maxIterations: 50)
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bnn-update-benchmarks-\(getpid())")

  Benchmark("linear: update from 20,000 × 500 doubles in an .npy") { benchmark in
    let path = try Inputs.array(rows: 20_000, columns: 501, in: folder)
    let schema = Schema(features: (0..<500).map(String.init), targets: ["500"])
    let prior = Posterior.linear(schema: schema)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try Inputs.linearUpdate(of: prior, with: path)) }
  }

  Benchmark("csv: update from 100,000 × 10 numbers of 17 digits") { benchmark in
    let path = try Inputs.csv(rows: 100_000, columns: 10, in: folder)
    let prior = Posterior.linear(schema: Schema(features: (0..<9).map { "x\($0)" }, targets: ["x9"]))
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try Inputs.linearUpdate(of: prior, with: path)) }
  }

  Benchmark("tangent: update of 8-50-1 with 8,192 rows") { benchmark in
    let prior = try Inputs.network(rows: 1024)
    let (x, y) = Inputs.regression(rows: 8192, seed: 2)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations {
      var update = SequentialUpdate(prior)
      try update.absorb(features: x, targets: y)
      blackHole(try update.finish())
    }
  }

  Benchmark(
    "predict: one row of 8-50-1", configuration: .init(metrics: [.wallClock], scalingFactor: .kilo)
  ) { benchmark in
    let predictor = try Predictor(Inputs.network(rows: 1024))
    let row = [Double](repeating: 0.5, count: 8)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try predictor.predict(row)) }
  }
}

enum Inputs {
  static func regression(rows: Int, seed: UInt64) -> (x: Matrix, y: Matrix) {
    var stream = RandomStream(seed: seed)
    let x = Matrix(rows: rows, columns: 8, storage: stream.normals(rows * 8))
    let noise = stream.normals(rows)
    let y = (0..<rows).map { i in x[i, 1] * x[i, 2] + x[i, 0] + 0.1 * noise[i] }
    return (x, Matrix(rows: rows, columns: 1, storage: y))
  }

  static func network(rows: Int) throws -> Posterior {
    let (x, y) = regression(rows: rows, seed: 1)
    let schema = Schema(features: (0..<8).map { "x\($0)" }, targets: ["y"])
    return try Posterior.network(
      NetworkSpec(inputs: 8, hidden: [50], outputs: 1, activation: .tanh), method: .tangent, schema: schema,
      features: x,
      targets: y, normalisation: .identity(features: 8, targets: 1)
    ).posterior
  }

  static func linearUpdate(of prior: Posterior, with path: String) throws -> Posterior {
    let reader = try DatasetReader(path: path, schema: prior.model.schema)
    var update = SequentialUpdate(prior)
    var buffer = RowBuffer()
    while try reader.read(maxRows: 3840, into: &buffer) {
      update.absorb(buffer)
      buffer.removeAll()
    }
    return try update.finish().posterior
  }

  static func array(rows: Int, columns: Int, in folder: URL) throws -> String {
    let path = folder.appendingPathComponent("rows.npy")
    guard !FileManager.default.fileExists(atPath: path.path) else { return path.path }
    var stream = RandomStream(seed: 3)
    var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    while (11 + header.utf8.count) % 64 != 0 { header += " " }
    header += "\n"
    var bytes = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
    withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: header.utf8)
    for _ in 0..<rows { stream.normals(columns).withUnsafeBytes { bytes.append(contentsOf: $0) } }
    try save(bytes, to: path)
    return path.path
  }

  static func csv(rows: Int, columns: Int, in folder: URL) throws -> String {
    let path = folder.appendingPathComponent("rows.csv")
    guard !FileManager.default.fileExists(atPath: path.path) else { return path.path }
    var stream = RandomStream(seed: 4)
    var text = (0..<columns).map { "x\($0)" }.joined(separator: ",") + "\n"
    for _ in 0..<rows {
      text += stream.normals(columns).map { String(format: "%.17g", $0) }.joined(separator: ",") + "\n"
    }
    try save(Data(text.utf8), to: path)
    return path.path
  }

  private static func save(_ bytes: Data, to path: URL) throws {
    try FileManager.default.createDirectory(
      at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
    try bytes.write(to: path)
  }
}
