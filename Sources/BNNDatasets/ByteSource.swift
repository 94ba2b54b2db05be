/// The bytes of an input, unpacked if they are gzip data, through one buffer of fixed size.
///
/// Usage: look at `available()`, use some of it, say how much with `consume`. The view is good until the next call.
final class ByteSource {
  static let capacity = 1 << 18

  /// The name for messages.
  let name: String
  /// The number of bytes there will have been, if that is known without reading them.
  private let size: Int?
  private let reader: any ByteReader
  private let buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var ended = false
  private var consumed = 0

  /// Bytes as they are.
  init(_ reader: any ByteReader) {
    self.reader = reader
    name = reader.name
    size = reader.size
    buffer = .allocate(byteCount: Self.capacity, alignment: 16)
  }

  /// The bytes of a file; those that are gzip data, unpacked.
  init(unpacking file: InputFile) throws(DataError) {
    name = file.name
    var first = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.capacity, alignment: 16)
    var count = 0
    do throws(DataError) {
      while count < 4 {
        let more = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: first[count...]))
        if more == 0 { break }
        count += more
      }
    } catch {
      first.deallocate()
      throw error
    }
    if Inflater.recognises(UnsafeRawBufferPointer(rebasing: first[..<count])) {
      size = nil
      reader = try Inflater(file: file, input: first, count: count)
      first = .allocate(byteCount: Self.capacity, alignment: 16)
      count = 0
    } else {
      size = file.size
      reader = file
    }
    buffer = first
    end = count
    if reader is InputFile, name.lowercased().hasSuffix(".gz") {
      throw DataError(
        .badData, count == 0 ? "is empty" : "is named .gz but is not gzip data", file: name,
        remedy: count == 0 ? nil : "rename it if it is not compressed")
    }
  }

  deinit {
    buffer.deallocate()
  }

  /// The bytes not yet consumed: at least `count` of them, or all there are. Empty only at the end.
  func available(atLeast count: Int = 1) throws(DataError) -> UnsafeRawBufferPointer {
    precondition(count <= Self.capacity, "more bytes asked for at once than the buffer holds")
    while end - start < count, !ended {
      if start > 0 {
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
        end -= start
        start = 0
      }
      let space = UnsafeMutableRawBufferPointer(rebasing: buffer[end...])
      let more = try reader.read(into: space)
      ended = more == 0
      end += more
    }
    return UnsafeRawBufferPointer(rebasing: buffer[start..<end])
  }

  func consume(_ count: Int) {
    start += count
    consumed += count
  }

  /// The number of bytes yet to be consumed, if that is known without reading them.
  var unread: Int? { size.map { $0 - consumed } }

  /// Copies bytes until `target` is full or the source has ended; returns how many.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    var count = 0
    while count < target.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: target[count...])
      if start == end, rest.count >= Self.capacity, !ended {
        // Straight to where they are wanted.
        let more = try reader.read(into: rest)
        ended = more == 0
        if ended { break }
        consumed += more
        count += more
        continue
      }
      let bytes = try available().prefix(target.count - count)
      if bytes.isEmpty { break }
      rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
      consume(bytes.count)
      count += bytes.count
    }
    return count
  }
}
