import CGSL
import CVectorLoops
import Foundation
import Testing

@testable import BNNProbability

private func normals(_ stream: inout RandomStream, _ count: Int) -> [Float] {
  [Float](unsafeUninitializedCapacity: count) { buffer, filled in
    stream.fillNormals(UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
    filled = count
  }
}

@Suite struct BulkNormalTests {
  /// `Philox.block` stands against the published known answers in PhiloxTests. More blocks than a vector has lanes, and
  /// a counter whose low word overflows among them.
  @Test(arguments: [(0, 0, 0), (0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210, 0xffff_fff0), (.max, .max, .max - 3)])
  func wordsArePhilox(seed: UInt64, substream: UInt64, block: UInt64) {
    let count = 37
    var words = [UInt32](repeating: 0, count: 4 * count)
    bnn_philox_words(seed, substream, block, &words, count)
    func low(_ x: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: x) }
    for b in 0..<count {
      let counter = block &+ UInt64(b)
      let expected = Philox.block(
        counter: (low(counter), low(counter >> 32), low(substream), low(substream >> 32)),
        key: (low(seed), low(seed >> 32)))
      #expect(Array(words[(4 * b)..<(4 * b + 4)]) == [expected.0, expected.1, expected.2, expected.3], "block \(b)")
    }
  }

  /// A fill uses the blocks that next() would have used.
  @Test func fillsFollowTheStream() {
    var stream = RandomStream(seed: 9).split(3)
    _ = stream.next()
    _ = stream.next()
    var words = [UInt32](repeating: 0, count: 8)
    bnn_philox_words(9, stream.substream, 1, &words, 2)
    var expected = [Float](repeating: 0, count: 8)
    bnn_normals_of_words(words, &expected, 4)
    var after = stream
    #expect(normals(&after, 5) == Array(expected[..<5]))
    for _ in 0..<4 { _ = stream.next() }
    #expect(stream.next() == after.next(), "five numbers use two blocks, which are four draws of 64 bits")
  }

  /// √(−2 log u) and the cosine and sine of the angle by the C library in double precision, for words of every size: in
  /// particular u next to 0 and to 1 and angles next to the axes, where a value is small against its terms. The bound is
  /// that of vector_noise.h: 4ε of the value itself, ε = 2⁻²³; 2.6 is the largest seen over 4e7.
  @Test func boxAndMullerIsAccurate() {
    let n = 1 << 18
    var words = [UInt32](repeating: 0, count: n)
    bnn_philox_words(4, 2, 0, &words, n / 4)
    for i in stride(from: 0, to: n, by: 2) {
      let shift = words[i + 1] & 31
      switch (i / 2) % 4 {
      case 0: words[i] >>= shift
      case 1: words[i] = ~(words[i] >> shift)
      case 2: words[i + 1] = (words[i + 1] << 29) &+ UInt32(bitPattern: Int32(bitPattern: words[i]) >> Int32(shift))
      default: break
      }
    }
    let edges: [UInt32] = [0, 1, .max, .max - 1, 1 << 31, 0xb504_f333, 0xb504_f334]
    for (i, edge) in edges.enumerated() { words[2 * i] = edge }
    var values = [Float](repeating: 0, count: n)
    bnn_normals_of_words(words, &values, n / 2)
    var worst = 0.0
    for i in stride(from: 0, to: n, by: 2) {
      let (v, w) = (words[i], words[i + 1])
      // 1 − u is a whole number of 2⁻³²: the log of u next to 1 without rounding u.
      let logarithm = v >> 31 == 1 ? log1p(-Double(~v) * 0x1p-32) : log((Double(v) + 1) * 0x1p-32)
      let radius = (-2 * logarithm).squareRoot()
      // The rest by the nearest quarter of a turn is exact, as is the turn by it.
      let quarter = Int((UInt64(w) + (1 << 29)) >> 30)
      let rest = 2 * Double.pi * (Double(w) - Double(quarter) * 0x1p30) * 0x1p-32
      let (c, s) = [
        (cos(rest), sin(rest)), (-sin(rest), cos(rest)), (-cos(rest), -sin(rest)), (sin(rest), -cos(rest)),
      ][
        quarter % 4]
      for (value, expected) in [(values[i], radius * c), (values[i + 1], radius * s)] {
        let error = (Double(value) - expected).magnitude
        worst = max(worst, expected == 0 ? (error == 0 ? 0 : .infinity) : error / expected.magnitude)
        if !value.isFinite { worst = .infinity }
      }
    }
    #expect(worst < 4 * Double(Float.ulpOfOne), "\(worst / Double(Float.ulpOfOne)) ε")
    #expect(values.allSatisfy { $0.magnitude < 6.6605 })
  }

  @Test(arguments: [RandomStream(seed: 1), RandomStream(seed: 1).split(9)])
  func normalsFit(stream: RandomStream) throws {
    var stream = stream
    let n = 400_000
    let sample = normals(&stream, n).map { Double($0) }
    // The moments of N(0, 1): 0, 1, 0, 3, 0, 15; the variances of the powers 1, 2, 15, 96.
    expectMean(sample, is: 0, variance: 1)
    expectMean(sample, of: { $0 * $0 }, is: 1, variance: 2)
    expectMean(sample, of: { $0 * $0 * $0 }, is: 0, variance: 15)
    expectMean(sample, of: { $0 * $0 * $0 * $0 }, is: 3, variance: 96)
    func cell(_ x: Double) -> Int { min(255, Int(Distributions.normalCDF(x) * 256)) }
    var counts = [Int](repeating: 0, count: 256)
    for x in sample { counts[cell(x)] += 1 }
    try expectFits(counts, [Double](repeating: Double(n) / 256, count: 256))
    // What Box and Muller could join: the two of a pair, the two pairs of a block, neighbouring blocks, neighbouring vectors.
    for distance in [1, 2, 4, 64] {
      var pairs = [Int](repeating: 0, count: 256)
      for i in stride(from: 0, to: n - distance, by: 2 * distance) {
        pairs[cell(sample[i]) / 16 * 16 + cell(sample[i + distance]) / 16] += 1
      }
      let total = Double(pairs.reduce(0, +))
      try expectFits(pairs, [Double](repeating: total / 256, count: 256), "numbers \(distance) apart")
      expectMean(
        (0..<(n - distance)).map { sample[$0] * sample[$0] * sample[$0 + distance] * sample[$0 + distance] - 1 },
        // Products of neighbours share a factor: less than three times the variance 8 of one.
        is: 0, variance: 24, "squares \(distance) apart")
    }
  }

  /// Counts beyond t against GSL's upper tail, within 6 standard errors of a Poisson count, out to the largest t that
  /// 2²⁵ draws are expected to pass a dozen times.
  @Test func tailsFit() {
    var stream = RandomStream(seed: 77)
    let (slices, size) = (512, 1 << 16)
    let thresholds: [Float] = [1, 2, 3, 3.5, 4, 4.5, 5]
    var (upper, lower) = ([Int](repeating: 0, count: 7), [Int](repeating: 0, count: 7))
    for _ in 0..<slices {
      for z in normals(&stream, size) where z.magnitude > 1 {
        for (i, t) in thresholds.enumerated() where z.magnitude > t {
          if z > 0 { upper[i] += 1 } else { lower[i] += 1 }
        }
      }
    }
    for (i, t) in thresholds.enumerated() {
      let expected = Double(slices * size) * gsl_cdf_ugaussian_Q(Double(t))
      for count in [upper[i], lower[i]] {
        #expect(
          (Double(count) - expected).magnitude < 6 * expected.squareRoot(), "\(count) beyond \(t), not \(expected)")
      }
    }
  }

  /// Lengths around a block, a vector, and the slices of the C loop.
  @Test(arguments: [0, 1, 2, 3, 4, 5, 7, 8, 31, 511, 512, 513, 1001, 1024])
  func anyLength(_ count: Int) {
    var (own, longer) = (RandomStream(seed: 6), RandomStream(seed: 6))
    var padded = [Float](repeating: 9, count: count + 2)
    padded.withUnsafeMutableBufferPointer {
      own.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[1..<(count + 1)]))
    }
    #expect(padded.first == 9 && padded.last == 9, "nothing is written outside the buffer")
    #expect(Array(padded[1..<(count + 1)]) == Array(normals(&longer, 2000)[..<count]))
    var next = RandomStream(seed: 6)
    for _ in 0..<(2 * ((count + 3) / 4)) { _ = next.next() }
    #expect(own.next() == next.next(), "the stream has moved on by the blocks used")
  }

  @Test func piecesAreTheWhole() {
    var whole = RandomStream(seed: 3).split(5)
    var pieces = whole
    let expected = normals(&whole, 2012)
    let parts = [4, 8, 512, 0, 12, 1000, 476].flatMap { normals(&pieces, $0) }
    #expect(parts == expected && pieces == whole)
  }

  /// A half of a block that next() has left is still there after a fill.
  @Test func aBufferedNumberStays() {
    var (stream, plain) = (RandomStream(seed: 8), RandomStream(seed: 8))
    #expect(stream.next() == plain.next())
    _ = normals(&stream, 8)
    #expect(stream.next() == plain.next())
    for _ in 0..<4 { _ = plain.next() }
    #expect(stream.next() == plain.next())
  }

  /// 7 standard errors of a mean of products of independent normals.
  @Test func splitsAndFillsAreUncorrelated() {
    let n = 200_000
    var parent = RandomStream(seed: 5)
    var others = [parent.split(0), parent.split(1), parent.split(0).split(0), RandomStream(seed: 6)]
    let first = normals(&parent, n)
    var samples = [normals(&parent, n)]
    for i in others.indices { samples.append(normals(&others[i], n)) }
    samples.insert(first, at: 0)
    for i in samples.indices {
      for j in 0..<i {
        let mean = zip(samples[i], samples[j]).reduce(0) { $0 + Double($1.0) * Double($1.1) } / Double(n)
        #expect(mean.magnitude < 7 / Double(n).squareRoot(), "\(i) and \(j)")
      }
    }
  }
}
