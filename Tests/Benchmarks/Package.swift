// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who uses or tests the library builds it:
//     cd Tests/Benchmarks && swift package benchmark

let package = Package(
  name: "bnn-update-benchmarks",
  dependencies: [
    .package(name: "bnn-update", path: "../.."),
    // Without the trait that needs jemalloc.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "Speed",
      dependencies: [
        .product(name: "BNN", package: "bnn-update"),
        .product(name: "Benchmark", package: "benchmark"),
      ],
      path: "Benchmarks/Speed",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ],
  swiftLanguageModes: [.v6]
)
