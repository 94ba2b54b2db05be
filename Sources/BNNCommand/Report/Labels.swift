/// Puts names beside points so that neither names nor points cover each other.
struct Labels {
  private struct Box {
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>

    func overlaps(_ other: Box) -> Bool { x.overlaps(other.x) && y.overlaps(other.y) }
  }

  private let frame: Box
  private var taken: [Box]

  init(within x: ClosedRange<Double>, _ y: ClosedRange<Double>, points: [(x: Double, y: Double)], radius: Double = 5) {
    frame = Box(x: x, y: y)
    taken = points.map {
      Box(x: ($0.x - radius)...($0.x + radius), y: ($0.y - radius)...($0.y + radius))
    }
  }

  /// The left end of the name's baseline: the nearest free place around the point, beside it when there is none.
  ///
  /// - Returns: the place, and the end of a line that leads to it from the point when it is not next to it.
  mutating func place(_ text: String, at point: (x: Double, y: Double)) -> (
    x: Double, y: Double, leader: (x: Double, y: Double)?
  ) {
    let width = 6.8 * Double(text.count) + 4
    let (above, below) = (9.0, 3.0)
    func box(_ x: Double, _ y: Double) -> Box { Box(x: x...(x + width), y: (y - above)...(y + below)) }
    for distance in [8.0, 14, 22, 32, 44, 58, 74, 92] {
      let candidates = [
        (point.x + distance, point.y + 4), (point.x - distance - width, point.y + 4),
        (point.x - width / 2, point.y - distance), (point.x - width / 2, point.y + distance + above),
        (point.x + distance * 0.7, point.y - distance * 0.7), (point.x + distance * 0.7, point.y + distance * 0.7 + 8),
        (point.x - distance * 0.7 - width, point.y - distance * 0.7),
        (point.x - distance * 0.7 - width, point.y + distance * 0.7 + 8),
      ]
      for (x, y) in candidates {
        let place = box(x, y)
        let isInside =
          place.x.lowerBound >= frame.x.lowerBound && place.x.upperBound <= frame.x.upperBound
          && place.y.lowerBound >= frame.y.lowerBound && place.y.upperBound <= frame.y.upperBound
        guard isInside, !taken.contains(where: place.overlaps) else { continue }
        taken.append(place)
        let end = (
          x: min(max(point.x, x), x + width), y: min(max(point.y, y - above + 2), y + below - 1)
        )
        return (x, y, distance > 8 ? end : nil)
      }
    }
    return (min(point.x + 8, frame.x.upperBound - width), point.y + 4, nil)
  }

  /// Heights at least `gap` apart, each as near to where it was wanted as the order allows, none outside `range`.
  static func spread(_ wanted: [Double], gap: Double, within range: ClosedRange<Double>) -> [Double] {
    let order = wanted.indices.sorted { wanted[$0] < wanted[$1] }
    var result = wanted
    var next = range.lowerBound
    for index in order {
      result[index] = max(wanted[index], next)
      next = result[index] + gap
    }
    var limit = range.upperBound
    for index in order.reversed() where result[index] > limit {
      result[index] = limit
      limit -= gap
    }
    // The second pass may have pushed into names that were not beyond the end themselves.
    for (earlier, later) in zip(order, order.dropFirst()).reversed() {
      result[earlier] = min(result[earlier], result[later] - gap)
    }
    return result
  }
}
