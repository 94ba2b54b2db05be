import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// What rows said about P numbers: G = ΦᵀΦ (or the curvature), and which directions they informed.
private struct Information {
  let gram: Matrix
  let identified: Identifiability

  /// Whether rows said nothing of a number, beside what they said of the best known: below 1e-10 of its derivative.
  func isNothing(_ j: Int) -> Bool { gram[j, j] <= 1e-20 * largest }
  private let largest: Double

  init(gram: Matrix, identified: Identifiability) {
    self.gram = gram
    self.identified = identified
    largest = (0..<gram.rows).reduce(0) { max($0, gram[$1, $1]) }
  }

  /// Whether two columns are the same but for a factor, to rounding of their products.
  func areParallel(_ i: Int, _ j: Int) -> Bool {
    guard !isNothing(i), !isNothing(j) else { return false }
    let product = gram[min(i, j), max(i, j)]
    return abs(product) >= (1 - 1e-11) * (gram[i, i] * gram[j, j]).squareRoot()
  }
}

extension Posterior {
  /// Rank, condition, and what has no part in what the rows said.
  func directions(member m: Int, _ word: String?) throws -> [Finding] {
    guard model.method != .point, let own = try information(member: m) else { return [] }
    let count = own.gram.rows
    let rank = own.identified.rank
    let observations = members[m].laplace == nil ? members[m].statistics.observations : rows
    let columns = model.method == .linear ? collinear(own) : []
    let isShort = observations < count
    var findings = [
      Finding(
        .rank, word, value: Double(rank),
        meaning: rank == count
          ? "the rows have informed all \(count) directions of the weights"
          : "of \(count) directions the rows have informed \(rank)"
            + (isShort ? ", as many as there are rows at most" : "")
            + (isFlat ? "; without a prior there is no posterior" : "; in the others the posterior is the prior"),
        remedy: isFlat && rank < count
          ? "leave out columns that repeat others, bring more rows, or use a prior (--prior-precision auto)" : nil)
    ]
    if rank > 1 {
      let isBad = model.method == .linear && own.identified.condition > 1e6
      let weakest = zip(weightNames(), own.identified.weakest).filter { abs($0.1) > 0.1 }.map(\.0)
      findings.append(
        Finding(
          .condition, isBad ? weakest.prefix(8).joined(separator: ", ") : word, value: own.identified.condition,
          meaning:
            "the worst informed of these directions is known \(Self.brief(own.identified.condition)) times less well than the best"
            + (isBad ? ": the columns are nearly dependent" : ""),
          remedy: isBad ? "leave out one of these columns; their coefficients mean nothing each for itself" : nil))
    }
    return findings + columns + units(own, word) + constantInputs(own)
  }

  private var isFlat: Bool { model.prior.isFlat }

  private func information(member m: Int) throws -> Information? {
    let member = members[m]
    if let state = member.laplace {
      let count = state.curvature.layers.reduce(0) { $0 + $1.parameterCount }
      guard count <= Self.mostDiagnosedWeights else { return nil }
      let gram = Matrix(symmetric: count) { state.curvature.times($0) }
      return Information(gram: gram, identified: try Identifiability(ofGram: gram))
    }
    let own = member.statistics
    guard own.weights <= Self.mostDiagnosedWeights else { return nil }
    let system = own.system(response: 0)
    var identified = try Identifiability(of: system.root, rows: own.observations)
    if model.method == .linear, identified.isFull {
      // Where columns lie far from zero is no fault of theirs.
      let centred = system.normalised(normalisation, response: 0, intercept: model.intercept)
      identified = try Identifiability(of: centred.root, rows: own.observations)
    }
    return Information(gram: system.root.gram, identified: identified)
  }

  // MARK: Columns

  /// Sets of columns of a linear model of which a combination is 0 in all rows, as few columns each as elimination finds.
  private func collinear(_ own: Information) -> [Finding] {
    let observations = members[0].statistics.observations
    guard !own.identified.isFull, observations >= own.gram.rows else { return [] }
    let names = weightNames()
    var findings: [Finding] = []
    for direction in own.identified.nullDirections.reduced() {
      let support = direction.indices.filter { abs(direction[$0]) > 1e-6 }
      let involved = support.map { names[$0] }
      if isLevels(Set(involved)) { continue }
      let others = involved.filter { $0 != "(intercept)" }
      if others.count == 1 {
        findings.append(
          Finding(
            .constantColumn, others[0], value: 1,
            meaning: "has one value in all rows" + (involved.count > 1 ? ", which the intercept says already" : ", 0"),
            remedy: "leave it out (--ignore), or bring rows where it differs"))
      } else {
        findings.append(
          Finding(
            .collinear, involved.joined(separator: ", "), value: Double(involved.count),
            meaning: "one of these columns is a sum of the others in all rows: only their joint effect is known"
              + (isFlat ? "" : ", and the prior shares it out"),
            remedy: "leave one of them out (--ignore); predictions for rows that keep to that sum are not affected"))
      }
    }
    return findings
  }

