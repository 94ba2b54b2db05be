/// Why a posterior file could not be read or an output could not be written.
public struct PosteriorFileError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Kind: Sendable, Equatable {
    /// There is no such file, or it cannot be opened.
    case missing
    /// What is there is not a posterior file that this version can trust.
    case corrupt
    /// The output cannot be written.
    case cannotWrite
  }

  public let kind: Kind
  /// The file, as the user named it.
  public let file: String
  public let message: String
  /// What to do about it.
  public let remedy: String?

  public init(_ kind: Kind, file: String, _ message: String, remedy: String? = nil) {
    self.kind = kind
    self.file = file
    self.message = message
    self.remedy = remedy
  }

  public var description: String { "\(file): \(message)" + (remedy.map { "; \($0)" } ?? "") }
}
