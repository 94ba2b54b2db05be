import BNNInference
import BNNPosteriorFile
import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Outputs appear whole or not at all. Serialised: one test sets the process's mask.
@Suite(.serialized) struct AtomicFileTests {
  private func refusal(_ bytes: [UInt8], _ path: String, replacing: Bool = false) -> PosteriorFileError? {
    do {
      try AtomicFile.write(bytes, to: path, replacing: replacing)
      return nil
    } catch {
      #expect(error.kind == .cannotWrite)
      #expect(error.file == path)
      return error
    }
  }

  @Test func aNewFileHoldsTheBytes() throws {
    let folder = try TemporaryFolder()
    for (name, content) in [("empty", []), ("small", [1, 2, 3]), ("large", [UInt8](repeating: 7, count: 3_000_000))] {
      #expect(refusal(content, folder.file(name)) == nil)
      #expect(try bytes(folder.file(name)) == content)
    }
    #expect(folder.content == ["empty", "large", "small"])
  }

  @Test func anExistingFileIsKept() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("p")
    #expect(refusal([1], path) == nil)
    #expect(try #require(refusal([2], path)).message.contains("exists"))
    #expect(try bytes(path) == [1])
    #expect(folder.content == ["p"], "nothing is left behind")
    #expect(throws: PosteriorFileError.self) { try PosteriorFile.write(Kind.linear.posterior(), to: path) }
    #expect(try bytes(path) == [1])
    #expect(throws: PosteriorFileError.self) { try AtomicFile.check(path, replacing: false) }
  }

  @Test func replacing() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("p")
    #expect(refusal([1], path, replacing: true) == nil)
    #expect(refusal([2, 3], path, replacing: true) == nil)
    #expect(try bytes(path) == [2, 3])
    #expect(folder.content == ["p"])
    let posterior = try Kind.linear.posterior()
    let digest = try PosteriorFile.write(posterior, to: path, replacing: true)
    #expect(try PosteriorFile(path: path).digest == digest)
  }

  /// Readers of the old file keep it: a replacement is another file under the same name.
  @Test func replacingLeavesOpenReadersAlone() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("p")
    #expect(refusal([1, 1], path) == nil)
    let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    #expect(refusal([2], path, replacing: true) == nil)
    #expect(try reader.readToEnd() == Data([1, 1]))
  }

  @Test(arguments: [false, true]) func symbolicLinksAreRefused(replacing: Bool) throws {
    let folder = try TemporaryFolder()
    #expect(refusal([1], folder.file("real")) == nil)
    #expect(symlink(folder.file("real"), folder.file("link")) == 0)
    #expect(symlink(folder.file("nowhere"), folder.file("dangling")) == 0)
    for name in ["link", "dangling"] {
      let error = try #require(refusal([2], folder.file(name), replacing: replacing))
      #expect(error.message.contains("symbolic link"))
    }
    #expect(try bytes(folder.file("real")) == [1])
    #expect(folder.content == ["dangling", "link", "real"])
  }

  @Test(arguments: [false, true]) func placesThatCannotBeWritten(replacing: Bool) throws {
    let folder = try TemporaryFolder()
    #expect(refusal([1], folder.file("plain")) == nil)
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    for path in [
      folder.path, folder.file("missing/p"), folder.file("plain/p"), folder.file("pipe"), "/proc/posterior", "", "/",
    ] {
      #expect(refusal([2], path, replacing: replacing) != nil, "\(path)")
    }
    #expect(folder.content == ["pipe", "plain"], "nothing is left behind")
    #expect(try bytes(folder.file("plain")) == [1])
  }

  @Test func checkSaysBeforehand() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.check(folder.file("p"), replacing: false)
    #expect(folder.content.isEmpty, "checking writes nothing")
    for path in [folder.path, folder.file("missing/p")] {
      #expect(throws: PosteriorFileError.self) { try AtomicFile.check(path, replacing: true) }
    }
  }

  @Test func modesFollowTheMask() throws {
    let folder = try TemporaryFolder()
    let before = umask(0)
    defer { umask(before) }
    for mask in [mode_t(0o022), 0o077, 0o002, 0] {
      umask(mask)
      let path = folder.file("mask-\(mask)")
      #expect(refusal([1], path) == nil)
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o666 & ~mask, "mask \(String(mask, radix: 8))")
      #expect(umask(mask) == mask, "writing leaves the mask alone")
    }
  }

  /// A name without a folder is one in the working folder; checked only, so that the test leaves it alone.
  @Test func aBareNameIsInTheWorkingFolder() throws {
    try AtomicFile.check("posterior-\(UUID().uuidString).safetensors", replacing: false)
  }

  /// Writers that race for a new name: one wins, whole, and the others are refused.
  @Test func oneOfManyWritersWins() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("p")
    let wins = Wins()
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      let content = [UInt8](repeating: UInt8(index), count: 50_000)
      if (try? AtomicFile.write(content, to: path, replacing: false)) != nil { wins.add(index) }
    }
    let winner = try #require(wins.list.first)
    #expect(wins.list.count == 1)
    #expect(try bytes(path) == [UInt8](repeating: UInt8(winner), count: 50_000))
    #expect(folder.content == ["p"])
  }

  private final class Wins: @unchecked Sendable {
    private let lock = NSLock()
    private var winners: [Int] = []
    func add(_ index: Int) { lock.withLock { winners.append(index) } }
    var list: [Int] { lock.withLock { winners } }
  }
}
