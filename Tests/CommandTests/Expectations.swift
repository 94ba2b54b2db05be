import Foundation
import Testing

extension Outcome {
  /// The one object on stdout.
  func object(_ location: SourceLocation = #_sourceLocation) -> [String: Any] {
    let value = try? JSONSerialization.jsonObject(with: Data(stdout.utf8))
    let object = value as? [String: Any]
    #expect(object != nil, "one JSON object: \(stdout) \(stderr)", sourceLocation: location)
    #expect(object?["schema_version"] as? Int == 1, sourceLocation: location)
    return object ?? [:]
  }

  /// Expects success with nothing on stderr but what `notes` allows.
  @discardableResult
  func succeeded(notes: Int = 0, _ location: SourceLocation = #_sourceLocation) -> Outcome {
    #expect(exit == 0, "\(stderr)", sourceLocation: location)
    #expect(errorLines.count == notes, "\(stderr)", sourceLocation: location)
    #expect(!stdout.lowercased().contains("nan"), "no silent NaN: \(stdout)", sourceLocation: location)
    return self
  }

  /// Expects this exit code, silence on stdout, and one line on stderr that holds `words` and nothing that only a
  /// programmer could read. Complaints of the argument parser may be followed by its usage.
  @discardableResult
  func failed(_ code: Int32, _ words: String..., location: SourceLocation = #_sourceLocation) -> Outcome {
    failed(code, words: words, location: location)
  }

  @discardableResult
  func failed(_ code: Int32, words: [String], location: SourceLocation = #_sourceLocation) -> Outcome {
    #expect(exit == code, "\(stderr)", sourceLocation: location)
    #expect(stdout.isEmpty, "\(stdout)", sourceLocation: location)
    isReadable(location)
    for word in words {
      #expect(errorLines.first?.contains(word) == true, "\"\(word)\" in: \(stderr)", sourceLocation: location)
    }
    return self
  }

  /// Expects one readable line on stderr.
  func isReadable(_ location: SourceLocation = #_sourceLocation) {
    let first = errorLines.first ?? ""
    #expect(first.hasPrefix("bnn-update: ") || first.hasPrefix("Error: "), "\(stderr)", sourceLocation: location)
    let rest = errorLines.dropFirst()
    let isUsage = rest.allSatisfy { line in
      ["Usage:", "  See '", "Help:", "       ", "\t"].contains { line.hasPrefix($0) }
    }
    #expect(rest.isEmpty || exit == 64 && isUsage, "one line: \(stderr)", sourceLocation: location)
    let foreign = ["Fatal error", "Swift.", "Optional(", "NSError", "Error(", "BNN", ".swift", "nil"]
    for word in foreign where stderr.replacingOccurrences(of: "bnn-update", with: "").contains(word) {
      Issue.record("\"\(word)\" is no word for people: \(stderr)", sourceLocation: location)
    }
    #expect(exit < 128 || exit == 130, "ended by a signal: \(stderr)", sourceLocation: location)
  }
}

extension Scratch {
  /// Removes a chain of posterior files and expects that the commands which `inspect` gives of the last make the same bytes again.
  func expectRemade(_ names: [String], _ comment: String, _ location: SourceLocation = #_sourceLocation) throws {
    let files = names.map { $0 + ".safetensors" }
    let before = files.map { bytes($0) }
    let lines = run("inspect", files[files.count - 1], "--command").succeeded(notes: 0, location).outputLines
    #expect(lines.count == files.count, sourceLocation: location)
    for file in files { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }
    for line in lines { shell(String(line)).succeeded(notes: 0, location) }
    for (file, own) in zip(files, before) {
      #expect(bytes(file) == own, "\(comment), \(file)", sourceLocation: location)
    }
  }
}

/// Whether `value` is what the documentation calls it: `number`, `integer`, `text`, `truth`, `list`, `object`, with `?`
/// where null is allowed.
func isKind(_ value: Any?, _ kind: String) -> Bool {
  if kind.hasSuffix("?") { return value is NSNull || isKind(value, String(kind.dropLast())) }
  switch kind {
  case "number": return value is NSNumber && !isTruth(value)
  case "integer": return value is Int && !isTruth(value)
  case "text": return value is String
  case "truth": return isTruth(value)
  case "list": return value is [Any]
  case "object": return value is [String: Any]
  default: return false
  }
}

/// 0 and 1 are bridged to `Bool` as well; only what was true or false has its type.
private func isTruth(_ value: Any?) -> Bool {
  guard let number = value as? NSNumber else { return false }
  return ["c", "B"].contains(String(cString: number.objCType))
}
