import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Posterior {
  /// Members of the linear family formed from their statistics; the report is about the rows that `before` has not seen.
  func formed(after before: Posterior, threads: Int) throws -> (posterior: Posterior, report: UpdateReport) {
    var result = self
    let absorbed = self
    var report = UpdateReport(rows: rows - before.rows)
    guard rows > 0 else {
      result.normalisation = members[0].statistics.normalisation(intercept: model.intercept, standardised: false)
      result.members[0].responses = []
      return (result, report)
    }
    let formed = try parallelMap(members.count, threads: threads) { k in
      var own = absorbed
      let batch = try own.form(member: k, after: before)
      return (member: own.members[k], normalisation: own.normalisation, batch: batch)
    }
    result.members = formed.map(\.member)
    if let first = formed.first { result.normalisation = first.normalisation }
    report.logEvidence = Posterior.mean(formed.map(\.batch))
    report.logEvidenceTotal = Posterior.mean(result.members.indices.map { result.logEvidence(ofMember: $0) })
    return (result, report)
  }

  /// Forms member k's responses from its statistics; returns log p(batch | before) in target units.
  mutating func form(member k: Int, after before: Posterior) throws -> Double? {
    let own = members[k].statistics
    let earlier = before.members[k]
    let isLinear = model.method == .linear
    let hasIntercept = model.intercept
    if isLinear { normalisation = own.normalisation(intercept: model.intercept, standardised: model.standardised) }
    let targets = normalisation.targetScale
    if let c = targets.indices.first(where: { !(1e-140...1e140).contains(targets[$0]) }) {
      let name = model.schema.targets[c]
      throw UpdateError.notFinite("the square of the spread of \(name) (\(targets[c])), or its inverse,")
    }
    let basis = basis(of: members[k])
    var responses: [LinearResponse] = []
    var batch: Double? = 0
    for c in 0..<own.responses {
      let raw = own.system(response: c)
      let system = isLinear ? raw.normalised(normalisation, response: c, intercept: model.intercept) : raw
      let previous = earlier.responses.indices.contains(c) ? earlier.responses[c] : nil
      let (response, atEarlier) = try LinearFormation.form(
        system, priorMean: basis.priorMean, unpenalised: basis.unpenalised, precision: model.prior.precision,
        noise: noisePrior(response: c, outputRoot: members[k].outputRoot), rawRoot: raw.root,
        evidenceAt: previous?.ratio)
      responses.append(response)
      let units = unitTerms(response: c, member: k, ratio: response.ratio)

      let added = own.effectiveObservations - earlier.statistics.effectiveObservations
      let scale = before.unitTerms(response: c, member: k, ratio: response.ratio).perRow * added
      if earlier.statistics.observations == 0 {
        let improper = basis.unpenalised > 0 || response.ratio == 0
        batch = add(batch, improper ? nil : response.logEvidence.map { $0 - units.total })
      } else if isLinear, let previous {
        // Normalisation is a hyper-parameter too: both evidences under the one held before this batch, as the earlier
        // response's is already.
        let old = previous.posterior == nil ? nil : previous.logEvidence
        let new =
          try old == nil
          ? nil
          : LinearFormation.logEvidence(
            raw.normalised(before.normalisation, response: c, intercept: hasIntercept), priorMean: nil,
            unpenalised: basis.unpenalised, ratio: previous.ratio, noise: previous.noisePrior)
        batch = add(batch, old.flatMap { old in new.map { $0 - old - scale } })
      } else {
        batch = add(batch, previous?.logEvidence.flatMap { old in atEarlier.map { $0 - old - scale } })
      }
    }
    members[k].responses = responses
    return batch
  }

  /// log p(all rows) of member k at its tuned hyper-parameters, nats, target units; nil where improper. Members differ by
  /// tens of nats without predicting better or worse by as much: no weight for a mixture.
  public func logEvidence(ofMember k: Int) -> Double? {
    // Weights alone have no evidence; that of D1 is the fit's.
    guard model.method != .point else { return nil }
    if let own = members[k].laplace { return own.logEvidence - logTargetUnits(rows: rows) }
    guard !members[k].responses.isEmpty else { return nil }
    return members[k].responses.indices.reduce(0.0) { sum, c in
      let response = members[k].responses[c]
      let units = unitTerms(response: c, member: k, ratio: response.ratio).total
      return add(sum, response.logEvidence.map { $0 - units })
    }
  }

  /// Nil when one of them is, or there are none.
  static func mean(_ values: [Double?]) -> Double? {
    let present = values.compactMap { $0 }
    return present.count == values.count && !present.isEmpty ? present.reduce(0, +) / Double(present.count) : nil
  }

  private func add(_ a: Double?, _ b: Double?) -> Double? { a.flatMap { a in b.map { a + $0 } } }

  /// The prior of the noise in the units of the array's responses.
  private func noisePrior(response c: Int, outputRoot: Matrix?) -> NoisePrior {
    switch model.prior.noise {
    case .given(let sd):
      // Several whitened outputs: L already holds the given deviations, so one unit of noise is left.
      if outputRoot != nil { return .known(variance: 1) }
      let scaled = sd / normalisation.targetScale[c]
      return .known(variance: scaled * scaled / (normalisation.weightScale ?? 1))
    case .auto: return model.prior.isFlat ? .improper : .weak
    }
  }

  /// What turns ℓ in normalised units into target units: a density per row, and the measure of flat weights.
  private func unitTerms(response c: Int, member k: Int, ratio: Double) -> (total: Double, perRow: Double) {
    let statistics = members[k].statistics
    let n = statistics.effectiveObservations
    if let root = members[k].outputRoot {
      // n·C whitened rows; Σ over outputs of log(s_c L_cc), shared evenly among them.
      let outputs = root.rows
      var sum = 0.0
      for i in 0..<outputs { sum += log(normalisation.targetScale[i] * root[i, i]) }
      let perRow = sum / Double(outputs)
      return (n * perRow, perRow)
    }
    let perRow = log(normalisation.targetScale[c])
    guard model.method == .linear else { return (n * perRow, perRow) }
    let intercept = model.intercept ? 1 : 0
    if ratio > 0 { return ((n - Double(intercept)) * perRow, perRow) }
    let measure = normalisation.featureScale.reduce(0) { $0 + log($1) }
    return ((n - Double(statistics.weights)) * perRow + measure, perRow)
  }

  /// Names of the weights (for `linear`, of the columns) that no direction of the data has informed; empty when proper.
  public func unidentifiedNames(member k: Int = 0) throws -> [String] {
    let own = members[k].statistics
    guard !members[k].isProper else { return [] }
    let system = own.system(response: 0)
    let identifiability = try Identifiability(of: system.root, rows: own.observations)
    let names = weightNames()
    let missing = identifiability.unidentifiedColumns.map { names[$0] }
    return missing.isEmpty ? ["(noise)"] : missing
  }

  /// A name for every column of Φ.
  public func weightNames() -> [String] {
    switch model.method {
    case .linear: return (model.intercept ? ["(intercept)"] : []) + model.schema.features
    case .lastLayer, .parallelBranch:
      let units = LastLayerBasis.weights(of: Network(model.networkOrEmpty)) - 1
      return (0..<units).map { "hidden unit \($0)" } + ["bias"]
        + (model.method == .parallelBranch ? model.schema.features : [])
    case .tangent where model.subspace != nil:
      return (0..<members[0].statistics.weights).map { "direction \($0)" }
    case .tangent, .movingTangent, .laplace, .kalman, .meanField, .point:
      return Network(model.networkOrEmpty).tensors.flatMap { name, shape in
        let each = shape.dropFirst().reduce(1, *)
        return (0..<shape.reduce(1, *)).map { j in
          name + (shape.count == 1 ? "[\(j)]" : "[\(j / each),\(j % each)]")
        }
      }
    }
  }
}
