public struct Schema: Codable, Hashable, Sendable { public var features: [String]; public var targets: [String]
  public init(features: [String], targets: [String]) { self.features = features; self.targets = targets } }
public struct Normalisation: Codable, Hashable, Sendable { public var featureCenter, featureScale, targetCenter, targetScale: [Double]
  public init(featureCenter: [Double], featureScale: [Double], targetCenter: [Double], targetScale: [Double]) { self.featureCenter = featureCenter; self.featureScale = featureScale; self.targetCenter = targetCenter; self.targetScale = targetScale } }
