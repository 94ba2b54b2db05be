/// Classes in groups, each with outputs of its own ("one head per task"): a partition of 0 ..< C into heads of two classes or
/// more. A row's class says which head the row belongs to, and the likelihood of the row is the softmax within it (van de Ven
/// & Tolias 2019, "Three scenarios for continual learning": task-incremental).
public struct ClassHeads: Hashable, Sendable {
  /// The classes of each head, ascending.
  public let groups: [[Int]]
  /// Of every class: its head, and its place among the head's classes.
  private let places: [(head: Int, position: Int)]

  /// - Throws: `LikelihoodError` for groups that are no partition of 0 ..< C, or a head of one class.
  public init(_ groups: [[Int]]) throws(LikelihoodError) {
    let count = groups.reduce(0) { $0 + $1.count }
    self.groups = groups.map { $0.sorted() }
    guard groups.allSatisfy({ $0.count >= 2 }) else { throw LikelihoodError("a head has two classes or more") }
    var places = [(head: Int, position: Int)?](repeating: nil, count: count)
    for (head, group) in self.groups.enumerated() {
      for (position, own) in group.enumerated() {
        guard places.indices.contains(own), places[own] == nil else {
          throw LikelihoodError("heads have every class from 0 to \(count - 1) once")
        }
        places[own] = (head, position)
      }
    }
    self.places = places.compactMap { $0 }
  }

  /// C.
  public var classes: Int { places.count }

  /// The head of a class, and the class's place among those of the head.
  public func place(of own: Int) -> (head: Int, position: Int) { places[own] }

  public static func == (a: ClassHeads, b: ClassHeads) -> Bool { a.groups == b.groups }

  public func hash(into hasher: inout Hasher) { hasher.combine(groups) }
}
