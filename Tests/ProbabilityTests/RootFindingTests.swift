import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// The bracket ends a few ulps wide, so a root is found to 4 ulps, plus what rounding of f moves its sign change by
/// (the rounding of f over its slope, given at each test).
@Suite struct RootFindingTests {
  @Test func cubic() throws {
    // x³ − 2x − 5 = 0, Wallis's cubic; slope 11 at the root, terms up to 9, so rounding moves it by about 2 ulps.
    let root = try RootFinding.brent(2, 3) { $0 * $0 * $0 - 2 * $0 - 5 }
    #expect((root - 2.0945514815423265).magnitude <= 8 * 2.0.ulp)
  }

  @Test(arguments: [1e-300, 1e-8, 1, 1e8, 1e200])
  func rootsOfAnySize(root: Double) throws {
    // The sign of the difference is exact.
    let found = try RootFinding.brent(root * 0.1, root * 7) { ($0 - root) / root }
    #expect((found - root).magnitude <= 4 * root.ulp)
  }

  @Test func rootAtAnEndOfTheBracket() throws {
    #expect(try RootFinding.brent(1, 4) { $0 * $0 - 1 } == 1)
    #expect(try RootFinding.brent(-4, 2) { $0 * $0 * $0 - 8 } == 2)
    #expect(try RootFinding.brent(0, 3) { $0 } == 0)
    #expect(try RootFinding.brent(-3, 0) { $0 } == 0)
  }

  @Test func rootAtZeroInside() throws {
    #expect(try RootFinding.brent(-1, 3) { $0 } == 0)
    // sin keeps its sign's accuracy at 0; what is left is a bracket a few ulps wide around it.
    #expect(try RootFinding.brent(-1, 2) { sin($0) }.magnitude < 1e-300)
  }

  @Test func aJumpIsFoundToo() throws {
    let third = 1.0 / 3
    let found = try RootFinding.brent(0, 1) { $0 < third ? -1 : 1 }
    #expect((found - third).magnitude <= 4 * third.ulp)
  }

  @Test(arguments: Gen.seeds(30))
  func cubicsWithAChosenRoot(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let root = gen.normal()
    let curvature = gen.normal() * gen.normal()
    // Increasing, with the root exact: the factor is at least 0.1.
    let found = try RootFinding.brent(root - 3, root + 5) { x in
      (x - root) * (0.1 + (x - curvature) * (x - curvature))
    }
    #expect((found - root).magnitude <= 4 * root.magnitude.ulp)
  }

  @Test func flatFunctionsConverge() throws {
    // (x − 1)⁹: no slope at the root; the difference is exact, so the sign is too.
    let found = try RootFinding.brent(-1, 3.5) { pow($0 - 1, 9) }
    #expect((found - 1).magnitude <= 4 * 1.0.ulp)
  }

  @Test func oneSignIsRefused() {
    #expect(throws: GSLError.self) { try RootFinding.brent(1, 2) { $0 } }
    #expect(throws: GSLError.self) { try RootFinding.brent(-2, -1) { $0 } }
    #expect(throws: GSLError.self) { try RootFinding.brent(2, 1) { $0 - 1.5 } }
    #expect(throws: GSLError.self) { try RootFinding.brent(0, 1) { _ in .nan } }
  }

  @Test func theFunctionIsCalledInsideTheBracketOnly() throws {
    var least = Double.infinity
    var greatest = -Double.infinity
    _ = try RootFinding.brent(0.5, 20) { x in
      least = min(least, x)
      greatest = max(greatest, x)
      return log(x) - 1
    }
    #expect(least >= 0.5 && greatest <= 20)
  }
}
