import COpenBLAS
import Testing

@testable import BNNLinearAlgebra

@Suite struct BLASThreadsTests {
  /// GSL loads libgslcblas too; the products must not come from that one.
  @Test func productsComeFromOpenBLAS() throws {
    let object = String(cString: try #require(bnn_blas_object()))
    let name = try #require(object.split(separator: "/").last)
    #expect(name.hasPrefix("libopenblas"), "cblas_dgemm comes from \(object)")
  }

  @Test(.enabled(if: BLASThreads.build != 0, "skipped: a serial OpenBLAS has no threads to count"))
  func preparedMeansOneThread() {
    BLASThreads.prepare()
    #expect(openblas_get_num_threads() == 1)
  }

  @Test func buildIsOneOfThree() { #expect((0...2).contains(BLASThreads.build)) }

  @Test(arguments: [-1, 0, 1, 2, 64])
  func workersAreAtLeastOne(requested: Int) {
    #expect(BLASThreads.workers(requested) == (BLASThreads.build == 0 ? 1 : max(1, requested)))
  }
}
