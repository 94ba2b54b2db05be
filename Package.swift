// swift-tools-version: 6.2
import PackageDescription

// Targets by floor; each imports only from lower floors (Tests/FloorPlanTests keeps it so).

let math: [LinkerSetting] = [.linkedLibrary("m")]

let package = Package(
  name: "bnn-update",
  products: [
    .library(name: "BNN", targets: ["BNN"]),
    .executable(name: "bnn-update", targets: ["bnn-update"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // MARK: Floor 0: C
    .systemLibrary(name: "CGSL", providers: [.apt(["libgsl-dev"])]),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLibCSV", providers: [.apt(["libcsv-dev"])]),
    .systemLibrary(name: "CXXHash", providers: [.apt(["libxxhash-dev"])]),

    // Elementwise loops and noise for several widths of vectors: what Swift cannot choose when the program starts.
    .target(name: "CVectorLoops", linkerSettings: math),

    // MARK: Floor 1: numbers, chance, bytes
    .target(name: "BNNLinearAlgebra", dependencies: ["COpenBLAS", "CVectorLoops"], linkerSettings: math),
    .target(name: "BNNProbability", dependencies: ["CGSL", "CVectorLoops"], linkerSettings: math),
    .target(name: "BNNSafetensors", exclude: ["ATTACKS.md"]),

    // MARK: Floor 2: data, models, posteriors
    .target(
      name: "BNNDatasets",
      dependencies: ["BNNLinearAlgebra", "CZlib", "CLibCSV", "CXXHash"]),
    .target(name: "BNNModels", dependencies: ["BNNLinearAlgebra", "BNNProbability"], linkerSettings: math),
    .target(name: "BNNPosteriors", dependencies: ["BNNLinearAlgebra", "BNNProbability"], linkerSettings: math),

    // MARK: Floor 3: engines
    .target(
      name: "BNNInference",
      dependencies: ["BNNPosteriors", "BNNModels", "BNNDatasets", "BNNLinearAlgebra", "BNNProbability"],
      linkerSettings: math),

    // MARK: Floor 4: the file
    .target(
      name: "BNNPosteriorFile",
      dependencies: [
        "BNNInference", "BNNPosteriors", "BNNModels", "BNNDatasets", "BNNSafetensors", "BNNLinearAlgebra", "CXXHash",
      ]),

    // MARK: Floor 5: the library's door and the command
    .target(
      name: "BNN",
      dependencies: [
        "BNNInference", "BNNPosteriorFile", "BNNPosteriors", "BNNModels", "BNNDatasets", "BNNLinearAlgebra",
        "BNNProbability",
      ]),
    .target(
      name: "BNNCommand",
      dependencies: [
        "BNNInference", "BNNPosteriorFile", "BNNPosteriors", "BNNModels", "BNNDatasets", "BNNLinearAlgebra",
        "BNNProbability",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["Demo/make_data.py", "Demo/SOURCE.md"],
      // In the code, not beside it: the command stays one file that can be copied to a server.
      resources: [.embedInCode("Demo/mauna_loa_co2.csv")]),

    // MARK: Floor 6
    .executableTarget(name: "bnn-update", dependencies: ["BNNCommand"]),

    // MARK: Tests
    .target(
      name: "BNNTestSupport",
      dependencies: ["BNNLinearAlgebra", "BNNProbability"],
      path: "Tests/BNNTestSupport"),
    .testTarget(
      name: "LinearAlgebraTests",
      dependencies: ["BNNLinearAlgebra", "BNNProbability", "BNNTestSupport", "CGSL", "COpenBLAS"]),
    .testTarget(
      name: "ProbabilityTests", dependencies: ["BNNProbability", "BNNTestSupport", "CGSL", "CVectorLoops"],
      exclude: ["Fixtures"]),
    .testTarget(name: "SafetensorsTests", dependencies: ["BNNSafetensors"], exclude: ["Fixtures"]),
    .testTarget(
      name: "DatasetsTests", dependencies: ["BNNDatasets", "BNNLinearAlgebra", "BNNProbability", "BNNTestSupport"],
      exclude: ["Fixtures"]),
    .testTarget(
      name: "ModelsTests", dependencies: ["BNNModels", "BNNLinearAlgebra", "BNNProbability", "BNNTestSupport"],
      exclude: ["Fixtures"]),
    .testTarget(
      name: "PosteriorsTests",
      dependencies: ["BNNPosteriors", "BNNLinearAlgebra", "BNNProbability", "BNNTestSupport", "CGSL"]),
    .testTarget(
      name: "InferenceTests",
      dependencies: [
        "BNNInference", "BNNPosteriorFile", "BNNPosteriors", "BNNModels", "BNNDatasets", "BNNLinearAlgebra",
        "BNNProbability", "BNNTestSupport", "CGSL",
      ],
      exclude: ["Fixtures"]),
    .testTarget(
      name: "PosteriorFileTests",
      dependencies: [
        "BNNPosteriorFile", "BNNInference", "BNNPosteriors", "BNNModels", "BNNDatasets", "BNNSafetensors",
        "BNNLinearAlgebra", "BNNProbability", "BNNTestSupport",
      ]),
    // The executable is a dependency so that a filtered `swift test` builds what these tests run.
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "bnn-update", "BNNCommand", "BNNPosteriorFile", "BNNInference", "BNNLinearAlgebra", "BNNTestSupport",
      ]),
    .testTarget(name: "NotebookTests", dependencies: []),
    .testTarget(name: "FloorPlanTests"),
  ],
  swiftLanguageModes: [.v6]
)
