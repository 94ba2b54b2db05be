import CZlib

/// The unpacked bytes of a member of a zip archive, checked against the size and the checksum of the directory. Each has
/// a place of its own in the file, so that several can be read in turns.
final class ZipMember: ByteReader {
  let name: String
  /// Bytes unpacked, as the directory says.
  let size: Int?
  private let input: TableInput
  private let entry: ZipArchive.Entry
  private var position: Int
  private let end: Int
  private var unpacked = 0
  private var crc = crc32(0, nil, 0)
  private var isChecked = false

  private let stream: UnsafeMutablePointer<z_stream>
  private let buffer: UnsafeMutableRawBufferPointer
  private var streamEnded = false

  init(input: TableInput, entry: ZipArchive.Entry, start: Int) throws(DataError) {
    self.input = input
    self.entry = entry
    name = "\(input.file), member \(excerpt(entry.name.utf8))"
    size = entry.unpacked
    position = start
    end = start + entry.packed
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    buffer = .allocate(byteCount: entry.isDeflated ? 1 << 16 : 0, alignment: 16)
    // −15: the largest window, and neither a gzip nor a zlib header.
    guard inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw DataError(.unreadable, "cannot be unpacked: out of memory", file: input.file)
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deinitialize(count: 1)
    stream.deallocate()
    buffer.deallocate()
  }

  func read(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    guard target.count > 0 else { return 0 }
    let count = entry.isDeflated ? try inflated(into: target) : try stored(into: target)
    unpacked += count
    crc = crc32(crc, target.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(count))
    guard unpacked <= entry.unpacked else { throw damaged("unpacks to more than the directory says") }
    if count == 0, !isChecked {
      isChecked = true
      guard unpacked == entry.unpacked else { throw damaged("unpacks to less than the directory says") }
      guard crc == UInt(entry.crc) else { throw damaged("does not match its checksum") }
    }
    return count
  }

  private func damaged(_ what: String) -> DataError {
    ZipArchive.damaged(input, "the member \"\(excerpt(entry.name.utf8))\" \(what)")
  }

  private func stored(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    let count = try input.read(
      into: UnsafeMutableRawBufferPointer(rebasing: target.prefix(min(end - position, 1 << 30))), at: position)
    position += count
    if count == 0, position < end { throw damaged("is cut off") }
    return count
  }

  private func inflated(into target: UnsafeMutableRawBufferPointer) throws(DataError) -> Int {
    let room = min(target.count, 1 << 30)
    stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(room)
    while !streamEnded, Int(stream.pointee.avail_out) == room {
      if stream.pointee.avail_in == 0 {
        let count = try input.read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(min(end - position, buffer.count))), at: position)
        guard count > 0 else { throw damaged("is cut off") }
        position += count
        stream.pointee.next_in = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
      }
      switch inflate(stream, Z_NO_FLUSH) {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: streamEnded = true
      default: throw damaged("cannot be unpacked")
      }
    }
    return room - Int(stream.pointee.avail_out)
  }
}
