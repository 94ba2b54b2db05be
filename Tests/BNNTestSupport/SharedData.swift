import Foundation
import Testing

/// A file or folder of ../shared/data (beside the checkout), nil when it is not there.
public func sharedData(_ relative: String, from file: String = #filePath) -> URL? {
  var folder = URL(fileURLWithPath: file).deletingLastPathComponent()
  while folder.path != "/" {
    if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
      let root = folder.deletingLastPathComponent().appendingPathComponent("shared/data")
      let found = root.appendingPathComponent(relative)
      return FileManager.default.fileExists(atPath: found.path) ? found : nil
    }
    folder = folder.deletingLastPathComponent()
  }
  return nil
}

extension Trait where Self == ConditionTrait {
  /// Skips the test, and says so, on a machine without this part of ../shared/data.
  public static func needsSharedData(_ relative: String = "") -> ConditionTrait {
    .enabled(if: sharedData(relative) != nil, "skipped: ../shared/data is not there")
  }
}
