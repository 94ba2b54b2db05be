import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// What data cannot teach, by name.
@Suite struct DiagnosisTests {
  private func linear(
    _ columns: [(String, [Double])], prior: PriorSettings = PriorSettings(), levels: [String]? = nil
  ) throws -> Posterior {
    var gen = Gen(seed: 1)
    let n = columns[0].1.count
    let x = Matrix(rows: n, columns: columns.count, storage: (0..<n).flatMap { i in columns.map { $0.1[i] } })
    let schema =
      levels.map {
        Schema(featureColumns: [FeatureColumn(name: "x"), FeatureColumn(name: "c", levels: $0)], targets: ["y"])
      } ?? Schema(features: columns.map(\.0), targets: ["y"])
    var update = SequentialUpdate(.linear(schema: schema, prior: prior))
    try update.absorb(features: x, targets: Matrix(rows: n, columns: 1, storage: gen.normals(n)))
    return try update.finish().posterior
  }

  private func subjects(_ findings: [Finding], _ kind: Finding.Kind) -> [String] {
    findings.filter { $0.kind == kind }.map { $0.subject ?? "" }
  }

  private func numbers(_ n: Int, _ seed: UInt64) -> [Double] {
    var gen = Gen(seed: seed)
    return gen.normals(n)
  }

  @Test func collinearColumns() throws {
    let (a, b, c) = (numbers(40, 1), numbers(40, 2), numbers(40, 3))
    let sum = zip(a, b).map { $0 + 2 * $1 }
    let own = try linear([("a", a), ("b", b), ("c", c), ("sum", sum), ("same", [Double](repeating: 3, count: 40))])
    let findings = try own.diagnosis()
    #expect(subjects(findings, .collinear) == ["a, b, sum"])
    #expect(subjects(findings, .constantColumn) == ["same"])
    #expect(findings.first { $0.kind == .rank }?.value == 4)
    #expect(findings.contains { $0.needsAttention })
    let fine = try linear([("a", a), ("b", b), ("c", c)]).diagnosis()
    #expect(!fine.contains { $0.needsAttention } && fine.first { $0.kind == .rank }?.value == 4)
  }

  /// In the energy set the surface is the wall and twice the roof.
  @Test(.needsSharedData("uci/energy")) func energy() throws {
    let text = try String(contentsOf: try #require(sharedData("uci/energy/data.csv")), encoding: .utf8)
    let lines = text.split(separator: "\n")
    let names = lines[0].split(separator: ",").dropLast().map(String.init)
    let rows = lines.dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
    let own = try linear(names.enumerated().map { j, name in (name, rows.map { $0[j] }) })
    #expect(subjects(try own.diagnosis(), .collinear) == ["surface_area, wall_area, roof_area"])
  }

  @Test func moreColumnsThanRows() throws {
    let own = try linear((0..<10).map { ("x\($0)", numbers(6, UInt64($0))) })
    let findings = try own.diagnosis()
    #expect(findings.first { $0.kind == .rank }?.value == 6)
    #expect(findings.first { $0.kind == .rank }?.meaning.contains("as many as there are rows") == true)
    #expect(subjects(findings, .collinear).isEmpty)
    let flat = try linear(
      (0..<10).map { ("x\($0)", numbers(6, UInt64($0))) }, prior: PriorSettings(precision: .given(0)))
    #expect(try flat.diagnosis().first { $0.kind == .rank }?.needsAttention == true)
  }

  /// With an input for every level the levels sum to the intercept, which a prior settles.
  @Test func levelsAreNoFault() throws {
    let level = (0..<40).map { $0 % 2 == 0 ? 1.0 : 0 }
    let own = try linear([("x", numbers(40, 1)), ("p", level), ("q", level.map { 1 - $0 })], levels: ["p", "q"])
    let findings = try own.diagnosis()
    #expect(findings.first { $0.kind == .rank }?.value == 3)
    #expect(subjects(findings, .collinear).isEmpty && !findings.contains { $0.needsAttention })
  }

  @Test func nearlyDependentColumns() throws {
    let (a, b) = (numbers(40, 1), numbers(40, 2))
    let own = try linear([("a", a), ("b", b), ("near", zip(a, numbers(40, 3)).map { $0 + 1e-8 * $1 })])
    let condition = try #require(try own.diagnosis().first { $0.kind == .condition })
    #expect(condition.needsAttention && condition.subject == "a, near" && condition.value > 1e7)
  }

  // MARK: Networks

  /// d = 2, four hidden units, one output; rows at the given weights.
  private func network(
    _ activation: Activation, _ change: (inout Matrix, inout [Double], inout [Double]) -> Void, constant: Bool = false,
    method: Method = .tangent
  ) throws -> Posterior {
    var gen = Gen(seed: 4)
    var incoming = gen.matrix(rows: 4, columns: 2)
    var (biases, outgoing) = (gen.normals(4), gen.normals(4))
    change(&incoming, &biases, &outgoing)
    let theta = incoming.storage + biases + outgoing + [0.1]
    let spec = NetworkSpec(inputs: 2, hidden: [4], outputs: 1, activation: activation)
    var x = gen.matrix(rows: 80, columns: 2)
    if constant { for i in 0..<80 { x[i, 1] = 0 } }
    let y = Matrix(rows: 80, columns: 1, storage: (0..<80).map { sin(2 * x[$0, 0]) + x[$0, 1] + 0.1 * gen.normal() })
    let schema = Schema(features: ["a", "b"], targets: ["y"])
    if method == .laplace {
      return try Posterior.imported(
        spec, theta: theta, settings: LaplaceSettings(structure: .full), likelihood: .gaussian, schema: schema,
        rows: CompactRows(features: x, targets: y, weights: nil), normalisation: .identity(features: 2, targets: 1),
        standardised: false, prior: PriorSettings(precision: .given(1), noise: .given(0.3)), seed: 0, threads: 1
      ).posterior
    }
    let weights = method == .lastLayer ? 5 : theta.count
    let start = Posterior(
      model: ModelDescription(
        method: method, schema: schema, network: spec, intercept: true, standardised: false, prior: PriorSettings()),
      normalisation: .identity(features: 2, targets: 1),
      members: [
        Member(
          theta: theta, outputRoot: nil, statistics: LinearStatistics(weights: weights, responses: 1), responses: [])
      ], rows: 0, certificate: Certificate(update: .exact, conditionalOn: [], reasons: []), lineage: [])
    var update = SequentialUpdate(start)
    try update.absorb(features: x, targets: y)
    return try update.finish().posterior
  }

  @Test(arguments: [Method.tangent, .laplace]) func aHealthyNetwork(method: Method) throws {
    let findings = try network(.tanh, { _, _, _ in }, method: method).diagnosis()
    for kind in [Finding.Kind.deadUnit, .idleUnit, .identicalUnits, .constantColumn, .frozenLayers] {
      #expect(subjects(findings, kind).isEmpty, "\(kind)")
    }
    // Four units exchanged and four signs: 4!·2⁴.
    let symmetries = try #require(findings.first { $0.kind == .symmetries })
    #expect(relativeDifference(symmetries.value, log10(384)) < 1e-12)
    #expect(subjects(findings, .spread) == ["layers.0", "layers.1"])
  }

  @Test(arguments: [Method.tangent, .lastLayer, .laplace]) func aUnitThatIsNeverActive(method: Method) throws {
    let own = try network(.relu, { w, b, _ in (w[1, 0], w[1, 1], b[1]) = (0.1, 0.1, -50) }, method: method)
    #expect(subjects(try own.diagnosis(), .deadUnit) == ["layers.0 unit 1"])
  }

  @Test(arguments: [Method.tangent, .lastLayer, .laplace]) func identicalUnits(method: Method) throws {
    let own = try network(
      .tanh,
      { w, b, _ in
        for j in 0..<2 { w[2, j] = w[0, j] }
        b[2] = b[0]
        // The same but for its sign.
        for j in 0..<2 { w[3, j] = -w[0, j] }
        b[3] = -b[0]
      }, method: method)
    #expect(
      subjects(try own.diagnosis(), .identicalUnits) == ["layers.0 unit 0 and layers.0 unit 2 and layers.0 unit 3"])
  }

