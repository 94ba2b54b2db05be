import BNNProbability
import BNNTestSupport
import Testing

@Suite struct SamplerTests {
  /// Central moments of the standard normal: E x⁴ = 3, E x⁶ = 15, E x⁸ = 105.
  @Test(arguments: Gen.seeds(3))
  func momentsOfNormals(seed: UInt64) {
    var stream = RandomStream(seed: seed)
    let sample = stream.normals(200_000)
    expectMean(sample, is: 0, variance: 1)
    expectMean(sample, of: { $0 * $0 }, is: 1, variance: 2)
    expectMean(sample, of: { $0 * $0 * $0 }, is: 0, variance: 15)
    expectMean(sample, of: { $0 * $0 * $0 * $0 }, is: 3, variance: 105 - 9)
  }

  @Test func normalsFitTheirQuantiles() throws {
    var stream = RandomStream(seed: 21)
    let (n, bins) = (200_000, 100)
    let edges = try (1..<bins).map { try Distributions.normalQuantile(Double($0) / Double(bins)) }
    var counts = [Int](repeating: 0, count: bins)
    for x in stream.normals(n) { counts[edges.count { $0 <= x }] += 1 }
    try expectFits(counts, [Double](repeating: Double(n) / Double(bins), count: bins))
  }

  /// The ziggurat's tail is code of its own: beyond 3.44 the chance is 5.8e-4, about 290 of 500,000.
  @Test func tailsOfNormals() throws {
    var stream = RandomStream(seed: 22)
    let n = 500_000
    let sample = stream.normals(n)
    for edge in [2.0, 3, 3.5, 4] {
      let p = 2 * Distributions.normalCDF(-edge)
      expectMean(sample, of: { $0.magnitude > edge ? 1 : 0 }, is: p, variance: p * (1 - p), "beyond \(edge)")
    }
  }

  @Test func drawsDoNotDependOnHowTheyAreAskedFor() {
    var (whole, parts) = (RandomStream(seed: 9), RandomStream(seed: 9))
    #expect(whole.normals(101) == parts.normals(1) + parts.normals(0) + parts.normals(60) + parts.normals(40))
    #expect(whole == parts, "both moved on by the same draws")
    #expect(whole != RandomStream(seed: 9))
    #expect(whole.next() == parts.next())
  }

  @Test func neighboursAreUncorrelated() {
    var stream = RandomStream(seed: 10)
    let sample = stream.normals(100_000)
    expectMean(zip(sample, sample.dropFirst()).map { $0 * $1 }, is: 0, variance: 1)
  }

  /// Mean a/b; variance a/b²; the fourth central moment is (3a² + 6a)/b⁴, so squares vary by (2a² + 6a)/b⁴.
  @Test(arguments: [0.05, 0.5, 1, 2.5, 40], [0.1, 1, 30])
  func momentsOfGammas(shape: Double, rate: Double) {
    var stream = RandomStream(seed: UInt64(100 * shape))
    let sample = (0..<50_000).map { _ in stream.gamma(shape: shape, rate: rate) }
    #expect(sample.allSatisfy { $0 >= 0 && $0.isFinite })
    expectMean(sample, is: shape / rate, variance: shape / (rate * rate))
    expectMean(
      sample, of: { ($0 - shape / rate) * ($0 - shape / rate) }, is: shape / (rate * rate),
      // Heavy-tailed for small shapes; the estimate's own variance is exact all the same.
      variance: (2 * shape * shape + 6 * shape) / (rate * rate * rate * rate))
  }

  @Test(arguments: [0.5, 3.0, 12.5])
  func gammasFitChiSquaredQuantiles(shape: Double) throws {
    var stream = RandomStream(seed: 31)
    let (n, bins) = (40_000, 40)
    // 2bX is χ² with 2a degrees of freedom.
    let edges = try (1..<bins).map {
      try Distributions.chiSquaredQuantile(Double($0) / Double(bins), degreesOfFreedom: 2 * shape)
    }
    var counts = [Int](repeating: 0, count: bins)
    for _ in 0..<n {
      let x = 2 * 1.7 * stream.gamma(shape: shape, rate: 1.7)
      counts[edges.count { $0 <= x }] += 1
    }
    try expectFits(counts, [Double](repeating: Double(n) / Double(bins), count: bins))
  }

  @Test func aShapeThatIsNotPositiveIsRefused() async {
    await #expect(processExitsWith: .failure) {
      var stream = RandomStream(seed: 1)
      _ = stream.gamma(shape: 0, rate: 1)
    }
  }
}
