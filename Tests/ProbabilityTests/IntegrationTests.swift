import Foundation
import Testing

@testable import BNNProbability

/// Integrals over the real line against closed forms.
@Suite struct IntegrationTests {
  @Test(arguments: [1e-4, 1, 1e4]) func aGaussian(width: Double) throws {
    let knots = [-8 * width, 0, 8 * width]
    let found = try Integration.overReals(knots: knots, tolerance: 1e-10) { exp(-0.5 * ($0 / width) * ($0 / width)) }
    let expected = width * (2 * Double.pi).squareRoot()
    // Four pieces, each to the tolerance, absolute or relative.
    #expect(abs(found - expected) <= 4e-10 * max(1, expected))
  }

  @Test func heavyTails() throws {
    let found = try Integration.overReals(knots: [-8, 0, 8], tolerance: 1e-10) { 1 / (1 + $0 * $0) }
    #expect(abs(found - Double.pi) < 4e-10)
  }

  /// Steps far apart, as the distribution functions of members that disagree: between them the integrand is flat.
  @Test func farApart() throws {
    let found = try Integration.overReals(knots: [-8, 0, 8, 992, 1000, 1008], tolerance: 1e-10) { x in
      0.25 * (tanh(x) - tanh(x - 1000)) * (tanh(x) - tanh(x - 1000))
    }
    // ∫ (tanh x − tanh(x − c))²/4 dx = c coth c − 1.
    #expect(abs(found - 999) < 1e-6)
  }

  @Test func whatCannotBeIntegrated() {
    #expect(throws: GSLError.self) { try Integration.overReals(knots: [], tolerance: 1e-9) { _ in 0 } }
    #expect(throws: GSLError.self) { try Integration.overReals(knots: [0, 1], tolerance: 1e-9) { _ in .nan } }
    #expect(throws: GSLError.self) { try Integration.overReals(knots: [0, 1], tolerance: 1e-9) { _ in 1 } }
  }
}
