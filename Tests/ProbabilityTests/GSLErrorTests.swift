import BNNProbability
import CGSL
import Foundation
import Testing

/// GSL's default handler aborts the process on the first error; every door of this library must switch it off.
@Suite struct GSLErrorTests {
  @Test(arguments: [0, -1, -0.5, -.infinity, .nan])
  func argumentsOutsideTheDomainThrow(x: Double) {
    #expect(throws: GSLError.self) { try SpecialFunctions.logGamma(x) }
    #expect(throws: GSLError.self) { try SpecialFunctions.digamma(x) }
    #expect(throws: GSLError.self) { try Distributions.studentCDF(1, degreesOfFreedom: x) }
    #expect(throws: GSLError.self) { try Distributions.studentQuantile(0.3, degreesOfFreedom: x) }
    #expect(throws: GSLError.self) { try Distributions.chiSquaredUpperTail(1, degreesOfFreedom: x) }
    #expect(throws: GSLError.self) { try Distributions.chiSquaredQuantile(0.3, degreesOfFreedom: x) }
    #expect(throws: GSLError.self) { try Distributions.fUpperTail(1, x, 2) }
    #expect(throws: GSLError.self) { try Distributions.fUpperTail(1, 2, x) }
  }

  @Test(arguments: [0, 1, -0.1, 1.1, .nan])
  func probabilitiesOutsideTheOpenIntervalThrow(p: Double) {
    #expect(throws: GSLError.self) { try Distributions.normalQuantile(p) }
    #expect(throws: GSLError.self) { try Distributions.studentQuantile(p, degreesOfFreedom: 3) }
    #expect(throws: GSLError.self) { try Distributions.studentQuantile(p, degreesOfFreedom: 1e9) }
    #expect(throws: GSLError.self) { try Distributions.chiSquaredQuantile(p, degreesOfFreedom: 3) }
  }

  @Test func gslsOwnStatusIsPassedOn() {
    let error = #expect(throws: GSLError.self) { try SpecialFunctions.logOnePlus(-2) }
    #expect(error?.function == "logOnePlus(-2.0)")
    #expect(error?.reason == String(cString: gsl_strerror(Int32(GSL_EDOM))))
    #expect(error?.description == "logOnePlus(-2.0): input domain error")
    #expect(throws: GSLError.self) { try SpecialFunctions.logOnePlus(-1) }
    #expect(throws: GSLError.self) { try SpecialFunctions.logGamma(.infinity) }
  }

  /// Shows that the tests below can fail.
  @Test func withoutTheDoorGSLAborts() async {
    await #expect(processExitsWith: .signal(SIGABRT)) { _ = gsl_sf_lngamma(-1) }
  }

  @Test func specialFunctionsSwitchTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      _ = try? SpecialFunctions.logOnePlus(-2)
      _ = gsl_sf_lngamma(-1)
    }
  }

  @Test func quantilesSwitchTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      _ = try? Distributions.normalQuantile(0.5)
      _ = gsl_sf_lngamma(-1)
    }
  }

  @Test func normalCDFSwitchesTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      _ = Distributions.normalCDF(1)
      _ = gsl_sf_lngamma(-1)
    }
  }

  @Test func studentCDFSwitchesTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      _ = try? Distributions.studentCDF(1, degreesOfFreedom: 2)
      _ = gsl_sf_lngamma(-1)
    }
  }

  @Test func upperTailsSwitchTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      _ = try? Distributions.chiSquaredUpperTail(1, degreesOfFreedom: 2)
      _ = gsl_sf_lngamma(-1)
    }
    await #expect(processExitsWith: .success) {
      _ = try? Distributions.fUpperTail(1, 2, 3)
      _ = gsl_sf_lngamma(-1)
    }
  }

  @Test func rootsSwitchTheHandlerOff() async {
    await #expect(processExitsWith: .success) { _ = try? RootFinding.brent(1, 2) { _ in 1 } }
  }

  @Test func samplersSwitchTheHandlerOff() async {
    await #expect(processExitsWith: .success) {
      var stream = RandomStream(seed: 1)
      _ = stream.normals(1)
      _ = gsl_sf_lngamma(-1)
    }
  }
}
