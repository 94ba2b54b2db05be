// MARK: Classes in groups

extension Schema {
  /// Whether groups have every class of `classes` once, two or more each, in ascending order.
  public static func areHeads(_ groups: [[Int]], of classes: Int) -> Bool {
    groups.allSatisfy { group in group.count >= 2 && zip(group, group.dropFirst()).allSatisfy { $0 < $1 } }
      && groups.flatMap { $0 }.sorted() == Array(0..<classes)
  }

  /// The labels of the classes of every head; nil where they are in no groups.
  public var headLabels: [[String]]? {
    guard let classes else { return nil }
    return heads?.map { $0.map { classes[$0] } }
  }

  /// Labels in groups as indices of the classes.
  ///
  /// - Throws: `DataError` for targets that are no classes, a head of one class, a label that is none of the classes or in two
  ///   places, and classes that are in no head.
  static func heads(_ groups: [[String]], of kind: TargetKind, file: String) throws(DataError) -> [[Int]] {
    func refusal(_ message: String, _ remedy: String) -> DataError {
      DataError(.usage, message, file: file, remedy: remedy)
    }
    guard case .classes(let labels) = kind else {
      throw refusal("heads are groups of classes, and the target has none", "leave --heads out, or declare --classes")
    }
    let all = "every class is in one head, as in --heads \"a,b;c,d\"; the classes are: \(listing(labels))"
    let codes = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
    var used: Set<Int> = []
    var result: [[Int]] = []
    for group in groups {
      var own: [Int] = []
      for label in group.map(Level.name(written:)) {
        guard let code = codes[label] else {
          throw refusal(
            "--heads has \"\(excerpt(label.utf8))\", which is none of the classes",
            all + "; classes that D1 lacks are declared with --classes")
        }
        guard used.insert(code).inserted else {
          throw refusal("--heads has the class \"\(excerpt(label.utf8))\" twice", all)
        }
        own.append(code)
      }
      guard own.count >= 2 else {
        throw refusal(
          "the head \"\(listing(group))\" has one class, which is no choice", "give a head two classes or more")
      }
      result.append(own.sorted())
    }
    let missing = labels.indices.filter { !used.contains($0) }.map { labels[$0] }
    guard missing.isEmpty else {
      throw refusal(
        "\(missing.count == 1 ? "the class" : "the classes") \(listing(missing)) \(missing.count == 1 ? "is" : "are") in no head of --heads",
        all)
    }
    return result
  }
}
