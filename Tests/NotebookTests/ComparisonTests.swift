import Testing

@Suite struct ComparisonTests {
  @Test(arguments: [
    ("rmse 0.5", "rmse 0.5000001"), ("rmse 5e-1 ppm", "rmse 0.5 ppm"), ("  a   1.5 ", " a 1.5"), ("-3.0,x", "-3,x"),
    ("18 rows", "18 rows"), ("took [..] s", "took 0.31 s"), ("[..]", ""), ("a [..] b [..]c", "a x y b c"),
    ("(0.25)", "(0.25)"), ("d1.csv: 2.5%", "d1.csv: 2.5000002%"),
  ])
  func agreeing(_ page: String, _ output: String) {
    #expect(Comparison.agree(page, output, Tolerance()))
  }

  @Test(arguments: [
    ("rmse 0.5", "rmse 0.50001"), ("rmse 0.5", "rmse -0.5"), ("rmse 0.5", "mse 0.5"), ("rmse 0.5", "rmse nan"),
    ("rmse 0.5", "rmse"), ("rmse", "rmse 0.5"), ("a b", "ab"), ("1000000 rows", "1000001 rows"), ("d1.csv", "d2.csv"),
    ("0.1.2", "0.1.3"), ("a1.0", "a1.0000001"), ("took [..] s", "took 0.3"), (" a", "a"), ("0.0", "1e-9"),
  ])
  func differing(_ page: String, _ output: String) {
    #expect(!Comparison.agree(page, output, Tolerance()))
  }

  @Test func tolerances() {
    #expect(Comparison.agree("x 2.0", "x 2.1", Tolerance(relative: 0.1)))
    #expect(!Comparison.agree("x 2.0", "x 2.3", Tolerance(relative: 0.1)))
    #expect(!Comparison.agree("20 rows", "21 rows", Tolerance(relative: 0.1)), "counts are exact")
    #expect(Comparison.agree("x 1e-13", "x 3.0e-12", Tolerance(absolute: 1e-10)))
    #expect(!Comparison.agree("x 1e-13", "x 3.0e-10", Tolerance(absolute: 1e-10)))
  }

  @Test func linesMayBeLeftOut() {
    let output = ["one", "two", "three", "four", ""]
    func agrees(_ page: String...) -> Bool { Comparison.difference(page: page, output: output, Tolerance()) == nil }
    #expect(agrees("one", "two", "three", "four"))
    #expect(agrees("..."))
    #expect(agrees("one", "...", "four"))
    #expect(agrees("...", "three", "..."))
    #expect(agrees("one", "two", "...", "three", "four"))
    #expect(!agrees("one", "...", "three"))
    #expect(!agrees("two", "..."))
  }

  @Test func aDifferenceIsNamed() {
    func difference(_ page: [String], _ output: [String]) -> String? {
      Comparison.difference(page: page, output: output, Tolerance())
    }
    #expect(difference(["a", "b"], ["a", "c"]) == "the page says \"b\", the run says \"c\"")
    #expect(difference(["a", "b"], ["a"]) == "the page says \"b\", the run says nothing more")
    #expect(difference(["a"], ["a", "b"]) == "the page says nothing more, the run says \"b\"")
  }
}
