import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How one run of the command ended.
struct Outcome {
  /// The exit code; 128 + signal when a signal ended it, 1000 when it had to be killed because it did not end.
  var exit: Int32
  var stdout: String
  var stderr: String

  var errorLines: [Substring] { stderr.split(separator: "\n") }
  var outputLines: [Substring] { stdout.split(separator: "\n") }
}

/// A fresh folder in which the built command runs; removed when released.
final class Scratch: Sendable {
  /// The folder in which the command runs.
  let path: String
  private let streams: String

  init() {
    var template = Array("\(NSTemporaryDirectory())/bnn-command-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("no temporary folder") }
    let top = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    path = top + "/work"
    streams = top + "/streams"
    mkdir(path, 0o755)
    mkdir(streams, 0o755)
  }

  deinit { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }

  /// All names in the folder, hidden ones too, sorted.
  var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  func write(_ name: String, _ text: String) { write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) {
    let written = FileManager.default.createFile(atPath: "\(path)/\(name)", contents: Data(bytes))
    precondition(written, "cannot write \(name)")
  }

  func bytes(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: "\(path)/\(name)") ?? Data()) }
  func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }

  /// Runs `bnn-update` with these arguments to its end.
  @discardableResult
  func run(_ arguments: String..., stdin: String? = nil, environment: [String: String] = [:]) -> Outcome {
    run(arguments, stdin: stdin, environment: environment)
  }

  @discardableResult
  func run(_ arguments: [String], stdin: String? = nil, environment: [String: String] = [:]) -> Outcome {
    start(Command.binary, arguments, stdin: stdin, environment: environment).wait()
  }

  /// Runs a line of shell in the folder; `$BNN` is the command, and `bnn-update` is on the path.
  @discardableResult
  func shell(_ line: String) -> Outcome {
    let folder = URL(fileURLWithPath: Command.binary).deletingLastPathComponent().path
    let own = ["BNN": Command.binary, "PATH": folder + ":/usr/local/bin:/usr/bin:/bin"]
    return start("/bin/sh", ["-c", line], stdin: nil, environment: own).wait()
  }

  /// Starts `bnn-update` without waiting for its end.
  func start(_ arguments: String...) -> RunningCommand {
    start(Command.binary, arguments, stdin: nil, environment: [:])
  }

  private func start(
    _ program: String, _ arguments: [String], stdin: String?, environment: [String: String]
  ) -> RunningCommand {
    let name = "\(streams)/\(UUID().uuidString)"
    if let stdin { _ = FileManager.default.createFile(atPath: name + ".in", contents: Data(stdin.utf8)) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, stdin == nil ? "/dev/null" : name + ".in", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, name + ".out", O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, name + ".err", O_WRONLY | O_CREAT, 0o600)
    let own = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no"]
    let variables = own.merging(environment) { $1 }.map { "\($0)=\($1)" }
    // The shell goes to the folder and becomes the program: the process is the same, signals reach it.
    let words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", path, program] + arguments
    var argv = words.map { strdup($0) } + [nil]
    var envp = variables.map { strdup($0) } + [nil]
    defer { (argv + envp).forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawn(&child, "/bin/sh", &actions, nil, &argv, &envp)
    precondition(status == 0, "cannot start \(program): \(String(cString: strerror(status)))")
    return RunningCommand(child: child, streams: name)
  }
}

/// A command that was started.
struct RunningCommand {
  let child: pid_t
  fileprivate let streams: String

  func interrupt(_ signal: Int32 = SIGINT) { kill(child, signal) }

  /// Waits for the end, at most two minutes.
  func wait() -> Outcome {
    var status: Int32 = 0
    var killed = false
    let started = Date()
    while waitpid(child, &status, WNOHANG) == 0 {
      if !killed, Date().timeIntervalSince(started) > 120 {
        kill(child, SIGKILL)
        killed = true
      }
      usleep(2000)
    }
    let signal = status & 0x7F
    let code = killed ? 1000 : signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    return Outcome(exit: code, stdout: read(".out"), stderr: read(".err"))
  }

  private func read(_ suffix: String) -> String {
    String(decoding: FileManager.default.contents(atPath: streams + suffix) ?? Data(), as: UTF8.self)
  }
}

/// Where the built command is.
enum Command {
  /// Beside the program that runs these tests; else in the package's build folder.
  static let binary: String = {
    let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let tests = own ?? CommandLine.arguments[0]
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let candidates = [
      URL(fileURLWithPath: tests).deletingLastPathComponent().path + "/bnn-update",
      root + "/.build/release/bnn-update", root + "/.build/debug/bnn-update",
    ]
    guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
      fatalError("bnn-update is not built: run `swift build` with the same configuration first")
    }
    return found
  }()
}