  /// Whether these are all levels of one category or more, and perhaps the intercept: with an input for every level they sum to it.
  private func isLevels(_ names: Set<String>) -> Bool {
    var rest = names
    rest.remove("(intercept)")
    for column in model.schema.featureColumns where column.levels != nil && rest.isSuperset(of: column.inputs) {
      rest.subtract(column.inputs)
    }
    return rest.isEmpty && !isFlat
  }

  /// Columns of the table from which no weight of the first layer learns anything.
  private func constantInputs(_ own: Information) -> [Finding] {
    guard let places = WeightPlaces(self), places.layers.first?.name == "layers.0",
      model.method.isTangent || model.laplace != nil
    else { return [] }
    let silent = places.layers[0].outgoing.map { $0.allSatisfy(own.isNothing) }
    // An input that is 1 for a level which hardly comes is none of these.
    return zip(model.schema.features, silent).filter { $1 }.map { name, _ in
      Finding(
        .constantColumn, name, value: 1,
        meaning: "has one value in all rows: no weight of the first layer learns anything from it",
        remedy: "leave it out (--ignore), or bring rows where it differs")
    }
  }

  // MARK: Units

  private func units(_ own: Information, _ word: String?) -> [Finding] {
    guard let places = WeightPlaces(self), let spec = model.network else { return [] }
    let network = Network(spec)
    let number = places.layers.compactMap { Int($0.name.dropFirst("layers.".count)) }
    var findings: [Finding] = []
    for (place, layer) in places.layers.enumerated() where number[place] > 0 {
      let below = number[place] - 1
      guard layer.outgoing.count == network.layers[below].outputs else { continue }
      // Units of a convolution are many numbers each.
      let above = place > 0 ? places.layers[place - 1].incoming : []
      let incoming = above.count == layer.outgoing.count ? above : []
      func name(_ unit: Int) -> String {
        [word, "layers.\(below) unit \(unit)"].compactMap { $0 }.joined(separator: ", ")
      }
      var isSpeaking = [Bool](repeating: true, count: layer.outgoing.count)
      for (u, columns) in layer.outgoing.enumerated() {
        let isSilent = columns.allSatisfy(own.isNothing)
        let isDeaf = incoming.indices.contains(u) && incoming[u].allSatisfy(own.isNothing)
        let isConstant = zip(columns, layer.biases).allSatisfy { own.isNothing($0) || own.areParallel($0, $1) }
        isSpeaking[u] = !isSilent && !(isConstant && !layer.biases.isEmpty)
        if isSilent {
          findings.append(
            Finding(
              .deadUnit, name(u), value: 0, meaning: "is 0 in all rows: its weights have learnt nothing and cannot",
              remedy: "fit with fewer --hidden units, another --seed, or --activation tanh"))
        } else if isDeaf || !isSpeaking[u] {
          findings.append(
            Finding(
              .idleUnit, name(u), value: 0,
              meaning: isDeaf
                ? "its incoming weights have learnt nothing: nothing depends on it, or it has reached its end in all rows"
                : "has the same value in all rows, as a bias has",
              remedy: "fit with fewer --hidden units or another --seed"))
        }
      }
      findings += twins(layer, isSpeaking, own, name)
    }
    return findings
  }

  private func twins(
    _ layer: WeightPlaces.Layer, _ isSpeaking: [Bool], _ own: Information, _ name: (Int) -> String
  ) -> [Finding] {
    var isTaken = isSpeaking.map { !$0 }
    var findings: [Finding] = []
    for u in layer.outgoing.indices where !isTaken[u] {
      let same = layer.outgoing.indices.filter { other in
        other > u && !isTaken[other]
          && zip(layer.outgoing[u], layer.outgoing[other]).allSatisfy {
            own.areParallel($0, $1) || own.isNothing($0) && own.isNothing($1)
          }
      }
      guard !same.isEmpty else { continue }
      for other in same { isTaken[other] = true }
      findings.append(
        Finding(
          .identicalUnits, ([u] + same).map(name).joined(separator: " and "), value: Double(same.count + 1),
          meaning:
            "say the same in all rows, but for a factor: what one contributes cannot be told from what the other does",
          remedy: "fit with fewer --hidden units or another --seed"))
    }
    return findings
  }
}

extension Matrix {
  /// Rows that span the same space, each with 1 where all others have 0 (Gauss–Jordan elimination, the largest entry first).
  fileprivate func reduced() -> [[Double]] {
    var rows = (0..<self.rows).map { Array(row($0)) }
    for i in rows.indices {
      var best = (row: i, column: 0, size: 0.0)
      for k in i..<rows.count {
        for j in 0..<columns where abs(rows[k][j]) > best.size { best = (k, j, abs(rows[k][j])) }
      }
      guard best.size > 1e-9 else { return Array(rows[..<i]) }
      rows.swapAt(i, best.row)
      let pivot = rows[i][best.column]
      for j in 0..<columns { rows[i][j] /= pivot }
      for k in rows.indices where k != i {
        let factor = rows[k][best.column]
        for j in 0..<columns { rows[k][j] -= factor * rows[i][j] }
      }
    }
    return rows
  }
}
