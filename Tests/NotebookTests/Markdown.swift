import Foundation

/// A page: Markdown of which the fenced blocks are read and everything else is left alone.
struct Page: Sendable {
  let name: String
  var lines: [String]
  /// What `<!-- needs: path -->` names, relative to the repository.
  let needs: [String]
  let blocks: [Block]

  struct SyntaxError: Error, CustomStringConvertible {
    let line: Int
    let description: String
  }

  /// A fenced block: ```` ```language key=value ````.
  struct Block: Sendable, Equatable {
    let language: String
    let tolerance: Tolerance
    /// Indices of the lines between the fences.
    let content: Range<Int>
    /// Number of the opening fence's line, counted from 1.
    var line: Int { content.lowerBound }
  }

  init(path: String) throws {
    try self.init(
      name: URL(fileURLWithPath: path).lastPathComponent, text: String(contentsOfFile: path, encoding: .utf8))
  }

  init(name: String, text: String) throws {
    self.name = name
    lines = text.components(separatedBy: "\n")
    var needs: [String] = []
    var blocks: [Block] = []
    var open: (fence: String, info: String, start: Int)?
    for (index, line) in lines.enumerated() {
      let ticks = String(line.prefix { $0 == "`" })
      if let block = open {
        guard ticks.count >= block.fence.count, line.drop(while: { $0 == "`" }).allSatisfy(\.isWhitespace) else {
          continue
        }
        blocks.append(try Self.block(block.info, block.start..<index))
        open = nil
      } else if ticks.count >= 3 {
        open = (ticks, String(line.dropFirst(ticks.count)), index + 1)
      } else if let match = line.wholeMatch(of: #/<!-- needs: (.+?) -->/#) {
        needs.append(String(match.1))
      }
    }
    if let open { throw SyntaxError(line: open.start, description: "this block is never closed") }
    self.needs = needs
    self.blocks = blocks
  }

  private static func block(_ info: String, _ content: Range<Int>) throws -> Block {
    let words = info.split(separator: " ")
    var tolerance = Tolerance()
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1)
      let value = parts.count == 2 ? Double(parts[1]) : nil
      switch (parts[0], value) {
      case ("tolerance", let value?) where value >= 0: tolerance.relative = value
      case ("absolute", let value?) where value >= 0: tolerance.absolute = value
      default:
        throw SyntaxError(
          line: content.lowerBound, description: "\"\(word)\" is neither tolerance=NUMBER nor absolute=NUMBER")
      }
    }
    return Block(language: words.first.map(String.init) ?? "", tolerance: tolerance, content: content)
  }

  /// The lines of a block.
  func content(of block: Block) -> [String] { Array(lines[block.content]) }

  /// The page with these ranges of lines replaced; ranges must not overlap.
  func text(with edits: [Edit]) -> String {
    var lines = lines
    for edit in edits.sorted(by: { $0.range.lowerBound > $1.range.lowerBound }) {
      lines.replaceSubrange(edit.range, with: edit.lines)
    }
    return lines.joined(separator: "\n")
  }
}

/// New lines for a range of a page.
struct Edit: Sendable, Equatable {
  let range: Range<Int>
  let lines: [String]
}

/// One command of a console block and what the page says it does.
struct Exchange: Sendable, Equatable {
  /// The text after `$ `, with the lines after `> ` below it.
  let command: String
  let status: Int32
  let output: [String]
  /// Number of the command's line, counted from 1.
  let line: Int
  /// Indices of the status and output lines.
  let answer: Range<Int>
}

extension Page {
  /// The exchanges of a console block: `$ command`, `> ` continuation lines, `? status` if it is not 0, output.
  func exchanges(of block: Block) throws -> [Exchange] {
    var index = block.content.lowerBound
    var result: [Exchange] = []
    while index < block.content.upperBound {
      guard lines[index].hasPrefix("$ ") else {
        throw SyntaxError(line: index + 1, description: "a console block begins with a command: $ …")
      }
      let line = index + 1
      var command = [String(lines[index].dropFirst(2))]
      index += 1
      while index < block.content.upperBound, lines[index].hasPrefix("> ") {
        command.append(String(lines[index].dropFirst(2)))
        index += 1
      }
      let start = index
      var status: Int32 = 0
      if index < block.content.upperBound, let match = lines[index].wholeMatch(of: #/\? ([0-9]+)/#) {
        status = Int32(match.1) ?? 0
        index += 1
      }
      let first = index
      while index < block.content.upperBound, !lines[index].hasPrefix("$ ") { index += 1 }
      result.append(
        Exchange(
          command: command.joined(separator: "\n"), status: status, output: Array(lines[first..<index]), line: line,
          answer: start..<index))
    }
    return result
  }
}
