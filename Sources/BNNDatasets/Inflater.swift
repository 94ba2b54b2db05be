import CZlib

/// A gzip stream, possibly of several members one after the other, unpacked as it is read.
///
/// Owns the compressed bytes already read and zlib's state, which must not move in memory.
final class Inflater: ByteReader {
  var name: String { file.name }
  var size: Int? { nil }
  private let file: any ByteReader
  private let input: UnsafeMutableRawBufferPointer
  private let stream: UnsafeMutablePointer<z_stream>
  private let ready: Bool
  private var betweenMembers = false
  private var ended = false

  /// Takes over `input`, whose first `count` bytes are the beginning of the file.
  init(file: any ByteReader, input: UnsafeMutableRawBufferPointer, count: Int) throws(DataError) {
    self.file = file
    self.input = input
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 31: the largest window, and a gzip header rather than a zlib one.
    ready = inflateInit2_(stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    guard ready else { throw DataError(.unreadable, "cannot be unpacked: out of memory", file: file.name) }
    present(count)
  }

  deinit {
    if ready { inflateEnd(stream) }
    stream.deinitialize(count: 1)
    stream.deallocate()
    input.deallocate()
  }

  static func recognises(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
  }

  /// Unpacks at least one byte unless the stream has ended; returns how many.
  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(target.count)
    while !ended, Int(stream.pointee.avail_out) == target.count {
      if stream.pointee.avail_in == 0 {
        let count = try file.read(into: input)
        if count == 0, betweenMembers {
          ended = true
          continue
        }
        guard count > 0 else {
          throw DataError(
            .badData, "the gzip data end too early", file: file.name, remedy: "the file is cut off: fetch it again")
        }
        present(count)
      }
      if betweenMembers, try !beginMember() { continue }
      switch inflate(stream, Z_NO_FLUSH) {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: betweenMembers = true
      default:
        throw DataError(
          .badData, "the gzip data are damaged", file: file.name, remedy: "fetch the file again or unpack it first")
      }
    }
    return target.count - Int(stream.pointee.avail_out)
  }

  private func present(_ count: Int) {
    stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(count)
  }

  /// Starts the next member; false while there are only the zeros with which tapes are padded.
  private func beginMember() throws(DataError) -> Bool {
    guard let next = stream.pointee.next_in else { return false }
    switch next.pointee {
    case 0x1F:
      inflateReset(stream)
      betweenMembers = false
      return true
    case 0:
      stream.pointee.next_in = next + 1
      stream.pointee.avail_in -= 1
      return false
    default:
      throw DataError(
        .badData, "other bytes follow the gzip data", file: file.name, remedy: "unpack the file and look at its end")
    }
  }
}
