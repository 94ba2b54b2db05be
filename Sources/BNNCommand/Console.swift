import BNNPosteriorFile
import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where a run speaks: results on stdout, words on stderr, progress on stderr only when it is a terminal.
struct Console: Sendable {
  let json: Bool
  let quiet: Bool
  let showsProgress: Bool

  private let speaksJSON: Bool

  /// - Parameter speaksJSON: false for a step inside a run that prints the one object itself.
  init(json: Bool, quiet: Bool, speaksJSON: Bool = true) {
    self.json = json
    self.quiet = quiet
    self.speaksJSON = speaksJSON
    showsProgress = !quiet && isatty(STDERR_FILENO) == 1
  }

  /// A result line for people; nothing with `--json`.
  func say(_ text: String) { if !json { Self.write(Self.plain(text) + "\n", to: STDOUT_FILENO) } }

  /// A line that is worth knowing but is not the result.
  func note(_ text: String) {
    guard !quiet else { return }
    clearProgress()
    Self.write(Self.plain(text) + "\n", to: STDERR_FILENO)
  }

  /// The one object of `--json`.
  func result(_ object: [(String, JSONText)]) {
    guard json, speaksJSON else { return }
    Self.write(JSONText.object([("schema_version", .integer(1))] + object).text + "\n", to: STDOUT_FILENO)
  }

  /// Rewrites the progress line; a no-op unless stderr is a terminal.
  func progress(_ text: String) {
    guard showsProgress else { return }
    Self.write("\r\u{1B}[K\(text)", to: STDERR_FILENO)
  }

  /// Text without control characters: column names and labels come from files, and a terminal obeys what it is sent.
  static func plain(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
      result.append(isControl ? "\u{FFFD}" : scalar)
    }
    return String(result)
  }

  func clearProgress() { if showsProgress { Self.write("\r\u{1B}[K", to: STDERR_FILENO) } }

  /// A standard stream that was closed becomes the null device; else the next file opened would take its place and
  /// messages would end in it.
  static func openStandardStreams() {
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
      _ = open("/dev/null", O_RDWR)
    }
  }

  /// Unbuffered, so that rows reach a pipe as they are made. A reader that went away ends the program in silence, as
  /// pipes do.
  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { buffer in
      var done = 0
      while done < buffer.count {
        let count = Foundation.write(descriptor, buffer.baseAddress! + done, buffer.count - done)
        if count < 0 {
          if errno == EINTR { continue }
          if errno == EPIPE { exit(ExitStatus.done) }
          guard descriptor == STDOUT_FILENO else { return }
          let reason = String(cString: strerror(errno))
          write("bnn-update: standard output cannot be written: \(reason)\n", to: STDERR_FILENO)
          exit(ExitStatus.cannotWrite)
        }
        done += count
      }
    }
  }
}

/// Ctrl-C takes temporary files away and ends with 130; whatever was there before stays as it was, but for a stream, which first
/// saves what it has.
enum Interruption {
  private static let lock = NSLock()
  nonisolated(unsafe) private static var saving: (@Sendable () -> String)?

  /// What to do first when a signal comes, on the signals' own queue, and what to say of it; nil: nothing.
  static func beforeEnding(_ body: (@Sendable () -> String)?) { lock.withLock { saving = body } }

  nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

  static func install() {
    signal(SIGPIPE, SIG_IGN)
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: DispatchQueue(label: "bnn-update.signals"))
      source.setEventHandler {
        let words = lock.withLock { saving }?() ?? "nothing was written"
        TemporaryFiles.removeAll()
        Console.write("\ninterrupted; \(words)\n", to: STDERR_FILENO)
        _exit(number == SIGINT ? ExitStatus.interrupted : 128 + number)
      }
      source.resume()
      sources.append(source)
    }
  }
}