  @Test func unitsThatDoNothing() throws {
    let own = try network(
      .tanh,
      { w, b, v in
        v[0] = 0
        (w[1, 0], w[1, 1], b[1]) = (0, 0, 2)
      })
    #expect(subjects(try own.diagnosis(), .idleUnit) == ["layers.0 unit 0", "layers.0 unit 1"])
  }

  @Test(arguments: [Method.tangent, .laplace]) func anInputThatNeverVaries(method: Method) throws {
    let own = try network(.tanh, { _, _, _ in }, constant: true, method: method)
    #expect(subjects(try own.diagnosis(), .constantColumn) == ["b"])
  }

  @Test func frozenLayers() throws {
    let findings = try network(.tanh, { _, _, _ in }, method: .lastLayer).diagnosis()
    #expect(subjects(findings, .frozenLayers) == ["layers.0"])
  }

  // MARK: Numbers

  /// γ = tr(Λ⁻¹G) of the definition.
  @Test func effectiveParameters() throws {
    let own = try network(.tanh, { _, _, _ in })
    let response = own.members[0].responses[0]
    let factor = try #require(response.posterior).factor
    let gram = own.members[0].statistics.system(response: 0).root.gram
    let trace = (0..<gram.rows).reduce(0.0) { sum, j in sum + factor.solve(gram.column(j))[j] }
    let found = try #require(try own.diagnosis().first { $0.kind == .effectiveParameters })
    #expect(relativeDifference(found.value, trace) < 1e-8)
  }

  /// Independent rows: the spread falls like 1/√N, but for how far the sums of squares of a hundred rows are from 100: a relative 0.14 of a
  /// variance, over log 16 less than 0.1.
  @Test func contraction() throws {
    let (a, b) = (numbers(1600, 5), numbers(1600, 6))
    let prior = PriorSettings(precision: .auto, noise: .auto)
    let few = try linear([("a", Array(a.prefix(100))), ("b", Array(b.prefix(100)))], prior: prior)
    let many = try linear([("a", a), ("b", b)], prior: prior)
    var (first, second) = (few, many)
    func entry(_ rows: Int) -> LineageEntry {
      LineageEntry(
        number: 1, action: "fit", rows: rows, rowDigest: "", method: "linear", settings: [:], logEvidence: nil, seed: 0,
        version: "", parent: nil, label: nil)
    }
    (first.lineage, second.lineage) = ([entry(100)], [entry(1600)])
    let own = try #require(try second.diagnosis(earlier: first).first { $0.kind == .contraction })
    #expect(!own.needsAttention && abs(own.value - 0.5) < 0.1)
    #expect(throws: UpdateError.self) { try first.diagnosis(earlier: second) }
  }

  @Test func driftThatWasAbsorbed() throws {
    var own = try linear([("a", numbers(40, 1))])
    own.lineage = [
      LineageEntry(
        number: 1, action: "fit", rows: 40, rowDigest: "", method: "linear", settings: [:], logEvidence: nil, seed: 0,
        version: "", parent: nil, label: nil, drift: DriftRecord(pValue: 1e-9, reasons: ["a"]))
    ]
    #expect(subjects(try own.diagnosis(), .drift) == ["update 1"])
  }
}
