import Foundation
import Testing

/// What the command says of itself, read from the declaration that help, completions and the man page are made of.
@Suite("help, completions and README") struct HelpTests {
  /// One subcommand of `--experimental-dump-help`, the argument parser's machine-readable help.
  struct Entry: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind: String
        var name: String
      }
      var kind: String
      var shouldDisplay: Bool
      var abstract: String?
      var valueName: String?
      var names: [Name]?
    }
    var commandName: String
    var abstract: String?
    var arguments: [Argument]?
    var subcommands: [Entry]?
  }

  struct Dump: Decodable { var command: Entry }

  let folder = Scratch()

  private func root() throws -> Entry {
    let dump = folder.run("--experimental-dump-help")
    return try JSONDecoder().decode(Dump.self, from: Data(dump.stdout.utf8)).command
  }

  private func subcommands() throws -> [Entry] {
    try (root().subcommands ?? []).filter { $0.commandName != "help" }
  }

  @Test("every argument, flag and subcommand has its words")
  func words() throws {
    let all = try [root()] + subcommands()
    #expect(all.count > 6)
    for entry in all {
      #expect(entry.abstract?.hasSuffix(".") == true, "\(entry.commandName): an abstract is a sentence")
      for argument in entry.arguments ?? [] where argument.shouldDisplay {
        let name = argument.names?.first?.name ?? argument.valueName ?? "–"
        #expect((argument.abstract ?? "").hasSuffix("."), "\(entry.commandName) \(name): help is a sentence")
      }
    }
  }

  @Test("help fits 80 columns, and the root's help names every subcommand")
  func width() throws {
    let whole = folder.run(["--help"], environment: ["COLUMNS": "80"]).succeeded().stdout
    for entry in try subcommands() {
      #expect(whole.contains("\n  \(entry.commandName) "), "\(entry.commandName)")
      let help = folder.run(["help", entry.commandName], environment: ["COLUMNS": "80"]).succeeded()
      for line in help.outputLines { #expect(line.count <= 80, "\(entry.commandName): \(line)") }
    }
  }

  @Test("README shows every subcommand")
  func readme() throws {
    let text = try Readme.text()
    for entry in try subcommands() {
      #expect(text.contains("bnn-update \(entry.commandName)"), "README does not show \(entry.commandName)")
    }
  }

  @Test(
    "completion scripts name every subcommand and its flags, and their shells accept them",
    arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let script = folder.run("--generate-completion-script", shell).succeeded().stdout
    for entry in try subcommands() {
      #expect(script.contains(entry.commandName))
      for argument in entry.arguments ?? [] {
        for name in argument.names ?? [] where name.kind == "long" {
          #expect(script.contains(name.name), "\(name.name)")
        }
      }
    }
    folder.write("completions", script)
    let check = folder.shell("if command -v \(shell) > /dev/null; then \(shell) -n completions; fi")
    #expect(check.exit == 0 && check.stderr.isEmpty, "\(check.stderr)")
  }

  @Test("bash completes subcommands and flags", .enabled(if: FileManager.default.fileExists(atPath: "/bin/bash")))
  func bashCompletes() throws {
    folder.write("completions", folder.run("--generate-completion-script", "bash").succeeded().stdout)
    func completed(_ words: [String]) -> Set<Substring> {
      let list = words.map { "'\($0)'" }.joined(separator: " ")
      folder.write(
        "ask.bash",
        """
        . ./completions
        COMP_WORDS=(bnn-update \(list)); COMP_CWORD=\(words.count); COMP_LINE="bnn-update \(words.joined(separator: " "))"
        COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
        $(complete -p bnn-update | sed 's/.*-F \\([^ ]*\\).*/\\1/') bnn-update '\(words.last ?? "")' x
        printf '%s\\n' "${COMPREPLY[@]}"
        """)
      return Set(folder.shell("bash ask.bash").outputLines.map { $0.trimmingCharacters(in: .whitespaces)[...] })
    }
    #expect(completed(["pre"]).contains("predict"))
    #expect(completed(["update", "--in"]).contains("--in-place"))
  }
}

/// The repository's front page.
enum Readme {
  static func text() throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
  }

  /// The fenced blocks of one language.
  static func blocks(_ language: String) throws -> [String] {
    try text().components(separatedBy: "\n```").enumerated().compactMap { index, part in
      // Every other piece is inside a fence.
      guard index % 2 == 1, let end = part.firstIndex(of: "\n"), part[..<end] == language else { return nil }
      return String(part[part.index(after: end)...])
    }
  }
}

@Suite("README's commands run") struct ReadmeTests {
  let folder = Scratch()

  @Test("the commands of every day, on a small table, and the Python that reads their file")
  func everyDay() throws {
    var table = Table.smooth(rows: 180, seed: 6)
    table.names = table.names.map { $0 == "y" ? "price" : $0 }
    let parts = [
      ("d1", 0..<60), ("d2", 60..<90), ("held_out", 90..<120), ("new", 120..<140), ("monday", 140..<160),
      ("tuesday", 160..<180),
    ]
    for (name, rows) in parts {
      folder.write("\(name).csv", table[rows].csv())
    }
    let commands = try Readme.blocks("sh").flatMap { $0.split(separator: "\n") }.filter {
      $0.hasPrefix("bnn-update ") && $0.contains(".safetensors")
    }
    #expect(commands.count >= 6)
    for command in commands {
      let run = folder.shell(String(command))
      #expect(run.exit == 0, "\(command): \(run.stderr)")
    }
    #expect(folder.text("predictions.csv").hasPrefix("mean,sd,"))
    guard folder.shell("python3 -c 'import numpy, safetensors'").exit == 0 else {
      print("skipped: no Python with safetensors here")
      return
    }
    let python = try Readme.blocks("python").joined(separator: "\n")
    folder.write("read.py", python + "\nprint(manifest['rows'], theta1.shape, w.shape)\n")
    #expect(folder.shell("python3 read.py").stdout == "90 (50, 3) (50, 3)\n")
  }
}
